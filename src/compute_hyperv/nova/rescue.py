"""Rescue: a server boots from another image, and its own disk is there to be repaired.

In place, as the retired driver did (old-driver 5.8): the rescue disk takes the root's place, the root becomes a further
SCSI disk, and a config drive is exchanged for one with the rescue password. Stable, where the image says
``hw_rescue_device`` or ``hw_rescue_bus``: the rescue disk is added and boots first, all else stays where it is.

Which of the two it was is read off the machine: a rescue disk in the root's place was put there in place. So leaving
works after an attempt that broke off anywhere, after a restart, and for servers that the retired driver has rescued.
Nova forgets a rescue whose end fails and lets its user do no more than a hard reboot, so a start ends it as well.
A server that boots from an ISO keeps that; what is rescued is the root disk behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import nova.conf
from nova import exception
from nova.compute import vm_states
from nova.network import model as network_model
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from oslo_log import log as logging
from oslo_utils import excutils

from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileMissing
from compute_hyperv.host.machine_definition import SLOTS_OF
from compute_hyperv.host.model import Bus, Drive, DriveKind, DriveLayout
from compute_hyperv.nova import config_drive, names, shielding, spec
from compute_hyperv.nova.block_devices import ROOT_PLACES
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.image_properties import image_property
from compute_hyperv.nova.images.cache import CachedImage, ImageCache
from compute_hyperv.nova.instances import Instances
from compute_hyperv.nova.locks import instance_lock
from compute_hyperv.nova.power import Power
from compute_hyperv.nova.vifs import Vifs

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class Rescue:
    def __init__(
        self,
        host: HyperVHost,
        instances_path: str,
        instances: Instances,
        images: ImageCache,
        power: Power,
        ports: Vifs,
    ) -> None:
        self._host = host
        self._instances_path = instances_path
        self._instances = instances
        self._images = images
        self._power = power
        self._ports = ports

    @in_novas_words
    def enter(
        self,
        context: Any,
        instance: Instance,
        network_info: Sequence[network_model.VIF],
        image_meta: ImageMeta,
        password: str,
    ) -> None:
        """Boots the server from the image. Where that fails, it is again what it was.

        :raises nova.exception.InstanceNotRescuable: it has no disk of its own to be rescued, or cannot boot like that.
        :raises nova.exception.ImageUnacceptable: the image is for another generation of machines.
        """
        if shielding.wanted(instance):
            raise exception.InstanceNotRescuable(
                instance_id=instance.uuid,
                reason="it is shielded: no other system gets the key of its disk, which is in its virtual TPM",
            )
        machine_id = self._instances.machine_id(instance)
        with instance_lock(instance.uuid):
            layout = self._host.drives.layout(machine_id)
            root = _root(instance, layout)
            self._check_generation(instance, image_meta, layout)
            stable = _is_stable(instance, image_meta)
            image = self._images.fetch(context, image_meta, instance=instance, trusted_certs=instance.trusted_certs)
            rescue = _place(instance, image_meta, layout, root, image, stable=stable)
            self._power.off(instance)
            try:
                self._make_disk(rescue.path, image)
                self._exchange(instance, machine_id, layout, network_info, password, {} if stable else {root: rescue})
                if stable:
                    self._host.machines.attach_drive(machine_id, rescue)
                else:
                    self._host.machines.attach_drive(machine_id, _drive_at_free_slot(layout, root.path, Bus.SCSI))
                self._host.drives.boot_from(machine_id, rescue.path)
                self._ports.plug(instance, network_info)
                self._power.start(instance, machine_id)
            except Exception as error:  # whatever it was: the server is not left half-way
                with excutils.save_and_reraise_exception():
                    LOG.error("The rescue failed, undoing it: %s", error, instance=instance)
                    self._undo(instance, machine_id)

    @in_novas_words
    def leave(self, instance: Instance) -> None:
        """Boots the server from its own disk again; one that is not rescued is started."""
        machine_id = self._instances.machine_id(instance)
        with instance_lock(instance.uuid):
            self._leave(instance, machine_id)

    @in_novas_words
    def forget(self, instance: Instance) -> None:
        """Takes away what is left of a rescue that Nova knows nothing of any more; its server is off then."""
        if instance.vm_state == vm_states.RESCUED or not self._has_files(instance):
            return
        LOG.warning("A rescue of it ended half-way, and is put back first", instance=instance)
        machine_id = self._instances.machine_id(instance)
        with instance_lock(instance.uuid):
            self._put_back(instance, machine_id)

    def _has_files(self, instance: Instance) -> bool:
        try:
            entries = self._host.files.list(names.instance_folder(self._instances_path, instance.name))
        except FileMissing:
            return False
        return any(_is_of_a_rescue(entry.name) for entry in entries)

    def _undo(self, instance: Instance, machine_id: str) -> None:
        try:
            self._leave(instance, machine_id)
        except Exception as error:  # the user shall hear why the rescue failed, not this
            LOG.warning("The rescue could not be undone, reboot the server hard: %s", error, instance=instance)

    def _leave(self, instance: Instance, machine_id: str) -> None:
        self._put_back(instance, machine_id)
        self._power.start(instance, machine_id)

    def _put_back(self, instance: Instance, machine_id: str) -> None:
        self._power.off(instance)
        layout = self._host.drives.layout(machine_id)
        back = {drive.path: _own(drive.path) for drive in layout.drives if names.is_rescue_config_drive(drive.path)}
        rescue = next((drive for drive in layout.drives if names.is_rescue_disk(drive.path)), None)
        root_drive = next((drive for drive in layout.drives if names.is_root_disk(drive.path)), None)
        root = root_drive.path if root_drive else None
        if rescue is not None and _is_in_roots_place(rescue, root_drive, layout):
            if root is not None:
                self._host.machines.detach_drive(machine_id, root)
            root = root or self._find_root(instance, paths.parent(rescue.path))
            back[rescue.path] = root
        elif rescue is not None:
            self._host.machines.detach_drive(machine_id, rescue.path)
        self._host.drives.exchange(machine_id, back)
        if root is not None:
            iso = next((drive.path for drive in layout.drives if names.is_root_iso(drive.path)), None)
            self._host.drives.boot_from(machine_id, iso or root)
            self._delete_files(paths.parent(root))

    def _exchange(
        self,
        instance: Instance,
        machine_id: str,
        layout: DriveLayout,
        network_info: Sequence[network_model.VIF],
        password: str,
        disks: dict[Drive, Drive],
    ) -> None:
        """Puts the rescue disk into the root's place, where it goes there, and the password onto the config drive."""
        files = {old.path: new.path for old, new in disks.items()}
        for drive in layout.drives:
            if names.is_config_drive(drive.path):
                kind: Literal["iso", "vhd"] = "iso" if drive.kind is DriveKind.DVD else "vhd"
                path = names.rescue_config_drive(paths.parent(drive.path), kind)
                self._host.files.write(path, config_drive.build(instance, [], password, network_info, kind))
                files[drive.path] = path
        self._host.drives.exchange(machine_id, files)

    def _make_disk(self, path: str, image: CachedImage) -> None:
        self._host.files.delete(path, missing_ok=True)  # of a rescue that broke off
        if CONF.use_cow_images and image.format == "vhdx":
            self._host.disks.create_differencing(path, image.path)
        else:
            self._host.files.copy_on_host(image.path, path)

    def _find_root(self, instance: Instance, folder: str) -> str:
        """The root's file, where no drive has it: an attempt that broke off had just taken it out. The newest, if the
        machine has checkpoints."""
        found = [entry for entry in self._host.files.list(folder) if names.is_root_disk(entry.name)]
        if not found:
            raise exception.InstanceNotRescuable(
                instance_id=instance.uuid, reason=f"its root disk is missing from {folder}"
            )
        return paths.join(folder, max(found, key=lambda entry: entry.modified_at).name)

    def _delete_files(self, folder: str) -> None:
        for entry in self._host.files.list(folder):
            if _is_of_a_rescue(entry.name):
                self._host.files.delete(paths.join(folder, entry.name), missing_ok=True)

    def _check_generation(self, instance: Instance, image_meta: ImageMeta, layout: DriveLayout) -> None:
        of_image = spec.generation(instance, image_meta, self._host.inventory.host_info().version)
        if of_image != layout.generation:
            raise exception.ImageUnacceptable(
                image_id=image_meta.id,
                reason=f"the server is of generation {layout.generation}, the rescue image is for {of_image}. Remedy: "
                "take another image, or set its property hw_machine_type.",
            )


