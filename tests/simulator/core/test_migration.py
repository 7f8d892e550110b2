"""Machines between two simulated hosts, and their files between folders of one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.assembly import Inside, assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.migration import MigrationConfig
from hyperv_simulator.fault_rules import FaultRule, FaultRules
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.outcomes import OperationFailed
from tests.simulator.core.client import Client, settings_text

MACHINE, STORAGE, STAGED, BOTH, DEEP_CHECK = range(32768, 32773)
DISKS = "Msvm_StorageAllocationSettingData"
PLANNED = "Msvm_PlannedComputerSystem"
RUNNING, OFF, SAVED, PAUSED = 2, 3, 6, 9
READY = MigrationConfig(enabled=True, authentication="kerberos", delegates_to=("*",))


class Hosts:
    """Hosts of one simulator that can reach each other, ready for migration unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._neighbours = Neighbours()
        self._insides: list[Inside] = []

    def add(self, migration: MigrationConfig = READY, domain: str = "hv.test", **settings: Any) -> Client:
        number = len(self._insides) + 1
        config = HostConfig(
            **{
                "name": f"hv{number}",
                "address": f"127.0.1.{number}",
                "domain": domain,
                "migration": migration,
                **settings,
            }
        )
        folder = self._folder / config.name
        folder.mkdir()
        inside = assemble(config, folder, FaultRules(config.fault), neighbours=self._neighbours)
        self._insides.append(inside)
        return Client(inside)

    def killed(self) -> Hosts:
        """The same hosts after their simulator was killed at this moment."""
        later = Hosts(self._folder / "later")
        shutil.rmtree(later._folder, ignore_errors=True)
        shutil.copytree(self._folder, later._folder, ignore=shutil.ignore_patterns("later"))
        for inside in self._insides:
            folder = later._folder / inside.config.name
            later._insides.append(assemble(inside.config, folder, FaultRules(), neighbours=later._neighbours))
        return later

    def clients(self) -> list[Client]:
        return [Client(inside) for inside in self._insides]

    def close(self) -> None:
        for inside in self._insides:
            inside.close()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.close()


@pytest.fixture
def source(hosts: Hosts) -> Client:
    return hosts.add()


@pytest.fixture
def destination(hosts: Hosts, source: Client) -> Client:
    return hosts.add()


@pytest.fixture
def equipped(source: Client) -> CimReference:
    """A machine with a disk and an adapter on the external switch."""
    machine = source.define()
    source.add_disk(machine, source.create_disk(r"C:\root.vhdx"))
    source.connect(machine, source.add_nic(machine))
    return machine


def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_VirtualSystemMigrationService")


def request(
    client: Client, machine: CimReference, kind: int, to: str = "hv2", disk: str = "", **settings: Any
) -> dict[str, CimValue]:
    """The parameters of a move.

    :param disk: where the machine's disk shall be; empty: not said.
    """
    resources = [
        settings_text(
            DISKS, InstanceID=item.get("InstanceID"), ResourceSubType=item.get("ResourceSubType"), HostResource=[disk]
        )
        for item in (client.settings(machine, DISKS) if disk else [])
    ]
    return {
        "ComputerSystem": machine,
        "DestinationHost": to,
        "MigrationSettingData": settings_text(
            "Msvm_VirtualSystemMigrationSettingData", MigrationType=kind, TransportType=5, **settings
        ),
        "NewResourceSettingData": list(resources),
    }


