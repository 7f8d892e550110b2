"""From Nova's block devices to a machine's drives and files: a table for each rule."""

from __future__ import annotations

import pytest
from nova import exception

from compute_hyperv.host.model import Bus, Drive, DriveKind
from compute_hyperv.nova import block_devices
from compute_hyperv.nova.block_devices import BlankDisk, Wishes
from compute_hyperv.nova.errors import BlockDeviceRefused, InstanceRefused
from compute_hyperv.nova.file_systems import EPHEMERAL, SWAP, FileSystem
from tests.nova.making import make_flavor, make_image_meta, make_instance

FOLDER = r"D:\instances\instance-0000002a"
GIB, MIB = 1 << 30, 1 << 20
IDE, SCSI = Bus.IDE, Bus.SCSI


def device(name="/dev/sdb", *, size=1, bus=None, kind="disk", guest_format=None):
    """An ephemeral disk as Nova hands it to drivers."""
    return {"device_name": name, "size": size, "disk_bus": bus, "device_type": kind, "guest_format": guest_format}


def swap(size_mb=512, bus=None):
    return {"device_name": "/dev/sdz", "swap_size": size_mb, "disk_bus": bus}


def root(*, bus=None, kind="disk"):
    return {"device_name": "/dev/sda", "disk_bus": bus, "device_type": kind}


def layout(
    *,
    generation=2,
    image=(),
    ephemerals=(),
    swap=None,
    volumes=(),
    config_drive=None,
    file_system=None,
    file_system_for_all=None,
    iops_limit=0,
    properties=None,
    disk_format="vhdx",
    root_gb=10,
):
    devices = {
        "root_device_name": "/dev/sda",
        "image": list(image),
        "ephemerals": list(ephemerals),
        "swap": swap,
        "block_device_mapping": list(volumes),
    }
    return block_devices.layout(
        make_instance(flavor=make_flavor(root_gb=root_gb), image_properties=properties),
        make_image_meta(properties, disk_format),
        devices,
        Wishes(FOLDER, generation, config_drive, file_system, file_system_for_all, iops_limit),
    )


def places(found):
    """Name of the file, bus, controller, slot."""
    return [(drive.path.rpartition("\\")[2], drive.bus, drive.controller, drive.slot) for drive in found.drives]


# generation, config drive: where root, two ephemeral disks, swap and config drive go
PLACES = [
    (
        1,
        DriveKind.DVD,
        [
            ("root.vhdx", IDE, 0, 0),
            ("eph0.vhdx", SCSI, 0, 0),
            ("eph1.vhdx", SCSI, 0, 1),
            ("swap.vhdx", SCSI, 0, 2),
            ("configdrive.iso", IDE, 1, 0),
        ],
    ),
    (
        2,
        DriveKind.DISK,
        [
            ("root.vhdx", SCSI, 0, 0),
            ("eph0.vhdx", SCSI, 0, 1),
            ("eph1.vhdx", SCSI, 0, 2),
            ("swap.vhdx", SCSI, 0, 3),
            ("configdrive.vhd", SCSI, 0, 4),
        ],
    ),
]


@pytest.mark.parametrize(("generation", "config_drive", "expected"), PLACES)
def test_each_disk_has_its_place(generation, config_drive, expected):
    found = layout(
        generation=generation,
        ephemerals=[device(), device("/dev/sdc")],
        swap=swap(),
        config_drive=config_drive,
    )

    assert places(found) == expected
    assert found.config_drive == found.drives[-1]


# What the disks ask for, whether there is a config drive, where they go on generation 1.
IDE_PLACES = [
    (["ide"], True, [(IDE, 0, 1)]),
    (["IDE", "Ide"], True, [(IDE, 0, 1), (IDE, 1, 1)]),
    (["ide", "scsi", "ide", "ide"], False, [(IDE, 0, 1), (SCSI, 0, 0), (IDE, 1, 0), (IDE, 1, 1)]),
    ([None, "SCSI"], True, [(SCSI, 0, 0), (SCSI, 0, 1)]),
]


