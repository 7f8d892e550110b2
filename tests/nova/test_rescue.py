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


def test_a_server_without_a_root_disk_is_refused():
    layout = DriveLayout(2, (Drive(FOLDER + r"\root.iso", Bus.SCSI, 0, 0, DriveKind.DVD),))
    with pytest.raises(exception.InstanceNotRescuable, match="no root disk"):
        rescue._root(making.make_instance(), layout)