def move(
    client: Client, machine: CimReference, kind: int, to: str = "hv2", disk: str = "", **settings: Any
) -> CimInstance:
    """Moves it and gives the job."""
    outputs = client.do(
        service(client), "MigrateVirtualSystemToHost", **request(client, machine, kind, to, disk, **settings)
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    return client.service.get(job)


def why_not(
    client: Client, machine: CimReference, kind: int = BOTH, to: str = "hv2", disk: str = r"C:\root.vhdx"
) -> str:
    """What the job says of a move that fails; the machine is there as before."""
    before = client.state(machine)
    job = client.failed(service(client), "MigrateVirtualSystemToHost", **request(client, machine, kind, to, disk))
    assert job.class_name == "Msvm_MigrationJob"
    assert client.state(machine) == before
    assert client.service.get(machine).get("OperationalStatus") == [2]
    return job.text("ErrorDescription")


def machine_names(client: Client) -> list[str]:
    found = client.query(f"select Name from Msvm_ComputerSystem where Name <> '{client.host_name}'")
    return [item.text("Name") for item in found]


def at(client: Client, machine: CimReference) -> Machine:
    found = client.inside.machines.find(str(machine.key("Name")))
    assert found is not None
    return found


def files(client: Client) -> list[str]:
    folder = client.inside.disks.folder.root / "C"
    return sorted(path.name for path in folder.rglob("*.*vhd*"))


# Machines that move


@pytest.mark.parametrize("state", [RUNNING, PAUSED, SAVED, OFF])
def test_a_machine_moves_with_its_disk_and_keeps_its_state(
    source: Client, destination: Client, equipped: CimReference, state: int
) -> None:
    if state != OFF:
        source.change_state(equipped, RUNNING)
    if state in (PAUSED, SAVED):
        source.change_state(equipped, state)
    uptime = at(source, equipped).uptime_ms
    move(source, equipped, BOTH, disk=r"C:\there\root.vhdx")
    assert machine_names(source) == []
    assert files(source) == []
    assert destination.state(equipped) == state
    assert at(destination, equipped).uptime_ms >= uptime
    (disk,) = destination.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\there\root.vhdx"]
    settings = destination.system_settings(equipped)
    assert settings.get("VirtualSystemType") == "Microsoft:Hyper-V:System:Realized"
    (cable,) = destination.settings(equipped, "Msvm_EthernetPortAllocationSettingData")
    assert cable.get("HostResource") == [destination.switch_path()]
    if state != RUNNING:
        destination.change_state(equipped, RUNNING)
    destination.change_state(equipped, OFF)


def test_it_moves_back(source: Client, destination: Client, equipped: CimReference) -> None:
    source.change_state(equipped, RUNNING)
    move(source, equipped, BOTH, disk=r"C:\root.vhdx")
    move(destination, equipped, BOTH, to="hv1", disk=r"C:\root.vhdx")
    assert source.state(equipped) == RUNNING
    assert machine_names(destination) == []
    assert files(destination) == []


def test_the_job_tells_what_moves_where(source: Client, destination: Client, equipped: CimReference) -> None:
    job = move(source, equipped, BOTH, disk=r"C:\root.vhdx")
    assert job.class_name == "Msvm_MigrationJob"
    assert (job.get("Name"), job.get("JobType")) == ("Moving Virtual Machine and Storage", 306)
    assert (job.get("DestinationHost"), job.get("MigrationType")) == ("hv2", BOTH)
    (there,) = destination.query("select * from Msvm_MigrationJob")
    there = destination.ended_job({"ReturnValue": 4096, "Job": destination.service.reference_of(there)})
    same = ("Name", "DestinationHost", "VirtualSystemName", "Owner")
    assert [there.get(name) for name in same] == [job.get(name) for name in same]
    assert destination.inside.jobs.effects(destination.service.reference_of(there)) == [
        (equipped, destination.service.reference_of(there), 5)
    ]


def test_the_memory_is_free_where_it_came_from(source: Client, destination: Client, equipped: CimReference) -> None:
    before = source.inside.memory.free_mb, destination.inside.memory.free_mb
    source.change_state(equipped, RUNNING)
    move(source, equipped, BOTH, disk=r"C:\root.vhdx")
    assert source.inside.memory.free_mb == before[0]
    assert destination.inside.memory.free_mb < before[1]


def test_a_machine_without_disks_moves_without_storage(source: Client, destination: Client) -> None:
    machine = source.define()
    move(source, machine, MACHINE)
    assert machine_names(destination) == [machine.key("Name")]


def test_disks_stay_where_a_client_wants_copies(source: Client, destination: Client, equipped: CimReference) -> None:
    move(source, equipped, BOTH, disk=r"C:\root.vhdx", RetainVhdCopiesOnSource=True)
    assert files(source) == files(destination) == ["root.vhdx"]


def test_disks_that_nobody_names_keep_their_paths(source: Client, destination: Client, equipped: CimReference) -> None:
    move(source, equipped, BOTH)
    assert files(source) == []
    (disk,) = destination.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\root.vhdx"]
    destination.change_state(equipped, RUNNING)


def test_storage_that_both_hosts_have_stays(source: Client, destination: Client, equipped: CimReference) -> None:
    """As below a cluster: one folder, seen by both."""
    here, there = (client.inside.disks.folder.root / "C" for client in (source, destination))
    (here / "Shared").mkdir()
    system = settings_text("Msvm_VirtualSystemSettingData", ConfigurationDataRoot="C:\\Shared")
    parameters = {**request(source, equipped, STORAGE, "", r"C:\Shared\root.vhdx"), "NewSystemSettingData": system}
    source.do(service(source), "MigrateVirtualSystemToHost", **parameters)
    (there / "Shared" / "Virtual Machines").mkdir(parents=True)
    name = f"Virtual Machines/{equipped.key('Name')}.vmcx"
    for file in ("root.vhdx", name):
        (there / "Shared" / file).hardlink_to(here / "Shared" / file)
    source.change_state(equipped, RUNNING)
    move(source, equipped, MACHINE)
    assert destination.state(equipped) == RUNNING
    assert (here / "Shared" / name).exists()
    assert (there / "Shared" / "root.vhdx").samefile(here / "Shared" / "root.vhdx")


def test_checkpoints_move_along(source: Client, destination: Client, equipped: CimReference) -> None:
    outputs = source.do(
        source.service_reference("Msvm_VirtualSystemSnapshotService"),
        "CreateSnapshot",
        AffectedSystem=equipped,
        SnapshotSettings="",
        SnapshotType=2,
    )
    assert outputs["Job"]
    move(source, equipped, BOTH, disk=r"C:\there\root.avhdx")
    assert files(source) == []
    (checkpoint,) = destination.query(
        "select * from Msvm_VirtualSystemSettingData where VirtualSystemType = 'Microsoft:Hyper-V:Snapshot:Realized'"
    )
    assert checkpoint.get("VirtualSystemIdentifier") == equipped.key("Name")
    assert destination.inside.disks.chain(r"C:\there\root.avhdx") == [r"C:\there\root.avhdx", r"C:\there\root.vhdx"]
    destination.do(
        destination.service_reference("Msvm_VirtualSystemSnapshotService"),
        "ApplySnapshot",
        Snapshot=destination.service.reference_of(checkpoint),
    )
    destination.change_state(equipped, RUNNING)


def test_a_parent_that_is_not_there_keeps_a_differencing_disk(source: Client, destination: Client) -> None:
    source.create_disk(r"C:\base.vhdx")
    source.inside.disks.create(r"C:\root.vhdx", "differencing", "vhdx", parent_path=r"C:\base.vhdx")
    machine = source.define()
    source.add_disk(machine, r"C:\root.vhdx")
    assert "0xC03A000D" in why_not(source, machine)
    assert files(destination) == []
    (base,) = (path for path in (source.inside.disks.folder.root / "C").glob("base.vhdx"))
    (destination.inside.disks.folder.root / "C" / "base.vhdx").write_bytes(base.read_bytes())
    move(source, machine, BOTH, disk=r"C:\root.vhdx")
    destination.change_state(machine, RUNNING)


@pytest.mark.parametrize("removes", [True, False])
@pytest.mark.parametrize("kind", [BOTH, STORAGE])
def test_a_parent_goes_along_where_a_client_says_so(
    source: Client, destination: Client, kind: int, removes: bool
) -> None:
    source.create_disk(r"C:\base.vhdx")
    source.inside.disks.create(r"C:\root.vhdx", "differencing", "vhdx", parent_path=r"C:\base.vhdx")
    machine = source.define()
    source.add_disk(machine, r"C:\root.vhdx")
    source.change_state(machine, RUNNING)
    parent = settings_text(
        "Msvm_MoveUnmanagedVhd", VhdSourcePath=r"C:\base.vhdx", VhdDestinationPath=r"C:\cache\base.vhdx"
    )
    move(
        source,
        machine,
        kind,
        "hv2" if kind == BOTH else "",
        r"C:\there\root.vhdx",
        UnmanagedVhds=[parent],
        RemoveSourceUnmanagedVhds=removes,
    )
    at_host = destination if kind == BOTH else source
    assert at_host.inside.disks.chain(r"C:\there\root.vhdx") == [r"C:\there\root.vhdx", r"C:\cache\base.vhdx"]
    assert source.inside.disks.folder.exists(r"C:\base.vhdx") is not removes
    at_host.change_state(machine, OFF)


# Staged


def test_a_staged_machine_is_repaired_and_then_receives_the_real_one(hosts: Hosts, source: Client) -> None:
    destination = hosts.add(switch=())
    machine = source.define()
    source.connect(machine, source.add_nic(machine))
    source.change_state(machine, RUNNING)
    assert "Could not find Ethernet switch 'external'." in why_not(source, machine, MACHINE, disk="")
    move(source, machine, STAGED)
    assert source.state(machine) == RUNNING
    (planned,) = destination.query(f"select * from {PLANNED}")
    assert planned.get("Name") == machine.key("Name")
    switch = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="other")
    destination.do(destination.switching, "DefineSystem", SystemSettings=switch)
    (cable,) = destination.settings(machine, "Msvm_EthernetPortAllocationSettingData")
    text = settings_text(
        cable.class_name, InstanceID=cable.get("InstanceID"), HostResource=[destination.switch_path("other")]
    )
    destination.do(destination.management, "ModifyResourceSettings", ResourceSettings=[text])
    move(source, machine, MACHINE, DestinationPlannedVirtualSystemId=planned.get("Name"))
    assert destination.state(machine) == RUNNING
    assert destination.query(f"select * from {PLANNED}") == []
    assert machine_names(source) == []