@pytest.mark.parametrize(("buses", "config_drive", "expected"), IDE_PLACES)
def test_generation_1_has_disks_on_ide_where_they_ask_for_it(buses, config_drive, expected):
    found = layout(
        generation=1,
        ephemerals=[device(bus=bus) for bus in buses],
        config_drive=DriveKind.DISK if config_drive else None,
    )

    assert [(drive.bus, drive.controller, drive.slot) for drive in found.drives[1 : 1 + len(buses)]] == expected


# The image's hw_disk_bus, generation, where three ephemeral disks go.
IMAGE_BUSES = [
    ("ide", 1, [(IDE, 0, 1), (IDE, 1, 1), (SCSI, 0, 0)]),
    ("scsi", 1, [(SCSI, 0, 0), (SCSI, 0, 1), (SCSI, 0, 2)]),
    ("virtio", 1, [(SCSI, 0, 0), (SCSI, 0, 1), (SCSI, 0, 2)]),
    ("ide", 2, [(SCSI, 0, 1), (SCSI, 0, 2), (SCSI, 0, 3)]),
    ("sata", 2, [(SCSI, 0, 1), (SCSI, 0, 2), (SCSI, 0, 3)]),
]


@pytest.mark.parametrize(("bus", "generation", "expected"), IMAGE_BUSES)
def test_the_images_bus_is_a_wish_and_never_a_reason_to_refuse(bus, generation, expected):
    found = layout(
        generation=generation,
        ephemerals=[device(), device(), device()],
        config_drive=DriveKind.DISK if generation == 1 else None,
        properties={"hw_disk_bus": bus},
    )

    assert [(drive.bus, drive.controller, drive.slot) for drive in found.drives[1:4]] == expected


# generation, disks, more of what is asked, refusal
REFUSED = [
    (2, [device(bus="ide")], {}, "generation 2 has no IDE"),
    (1, [device(bus="virtio")], {}, "disk_bus=virtio"),
    (1, [device(kind="cdrom")], {}, "device_type=cdrom"),
    (1, [device(guest_format="zfs")], {}, "format zfs"),
    (1, [device()], {"file_system": "btrfs"}, "format btrfs"),
    (1, [device(bus="ide")] * 3, {"config_drive": DriveKind.DISK}, "2 controllers of 2 slots"),
    (1, [device(bus="ide")] * 4, {}, "2 controllers of 2 slots"),
    (2, [device()] * 256, {}, "4 controllers of 64 slots"),
    (2, [device()] * 255, {"config_drive": DriveKind.DISK}, "no place for the config drive"),
    (1, [], {"swap": swap(bus="usb")}, "disk_bus=usb"),
    (1, [], {"image": [root(bus="scsi")]}, "generation 1 boots from IDE"),
    (2, [], {"image": [root(bus="ide")]}, "generation 2 boots from SCSI"),
    (2, [], {"image": [root(kind="cdrom")]}, "device_type=cdrom"),
]


@pytest.mark.parametrize(("generation", "disks", "more", "says"), REFUSED)
def test_a_disk_that_cannot_be_is_refused_at_once(generation, disks, more, says):
    with pytest.raises(BlockDeviceRefused, match=says) as refusal:
        layout(generation=generation, ephemerals=disks, **more)

    # What the retired driver raised, and what makes Nova tell the user instead of trying every host.
    assert isinstance(refusal.value, exception.InvalidBDMFormat)
    assert isinstance(refusal.value, exception.InvalidDiskInfo)
    assert isinstance(refusal.value, exception.InvalidInput)


def test_volumes_are_refused():
    with pytest.raises(InstanceRefused, match="volumes"):
        layout(volumes=[{"mount_device": "/dev/sdb"}])


def test_all_four_scsi_controllers_are_used():
    found = layout(ephemerals=[device() for _ in range(255)])

    assert [(drive.controller, drive.slot) for drive in found.drives] == [
        (controller, slot) for controller in range(4) for slot in range(64)
    ]


# guest_format, default of nova.conf, file system, label
FORMATS = [
    (None, None, None, None),
    ("ext4", None, "ext4", "ephemeral0"),
    (None, "xfs", "xfs", "ephemeral0"),
    ("vfat", "xfs", "vfat", "ephemeral0"),
    (None, "ntfs", "ntfs", "ephemeral0"),
]


