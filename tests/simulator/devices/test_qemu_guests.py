"""Guests that boot, seen as a cloud sees them: through disks, the serial pipe over SMB, the wire and ACPI.

Booting is what costs time here, so three guests boot once, together, and every test looks at one thing they did. In
order: what they say after the boot, what is done to them while they run, how they end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from hyperv_simulator.guests.base import GuestDiskSpec, GuestError, GuestNicSpec, GuestSpec, StopReason
from hyperv_simulator.guests.network import Wires, mac_with_colons
from hyperv_simulator.guests.qemu import QemuGuest
from hyperv_simulator.guests.qemu_runner import QemuRunner
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskStore
from tests.simulator.devices.clients import Console, FileClient
from tests.simulator.devices.config_drives import config_drive
from tests.simulator.devices.conftest import QemuIo
from tests.simulator.devices.listener import Listener

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(240)]

MIB = 1024**2
ADDRESSES = {"left": "10.9.0.11", "right": "10.9.0.12", "apart": "10.9.0.13"}
# Who shares a VLAN with whom.
NEIGHBOURS = {"left": ["right"], "right": ["left"], "apart": []}


@dataclasses.dataclass
class Machine:
    """A guest with everything a test wants to know of it."""

    name: str
    generation: Literal[1, 2]
    vlan: int
    store: DiskStore
    uuid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def disk(self) -> str:
        return rf"C:\{self.name}.vhdx"

    @property
    def mac(self) -> str:
        return "00155D0900" + ADDRESSES[self.name].rpartition(".")[2].zfill(2)

    def make_disks(self, *, config_drive_as_disk: bool) -> None:
        """A child of the image, grown to what a flavor would say; a config drive."""
        self.store.create(self.disk, "differencing", "vhdx", parent_path=rf"C:\gen{self.generation}.vhdx")
        self.store.resize(self.disk, 1024 * MIB)
        others = " ".join(ADDRESSES[name] for name in NEIGHBOURS[self.name])
        drive = config_drive(
            self.name,
            self.uuid,
            mac_with_colons(self.mac),
            ADDRESSES[self.name],
            f'#\nping-timeout 60\nping {others}\n#!/bin/sh\necho "PROGRAM on $(hostname)"\n',
        )
        folder = self.store.folder
        iso = folder.to_local(rf"C:\{self.name}.iso")
        iso.write_bytes(drive)
        if config_drive_as_disk:
            vhd = folder.to_local(rf"C:\{self.name}-config.vhd")
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vpc", iso, vhd], check=True)

    def spec(self, *, config_drive_as_disk: bool) -> GuestSpec:
        bus: Literal["IDE", "SCSI"] = "SCSI" if self.generation == 2 else "IDE"
        second = (0, 1) if self.generation == 2 else (1, 0)
        drive = GuestDiskSpec(rf"C:\{self.name}.iso", bus, *second, "dvd")
        if config_drive_as_disk:
            drive = GuestDiskSpec(rf"C:\{self.name}-config.vhd", bus, *second)
        return GuestSpec(
            machine_id=str(uuid.uuid4()).upper(),
            name=self.name,
            generation=self.generation,
            processors=1,
            memory_mb=192,
            disks=(GuestDiskSpec(self.disk, bus, 0, 0), drive),
            nics=(GuestNicSpec(self.mac, "external", self.vlan),),
            serial=((1, rf"\\.\pipe\{self.name}"),),
            boot_order=(("disk", 0),),
        )


@dataclasses.dataclass
class Booted:
    machine: Machine
    guest: QemuGuest
    listener: Listener
    console: Console


@pytest.fixture(scope="module")
def booted(
    module_folder: HostFolder, module_pipes: PipeServer, files: FileClient, guest_image: dict[int, Path]
) -> Iterator[dict[str, Booted]]:
    """Two guests on VLAN 100, of either generation, and one on VLAN 200; of two simulated hosts that share the wire."""
    store = DiskStore(module_folder)
    for generation, image in guest_image.items():
        (module_folder.root / "C" / f"gen{generation}.vhdx").write_bytes(image.read_bytes())
    wires = Wires()
    runners = [QemuRunner(store, module_pipes, wires), QemuRunner(store, module_pipes, wires)]
    machines = [Machine("left", 2, 100, store), Machine("right", 1, 100, store), Machine("apart", 1, 200, store)]
    found: dict[str, Booted] = {}
    for number, machine in enumerate(machines):
        as_disk = machine.name == "right"
        machine.make_disks(config_drive_as_disk=as_disk)
        listener = Listener()
        guest = runners[number % 2].create(machine.spec(config_drive_as_disk=as_disk), listener)
        guest.start()
        found[machine.name] = Booted(machine, guest, listener, Console(files, machine.name))
    yield found
    for runner in runners:
        runner.close()


@pytest.mark.parametrize("name", list(ADDRESSES))
def test_a_guest_boots_and_says_what_its_config_drive_told_it(booted: dict[str, Booted], name: str) -> None:
    said = booted[name].console.wait_for("GUEST-READY")

    expected = f"GUEST-READY hostname={name}.novalocal address={ADDRESSES[name]} uuid={booted[name].machine.uuid}"
    assert said.endswith(expected)


def test_a_guest_runs_the_program_in_its_user_data(booted: dict[str, Booted]) -> None:
    assert booted["right"].console.wait_for("PROGRAM on right.novalocal")


def test_guests_on_one_vlan_reach_each_other(booted: dict[str, Booted]) -> None:
    for name, others in NEIGHBOURS.items():
        for other in others:
            assert booted[name].console.wait_for(rf"PING {ADDRESSES[other]} ").endswith(" ok")


def test_a_guest_that_listens_to_its_power_button_is_ready_for_a_shutdown(booted: dict[str, Booted]) -> None:
    booted["left"].console.wait_for("GUEST-READY")

    assert booted["left"].guest.integration_ready


def test_somebody_may_log_in_on_the_serial_port(booted: dict[str, Booted]) -> None:
    console = booted["left"].console
    console.wait_for("login:", prompt=True)

    console.type("root\n")
    console.wait_for("# ", prompt=True)
    # eth0 has the MTU that the network data give; the marker goes to the disk, for a later test.
    console.type(
        "cat /sys/class/net/eth0/mtu; echo MARKER-$((6*7)) | dd of=/dev/sda bs=512 seek=1000000 && sync && echo DONE\n"
    )

    assert console.wait_for("^14")
    console.wait_for("^DONE")


def test_guests_on_different_vlans_do_not_reach_each_other(booted: dict[str, Booted]) -> None:
    booted["apart"].console.wait_for("GUEST-READY")

    left = booted["left"].console
    left.type(f"ping -c 3 -W 1 {ADDRESSES['right']} >/dev/null && echo MET-RIGHT\n")
    left.wait_for("^MET-RIGHT")
    left.type(f"ping -c 3 -W 1 {ADDRESSES['apart']} >/dev/null || echo NOBODY-THERE\n")
    left.wait_for("^NOBODY-THERE")


def test_a_disk_that_is_plugged_in_while_the_guest_runs_is_seen(booted: dict[str, Booted]) -> None:
    left = booted["left"]
    left.machine.store.create(r"C:\extra.vhdx", "dynamic", "vhdx", 64 * MIB)
    disks = left.machine.spec(config_drive_as_disk=False).disks

    left.guest.change_disks((*disks, GuestDiskSpec(r"C:\extra.vhdx", "SCSI", 0, 5)))
    left.console.type("sleep 1; echo SIZE=$(cat /sys/class/block/sdb/size)\n")
    left.console.wait_for(f"SIZE={64 * MIB // 512}")

    left.guest.change_disks(disks)
    assert not left.machine.store.in_use(r"C:\extra.vhdx")


def test_a_guest_that_is_moved_to_another_vlan_meets_others_there(booted: dict[str, Booted]) -> None:
    left = booted["left"]
    nic = GuestNicSpec(left.machine.mac, "external", 200)

    left.guest.change_nics((nic,))
    left.console.type(f"ping -c 3 -W 2 {ADDRESSES['apart']} >/dev/null && echo MET-APART\n")
    left.console.wait_for("^MET-APART")

    left.guest.change_nics((dataclasses.replace(nic, connected=False),))
    left.console.type("sleep 1; echo CARRIER=$(cat /sys/class/net/eth0/carrier)\n")
    left.console.wait_for("CARRIER=0")


def test_a_paused_guest_says_nothing_until_it_goes_on(booted: dict[str, Booted]) -> None:
    left = booted["left"]
    left.guest.pause()
    left.console.type("echo AWAKE-$((2+3))\n")
    time.sleep(0.5)
    assert "AWAKE-5" not in left.console.text

    left.guest.resume()

    left.console.wait_for("AWAKE-5")


def test_a_guest_runs_on_while_its_disks_change_hands(booted: dict[str, Booted], tmp_path: Path) -> None:
    left = booted["left"]
    store, disk, child = left.machine.store, left.machine.disk, r"C:\left_child.avhdx"
    disks = left.machine.spec(config_drive_as_disk=False).disks

    def to_a_child() -> tuple[GuestDiskSpec, ...]:
        store.create(child, "differencing", "vhdx", parent_path=disk)
        return (dataclasses.replace(disks[0], path=child), *disks[1:])

    def back() -> tuple[GuestDiskSpec, ...]:
        store.merge(child, disk)
        return disks

    left.guest.switch_disks(to_a_child, tmp_path / "state")
    left.console.type("echo LATER-$((6*7)) | dd of=/dev/sda bs=512 seek=1000001 && sync && echo WRITTEN\n")
    left.console.wait_for("^WRITTEN")

    assert (tmp_path / "state").stat().st_size > MIB
    assert b"LATER-42" not in store.folder.to_local(disk).read_bytes()
    left.guest.switch_disks(back)
    assert b"LATER-42" in store.folder.to_local(disk).read_bytes()
    assert store.in_use(disk)
    left.console.type("dd if=/dev/sda bs=512 skip=1000001 count=1 2>/dev/null | head -n1\n")
    left.console.wait_for("^LATER-42")


def test_a_guest_that_is_saved_and_restored_has_kept_its_memory(
    booted: dict[str, Booted], files: FileClient, tmp_path: Path
) -> None:
    left = booted["left"]
    left.console.type("KEPT=$((6*9)); echo NOTED\n")
    left.console.wait_for("^NOTED")

    left.guest.save(tmp_path / "state")

    assert not left.guest.running
    assert not left.machine.store.in_use(left.machine.disk)
    assert left.listener.stopped_within(0) is None
    left.guest.start(restore_from=tmp_path / "state")
    assert not (tmp_path / "state").exists()
    left.console = Console(files, "left")
    left.console.type("echo REMEMBERED-$KEPT\n")
    left.console.wait_for("^REMEMBERED-54")


def test_what_is_no_saved_state_is_not_restored(store: DiskStore, pipes: PipeServer, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"nonsense")

    with pytest.raises(GuestError, match="can't be read"):
        QemuRunner(store, pipes).create(blank(store), Listener()).start(tmp_path / "state")

    assert not store.in_use(r"C:\blank.vhdx")


@pytest.mark.parametrize("name", ["left", "right"])
def test_an_acpi_shutdown_is_obeyed(booted: dict[str, Booted], name: str) -> None:
    machine = booted[name]

    machine.guest.shutdown()

    machine.console.wait_for("GUEST-STOPPING")
    assert machine.listener.stopped_within(20) == StopReason.GUEST_POWERED_OFF
    assert not machine.guest.running
    assert machine.guest.process_id is None


def test_what_the_guest_wrote_is_in_its_own_differencing_file(booted: dict[str, Booted], qemu_io: QemuIo) -> None:
    machine = booted["left"].machine
    base = machine.store.folder.to_local(r"C:\gen2.vhdx").read_bytes()

    with machine.store.guest_view(machine.disk, read_only=True) as disk:
        said = qemu_io(f"json:{json.dumps(disk.blockdev)}", f"read -v {1000000 * 512} 16")

    assert b"MARKER-42".hex(" ") in said
    assert b"MARKER-42" not in base
    assert b"MARKER-42" in machine.store.folder.to_local(machine.disk).read_bytes()


def test_a_guest_that_is_reset_boots_again(booted: dict[str, Booted]) -> None:
    apart = booted["apart"]

    apart.guest.reset()

    apart.console.wait_for(r"GUEST-READY(.|\n)*GUEST-READY")
    assert apart.guest.running


def test_pulling_the_plug_ends_the_process_and_frees_the_disk(booted: dict[str, Booted]) -> None:
    apart = booted["apart"]
    process_id = apart.guest.process_id

    apart.guest.power_off()

    assert not Path(f"/proc/{process_id}").exists()
    assert not apart.machine.store.in_use(apart.machine.disk)
    assert apart.listener.stopped_within(0) is None, "the host turned it off itself and need not be told"


def test_no_overlay_and_no_pipe_is_left(booted: dict[str, Booted], module_pipes: PipeServer) -> None:
    assert not list(booted["left"].machine.store.folder.root.parent.joinpath("disks").iterdir())
    assert not list(module_pipes.folder.iterdir())


# ---------------------------------------------------------------- without booting


def blank(store: DiskStore, generation: Literal[1, 2] = 1) -> GuestSpec:
    store.create(r"C:\blank.vhdx", "dynamic", "vhdx", 10 * MIB)
    bus: Literal["IDE", "SCSI"] = "IDE" if generation == 1 else "SCSI"
    return GuestSpec("5B0A2C6E-0000-4000-8000-00000000000A", "blank", generation, 1, 32,
                     (GuestDiskSpec(r"C:\blank.vhdx", bus, 0, 0),))  # fmt: skip


def test_a_damaged_disk_stops_the_start(store: DiskStore, pipes: PipeServer) -> None:
    spec = blank(store)
    store.folder.to_local(r"C:\blank.vhdx").write_bytes(b"damaged")
    guest = QemuRunner(store, pipes).create(spec, Listener())

    with pytest.raises(DiskError):
        guest.start()

    assert not guest.running


def test_what_qemu_refuses_is_the_starts_error(store: DiskStore, pipes: PipeServer) -> None:
    guest = QemuRunner(store, pipes).create(dataclasses.replace(blank(store), processors=100000), Listener())

    with pytest.raises(GuestError, match="CPUs"):
        guest.start()

    assert not guest.running
    assert not store.in_use(r"C:\blank.vhdx")


def test_a_guest_whose_process_is_killed_has_crashed(store: DiskStore, pipes: PipeServer) -> None:
    listener = Listener()
    guest = QemuRunner(store, pipes).create(blank(store), listener)
    guest.start()

    os.kill(guest.process_id or 0, 9)

    assert listener.stopped_within(10) == StopReason.CRASHED
    assert not store.in_use(r"C:\blank.vhdx")


def test_guests_end_with_a_simulator_that_is_killed(tmp_path: Path) -> None:
    script = f"""
        import os
        from pathlib import Path
        from hyperv_simulator.guests.base import GuestDiskSpec, GuestSpec
        from hyperv_simulator.guests.qemu_runner import QemuRunner
        from hyperv_simulator.smb.pipes import PipeServer
        from hyperv_simulator.storage.paths import HostFolder
        from hyperv_simulator.storage.vhd import DiskStore
        from tests.simulator.devices.listener import Listener
        store = DiskStore(HostFolder(Path({str(tmp_path)!r}) / "volumes"))
        spec = GuestSpec("5B0A2C6E-0000-4000-8000-00000000000B", "x", 1, 1, 32)
        guest = QemuRunner(store, PipeServer()).create(spec, Listener())
        guest.start()
        print(guest.process_id, flush=True)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    process = Path("/proc", re.findall(r"\d+", done.stdout)[0])

    deadline = time.monotonic() + 10
    while process.exists() and " Z " not in (process / "stat").read_text() and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not process.exists() or " Z " in (process / "stat").read_text()