def test_disks_go_where_the_staged_machine_has_them(
    source: Client, destination: Client, equipped: CimReference
) -> None:
    move(source, equipped, STAGED)
    (disk,) = destination.settings(equipped, DISKS)
    text = settings_text(DISKS, InstanceID=disk.get("InstanceID"), HostResource=[r"C:\repaired\root.vhdx"])
    destination.do(destination.management, "ModifyResourceSettings", ResourceSettings=[text])
    onto = {"DestinationPlannedVirtualSystemId": equipped.key("Name")}
    check = request(source, equipped, BOTH, disk=r"C:\elsewhere.vhdx", **onto)
    source.do(service(source), "CheckVirtualSystemIsMigratable", **check)
    move(source, equipped, BOTH, **onto)
    (disk,) = destination.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\repaired\root.vhdx"]
    assert files(source) == []
    destination.change_state(equipped, RUNNING)


def test_a_staged_machine_stays_when_the_move_onto_it_fails(source: Client, destination: Client) -> None:
    machine = source.define(
        resources=[
            settings_text(
                "Msvm_MemorySettingData",
                ResourceSubType="Microsoft:Hyper-V:Memory",
                VirtualQuantity=40960,
                Reservation=40960,
                Limit=40960,
                DynamicMemoryEnabled=False,
            )
        ]
    )
    other = destination.define(
        resources=[
            settings_text(
                "Msvm_MemorySettingData",
                ResourceSubType="Microsoft:Hyper-V:Memory",
                VirtualQuantity=40960,
                Reservation=40960,
                Limit=40960,
                DynamicMemoryEnabled=False,
            )
        ]
    )
    source.change_state(machine, RUNNING)
    destination.change_state(other, RUNNING)
    move(source, machine, STAGED)
    job = source.failed(
        service(source),
        "MigrateVirtualSystemToHost",
        **request(source, machine, MACHINE, DestinationPlannedVirtualSystemId=machine.key("Name")),
    )
    assert "Not enough memory" in job.text("ErrorDescription")
    assert source.state(machine) == RUNNING
    assert at(source, machine).guest is not None
    assert len(destination.query(f"select * from {PLANNED}")) == 1


