"""Machines that move to another host, with their disks and checkpoints."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import (
    BOTH,
    DISKS,
    MACHINE,
    OFF,
    PAUSED,
    RUNNING,
    SAVED,
    STORAGE,
    at,
    files,
    machine_names,
    move,
    request,
    service,
    why_not,
)


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