def _is_of_a_rescue(path: str) -> bool:
    return names.is_rescue_disk(path) or names.is_rescue_config_drive(path)


def _root(instance: Instance, layout: DriveLayout) -> Drive:
    if any(names.is_rescue_disk(drive.path) for drive in layout.drives):
        raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason="it is rescued already")
    for drive in layout.drives:
        if names.is_root_disk(drive.path):
            return drive
    raise exception.InstanceNotRescuable(
        instance_id=instance.uuid,
        reason="it has no root disk on the host. One that boots from an ISO needs a flavor with a root disk",
    )


def _is_stable(instance: Instance, image_meta: ImageMeta) -> bool:
    return any(image_property(instance, image_meta, name) for name in ("hw_rescue_device", "hw_rescue_bus"))


def _place(
    instance: Instance, image_meta: ImageMeta, layout: DriveLayout, root: Drive, image: CachedImage, *, stable: bool
) -> Drive:
    """Where the rescue disk goes.

    :raises nova.exception.InstanceNotRescuable: a machine of this generation does not boot from there.
    """
    path = names.rescue_disk(paths.parent(root.path), image.format)
    bootable = Bus.IDE if layout.generation == 1 else Bus.SCSI
    kind = DriveKind.DVD if image.format == "iso" else DriveKind.DISK
    device = image_property(instance, image_meta, "hw_rescue_device") or ("cdrom" if kind is DriveKind.DVD else "disk")
    bus = image_property(instance, image_meta, "hw_rescue_bus") or bootable.value.lower()
    why = None
    if layout.generation == 2 and image.format == "vhd":
        why = "a generation 2 machine does not boot from a VHD. Take a VHDX"
    elif device != ("cdrom" if kind is DriveKind.DVD else "disk"):
        why = f"hw_rescue_device is {device}: an ISO image can be a cdrom, any other a disk"
    elif bus.lower() != bootable.value.lower():
        why = f"hw_rescue_bus is {bus}: a machine of generation {layout.generation} boots from {bootable.value} only"
    elif kind is DriveKind.DVD and not stable:
        why = "an ISO image cannot take the root disk's place. Set its property hw_rescue_device to cdrom"
    elif stable and layout.generation == 1 and kind is DriveKind.DISK:
        why = (
            "a machine of generation 1 always boots from its first disk. Take an ISO image with hw_rescue_device=cdrom,"
            " an image without hw_rescue_device and hw_rescue_bus, or a server of generation 2"
        )
    if why:
        raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason=why)
    if not stable:
        return dataclasses.replace(root, path=path)
    drive = _drive_at_free_slot(layout, path, bootable, kind)
    dvds = [other for other in (*layout.drives, drive) if other.kind is DriveKind.DVD and other.bus is Bus.IDE]
    first = min(dvds, key=lambda dvd: (dvd.controller, dvd.slot), default=drive)
    if layout.generation == 1 and first is not drive:
        raise exception.InstanceNotRescuable(
            instance_id=instance.uuid,
            reason=f"a machine of generation 1 always boots from its first DVD, {paths.name(first.path)}. Take an "
            "image that is no ISO, without hw_rescue_device and hw_rescue_bus",
        )
    return drive


