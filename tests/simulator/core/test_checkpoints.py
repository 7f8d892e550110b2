"""Checkpoints of machines without an inside: settings, files, the tree, what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import PREFIX, Client, settings_text
from tests.simulator.core.conftest import MakeHost

RUNNING, OFF, SAVED = 2, 3, 6
START, TURN_OFF, SAVE, PAUSE = 2, 3, 6, 9
FULL, DISK, RECOVERY = 2, 3, 32768
STANDARD, PRODUCTION_ONLY, DISABLED = 5, 4, 2
SNAPSHOT_SETTINGS = "Msvm_VirtualSystemSnapshotSettingData"
VSSD = "Msvm_VirtualSystemSettingData"
MERGING = 32772


@pytest.fixture
def machine(client: Client) -> CimReference:
    """A generation 2 machine with one disk, off."""
    machine = client.define("web")
    client.add_disk(machine, client.create_disk("C:\\web.vhdx"))
    return machine


def take(client: Client, machine: CimReference, kind: int = FULL, **settings: object) -> CimReference:
    """The new checkpoint, found as clients find it: by what the job has affected."""
    text = settings_text(SNAPSHOT_SETTINGS, **settings) if settings else ""
    outputs = client.do(
        client.snapshots, "CreateSnapshot", AffectedSystem=machine, SnapshotSettings=text, SnapshotType=kind
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    links = client.query(f"references of {{{client.path(job)}}} where ResultClass = Msvm_AffectedJobElement")
    (made,) = [link for link in links if link.get("ElementEffects") == [5]]
    checkpoint = made["AffectedElement"]
    assert isinstance(checkpoint, CimReference)
    return checkpoint


def modify(client: Client, machine: CimReference, **values: object) -> None:
    text = settings_text(VSSD, InstanceID=f"Microsoft:{machine.key('Name')}", **values)
    client.do(client.management, "ModifySystemSettings", SystemSettings=text)


def files(client: Client, owner: CimReference) -> list[str]:
    """The disks of a machine, or of a checkpoint by its settings."""
    key = owner.keys.get("Name") or str(owner.keys["InstanceID"]).removeprefix("Microsoft:")
    found = client.query(f"select * from Msvm_StorageAllocationSettingData where InstanceID like 'Microsoft:{key}%'")
    return [item.texts("HostResource")[0] for item in found]


def on_disk(client: Client) -> list[str]:
    return sorted(path.name for path in (client.inside.disks.folder.root / "C").glob("*.*vhd*"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_merge(client: Client, machine: CimReference) -> None:
    wait_until(lambda: not client.query("select * from Msvm_ConcreteJob where JobType = 50 and JobState < 7"))
    assert client.service.get(machine).get("OperationalStatus") == [2]


def ends(client: Client, association: str, machine: CimReference) -> list[object]:
    found = client.query(f"associators of {{{client.path(machine)}}} where AssocClass = {association}")
    return [item.get("InstanceID") for item in found]


class TestTaking:
    def test_the_machine_goes_on_in_a_child_and_the_checkpoint_has_its_disk(
        self, client: Client, machine: CimReference
    ) -> None:
        checkpoint = take(client, machine)

        assert files(client, checkpoint) == ["C:\\web.vhdx"]
        (child,) = files(client, machine)
        assert re.fullmatch(r"C:\\web_[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\.avhdx", child)
        assert client.inside.disks.chain(child) == [child, "C:\\web.vhdx"]

    def test_a_checkpoint_has_an_id_of_its_own_and_settings_under_it(
        self, client: Client, machine: CimReference
    ) -> None:
        # real-instances 1.4, 3.5
        checkpoint = client.service.get(take(client, machine))

        assert checkpoint.get("VirtualSystemType") == "Microsoft:Hyper-V:Snapshot:Realized"
        assert checkpoint.get("VirtualSystemIdentifier") == machine.key("Name")
        assert checkpoint.get("InstanceID") != f"Microsoft:{machine.key('Name')}"
        assert re.fullmatch(r"web - \(\d+/\d+/\d{4} - \d+:\d\d:\d\d [AP]M\)", checkpoint.text("ElementName"))
        parts = client.query(
            f"associators of {{{client.path(checkpoint)}}} where AssocClass = Msvm_VirtualSystemSettingDataComponent"
        )
        assert {"Msvm_MemorySettingData", "Msvm_ProcessorSettingData"} <= {part.class_name for part in parts}
        drive = next(part for part in parts if part.get("ResourceSubType") == f"{PREFIX}Synthetic Disk Drive")
        assert checkpoint.text("InstanceID").removeprefix("Microsoft:") in drive.text("Parent")

    def test_what_defines_the_machines_state_is_not_its_checkpoint(self, client: Client, machine: CimReference) -> None:
        # HVWMI snapshot_apply
        checkpoint = take(client, machine)
        assert ends(client, "Msvm_SettingsDefineState", machine) == [f"Microsoft:{machine.key('Name')}"]
        assert ends(client, "Msvm_SettingsDefineState", checkpoint) == []

    def test_the_second_goes_on_from_the_first(self, client: Client, machine: CimReference) -> None:
        first, second = take(client, machine), take(client, machine)

        assert client.service.get(first).get("Parent") is None
        assert client.service.get(second).get("Parent") == client.path(first)
        assert client.system_settings(machine).get("Parent") == client.path(second)
        assert set(ends(client, "Msvm_SnapshotOfVirtualSystem", machine)) == {
            first.key("InstanceID"),
            second.key("InstanceID"),
        }
        children = client.query(
            f"associators of {{{client.path(first)}}} where AssocClass = Msvm_ParentChildSettingData"
        )
        assert [child.get("InstanceID") for child in children] == [second.key("InstanceID")]
        assert ends(client, "Msvm_MostCurrentSnapshotInBranch", machine) == [second.key("InstanceID")]
        assert ends(client, "Msvm_LastAppliedSnapshot", machine) == []
        (link,) = client.query("select * from Msvm_MostCurrentSnapshotInBranch")
        assert (link.get("Antecedent"), link.get("Dependent")) == (machine, second)

    @pytest.mark.parametrize(("user_type", "has_memory"), [(3, False), (STANDARD, True)])
    def test_a_standard_checkpoint_of_a_running_machine_has_its_memory(
        self, client: Client, machine: CimReference, user_type: int, has_memory: bool
    ) -> None:
        modify(client, machine, UserSnapshotType=user_type)
        client.change_state(machine, START)

        checkpoint = take(client, machine)

        assert client.service.get(checkpoint).get("IsSaved") is has_memory
        assert client.state(machine) == RUNNING
        assert client.inside.disks.in_use(files(client, machine)[0])

    def test_where_the_guest_does_not_take_part_production_falls_back(
        self, client: Client, machine: CimReference
    ) -> None:
        client.change_state(machine, START)
        client.change_state(machine, PAUSE)

        assert client.service.get(take(client, machine)).get("IsSaved") is True
        assert client.service.get(take(client, machine, DISK)).get("IsSaved") is False

    def test_production_only_fails_then(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, UserSnapshotType=PRODUCTION_ONLY)
        client.change_state(machine, START)
        guest = client.inside.machines.find(str(machine.key("Name"))).guest  # type: ignore[union-attr]
        guest.integration = False  # type: ignore[union-attr]

        job = client.failed(
            client.snapshots, "CreateSnapshot", AffectedSystem=machine, SnapshotSettings="", SnapshotType=FULL
        )

        assert "Production checkpoints cannot be created for 'web'." in job.text("ErrorDescription")
        assert on_disk(client) == ["web.vhdx"]
        assert client.service.get(machine).get("OperationalStatus") == [2]

    def test_where_checkpoints_are_disabled_there_are_none(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, UserSnapshotType=DISABLED)

        job = client.failed(
            client.snapshots, "CreateSnapshot", AffectedSystem=machine, SnapshotSettings="", SnapshotType=FULL
        )

        assert "Checkpoints have been disabled for 'web'." in job.text("ErrorDescription")

    def test_a_shared_disk_is_left_out_only_when_asked_for(self, client: Client, machine: CimReference) -> None:
        client.inside.disks.folder.to_local("C:\\ClusterStorage\\Volume1").mkdir(parents=True)
        shared = client.add_disk(machine, client.create_disk("C:\\ClusterStorage\\Volume1\\shared.vhdx"))
        text = settings_text(
            "Msvm_StorageAllocationSettingData",
            InstanceID=shared.key("InstanceID"),
            PersistentReservationsSupported=True,
        )
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])

        job = client.failed(
            client.snapshots, "CreateSnapshot", AffectedSystem=machine, SnapshotSettings="", SnapshotType=FULL
        )
        assert "shareable VHDX" in job.text("ErrorDescription")
        take(client, machine, IgnoreNonSnapshottableDisks=True)
        assert "C:\\ClusterStorage\\Volume1\\shared.vhdx" in files(client, machine)

    @pytest.mark.parametrize(("values", "code"), [({"SnapshotType": 9}, 6), ({"SnapshotSettings": "<x/>"}, 32773)])
    def test_what_is_no_request_is_refused(
        self, client: Client, machine: CimReference, values: dict, code: int
    ) -> None:
        request = {"AffectedSystem": machine, "SnapshotSettings": "", "SnapshotType": FULL, **values}
        assert client.refused(client.snapshots, "CreateSnapshot", **request) == code

    def test_a_recovery_checkpoint_is_one_for_backup(self, client: Client, machine: CimReference) -> None:
        checkpoint = take(client, machine, RECOVERY, ConsistencyLevel=2)
        assert client.service.get(checkpoint).get("VirtualSystemType") == "Microsoft:Hyper-V:Snapshot:Recovery"

    def test_a_checkpoint_is_renamed(self, client: Client, machine: CimReference) -> None:
        # real-instances 3.5
        checkpoint = take(client, machine)
        text = settings_text(VSSD, InstanceID=checkpoint.key("InstanceID"), ElementName="before the update")
        outputs = client.call(client.management, "ModifySystemSettings", SystemSettings=text)
        assert outputs["ReturnValue"] == 0  # seen on a host: HVWMI snapshot_rename
        assert client.service.get(checkpoint).get("ElementName") == "before the update"
        text = settings_text(VSSD, InstanceID=checkpoint.key("InstanceID"), BIOSNumLock=True)
        assert client.refused(client.management, "ModifySystemSettings", SystemSettings=text) == 32773

    def test_lists_show_the_checkpoints_of_a_machine(self, client: Client, machine: CimReference) -> None:
        checkpoint = take(client, machine)
        asked = {"SettingData": [client.system_settings_reference(machine), checkpoint]}
        outputs = client.do(client.management, "GetSummaryInformation", RequestedInformation=[0, 1, 2, 107], **asked)
        of_machine, of_checkpoint = outputs["SummaryInformation"]  # type: ignore[misc]
        assert isinstance(of_machine, CimInstance)
        assert isinstance(of_checkpoint, CimInstance)
        assert of_machine.get("Snapshots") == [checkpoint]
        assert of_checkpoint.get("Name") == str(checkpoint.key("InstanceID")).removeprefix("Microsoft:")
        assert of_checkpoint.text("ElementName").startswith("web - (")


class TestApplying:
    def test_settings_and_disks_are_as_they_were(self, client: Client, machine: CimReference) -> None:
        checkpoint = take(client, machine)
        (lost,) = files(client, machine)
        client.add_nic(machine)
        modify(client, machine, ElementName="renamed", Notes=["kept"], SecureBootEnabled=False)

        client.do(client.snapshots, "ApplySnapshot", Snapshot=checkpoint)

        assert client.settings(machine, "Msvm_SyntheticEthernetPortSettingData") == []
        assert client.system_settings(machine).get("SecureBootEnabled") is True
        assert client.system_settings(machine).get("ElementName") == "renamed"
        assert client.system_settings(machine).get("Notes") == ["kept"]  # HVWMI snapshot_apply
        (child,) = files(client, machine)
        assert child != lost
        assert client.inside.disks.chain(child) == [child, "C:\\web.vhdx"]
        assert lost.removeprefix("C:\\") not in on_disk(client)
        assert ends(client, "Msvm_LastAppliedSnapshot", machine) == [checkpoint.key("InstanceID")]
        client.change_state(machine, START)

    def test_a_branch_begins_where_an_older_one_is_applied(self, client: Client, machine: CimReference) -> None:
        first, second = take(client, machine), take(client, machine)
        client.do(client.snapshots, "ApplySnapshot", Snapshot=first)
        third = take(client, machine)
        assert client.service.get(third).get("Parent") == client.path(first)
        assert files(client, second) != files(client, third)
        assert len(on_disk(client)) == 4

    def test_memory_comes_back_as_a_saved_machine(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, UserSnapshotType=STANDARD)
        client.change_state(machine, START)
        checkpoint = take(client, machine)
        client.change_state(machine, TURN_OFF)

        client.do(client.snapshots, "ApplySnapshot", Snapshot=checkpoint)

        assert client.state(machine) == SAVED
        client.change_state(machine, START)
        assert client.state(machine) == RUNNING

    def test_a_machine_that_runs_is_left_alone(self, client: Client, machine: CimReference) -> None:
        checkpoint = take(client, machine)
        client.change_state(machine, START)
        assert client.refused(client.snapshots, "ApplySnapshot", Snapshot=checkpoint) == 32775

    def test_cleared_memory_does_not_come_back(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, UserSnapshotType=STANDARD)
        client.change_state(machine, START)
        checkpoint = take(client, machine)
        client.change_state(machine, TURN_OFF)
        client.do(client.snapshots, "ClearSnapshotState", SnapshotSettingData=checkpoint)
        client.do(client.snapshots, "ApplySnapshot", Snapshot=checkpoint)
        assert client.state(machine) == OFF
        assert client.refused(client.snapshots, "ClearSnapshotState", SnapshotSettingData=checkpoint) == 32775


class TestDeleting:
    @pytest.mark.parametrize("state", [OFF, RUNNING])
    def test_the_only_one_is_merged_away(self, client: Client, machine: CimReference, state: int) -> None:
        if state == RUNNING:
            client.change_state(machine, START)
        checkpoint = take(client, machine)

        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=checkpoint)
        wait_for_merge(client, machine)

        assert files(client, machine) == ["C:\\web.vhdx"]
        assert on_disk(client) == ["web.vhdx"]
        assert client.system_settings(machine).get("Parent") is None
        assert (
            client.query(f"select * from CIM_SettingData where InstanceID like '{checkpoint.key('InstanceID')}%'") == []
        )
        assert client.state(machine) == state
        assert client.inside.disks.in_use("C:\\web.vhdx") is (state == RUNNING)

    def test_one_in_the_middle_leaves_its_neighbours(self, client: Client, machine: CimReference) -> None:
        first, middle, last = (take(client, machine) for _ in range(3))
        (kept,) = files(client, middle)

        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=middle)
        wait_for_merge(client, machine)

        assert client.service.get(last).get("Parent") == client.path(first)
        assert files(client, last) == [kept]
        (current,) = files(client, machine)
        assert client.inside.disks.chain(current) == [current, kept, "C:\\web.vhdx"]

    def test_where_two_branches_need_a_file_it_stays(self, client: Client, machine: CimReference) -> None:
        first = take(client, machine)
        second = take(client, machine)
        client.do(client.snapshots, "ApplySnapshot", Snapshot=first)
        (current,) = files(client, machine)

        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=first)
        wait_for_merge(client, machine)
        assert client.inside.disks.chain(current) == [current, "C:\\web.vhdx"]

        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=second)
        wait_for_merge(client, machine)
        assert on_disk(client) == ["web.vhdx"]

    def test_a_subtree_goes_at_once(self, client: Client, machine: CimReference) -> None:
        first = take(client, machine)
        second = take(client, machine)
        take(client, machine)

        client.do(client.snapshots, "DestroySnapshotTree", SnapshotSettingData=second)
        wait_for_merge(client, machine)

        assert ends(client, "Msvm_SnapshotOfVirtualSystem", machine) == [first.key("InstanceID")]
        assert len(on_disk(client)) == 2
        assert client.system_settings(machine).get("Parent") == client.path(first)

    def test_a_disk_that_somebody_made_with_a_parent_keeps_it(self, client: Client) -> None:
        base = client.create_disk("C:\\base.vhdx")
        text = settings_text("Msvm_VirtualHardDiskSettingData", Path="C:\\root.vhdx", Type=4, Format=3, ParentPath=base)
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        machine = client.define()
        client.add_disk(machine, "C:\\root.vhdx")
        checkpoint = take(client, machine)

        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=checkpoint)
        wait_for_merge(client, machine)

        assert client.inside.disks.chain("C:\\root.vhdx") == ["C:\\root.vhdx", base]

    def test_a_machine_is_destroyed_with_its_checkpoints(self, client: Client, machine: CimReference) -> None:
        for _ in range(2):
            take(client, machine)
        client.do(client.management, "DestroySystem", AffectedSystem=machine)
        assert on_disk(client) == ["web.vhdx"]
        found = client.query(f"select * from {VSSD} where VirtualSystemType like '%Snapshot%'")
        assert found == []

    def test_a_recovery_checkpoint_becomes_a_reference_point(self, client: Client, machine: CimReference) -> None:
        plain, recovery = take(client, machine), take(client, machine, RECOVERY)
        convert = "ConvertToReferencePoint"
        assert client.refused(client.snapshots, convert, AffectedSnapshot=plain) == 6

        client.do(client.snapshots, convert, AffectedSnapshot=recovery)
        wait_for_merge(client, machine)

        point = client.one("select * from Msvm_VirtualSystemReferencePoint")
        assert point.text("VirtualSystemIdentifier").upper() == machine.key("Name")
        assert ends(client, "Msvm_SnapshotOfVirtualSystem", machine) == [plain.key("InstanceID")]


class TestAutomatic:
    def test_a_start_takes_one_and_the_end_takes_it_away(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, AutomaticSnapshotsEnabled=True)

        client.change_state(machine, START)
        (taken,) = client.query(f"select * from {VSSD} where IsAutomaticSnapshot = true")
        assert taken.get("IsSaved") is False
        assert len(on_disk(client)) == 2

        client.change_state(machine, TURN_OFF)
        wait_until(lambda: on_disk(client) == ["web.vhdx"])
        assert ends(client, "Msvm_SnapshotOfVirtualSystem", machine) == []

    def test_a_machine_with_checkpoints_of_its_users_gets_none(self, client: Client, machine: CimReference) -> None:
        modify(client, machine, AutomaticSnapshotsEnabled=True)
        take(client, machine)
        client.change_state(machine, START)
        assert len(ends(client, "Msvm_SnapshotOfVirtualSystem", machine)) == 1


class TestRestart:
    def test_checkpoints_come_back(self, make_host: MakeHost) -> None:
        client = make_host()
        machine = client.define("web")
        client.add_disk(machine, client.create_disk("C:\\web.vhdx"))
        modify(client, machine, UserSnapshotType=STANDARD)
        client.change_state(machine, START)
        first = take(client, machine)
        client.change_state(machine, TURN_OFF)
        client.do(client.snapshots, "ApplySnapshot", Snapshot=first)
        take(client, machine)

        def picture(client: Client) -> list[CimInstance]:
            found = client.query("select * from CIM_SettingData where InstanceID like 'Microsoft:%-%'")
            return sorted(found, key=lambda item: (item.class_name, item.text("InstanceID")))

        before = picture(client), ends(client, "Msvm_SnapshotOfVirtualSystem", machine)
        client.inside.close()
        client = make_host()
        assert (picture(client), ends(client, "Msvm_SnapshotOfVirtualSystem", machine)) == before
        assert ends(client, "Msvm_LastAppliedSnapshot", machine) == [first.key("InstanceID")]
        client.do(client.snapshots, "ApplySnapshot", Snapshot=first)
        assert client.state(machine) == SAVED


def test_2012_r2_knows_only_standard_checkpoints(make_host: MakeHost) -> None:
    client = make_host(version="2012r2")
    machine = client.define("web")
    client.add_disk(machine, client.create_disk("C:\\web.vhdx"))
    client.change_state(machine, START)
    assert client.service.get(take(client, machine)).get("IsSaved") is True
