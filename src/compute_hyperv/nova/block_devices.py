"""Nova's block devices and the drives of a machine: which there are, where they go, and which files they need.

Rule 1: no I/O. ``local_disks`` makes the files.
Rule 2: what Nova, a flavor or a user asks for is given, or refused with what to change (old-driver facts 3.10, 3.11).

Where drives go: a generation 1 machine boots from IDE controller 0 slot 0 and has its config drive at IDE controller 1
slot 0; a generation 2 machine has everything on SCSI. All others go to the next free SCSI slot, or on generation 1 to
IDE where they ask for it.

A server that boots from an ISO has that in its root's place, and behind it an empty root disk to install a system on,
as with Nova's VMware driver: at a place that firmware can boot from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from nova.virt import driver

from compute_hyperv.host.machine_definition import CONTROLLERS_OF, SLOTS_OF
from compute_hyperv.host.model import Bus, Drive, DriveKind
from compute_hyperv.nova import names
from compute_hyperv.nova.errors import BlockDeviceRefused, InstanceRefused
from compute_hyperv.nova.file_systems import EPHEMERAL, SWAP, FileSystem
from compute_hyperv.nova.image_properties import image_property

Generation = Literal[1, 2]
_Place = tuple[Bus, int, int]  # bus, controller, slot

_GIB, _MIB = 1 << 30, 1 << 20
_BUSES = {"ide": Bus.IDE, "scsi": Bus.SCSI}
#: Where the machine boots from, and where its root disk is while an ISO has that place.
ROOT_PLACES: Mapping[Generation, tuple[_Place, _Place]] = {
    1: ((Bus.IDE, 0, 0), (Bus.IDE, 0, 1)),
    2: ((Bus.SCSI, 0, 0), (Bus.SCSI, 0, 1)),
}
_CONFIG_DRIVE_OF_GENERATION_1: _Place = (Bus.IDE, 1, 0)


@dataclass(frozen=True, slots=True)
class BlankDisk:
    """A disk to be made: empty, or with an empty file system.

    :param file_system: None for an unformatted disk.
    :param label: the file system's.
    """

    path: str
    size_bytes: int
    file_system: FileSystem | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What decides about an instance's disks beside Nova's block devices.

    :param config_drive: as what the config drive is attached; None without one.
    :param file_system: of ephemeral disks that ask for none; None leaves them unformatted.
    :param file_system_for_all: of all ephemeral disks, whatever they ask for.
    """

    folder: str
    generation: Generation
    config_drive: DriveKind | None = None
    file_system: str | None = None
    file_system_for_all: FileSystem | None = None
    iops_limit: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """:param drives: the root first, after it the disk behind an ISO, ephemeral disks, the swap disk, the config drive.
    :param boot_order: the drives to boot from, in this order, by their position in ``drives``.
    :param config_drive: the one among them; None without one.
    :param blank_disks: the files to be made for them.
    :param device_names: the drives that are block devices to Nova, by the names that it gave them.
    """

    drives: tuple[Drive, ...]
    boot_order: tuple[int, ...]
    config_drive: Drive | None
    blank_disks: tuple[BlankDisk, ...]
    device_names: Mapping[str, Drive]


def layout(
    instance: Instance, image_meta: ImageMeta, block_device_info: Mapping[str, Any] | None, wishes: Wishes
) -> Layout:
    """:raises InstanceRefused: the instance cannot have these disks; the message says what to change."""
    _refuse_volumes(instance, block_device_info)
    made = _Making(instance, image_meta, wishes)
    made.add_root(driver.block_device_info_get_image(block_device_info), block_device_info)
    for number, device in enumerate(driver.block_device_info_get_ephemerals(block_device_info)):
        made.add_ephemeral(number, device)
    swap = driver.block_device_info_get_swap(block_device_info)
    if driver.swap_is_usable(swap):
        made.add_swap(swap)
    made.add_config_drive()
    return made.layout()


