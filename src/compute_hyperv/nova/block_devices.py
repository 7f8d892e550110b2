"""Nova's block devices and the drives of a machine.

Where drives go (old-driver facts 3.1, 3.11): a generation 1 machine boots from IDE controller 0 slot 0 and has its
config drive at IDE controller 1 slot 0; a generation 2 machine has everything on SCSI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nova.objects.instance import Instance
from nova.virt import driver

from compute_hyperv.host.model import Bus, Drive, DriveKind
from compute_hyperv.nova import names
from compute_hyperv.nova.errors import InstanceRefused

Generation = Literal[1, 2]

# (bus, controller, slot)
_ROOT: Mapping[Generation, tuple[Bus, int, int]] = {1: (Bus.IDE, 0, 0), 2: (Bus.SCSI, 0, 0)}
_CONFIG_DRIVE: Mapping[Generation, tuple[Bus, int, int]] = {1: (Bus.IDE, 1, 0), 2: (Bus.SCSI, 0, 1)}


def refuse_what_is_missing(instance: Instance, block_device_info: Mapping[str, Any] | None) -> None:
    """Volumes, ephemeral and swap disks are not supported yet: better no instance than one that lacks a disk.

    :raises InstanceRefused: naming the disks.
    """
    found = []
    if driver.block_device_info_get_mapping(block_device_info):
        found.append("volumes (boot from an image, and attach none)")
    if driver.block_device_info_get_ephemerals(block_device_info):
        found.append("ephemeral disks (take a flavor with ephemeral = 0)")
    if driver.swap_is_usable(driver.block_device_info_get_swap(block_device_info)):
        found.append("swap disks (take a flavor with swap = 0)")
    if found:
        raise InstanceRefused(
            instance_id=instance.uuid, reason=f"not supported on Hyper-V hosts yet: {', '.join(found)}."
        )


def root_drive(folder: str, generation: Generation, disk_format: str) -> Drive:
    bus, controller, slot = _ROOT[generation]
    return Drive(names.root_disk(folder, disk_format), bus, controller, slot)


def config_drive(folder: str, generation: Generation, *, cdrom: bool) -> Drive:
    bus, controller, slot = _CONFIG_DRIVE[generation]
    kind = DriveKind.DVD if cdrom else DriveKind.DISK
    return Drive(names.config_drive(folder, cdrom=cdrom), bus, controller, slot, kind)