# Storage on one host


@pytest.mark.parametrize("state", [RUNNING, OFF])
def test_storage_moves_on_one_host(source: Client, equipped: CimReference, state: int) -> None:
    if state == RUNNING:
        source.change_state(equipped, RUNNING)
    system = settings_text("Msvm_VirtualSystemSettingData", ConfigurationDataRoot=r"C:\vm", SnapshotDataRoot=r"C:\vm")
    parameters = {**request(source, equipped, STORAGE, "", r"C:\vm\disks\root.vhdx"), "NewSystemSettingData": system}
    source.do(service(source), "MigrateVirtualSystemToHost", **parameters)
    (disk,) = source.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\vm\disks\root.vhdx"]
    folder = source.inside.disks.folder
    assert not folder.exists(r"C:\root.vhdx")
    assert folder.exists(rf"C:\vm\Virtual Machines\{equipped.key('Name')}.vmcx")
    assert source.system_settings(equipped).get("ConfigurationDataRoot") == r"C:\vm"
    assert source.state(equipped) == state
    assert source.inside.disks.in_use(r"C:\vm\disks\root.vhdx") is (state == RUNNING)


def test_storage_takes_the_checkpoints_files_along(source: Client, equipped: CimReference) -> None:
    source.do(
        source.service_reference("Msvm_VirtualSystemSnapshotService"),
        "CreateSnapshot",
        AffectedSystem=equipped,
        SnapshotSettings="",
        SnapshotType=2,
    )
    move(source, equipped, STORAGE, "", r"C:\vm\root.avhdx")
    assert source.inside.disks.chain(r"C:\vm\root.avhdx") == [r"C:\vm\root.avhdx", r"C:\vm\root.vhdx"]
    source.change_state(equipped, RUNNING)