@pytest.mark.parametrize(("guest_format", "default", "file_system", "label"), FORMATS)
def test_an_ephemeral_disk_is_formatted_as_its_mapping_says_or_nova_conf(guest_format, default, file_system, label):
    found = layout(ephemerals=[device(size=3, guest_format=guest_format)], file_system=default)

    expected = EPHEMERAL[file_system] if file_system else None
    assert found.blank_disks == (BlankDisk(FOLDER + r"\eph0.vhdx", 3 * GIB, expected, label),)


@pytest.mark.parametrize(("guest_format", "default"), [(None, None), ("ext4", None), ("vfat", "xfs")])
def test_the_administrators_file_system_counts_more_than_what_is_asked_for(guest_format, default):
    own = FileSystem("own", ("mkfs.own", "%(target)s"))
    found = layout(ephemerals=[device(guest_format=guest_format)], file_system=default, file_system_for_all=own)

    assert (found.blank_disks[0].file_system, found.blank_disks[0].label) == (own, "ephemeral0")


def test_a_swap_disk_is_formatted_as_swap_whatever_ephemeral_disks_are():
    assert layout(swap=swap(512), file_system="ext4").blank_disks == (
        BlankDisk(FOLDER + r"\swap.vhdx", 512 * MIB, SWAP),
    )


@pytest.mark.parametrize("nothing", [None, {"device_name": "/dev/sdb", "swap_size": 0, "disk_bus": None}])
def test_a_swap_disk_of_nothing_is_none(nothing):
    assert len(layout(swap=nothing).drives) == 1


# device_type of the root's mapping, generation, place
ISO_ROOTS = [("disk", 1, IDE), ("cdrom", 1, IDE), (None, 2, SCSI)]


@pytest.mark.parametrize(("kind", "generation", "bus"), ISO_ROOTS)
def test_an_iso_is_a_dvd_in_the_roots_place_and_behind_it_is_an_empty_root_disk(kind, generation, bus):
    found = layout(generation=generation, image=[root(kind=kind)], disk_format="iso", iops_limit=500)

    root_disk = Drive(FOLDER + r"\root.vhdx", bus, 0, 1, iops_limit=500)
    assert found.drives == (Drive(FOLDER + r"\root.iso", bus, 0, 0, DriveKind.DVD), root_disk)
    assert found.boot_order == (0, 1)
    assert found.blank_disks == (BlankDisk(root_disk.path, 10 * GIB),)


def test_behind_an_iso_is_no_root_disk_where_the_flavor_has_none():
    found = layout(disk_format="iso", root_gb=0, ephemerals=[device()])

    assert places(found) == [("root.iso", SCSI, 0, 0), ("eph0.vhdx", SCSI, 0, 1)]


def test_disks_on_ide_leave_the_place_behind_an_iso_to_the_root():
    found = layout(generation=1, disk_format="iso", ephemerals=[device(bus="ide")] * 2)

    assert places(found)[2:] == [("eph0.vhdx", IDE, 1, 0), ("eph1.vhdx", IDE, 1, 1)]


def test_the_root_comes_first_at_boot_then_ephemeral_disks_and_never_swap_or_config_drive():
    found = layout(ephemerals=[device(), device()], swap=swap(), config_drive=DriveKind.DISK)

    assert found.boot_order == (0, 1, 2)


def test_the_limit_is_one_for_each_disk():
    found = layout(ephemerals=[device()], swap=swap(), config_drive=DriveKind.DVD, iops_limit=500)

    assert [drive.iops_limit for drive in found.drives] == [500, 500, 500, 0]


def test_drives_are_known_by_novas_names_for_them():
    found = layout(ephemerals=[device("/dev/sdb")], swap=swap(), config_drive=DriveKind.DISK)

    assert {name: drive.slot for name, drive in found.device_names.items()} == {
        "/dev/sda": 0,
        "/dev/sdb": 1,
        "/dev/sdz": 2,
    }
