"""Ephemeral and swap disks, ISO roots, limits on disks, rebuilds that keep disks, and what guests are told of tags."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from nova.api.metadata import base

from compute_hyperv.host.model import Bus, DriveKind, MachineState
from compute_hyperv.nova import file_systems
from compute_hyperv.nova.config_drive import iso_image
from hyperv_simulator.fault_rules import FaultRule
from tests.nova.functional.cloud import INSTANCES_PATH, Image

GIB, MIB = 1 << 30, 1 << 20


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def boot(cloud, compute, image_id):
    """A server with disks of its own. Block devices are Nova's, beside the image's root."""

    def boot(*block_devices, image=image_id, state="ACTIVE", networks="none", config_drive=False, **flavor):
        request = {
            "name": "server",
            "imageRef": image,
            "flavorRef": cloud.add_flavor(**flavor),
            "networks": networks,
            "config_drive": config_drive,
        }
        if block_devices:
            request["block_device_mapping_v2"] = list(block_devices)
        return cloud.wait_for(cloud.api.post_server({"server": request}), state)

    return boot


@pytest.fixture
def gen2_image_id(cloud, disk_image):
    return cloud.add_image(Image(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))


def root(image, **more):
    return {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0} | more


def ephemeral(size=1, **more):
    return {"source_type": "blank", "destination_type": "local", "volume_size": size, "boot_index": -1} | more


def drives(host, server):
    """By the name of the file."""
    layout = host.client.drives.layout(host.machine(server).machine_id)
    return {drive.path.rpartition("\\")[2]: drive for drive in layout.drives}


def disk(host, server, name):
    return host.client.disks.info(rf"{INSTANCES_PATH}\{host.machine(server).name}\{name}")


def file_system_in(host, path, folder):
    """What ``blkid`` says of it: type and label."""
    vhdx, raw = folder / "disk.vhdx", folder / "disk.raw"
    vhdx.write_bytes(host.client.files.read(path))
    subprocess.run(["qemu-img", "convert", "-f", "vhdx", "-O", "raw", vhdx, raw], check=True)
    command = [shutil.which("blkid") or "/sbin/blkid", "-p", "-o", "export", raw]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in found.splitlines())


def told_to_the_guest(server):
    """Type, bus, address and tags of each device in the server's metadata."""
    told = base.get_metadata_by_instance_id(server["id"], "10.0.0.1")._get_device_metadata(base.OPENSTACK_VERSIONS[-1])
    return [(device["type"], device["bus"], device["address"], device["tags"]) for device in told]


def test_a_server_has_the_ephemeral_and_swap_disks_of_its_flavor(cloud, host1, boot, tmp_path):
    server = boot(ephemeral=2, swap=64)

    assert {name: (drive.bus, drive.slot) for name, drive in drives(host1, server).items()} == {
        "root.vhdx": (Bus.IDE, 0),
        "eph0.vhdx": (Bus.SCSI, 0),
        "swap.vhdx": (Bus.SCSI, 1),
    }
    assert disk(host1, server, "eph0.vhdx").virtual_size_bytes == 2 * GIB
    assert disk(host1, server, "eph0.vhdx").kind == "dynamic"
    swap = disk(host1, server, "swap.vhdx")
    assert swap.virtual_size_bytes == 64 * MIB
    assert file_system_in(host1, swap.path, tmp_path)["TYPE"] == "swap"
    cloud.delete(server)
    assert host1.remains() == set()


def test_several_ephemeral_disks_are_formatted_as_each_asks(cloud, host1, compute, boot, image_id, tmp_path):
    cloud.flags(default_ephemeral_format="ntfs", max_local_block_devices=-1)
    cloud.restart_compute(host1)

    server = boot(
        root(image_id), ephemeral(guest_format="ext4"), ephemeral(), ephemeral(guest_format="vfat"), ephemeral=3
    )

    found = [
        file_system_in(host1, disk(host1, server, name).path, tmp_path)
        for name in ("eph0.vhdx", "eph1.vhdx", "eph2.vhdx")
    ]
    assert [fs["TYPE"] for fs in found] == ["ext4", "ntfs", "vfat"]
    assert [fs["LABEL"].lower() for fs in found] == ["ephemeral0", "ephemeral1", "ephemeral2"]
    assert {"ephemeral0_1_ext4.vhdx", "ephemeral1_1_ntfs.vhdx", "ephemeral2_1_vfat.vhdx"} <= host1.files("_base")


def test_the_administrators_command_for_the_guests_kind_makes_the_file_system(
    cloud, host1, compute, boot, disk_image, tmp_path
):
    cloud.flags(virt_mkfs=["windows=mkfs.vfat -F 32 -n OURS %(target)s", "default=mkfs.ext2 -q -L ours %(target)s"])
    cloud.restart_compute(host1)
    windows, other = (
        cloud.add_image(Image(disk_image.data, "qcow2", properties)) for properties in ({"os_type": "windows"}, {})
    )

    for image, kind in ((windows, "vfat"), (other, "ext2")):
        server = boot(image=image, ephemeral=1)
        found = file_system_in(host1, disk(host1, server, "eph0.vhdx").path, tmp_path)
        assert (found["TYPE"], found["LABEL"].lower()) == (kind, "ours")


def test_a_file_system_is_made_once(cloud, host1, boot, monkeypatch):
    cloud.delete(boot(swap=48))
    monkeypatch.setattr(file_systems, "make", None)  # would fail

    assert "swap.vhdx" in drives(host1, boot(swap=48))