def test_an_empty_name_leaves_the_place_to_the_host(source: Client, equipped: CimReference) -> None:
    parameters = request(source, equipped, STORAGE, "", "x")
    texts = parameters["NewResourceSettingData"]
    assert isinstance(texts, list)
    parameters["NewResourceSettingData"] = [str(text).replace("<VALUE>x</VALUE>", "<VALUE></VALUE>") for text in texts]
    source.do(service(source), "MigrateVirtualSystemToHost", **parameters)
    assert source.inside.disks.folder.exists(r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks\root.vhdx")


def test_a_file_in_the_way_stops_a_storage_migration(source: Client, equipped: CimReference) -> None:
    source.create_disk(r"C:\taken.vhdx")
    assert "0x80070050" in why_not(source, equipped, STORAGE, "", r"C:\taken.vhdx")
    assert files(source) == ["root.vhdx", "taken.vhdx"]


def test_a_deep_check_moves_nothing(source: Client, equipped: CimReference) -> None:
    move(source, equipped, DEEP_CHECK, "", r"C:\other.vhdx")
    assert files(source) == ["root.vhdx"]


# Refusals


def test_hosts_that_are_not_ready(hosts: Hosts) -> None:
    """Each case with what stands in the job, and nothing at the destination afterwards."""
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"migration": MigrationConfig()}, {}, "not enabled"),
        ({}, {"migration": MigrationConfig()}, "0x8007274D"),
        ({"migration": MigrationConfig(enabled=True)}, {}, "0x8009030E"),
        ({"migration": MigrationConfig(enabled=True, authentication="kerberos")}, {}, "Constrained Delegation"),
        ({"domain": ""}, {}, "0x8009030E"),
        ({}, {"migration": MigrationConfig(enabled=True)}, "0x8009030C"),
        ({}, {"migration": MigrationConfig(True, "kerberos", networks=("10.0.0.0/8",))}, "0x8007274D"),
    ]
    for number, (here, there, expected) in enumerate(cases):
        source = hosts.add(name=f"s{number}", address=f"127.0.2.{number + 1}", **here)
        target = hosts.add(name=f"d{number}", address=f"127.0.3.{number + 1}", **there)
        machine = source.define()
        assert expected in why_not(source, machine, MACHINE, f"d{number}", ""), expected
        assert target.query(f"select * from {PLANNED}") == []


