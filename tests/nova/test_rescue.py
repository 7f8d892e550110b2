"""Where a rescue disk goes: a table."""

from __future__ import annotations

import pytest
from nova import exception, objects

from compute_hyperv.host.model import Bus, Drive, DriveKind, DriveLayout
from compute_hyperv.nova import rescue
from compute_hyperv.nova.images.cache import CachedImage
from tests.nova import making

FOLDER = r"C:\OpenStack\Instances\instance-1"
ROOTS = {1: Drive(FOLDER + r"\root.vhdx", Bus.IDE, 0, 0), 2: Drive(FOLDER + r"\root.vhdx", Bus.SCSI, 0, 0)}
ISO_DRIVE = Drive(FOLDER + r"\root.iso", Bus.SCSI, 0, 0, DriveKind.DVD)
DISK, ISO, VHD = (CachedImage(rf"C:\_base\i.{form}", form, 1 << 30) for form in ("vhdx", "iso", "vhd"))


def place(generation, image, **properties):
    layout = DriveLayout(generation, (ROOTS[generation],))
    meta = objects.ImageMeta(properties=objects.ImageMetaProps(**properties))
    return rescue._place(making.make_instance(), meta, layout, ROOTS[generation], image, stable=bool(properties))


@pytest.mark.parametrize(
    ("generation", "image", "properties", "there"),
    [
        (1, DISK, {}, (Bus.IDE, 0, 0)),
        (1, VHD, {}, (Bus.IDE, 0, 0)),
        (2, DISK, {}, (Bus.SCSI, 0, 0)),
        (2, DISK, {"hw_rescue_device": "disk"}, (Bus.SCSI, 0, 1)),
        (2, DISK, {"hw_rescue_bus": "scsi"}, (Bus.SCSI, 0, 1)),
        (2, ISO, {"hw_rescue_device": "cdrom"}, (Bus.SCSI, 0, 1)),
        (1, ISO, {"hw_rescue_device": "cdrom", "hw_rescue_bus": "ide"}, (Bus.IDE, 0, 1)),
    ],
)
def test_a_rescue_disk_goes_where_the_machine_boots_from(generation, image, properties, there):
    drive = place(generation, image, **properties)
    assert (drive.bus, drive.controller, drive.slot) == there
    assert drive.path == FOLDER + rf"\root-rescue.{image.format}"
    assert (drive.kind is DriveKind.DVD) == (image is ISO)


@pytest.mark.parametrize(
    ("generation", "image", "properties", "why"),
    [
        (1, DISK, {"hw_rescue_device": "disk"}, "first disk"),
        (1, ISO, {"hw_rescue_device": "cdrom", "hw_rescue_bus": "scsi"}, "boots from IDE only"),
        (2, DISK, {"hw_rescue_bus": "ide"}, "boots from SCSI only"),
        (2, DISK, {"hw_rescue_device": "cdrom"}, "any other a disk"),
        (2, ISO, {}, "hw_rescue_device to cdrom"),
        (2, VHD, {}, "does not boot from a VHD"),
    ],
)
def test_what_a_machine_does_not_boot_from_is_refused(generation, image, properties, why):
    with pytest.raises(exception.InstanceNotRescuable, match=why):
        place(generation, image, **properties)


# The places of the rescue disk and of the root (None: an attempt that broke off has taken it out), and whether the
# rescue disk has the root's place.
IN_PLACE = [
    (1, (Bus.IDE, 0, 0), (Bus.SCSI, 0, 0), True),
    (1, (Bus.IDE, 0, 1), (Bus.SCSI, 0, 0), True),  # behind an ISO
    (1, (Bus.IDE, 0, 1), None, True),
    (1, (Bus.IDE, 0, 1), (Bus.IDE, 0, 0), False),
    (1, (Bus.IDE, 1, 0), (Bus.IDE, 0, 1), False),
    (2, (Bus.SCSI, 0, 0), (Bus.SCSI, 0, 1), True),
    (2, (Bus.SCSI, 0, 0), None, True),
    (2, (Bus.SCSI, 0, 1), (Bus.SCSI, 0, 2), True),  # behind an ISO
    (2, (Bus.SCSI, 0, 1), (Bus.SCSI, 0, 0), False),
    (2, (Bus.SCSI, 0, 2), (Bus.SCSI, 0, 1), False),
]


@pytest.mark.parametrize(("generation", "rescue_place", "root_place", "expected"), IN_PLACE)
def test_which_way_a_server_was_rescued_is_read_off_its_drives(generation, rescue_place, root_place, expected):
    disk = Drive(FOLDER + r"\root-rescue.vhdx", *rescue_place)
    root = Drive(FOLDER + r"\root.vhdx", *root_place) if root_place else None
    assert rescue._is_in_roots_place(disk, root, DriveLayout(generation, ())) is expected


def test_generation_1_does_not_boot_from_a_second_dvd():
    config_drive = Drive(FOLDER + r"\configdrive.iso", Bus.IDE, 1, 0, DriveKind.DVD)
    image = objects.ImageMeta(properties=objects.ImageMetaProps(hw_rescue_device="cdrom"))

    def place_beside(*drives):
        layout = DriveLayout(1, (*drives, config_drive))
        return rescue._place(making.make_instance(), image, layout, drives[-1], ISO, stable=True)

    assert (place_beside(ROOTS[1]).controller, place_beside(ROOTS[1]).slot) == (0, 1)
    iso = Drive(FOLDER + r"\root.iso", Bus.IDE, 0, 0, DriveKind.DVD)
    with pytest.raises(exception.InstanceNotRescuable, match=r"first DVD, root\.iso"):
        place_beside(iso, Drive(FOLDER + r"\root.vhdx", Bus.IDE, 0, 1))


def test_a_server_without_a_root_disk_is_refused():
    layout = DriveLayout(2, (ISO_DRIVE,))
    with pytest.raises(exception.InstanceNotRescuable, match="no root disk"):
        rescue._root(making.make_instance(), layout)


def test_behind_an_iso_a_rescue_disk_takes_the_roots_place_and_not_the_isos():
    root = Drive(FOLDER + r"\root.vhdx", Bus.SCSI, 0, 1)
    layout = DriveLayout(2, (ISO_DRIVE, root))
    drive = rescue._place(
        making.make_instance(), objects.ImageMeta(properties=objects.ImageMetaProps()), layout, root, DISK, stable=False
    )
    assert (drive.bus, drive.controller, drive.slot) == (Bus.SCSI, 0, 1)