def _drive_at_free_slot(layout: DriveLayout, path: str, bus: Bus, kind: DriveKind = DriveKind.DISK) -> Drive:
    """On the first controller of SCSI, which every machine has, or on IDE."""
    taken = {(drive.bus, drive.controller, drive.slot) for drive in layout.drives}
    for controller in range(2 if bus is Bus.IDE else 1):
        for slot in range(SLOTS_OF[bus]):
            if (bus, controller, slot) not in taken:
                return Drive(path, bus, controller, slot, kind)
    raise exception.InvalidBDMFormat(details=f"no slot is left on {bus.value} for {path}")


def _is_in_roots_place(rescue: Drive, root: Drive | None, layout: DriveLayout) -> bool:
    """The root's place behind an ISO is the second one; a stable rescue disk there has the root before it."""
    first, second = ROOT_PLACES[layout.generation]
    return _is_at(rescue, first) or (_is_at(rescue, second) and not (root and _is_at(root, first)))


def _is_at(drive: Drive, place: tuple[Bus, int, int]) -> bool:
    return (drive.bus, drive.controller, drive.slot) == place


def _own(path: str) -> str:
    """``configdrive.vhd`` of ``configdrive-rescue.vhd``."""
    return paths.join(paths.parent(path), paths.name(path).lower().replace("-rescue", ""))