def test_a_host_that_nobody_knows_and_one_that_is_down(hosts: Hosts, source: Client) -> None:
    machine = source.define()
    assert "No such host is known. (0x80072AF9)" in why_not(source, machine, MACHINE, "nowhere", "")
    down = hosts.add()
    down.inside.close()
    assert "0x8007274C" in why_not(source, machine, MACHINE, "hv2", "")


@pytest.mark.parametrize(
    ("migration", "works"),
    [
        (MigrationConfig(True, "kerberos", ("*",), processor_level=2), False),
        (MigrationConfig(True, "kerberos", ("*",), processor_vendor="amd"), False),
        (MigrationConfig(True, "kerberos", ("*",), processor_level=4), True),
    ],
)
def test_processors_decide_about_running_machines_only(
    hosts: Hosts, source: Client, migration: MigrationConfig, works: bool
) -> None:
    target = hosts.add(migration)
    running, off = source.define("running"), source.define("off")
    source.change_state(running, RUNNING)
    info = source.do(service(source), "GetSystemCompatibilityInfo", ComputerSystem=running)["CompatibilityInfo"]
    outputs = target.call(service(target), "CheckSystemCompatibilityInfo", CompatibilityInfo=info)
    if works:
        assert outputs["ReturnValue"] == 0
        move(source, running, MACHINE)
    else:
        assert outputs["ReturnValue"] == 32784
        assert outputs["Reasons"]
        assert "limit the processor features" in why_not(source, running, MACHINE, disk="")
    move(source, off, MACHINE)


def test_a_machine_with_limited_processors_goes_to_weaker_ones(hosts: Hosts, source: Client) -> None:
    hosts.add(MigrationConfig(True, "kerberos", ("*",), processor_level=1))
    machine = source.define()
    (processor,) = source.settings(machine, "Msvm_ProcessorSettingData")
    text = settings_text(processor.class_name, InstanceID=processor.get("InstanceID"), LimitProcessorFeatures=True)
    source.do(source.management, "ModifyResourceSettings", ResourceSettings=[text])
    source.change_state(machine, RUNNING)
    outputs = source.do(service(source), "GetSystemCompatibilityVectors", ComputerSystem=machine)
    vectors = outputs["CompatibilityVectors"]
    assert isinstance(vectors, list)
    assert len(vectors) == 2
    move(source, machine, MACHINE)


def test_a_newer_machine_does_not_go_to_an_older_host(hosts: Hosts, source: Client) -> None:
    hosts.add(version="2019")
    assert "configuration version '10.0'" in why_not(source, source.define(), MACHINE, disk="")


