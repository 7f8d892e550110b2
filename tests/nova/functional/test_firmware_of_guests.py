"""What the UEFI firmware of guests does with what Nova asks for: which disk comes first, and whose signature counts.

OVMF says on the serial port what it tries, so the console log has it.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from hyperv_simulator.guest_image.build import COMMAND_LINE, PARTITION_START, write_uefi_disk
from hyperv_simulator.guest_image.initramfs import build as build_initramfs
from hyperv_simulator.guest_image.packages import UEFI_STUB, default_cache, kernel, unpacked
from tests.nova.functional.cloud import Image
from tests.nova.functional.guests import console_log

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

SECURE_BOOT = {"hw_machine_type": "hyperv-gen2", "os_type": "linux", "os_secure_boot": "required"}
NETWORK = "network"


@pytest.fixture
def boot(qemu_cloud, qemu_host):
    """Servers whose guests nobody asks to shut down; gone after the test."""
    booted = []

    def boot(image, networks="none", **flavor):
        flavor_id = qemu_cloud.add_flavor(memory_mb=256, **flavor)
        server = qemu_cloud.boot(qemu_cloud.add_image(image), flavor_id, networks=networks)
        booted.append(server)
        return server

    qemu_cloud.flags(shutdown_timeout=1)
    yield boot
    for server in booted:
        qemu_cloud.delete(server)
    assert qemu_host.remains() == set()


def tried(log):
    """SCSI slots, and the network, in the order in which the firmware has tried them."""
    found = re.findall(r"failed to load [^\n]*Scsi\(0x([0-9A-F]+),0x0\)|(iPXE \d|Start PXE)", log)
    return [int(slot, 16) if slot else NETWORK for slot, _ in found]


def test_the_firmware_tries_the_root_then_the_ephemeral_disk_then_the_network(qemu_cloud, boot, disk_image):
    port = qemu_cloud.neutron.create_port({"port": qemu_cloud.neutron.port_2})["port"]
    image = Image(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"})

    server = boot(image, networks=[{"port": port["id"]}], ephemeral=1, swap=64)

    log = console_log(qemu_cloud, server, lambda log: NETWORK in tried(log))
    assert tried(log)[:3] == [0, 1, NETWORK]


def test_a_stable_rescue_disk_is_tried_before_the_root(qemu_cloud, boot, disk_image):
    image = Image(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"})
    server = boot(image)
    rescue_image = Image(disk_image.data, "qcow2", {**image.properties, "hw_rescue_device": "disk"})

    rescue = {"rescue_image_ref": qemu_cloud.add_image(rescue_image)}
    qemu_cloud.api.post_server_action(server["id"], {"rescue": rescue})
    qemu_cloud.wait_for(server, "RESCUE")

    console_log(qemu_cloud, server, lambda log: tried(log)[-2:] == [1, 0])


def test_secure_boot_refuses_a_loader_that_nobody_signed(qemu_cloud, boot, tmp_path):
    loader = unpacked(UEFI_STUB, default_cache()) / "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
    write_uefi_disk(tmp_path / "raw", loader)

    server = boot(Image(vhdx(tmp_path), "vhdx", SECURE_BOOT))

    console_log(qemu_cloud, server, lambda log: "Access Denied" in log)


def test_secure_boot_boots_a_system_that_is_signed(qemu_cloud, boot, tmp_path):
    write_signed_disk(tmp_path)

    server = boot(Image(vhdx(tmp_path), "vhdx", SECURE_BOOT))

    log = console_log(qemu_cloud, server, lambda log: "GUEST-READY" in log)
    assert "Access Denied" not in log


def write_signed_disk(folder):
    """Shim, signed by Microsoft; GRUB and the kernel, signed by Debian, whose certificate shim has."""
    shim, grub = (unpacked(package, default_cache()) for package in ("shim-signed", "grub-efi-amd64-signed"))
    found = kernel(default_cache())
    (folder / "initrd").write_bytes(build_initramfs(found.modules))
    # As firmware would start it: on a translated processor, GRUB's own way into the kernel ends in a triple fault.
    (folder / "grub.cfg").write_text(f"chainloader /linux {COMMAND_LINE} initrd=\\initrd\nboot\n")
    write_uefi_disk(folder / "raw", shim / "usr/lib/shim/shimx64.efi.signed")
    partition = f"{folder / 'raw'}@@{PARTITION_START}"
    subprocess.run(["mmd", "-i", partition, "::EFI/debian"], check=True)
    for source, target in (
        (grub / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "EFI/BOOT/grubx64.efi"),
        (folder / "grub.cfg", "EFI/debian/grub.cfg"),
        (found.image, "linux"),
        (folder / "initrd", "initrd"),
    ):
        subprocess.run(["mcopy", "-i", partition, source, f"::{target}"], check=True)


def vhdx(folder):
    """What was written to the raw disk there."""
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vhdx", folder / "raw", folder / "vhdx"]
    subprocess.run(command, check=True)
    return (folder / "vhdx").read_bytes()
