"""What the smallest guests show: what they boot from and find on their disks, their serial ports, interrupts.

They are programs in boot sectors (`boot_program`), most of which say a letter again and again. Reads and writes go
through the guests' own disk controllers, as theirs would.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.nova.functional.cloud import Image, eventually
from tests.nova.functional.guests import console_log
from tests.simulator.devices import boot_program
from tests.simulator.devices.clients import Console, FileClient

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

AT = 4 << 20
ROOT, FIRST_SCSI_DISK = "ide-0-0", "scsi-0-0"


@pytest.fixture
def add_image(qemu_cloud, tmp_path):
    """Makes an image of a raw disk."""

    def add(disk):
        raw, qcow2 = tmp_path / "raw", tmp_path / "qcow2"
        raw.write_bytes(disk)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2], check=True)
        return qemu_cloud.add_image(Image(qcow2.read_bytes(), "qcow2", {"hw_machine_type": "hyperv-gen1"}))

    return add


@pytest.fixture
def image_saying(add_image):
    """Makes an image whose guest says a letter."""
    return lambda letter: add_image(boot_program.ticking(letter, size=16 << 20))


@pytest.fixture
def boot(qemu_cloud, qemu_host):
    """Servers of 64 MB, which are gone after the test."""
    booted = []

    def boot(image_id, **flavor):
        server = qemu_cloud.boot(image_id, qemu_cloud.add_flavor(memory_mb=64, **flavor))
        booted.append(server)
        return server

    qemu_cloud.flags(shutdown_timeout=1)  # nobody in the guests listens
    yield boot
    for server in booted:
        qemu_cloud.delete(server)
    assert qemu_host.remains() == set()


def says(cloud, server, letter):
    return console_log(cloud, server, lambda log: log.endswith(letter))


def guest_io(host, server, disk, command):
    """:param disk: ``<bus>-<controller>-<slot>``."""
    guest = host.simulated.inside.machines.find(host.machine(server).machine_id).guest
    return guest._qmp.execute("human-monitor-command", command_line=f'qemu-io -d {disk} "{command}"')


def write(host, server, value, disk=ROOT):
    said = guest_io(host, server, disk, f"write -P {value} {AT} 4k")
    assert not said, said


def reads(host, server, value, disk=ROOT):
    said = guest_io(host, server, disk, f"read -P {value} {AT} 4k")
    failed = "Pattern verification failed" in said
    assert failed or not said, said
    return not failed


def test_an_image_boots_as_a_new_server_with_what_the_guest_had_then(qemu_cloud, qemu_host, boot, image_saying):
    server = boot(image_saying("D"))
    write(qemu_host, server, 0x41)

    created = qemu_cloud.api.post_server_action(server["id"], {"createImage": {"name": "snapshot"}})
    qemu_cloud.wait_for(server, "ACTIVE")
    write(qemu_host, server, 0x42)

    other = boot(created["image_id"])
    assert says(qemu_cloud, other, "D")
    assert reads(qemu_host, other, 0x41)
    assert reads(qemu_host, server, 0x42)


def test_a_rescued_guest_runs_the_rescue_image_and_sees_its_disk_as_it_is(qemu_cloud, qemu_host, boot, image_saying):
    server = boot(image_saying("D"))
    assert says(qemu_cloud, server, "D")
    write(qemu_host, server, 0x42)

    rescue = {"rescue_image_ref": image_saying("R")}
    qemu_cloud.api.post_server_action(server["id"], {"rescue": rescue})
    qemu_cloud.wait_for(server, "RESCUE")
    assert says(qemu_cloud, server, "R")
    assert reads(qemu_host, server, 0x42, disk=FIRST_SCSI_DISK)
    write(qemu_host, server, 0x43, disk=FIRST_SCSI_DISK)

    qemu_cloud.act(server, "ACTIVE", unrescue=None)
    assert says(qemu_cloud, server, "D")
    assert reads(qemu_host, server, 0x43)


def test_a_guest_boots_from_its_iso(qemu_cloud, boot):
    iso = boot_program.bootable_iso(boot_program.ticking("I", size=2048))

    server = boot(qemu_cloud.add_image(Image(iso, "iso", {})), ephemeral=1)

    assert says(qemu_cloud, server, "I")


def test_a_guest_has_as_many_serial_ports_as_its_flavor_says(qemu_cloud, qemu_host, boot, image_saying):
    server = boot(image_saying("D"), extra_specs={"hw:serial_port_count": "2"})

    files = FileClient(qemu_host.simulated.config)
    Console(files, f"{server['id']}_com2").wait_for("d", prompt=True)
    files.close()
    assert says(qemu_cloud, server, "D")


def test_a_crash_dump_is_an_interrupt_that_the_guest_cannot_mask(qemu_cloud, boot, add_image):
    server = boot(add_image(boot_program.disk(size=16 << 20)))

    def interrupted():  # again and again: the guest's firmware ignores it while it boots
        qemu_cloud.api.post_server_action(server["id"], {"trigger_crash_dump": None})
        return "N" in qemu_cloud.console_log(server)

    eventually(interrupted, pause_s=0.3)