def test_checks_say_what_the_move_would(source: Client, destination: Client, equipped: CimReference) -> None:
    good, bad = (request(source, equipped, kind, disk=disk) for kind, disk in ((BOTH, r"C:\root.vhdx"), (MACHINE, "")))
    migration = service(source)
    source.do(migration, "CheckVirtualSystemIsMigratable", **good)
    assert source.do(migration, "CheckVirtualSystemIsMigratableToHost", **good)["IsMigratable"] is True
    assert "root.vhdx" in source.failed(migration, "CheckVirtualSystemIsMigratable", **bad).text("ErrorDescription")
    assert source.do(migration, "CheckVirtualSystemIsMigratableToHost", **bad)["IsMigratable"] is False
    assert destination.query(f"select * from {PLANNED}") == []
    assert machine_names(source) == [equipped.key("Name")]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"MigrationType": 5}, 32773),
        ({"MigrationType": MACHINE, "TransportType": 9}, 32773),
        ({"MigrationType": MACHINE, "UnmanagedVhds": [r"C:\base.vhdx"]}, 32773),
    ],
)
def test_requests_that_are_wrong_in_themselves(source: Client, settings: dict[str, Any], code: int) -> None:
    text = settings_text("Msvm_VirtualSystemMigrationSettingData", **settings)
    parameters: dict[str, CimValue] = {
        "ComputerSystem": source.define(),
        "DestinationHost": "hv2",
        "MigrationSettingData": text,
    }
    assert source.refused(service(source), "MigrateVirtualSystemToHost", **parameters) == code


# Interrupted


