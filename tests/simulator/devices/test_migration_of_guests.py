"""Running QEMU guests that move: the same boot goes on, with what it has in memory and on disk.

No operating system is needed for that: a boot sector notes the processor's time stamp, which tells one boot from
another, and counts for ever.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.assembly import assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.outcomes import OperationFailed
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import BOTH, DISKS, READY, STORAGE, move, request, service
from tests.simulator.core.test_export_and_import import EXPORTED, export

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(240)]

START, TURN_OFF = 2, 3
RUNNING = 2
# cli; xor ax, ax; mov ds, ax; rdtsc; mov [9004h], eax; again: inc dword [9000h]; jmp again
_CODE = bytes.fromhex("fa 31c0 8ed8 0f31 66a30490 66ff060090 ebf9")
BOOT_SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"
COUNTER, STAMP = 0x9000, 0x9004
AT = 8 << 20


@dataclass
class Pair:
    """Two hosts, and a machine that runs on one of them."""

    hosts: tuple[Client, Client]
    machine: CimReference

    def guest(self, number: int) -> Any:
        found = self.hosts[number].inside.machines.find(str(self.machine.key("Name")))
        return found.guest if found is not None else None

    def monitor(self, number: int, command: str) -> str:
        said: str = self.guest(number)._qmp.execute("human-monitor-command", command_line=command)
        return said

    def memory(self, number: int, address: int) -> int:
        return int(self.monitor(number, f"xp /1wx {address:#x}").split()[-1], 16)

    def wait_until_it_counts(self, number: int) -> None:
        before, deadline = self.memory(number, COUNTER), time.monotonic() + 60
        while self.memory(number, COUNTER) == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def write(self, number: int, value: int) -> None:
        self.monitor(number, f'qemu-io -d ide-0-0 "write -P {value} {AT} 4k"')

    def reads(self, number: int, value: int) -> bool:
        return "Pattern verification failed" not in self.monitor(
            number, f'qemu-io -d ide-0-0 "read -P {value} {AT} 4k"'
        )


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    neighbours = Neighbours()
    clients = []
    for number in (1, 2):
        config = HostConfig(
            name=f"hv{number}",
            address=f"127.0.1.{number}",
            domain="hv.test",
            guests="qemu",
            samba=False,
            migration=READY,
        )
        folder = tmp_path / config.name
        folder.mkdir()
        clients.append(Client(assemble(config, folder, FaultRules(), neighbours=neighbours)))
    source = clients[0]
    machine = source.define("counts", generation=1)
    memory = settings_text(
        "Msvm_MemorySettingData",
        InstanceID=source.settings(machine, "Msvm_MemorySettingData")[0].get("InstanceID"),
        VirtualQuantity=64,
    )
    source.do(source.management, "ModifyResourceSettings", ResourceSettings=[memory])
    raw = tmp_path / "raw"
    raw.write_bytes(BOOT_SECTOR)
    with raw.open("r+b") as file:
        file.truncate(64 << 20)
    disk = source.inside.disks.folder.to_local(r"C:\root.vhdx")
    subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "vhdx", str(raw), str(disk)], check=True)
    (controller, _) = source.settings(machine, "Msvm_ResourceAllocationSettingData", "Emulated IDE Controller")
    drive = source.add_drive(machine, source.service.reference_of(controller))
    source.add_medium(machine, drive, r"C:\root.vhdx")
    source.connect(machine, source.add_nic(machine, Address="00155D010203", StaticMacAddress=True))
    source.change_state(machine, START)
    made = Pair((clients[0], clients[1]), machine)
    made.wait_until_it_counts(0)
    yield made
    for client in clients:
        client.inside.close()


def test_a_running_guest_goes_on_at_the_other_host(pair: Pair) -> None:
    source, destination = pair.hosts
    pair.write(0, 17)
    stamp, counter = pair.memory(0, STAMP), pair.memory(0, COUNTER)
    move(source, pair.machine, BOTH, disk=r"C:\there\root.vhdx")
    assert pair.guest(0) is None
    assert destination.state(pair.machine) == RUNNING
    assert pair.memory(1, STAMP) == stamp
    pair.wait_until_it_counts(1)
    assert counter != pair.memory(1, COUNTER)
    assert pair.reads(1, 17)
    pair.write(1, 34)
    move(destination, pair.machine, BOTH, to="hv1", disk=r"C:\root.vhdx")
    assert pair.memory(0, STAMP) == stamp
    assert pair.reads(0, 34)
    source.change_state(pair.machine, TURN_OFF)


def test_a_running_guest_s_disk_moves_under_it(pair: Pair) -> None:
    source, _ = pair.hosts
    pair.write(0, 17)
    stamp = pair.memory(0, STAMP)
    move(source, pair.machine, STORAGE, "", r"C:\other\root.vhdx")
    assert pair.memory(0, STAMP) == stamp
    pair.wait_until_it_counts(0)
    assert pair.reads(0, 17)
    pair.write(0, 34)
    (disk,) = source.settings(pair.machine, DISKS)
    assert disk.get("HostResource") == [r"C:\other\root.vhdx"]
    source.change_state(pair.machine, TURN_OFF)
    source.change_state(pair.machine, START)
    assert pair.reads(0, 34)
    assert not source.inside.disks.folder.exists(r"C:\root.vhdx")


def test_a_migration_that_fails_gives_the_guest_back(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    source, destination = pair.hosts
    pair.write(0, 17)
    stamp = pair.memory(0, STAMP)

    def fail(_machine: Machine) -> None:
        raise OperationFailed("The configuration can't be written.")

    monkeypatch.setattr(destination.inside.machines, "realize", fail)
    parameters = request(source, pair.machine, BOTH, disk=r"C:\root.vhdx")
    source.failed(service(source), "MigrateVirtualSystemToHost", **parameters)
    assert source.state(pair.machine) == RUNNING
    assert pair.memory(0, STAMP) == stamp
    pair.wait_until_it_counts(0)
    assert pair.reads(0, 17)
    assert not destination.inside.disks.folder.exists(r"C:\root.vhdx")


def test_a_running_guest_is_exported_with_what_it_has_written(pair: Pair) -> None:
    source, _ = pair.hosts
    pair.write(0, 17)
    stamp = pair.memory(0, STAMP)
    export(source, pair.machine)
    assert pair.memory(0, STAMP) == stamp
    pair.wait_until_it_counts(0)
    pair.write(0, 34)
    source.inside.disks.convert(rf"{EXPORTED}\Virtual Hard Disks\root.vhdx", r"C:\raw.vhd", "fixed", "vhd")
    exported = source.inside.disks.folder.to_local(r"C:\raw.vhd").read_bytes()
    assert exported[AT : AT + 4096] == bytes([17]) * 4096