class _Making:
    def __init__(self, instance: Instance, image_meta: ImageMeta, wishes: Wishes) -> None:
        self._instance = instance
        self._image_meta = image_meta
        self._wishes = wishes
        self._drives: list[Drive] = []
        self._boot_order: list[int] = []
        self._blank_disks: list[BlankDisk] = []
        self._device_names: dict[str, Drive] = {}
        self._boots_from_iso = "disk_format" in image_meta and image_meta.disk_format == "iso"
        self._first_place, self._second_place = ROOT_PLACES[wishes.generation]
        buses = list(Bus) if wishes.generation == 1 else [Bus.SCSI]
        taken = [self._first_place]
        if self._has_disk_behind_iso:
            taken.append(self._second_place)
        if wishes.config_drive and wishes.generation == 1:
            taken.append(_CONFIG_DRIVE_OF_GENERATION_1)
        places = [
            (bus, number, slot)
            for bus in buses
            for number in range(CONTROLLERS_OF[bus])
            for slot in range(SLOTS_OF[bus])
        ]
        self._free = [place for place in places if place not in taken]

    @property
    def _has_disk_behind_iso(self) -> bool:
        return self._boots_from_iso and self._instance.flavor.root_gb > 0

    def layout(self) -> Layout:
        return Layout(
            drives=tuple(self._drives),
            boot_order=tuple(self._boot_order),
            config_drive=self._drives[-1] if self._wishes.config_drive else None,
            blank_disks=tuple(self._blank_disks),
            device_names=dict(self._device_names),
        )

    def add_root(self, images: list[Mapping[str, Any]], block_device_info: Mapping[str, Any] | None) -> None:
        is_iso, place = self._boots_from_iso, self._first_place
        for device in images:
            self._check_type(device, ("disk", "cdrom") if is_iso else ("disk",))
            if self._bus(device) not in (None, place[0]):
                raise self._refusal(
                    device,
                    f"asks for disk_bus={device['disk_bus']}, but generation {self._wishes.generation} boots from "
                    f"{place[0].value}. Change it, or the image's hw_machine_type",
                )
        # The format may still turn out to be another one: see ``spec.with_root_format``.
        path = names.root_disk(self._wishes.folder, "iso" if is_iso else "vhdx")
        name = driver.block_device_info_get_root_device(block_device_info)
        self._add(name, path, place, DriveKind.DVD if is_iso else DriveKind.DISK, boots=True)
        if self._has_disk_behind_iso:
            path = names.root_disk(self._wishes.folder, "vhdx")
            self._add(None, path, self._second_place, boots=True)
            self._blank_disks.append(BlankDisk(path, self._instance.flavor.root_gb * _GIB))

    def add_ephemeral(self, number: int, device: Mapping[str, Any]) -> None:
        self._check_type(device, ("disk",))
        asked = device["guest_format"] or self._wishes.file_system
        if asked is not None and asked not in EPHEMERAL:
            raise self._refusal(device, f"asks for the format {asked}: there are {', '.join(EPHEMERAL)}")
        file_system = self._wishes.file_system_for_all or (EPHEMERAL[asked] if asked else None)
        path = names.ephemeral_disk(self._wishes.folder, number)
        self._add(device["device_name"], path, self._place(device), boots=True)
        label = f"ephemeral{number}" if file_system else None  # as the libvirt driver calls them
        self._blank_disks.append(BlankDisk(path, device["size"] * _GIB, file_system, label))

    def add_swap(self, device: Mapping[str, Any]) -> None:
        path = names.swap_disk(self._wishes.folder)
        self._add(device["device_name"], path, self._place(device))
        self._blank_disks.append(BlankDisk(path, device["swap_size"] * _MIB, SWAP))

    def add_config_drive(self) -> None:
        kind = self._wishes.config_drive
        if kind is None:
            return
        place = _CONFIG_DRIVE_OF_GENERATION_1 if self._wishes.generation == 1 else self._next_free(Bus.SCSI)
        if place is None:
            raise self._no_place("the config drive", Bus.SCSI)
        self._add(None, names.config_drive(self._wishes.folder, cdrom=kind is DriveKind.DVD), place, kind)

    def _add(
        self,
        device_name: str | None,
        path: str,
        place: _Place,
        kind: DriveKind = DriveKind.DISK,
        *,
        boots: bool = False,
    ) -> None:
        drive = Drive(path, *place, kind, self._wishes.iops_limit if kind is DriveKind.DISK else 0)
        if boots:
            self._boot_order.append(len(self._drives))
        self._drives.append(drive)
        if device_name:
            self._device_names[device_name] = drive

    def _place(self, device: Mapping[str, Any]) -> _Place:
        bus = self._bus(device)
        if bus is Bus.IDE and self._wishes.generation == 2:
            raise self._refusal(
                device, "asks for disk_bus=ide, but a machine of generation 2 has no IDE. Ask for scsi, or for none"
            )
        if bus is None:  # what the image would like best, where that is to be had
            wish = (image_property(self._instance, self._image_meta, "hw_disk_bus") or "").lower()
            place = self._next_free(Bus.IDE) if wish == "ide" else None
            bus, place = Bus.SCSI, place or self._next_free(Bus.SCSI)
        else:
            place = self._next_free(bus)
        if place is None:
            raise self._no_place(f"block device {device['device_name']}", bus)
        return place

    def _next_free(self, bus: Bus) -> _Place | None:
        place = next((place for place in self._free if place[0] is bus), None)
        if place:
            self._free.remove(place)
        return place

    def _bus(self, device: Mapping[str, Any]) -> Bus | None:
        asked = device["disk_bus"]
        if asked and asked.lower() not in _BUSES:
            raise self._refusal(device, f"asks for disk_bus={asked}: Hyper-V has ide and scsi")
        return _BUSES[asked.lower()] if asked else None

    def _check_type(self, device: Mapping[str, Any], types: tuple[str, ...]) -> None:
        asked = device["device_type"]
        if asked and asked not in types:
            raise self._refusal(device, f"asks for device_type={asked}: it can be {' or '.join(types)}")

    def _refusal(self, device: Mapping[str, Any], why: str) -> BlockDeviceRefused:
        return BlockDeviceRefused(
            instance_id=self._instance.uuid, reason=f"block device {device['device_name']} {why}."
        )

    def _no_place(self, what: str, bus: Bus) -> BlockDeviceRefused:
        size = f"{CONTROLLERS_OF[bus]} controllers of {SLOTS_OF[bus]} slots"
        return BlockDeviceRefused(
            instance_id=self._instance.uuid,
            reason=f"no place for {what}: {bus.value} has {size}, all taken. Ask for fewer disks, or another disk_bus.",
        )


def _refuse_volumes(instance: Instance, block_device_info: Mapping[str, Any] | None) -> None:
    # Better no instance than one that lacks a disk.
    if driver.block_device_info_get_mapping(block_device_info):
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="not supported on Hyper-V hosts yet: volumes (boot from an image, and attach none).",
        )