def test_a_cancelled_migration_leaves_the_machine_here(
    source: Client, destination: Client, equipped: CimReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.change_state(equipped, RUNNING)
    copying, cancelled = threading.Event(), threading.Event()
    copy = Machine.leave_for

    def slowly(self: Machine, memory: Path) -> Any:
        left = copy(self, memory)
        copying.set()
        assert cancelled.wait(10)
        return left

    monkeypatch.setattr(Machine, "leave_for", slowly)
    outputs = source.call(
        service(source), "MigrateVirtualSystemToHost", **request(source, equipped, BOTH, disk=r"C:\root.vhdx")
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    assert copying.wait(10)
    assert source.service.get(equipped).get("OperationalStatus") == [2, 32774]
    assert source.refused(equipped, "RequestStateChange", RequestedState=OFF) == 32775
    assert source.call(job, "RequestStateChange", RequestedState=4)["ReturnValue"] == 0
    cancelled.set()
    assert source.ended_job(outputs).get("JobState") == 8
    assert source.state(equipped) == RUNNING
    assert at(source, equipped).guest is not None
    assert machine_names(destination) == []
    assert files(destination) == []
    assert files(source) == ["root.vhdx"]
    source.change_state(equipped, OFF)


def test_a_job_that_a_fault_rule_lets_fail_leaves_the_machine_free(hosts: Hosts) -> None:
    class_name = "Msvm_VirtualSystemMigrationService"
    rule = FaultRule("job-error", class_name, "MigrateVirtualSystemToHost", code=32768, message="It fails.")
    source = hosts.add(fault=(rule,))
    hosts.add()
    machine = source.define()
    assert why_not(source, machine, MACHINE, disk="")
    move(source, machine, MACHINE)


def test_a_destination_that_fails_at_the_last_step_gives_the_machine_back(
    source: Client, destination: Client, equipped: CimReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.change_state(equipped, RUNNING)

    def fail(_machine: Machine) -> None:
        raise OperationFailed("The configuration can't be written.")

    monkeypatch.setattr(destination.inside.machines, "realize", fail)
    assert "can't be written" in why_not(source, equipped)
    assert at(source, equipped).guest is not None
    assert machine_names(destination) == []
    assert destination.query(f"select * from {PLANNED}") == []
    assert files(destination) == []
    monkeypatch.undo()
    move(source, equipped, BOTH, disk=r"C:\root.vhdx")


def test_a_machine_is_at_one_host_whenever_the_simulator_is_killed(
    hosts: Hosts, source: Client, destination: Client, equipped: CimReference
) -> None:
    def where() -> list[list[str]]:
        later = hosts.killed()
        try:
            return [machine_names(client) for client in later.clients()]
        finally:
            later.close()

    source.inside.keep()
    name = str(equipped.key("Name"))
    assert where() == [[name], []]
    move(source, equipped, STAGED)
    assert where() == [[name], []]
    move(source, equipped, BOTH, disk=r"C:\there\root.vhdx", DestinationPlannedVirtualSystemId=name)
    assert where() == [[], [name]]


def test_more_migrations_than_allowed_wait(
    source: Client, destination: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = settings_text("Msvm_VirtualSystemMigrationServiceSettingData", MaximumActiveVirtualSystemMigration=1)
    source.do(service(source), "ModifyServiceSettings", ServiceSettingData=text)
    first, second = source.define("first"), source.define("second")
    source.change_state(first, RUNNING)
    moving, on = threading.Event(), threading.Event()
    leave = Machine.leave_for

    def slowly(self: Machine, memory: Path) -> Any:
        moving.set()
        assert on.wait(10)
        return leave(self, memory)

    monkeypatch.setattr(Machine, "leave_for", slowly)
    migrate = "MigrateVirtualSystemToHost"
    one = source.call(service(source), migrate, **request(source, first, MACHINE))
    assert moving.wait(10)
    two = source.call(service(source), migrate, **request(source, second, MACHINE))
    found = source.one("select * from Msvm_VirtualSystemMigrationService")
    assert found.get("ActiveVirtualSystemMigrationCount") == 1
    assert machine_names(destination) == []
    on.set()
    for outputs in (one, two):
        assert source.ended_job(outputs).get("JobState") == 7
    assert len(machine_names(destination)) == 2


# What clients read and set


def test_the_service_tells_where_it_listens_and_what_it_can(hosts: Hosts) -> None:
    client = hosts.add(MigrationConfig())
    (found,) = client.query("select * from Msvm_VirtualSystemMigrationService")
    assert not found.get("MigrationServiceListenerIPAddressList")
    text = settings_text("Msvm_VirtualSystemMigrationServiceSettingData", EnableVirtualSystemMigration=True)
    client.do(service(client), "ModifyServiceSettings", ServiceSettingData=text)
    (found,) = client.query("select * from Msvm_VirtualSystemMigrationService")
    assert found.get("MigrationServiceListenerIPAddressList") == ["127.0.1.1"]
    (staged,) = client.query("select * from Msvm_VirtualSystemMigrationSettingData where MigrationType = 32770")
    assert staged.get("InstanceID") == "Microsoft:Staged"
    (capabilities,) = client.query(
        "ASSOCIATORS OF {Msvm_VirtualSystemMigrationService.CreationClassName='Msvm_VirtualSystemMigrationService',"
        f"Name='migrationwmi',SystemCreationClassName='Msvm_ComputerSystem',SystemName='{client.host_name}'}} WHERE "
        "AssocClass=Msvm_ElementCapabilities"
    )
    assert capabilities.get("InstanceID") == "Microsoft:MigrationCapabilities"


def test_networks_are_added_changed_and_removed(source: Client) -> None:
    network = "Msvm_VirtualSystemMigrationNetworkSettingData"
    text = settings_text(network, SubnetNumber="10.0.0.0", PrefixLength=8)
    source.do(service(source), "AddNetworkSettings", NetworkSettings=[text])
    (found,) = source.query(f"select * from {network}")
    assert not source.one("select * from Msvm_VirtualSystemMigrationService").get(
        "MigrationServiceListenerIPAddressList"
    )
    text = settings_text(network, InstanceID=found.get("InstanceID"), SubnetNumber="127.0.0.0")
    source.do(service(source), "ModifyNetworkSettings", NetworkSettings=[text])
    assert source.one("select * from Msvm_VirtualSystemMigrationService").get(
        "MigrationServiceListenerIPAddressList"
    ) == ["127.0.1.1"]
    source.do(service(source), "RemoveNetworkSettings", NetworkSettings=[source.service.reference_of(found)])
    assert source.query(f"select * from {network}") == []
    bad = settings_text(network, SubnetNumber="everywhere")
    assert source.refused(service(source), "AddNetworkSettings", NetworkSettings=[bad]) == 32773
