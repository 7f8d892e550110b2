"""Checkpoints of machines that run in QEMU: whose disks hold what. Nothing is booted: the writes are QEMU's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.assembly import assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.storage import DiskConfig
from hyperv_simulator.fault_rules import FaultRules
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.test_checkpoints import files, modify, on_disk, take, wait_for_merge
from tests.simulator.core.test_passthrough import pass_through

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(240)]

START, TURN_OFF = 2, 3
RUNNING, OFF, SAVED = 2, 3, 6
STANDARD = 5
AT = 1 << 20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    config = HostConfig(name="hv1", guests="qemu", samba=False, disk=(DiskConfig(number=3, size_gb=1, offline=True),))
    inside = assemble(config, tmp_path_factory.mktemp("host"), FaultRules())
    yield Client(inside)
    inside.close()


@pytest.fixture(params=["whole", "child"])
def machine(client: Client, request: pytest.FixtureRequest) -> Iterator[CimReference]:
    """A running machine with a disk, or a child of one: QEMU opens them in different ways."""
    machine = client.define("web", generation=1)
    path = client.create_disk("C:\\web.vhdx")
    if request.param == "child":
        text = settings_text(
            "Msvm_VirtualHardDiskSettingData", Path="C:\\child.vhdx", Type=4, Format=3, ParentPath=path
        )
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        path = "C:\\child.vhdx"
    client.add_disk(machine, path)
    text = settings_text(
        "Msvm_MemorySettingData",
        InstanceID=client.settings(machine, "Msvm_MemorySettingData")[0].get("InstanceID"),
        VirtualQuantity=64,
    )
    client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
    client.change_state(machine, START)
    yield machine
    if client.state(machine) == RUNNING:
        client.change_state(machine, TURN_OFF)
    client.do(client.management, "DestroySystem", AffectedSystem=machine)
    for name in on_disk(client):
        client.inside.disks.remove(f"C:\\{name}")


def guest_io(client: Client, machine: CimReference, command: str) -> str:
    """What the guest writes or reads on its disk."""
    found = client.inside.machines.find(str(machine.key("Name")))
    assert found is not None
    guest: Any = found.guest
    said: str = guest._qmp.execute("human-monitor-command", command_line=f'qemu-io -d scsi-0-0 "{command}"')
    return said


def write(client: Client, machine: CimReference, value: int) -> None:
    guest_io(client, machine, f"write -P {value} {AT} 4k")


def reads(client: Client, machine: CimReference, value: int) -> bool:
    return "Pattern verification failed" not in guest_io(client, machine, f"read -P {value} {AT} 4k")


def holds(client: Client, path: str, value: int) -> bool:
    """Whether the disk has it at the place that the guest writes to; also while somebody reads from it."""
    client.inside.disks.convert(path, "C:\\copy.vhd", "fixed", "vhd")
    found = client.inside.disks.folder.to_local("C:\\copy.vhd").read_bytes()[AT : AT + 4096]
    client.inside.disks.remove("C:\\copy.vhd")
    return found == bytes([value]) * 4096


def test_what_is_written_after_a_checkpoint_is_not_in_it(client: Client, machine: CimReference) -> None:
    write(client, machine, 17)
    first = take(client, machine)
    write(client, machine, 34)
    second = take(client, machine)
    write(client, machine, 51)

    assert reads(client, machine, 51)
    assert holds(client, files(client, first)[0], 17)
    assert holds(client, files(client, second)[0], 34)

    client.change_state(machine, TURN_OFF)
    assert holds(client, files(client, machine)[0], 51)
    client.do(client.snapshots, "ApplySnapshot", Snapshot=first)
    client.change_state(machine, START)
    assert reads(client, machine, 17)


def test_disks_are_merged_under_a_running_guest(client: Client, machine: CimReference) -> None:
    (original,) = files(client, machine)
    write(client, machine, 17)
    first = take(client, machine)
    write(client, machine, 34)
    second = take(client, machine)
    write(client, machine, 51)
    guest_io(client, machine, "write -P 68 8M 64k")

    for checkpoint in (first, second):
        client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=checkpoint)
        wait_for_merge(client, machine)
        assert reads(client, machine, 51)

    assert files(client, machine) == [original]
    assert not [name for name in on_disk(client) if name.endswith(".avhdx")]
    write(client, machine, 85)
    client.change_state(machine, TURN_OFF)
    assert holds(client, original, 85)
    client.change_state(machine, START)
    assert reads(client, machine, 85)
    assert "Pattern verification failed" not in guest_io(client, machine, "read -P 68 8M 64k")


def test_a_standard_checkpoint_brings_memory_and_disk_of_one_moment_back(client: Client, machine: CimReference) -> None:
    modify(client, machine, UserSnapshotType=STANDARD)
    write(client, machine, 17)
    checkpoint = take(client, machine)
    write(client, machine, 34)
    assert client.state(machine) == RUNNING
    client.change_state(machine, TURN_OFF)

    client.do(client.snapshots, "ApplySnapshot", Snapshot=checkpoint)

    assert client.state(machine) == SAVED
    client.change_state(machine, START)
    assert reads(client, machine, 17)


def test_a_disk_that_is_passed_through_keeps_what_the_guest_wrote(client: Client) -> None:
    machine = client.define("lun", generation=1)
    pass_through(client, machine)
    for expected in (None, 119):
        client.change_state(machine, START)
        if expected is not None:
            assert reads(client, machine, expected)
        write(client, machine, 119)
        client.change_state(machine, TURN_OFF)
    client.do(client.management, "DestroySystem", AffectedSystem=machine)


def test_a_disk_is_unplugged_after_a_checkpoint(client: Client, machine: CimReference) -> None:
    (controller,) = client.settings(machine, "Msvm_ResourceAllocationSettingData", "Synthetic SCSI Controller")
    drive = client.add_drive(machine, client.service.reference_of(controller), 1)
    medium = client.add_medium(machine, drive, client.create_disk("C:\\extra.vhdx"))
    take(client, machine)
    assert "C:\\extra.vhdx" not in files(client, machine)
    assert client.inside.disks.in_use("C:\\extra.vhdx")

    client.do(client.management, "RemoveResourceSettings", ResourceSettings=[medium])

    assert not client.inside.disks.in_use("C:\\extra.vhdx")
    write(client, machine, 17)
    assert reads(client, machine, 17)


def test_a_disk_grows_under_a_running_guest(client: Client, machine: CimReference) -> None:
    (path,) = files(client, machine)
    write(client, machine, 17)
    client.do(client.images, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=128 << 20)
    guest_io(client, machine, "write -P 102 120M 64k")
    assert reads(client, machine, 17)
    client.change_state(machine, TURN_OFF)
    client.change_state(machine, START)
    assert "Pattern verification failed" not in guest_io(client, machine, "read -P 102 120M 64k")
    assert reads(client, machine, 17)