def test_a_program_that_is_missing_is_named_with_its_package(cloud, host1, boot, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mkswap" else which(name))

    boot(swap=47, state="ERROR")

    assert "Debian: util-linux" in cloud.stdlog.logger.output
    assert host1.remains() == set()


def test_a_server_boots_from_an_iso(cloud, host1, boot):
    iso = iso_image({"README": b"boot me"})

    server = boot(image=cloud.add_image(Image(iso, "iso", {})), ephemeral=1)

    found = drives(host1, server)
    assert set(found) == {"root.iso", "root.vhdx", "eph0.vhdx"}
    assert disk(host1, server, "root.vhdx").virtual_size_bytes == GIB
    assert (found["root.iso"].kind, found["root.iso"].bus, found["root.iso"].slot) == (DriveKind.DVD, Bus.IDE, 0)
    assert host1.client.files.read(found["root.iso"].path) == iso
    assert host1.machine(server).state is MachineState.RUNNING


def test_an_iso_is_scheduled_to_hosts_that_say_they_take_it(cloud, host1, boot):
    cloud.flags(query_placement_for_image_type_support=True, group="scheduler")

    boot(image=cloud.add_image(Image(iso_image({"README": b"boot me"}), "iso", {})))


def test_a_flavor_without_a_root_disk_gets_one_of_the_images_size(host1, boot):
    assert disk(host1, boot(disk=0), "root.vhdx").virtual_size_bytes == 16 * MIB


def test_the_flavors_limit_holds_for_each_disk(host1, boot):
    server = boot(ephemeral=1, swap=64, extra_specs={"quota:disk_total_bytes_sec": "81921"})

    assert [drive.iops_limit for drive in drives(host1, server).values()] == [11, 11, 11]


def test_a_bus_that_there_is_not_is_told_to_the_user(cloud, host1, boot, image_id):
    server = boot(root(image_id), ephemeral(disk_bus="virtio"), ephemeral=1, state="ERROR")

    assert "disk_bus=virtio: Hyper-V has ide and scsi" in cloud.fault_of(server)
    assert host1.remains() == set()


def test_more_disks_cost_nothing_but_being_made(host1, boot):
    def calls_of(**flavor):
        host1.simulated.requests.clear()
        boot(**flavor)
        return host1.simulated.requests.count(action="invoke")

    boot(swap=64)
    plain = calls_of()
    assert calls_of(ephemeral=1) == plain + 1
    assert calls_of(swap=64) == plain


def rebuild(cloud, server, image_id, *, keep, state="ACTIVE"):
    body = {"rebuild": {"imageRef": image_id, "preserve_ephemeral": keep}}
    cloud.admin_api.post_server_action(server["id"], body)
    return cloud.wait_for(server, state)


def mark(host, server):
    """Makes the ephemeral disk of a server that is off another one than its flavor's."""
    host.client.disks.resize(disk(host, server, "eph0.vhdx").path, 2 * GIB)


@pytest.mark.parametrize(("keep", "size"), [(False, GIB), (True, 2 * GIB)])
def test_a_rebuild_keeps_ephemeral_disks_where_it_shall(cloud, host1, boot, gen2_image_id, keep, size):
    server = cloud.act(boot(ephemeral=1, swap=64), "SHUTOFF", os_stop=None)
    mark(host1, server)
    before = host1.machine(server).machine_id

    rebuild(cloud, server, gen2_image_id, keep=keep, state="SHUTOFF")

    assert disk(host1, server, "eph0.vhdx").virtual_size_bytes == size
    assert host1.machine(server).machine_id != before
    assert drives(host1, server)["root.vhdx"].bus is Bus.SCSI
    assert disk(host1, server, "root.vhdx").parent_path.lower().endswith(f"{gen2_image_id}.vhdx")


def test_a_rebuild_that_fails_has_kept_the_ephemeral_disk_and_can_be_done_again(cloud, host1, boot, image_id):
    server = cloud.act(boot(ephemeral=1), "SHUTOFF", os_stop=None)
    mark(host1, server)
    host1.simulated.faults.add(FaultRule("fault", method="DefineSystem", code=0x80041001, times=0))
    rebuild(cloud, server, image_id, keep=True, state="ERROR")
    host1.simulated.faults.clear()

    rebuild(cloud, server, image_id, keep=True)

    assert disk(host1, server, "eph0.vhdx").virtual_size_bytes == 2 * GIB


def test_guests_are_told_where_their_tagged_devices_are(cloud, host1, boot, gen2_image_id):
    server = boot(
        root(gen2_image_id, tag="system"),
        ephemeral(tag="scratch"),
        ephemeral(),
        image=gen2_image_id,
        networks=[{"port": cloud.neutron.port_1["id"], "tag": "front"}],
        ephemeral=2,
        config_drive=True,
    )

    assert told_to_the_guest(server) == [
        ("disk", "scsi", "0:0:0:0", ["system"]),
        ("disk", "scsi", "0:0:0:1", ["scratch"]),
        ("nic", "none", "none", ["front"]),
    ]


def test_an_adapters_tag_comes_and_goes_with_it(cloud, boot, gen2_image_id):
    server = boot(image=gen2_image_id)
    port = cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"]
    attachment = {"interfaceAttachment": {"port_id": port["id"], "tag": "back"}}

    cloud.api.attach_interface(server["id"], attachment)
    attached = told_to_the_guest(server)
    cloud.api.detach_interface(server["id"], port["id"])

    assert attached == [("nic", "none", "none", ["back"])]
    cloud.wait_for(server, "ACTIVE")
