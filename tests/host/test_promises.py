"""What disks can still take of their volume: told with few requests, however many there are."""

from __future__ import annotations

import pytest

from compute_hyperv.host import promises
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import Bus, Drive
from tests.host.specs import generation_2

GIB = 1024**3
FOLDER = r"C:\Promises"


@pytest.fixture
def machine_ids(host: HyperVHost, simulator) -> list[str]:
    """Two machines, each with a disk of 1 GiB, and one of them with a disk that has all its bytes."""
    simulator.inside.disks.folder.to_local(FOLDER).mkdir(exist_ok=True)
    made = []
    for name in ("a", "b"):
        disk = rf"{FOLDER}\{name}.vhdx"
        if not simulator.inside.disks.folder.exists(disk):
            host.disks.create_dynamic(disk, GIB)
        drives = [Drive(disk, Bus.SCSI, 0, 0)]
        if name == "b":
            fixed = rf"{FOLDER}\fixed.vhdx"
            if not simulator.inside.disks.folder.exists(fixed):
                host.disks.create_fixed(fixed, 8 * 1024**2)
            drives.append(Drive(fixed, Bus.SCSI, 0, 1))
        made.append(
            host.machines.create(generation_2(name=name, drives=tuple(drives), nics=(), boot_order=(), serial_ports=()))
        )
    return made


def unwritten(host: HyperVHost, name: str) -> int:
    info = host.disks.info(rf"{FOLDER}\{name}.vhdx")
    return info.virtual_size_bytes - info.file_size_bytes


def test_disks_that_grow_are_counted_with_what_they_lack(host: HyperVHost, machine_ids: list[str]) -> None:
    both = unwritten(host, "a") + unwritten(host, "b")

    assert both > GIB
    assert host.promises.unwritten_bytes(FOLDER, machine_ids) == both
    assert host.promises.unwritten_bytes(FOLDER, machine_ids[:1]) == unwritten(host, "a")
    assert host.promises.unwritten_bytes(r"D:\Elsewhere", machine_ids) == 0


def test_a_few_are_looked_at_each_time(
    host: HyperVHost, machine_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "LOOKS", 1)
    costs, found = [], []
    for _ in range(4):
        before = host.cim.requests
        found.append(host.promises.unwritten_bytes(FOLDER, machine_ids))
        costs.append(host.cim.requests - before)

    assert costs == [3, 3, 3, 1]
    assert found[0] < found[1] <= found[2] == found[3]


def test_a_disk_that_cannot_be_read_counts_nothing(host: HyperVHost, simulator, machine_ids: list[str]) -> None:
    gone = simulator.inside.disks.folder.to_local(rf"{FOLDER}\a.vhdx")
    gone.unlink()

    assert host.promises.unwritten_bytes(FOLDER, machine_ids) == unwritten(host, "b")
