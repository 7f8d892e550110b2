"""Making an instance on the host, and removing it.

A build ends in one of two states: the instance as Nova asked for it, or nothing on the host. Where the host stops
answering in between, what it has is removed later (see ``leftovers``). Removing works from any state and as often as
one likes: machine and files are found by the instance's name, and the machine must carry the instance's UUID.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nova import exception
from nova.compute import vm_states
from nova.network import model as network_model
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from nova.virt import configdrive
from oslo_log import log as logging
from oslo_utils import excutils

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host.errors import UnsupportedByHost
from compute_hyperv.host.model import DriveKind, MachineSpec
from compute_hyperv.nova import config_drive, device_metadata, names, shielding_data, spec, vifs
from compute_hyperv.nova.block_devices import Layout
from compute_hyperv.nova.console import ConsoleLogs
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.images.cache import CachedImage, ImageCache
from compute_hyperv.nova.leftovers import Leftover, Leftovers
from compute_hyperv.nova.local_disks import LocalDisks
from compute_hyperv.nova.locks import instance_lock
from compute_hyperv.nova.power import Power
from compute_hyperv.nova.settings import BuildSettings
from compute_hyperv.nova.vifs import Vifs

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

LOG = logging.getLogger(__name__)


class Builder:
    def __init__(
        self,
        virtapi: Any,
        host: HyperVHost,
        settings: BuildSettings,
        *,
        images: ImageCache,
        disks: LocalDisks,
        power: Power,
        ports: Vifs,
        console: ConsoleLogs,
        leftovers: Leftovers,
    ) -> None:
        self._virtapi = virtapi
        self._host = host
        self._settings = settings
        self._images = images
        self._disks = disks
        self._power = power
        self._ports = ports
        self._console = console
        self._leftovers = leftovers

    @in_novas_words
    def spawn(
        self,
        context: Any,
        instance: Instance,
        image_meta: ImageMeta,
        injected_files: Sequence[tuple[str, bytes]],
        admin_password: str | None,
        network_info: Sequence[network_model.VIF],
        block_device_info: Mapping[str, Any] | None,
        *,
        power_on: bool,
    ) -> None:
        """Makes the instance.

        :raises nova.exception.NovaException: it failed, and nothing is left on the host; or what is left is remembered.
        """
        request = {
            "block_device_info": block_device_info,
            "settings": self._settings,
            "host_version": self._host.inventory.host_info().version,
            "config_drive": configdrive.required_by(instance),
        }
        disks = spec.disk_layout(instance, image_meta, **request)
        plan = functools.partial(spec.machine_spec, instance, image_meta, **request)
        # Without the ports first: Nova is still making them, and waits for that when they are looked at. Meanwhile all
        # else is checked and the image fetched.
        first_plan = plan(network_info=())
        data = self._shielding_data(context, instance, image_meta) if first_plan.shielding else b""
        with instance_lock(instance.uuid):
            self._make_room(instance)
            # The image of a shelved server is used once and deleted by Nova then: it never goes through the cache (old
            # driver: 5.2).
            shelved = instance.vm_state == vm_states.SHELVED_OFFLOADED
            image = None
            if not shelved:
                image = self._images.fetch(context, image_meta, instance=instance, trusted_certs=instance.trusted_certs)
            machine = spec.with_root_format(
                plan(network_info=network_info), instance, image.format if image else "vhdx"
            )
            found_files = self._host.files.exists(machine.folder)
            device_metadata.describe(context, instance, disks.device_names)
            try:
                if image is None:
                    root = machine.drives[0].path
                    self._host.files.make_folder(machine.folder)
                    image = self._images.place(context, image_meta, root, instance=instance)
                self._make_files(instance, machine, disks, image, injected_files, admin_password, network_info)
                with (
                    vifs.waiting_for_plugs(self._virtapi, instance, network_info),
                    shielding_data.on_host(self._host.files, machine, data),
                ):
                    machine_id = self._host.machines.create(machine, known_absent=True)
                if power_on:
                    self._power.start(instance, machine_id)
            except Exception as error:  # whatever it was: Nova expects nothing to be left
                with excutils.save_and_reraise_exception():
                    LOG.error("Building the instance failed, removing it: %s", error, instance=instance)
                    self._undo(instance, keep_files=found_files)

    def _shielding_data(self, context: Any, instance: Instance, image_meta: ImageMeta) -> bytes:
        """:raises nova.exception.InstanceUnacceptable: this host cannot shield servers; another may."""
        try:
            self._host.provisioning.check_host()
        except UnsupportedByHost as error:
            raise exception.InstanceUnacceptable(instance_id=instance.uuid, reason=str(error)) from error
        return shielding_data.read(context, instance, image_meta)

    def _make_room(self, instance: Instance) -> None:
        """Sees that nothing of this name is on the host; what an earlier attempt for the instance left is removed."""
        machine = self._host.machines.find(instance.name)
        if machine is not None and names.owner(machine.notes) != instance.uuid:
            raise exception.InstanceExists(name=instance.name)
        if machine is not None or instance.uuid in self._leftovers:
            LOG.info("Removing what an earlier attempt has left", instance=instance)
            self._remove(instance.uuid, instance.name, destroy_disks=True)

    def _make_files(
        self,
        instance: Instance,
        machine: MachineSpec,
        disks: Layout,
        image: CachedImage,
        injected_files: Sequence[tuple[str, bytes]],
        admin_password: str | None,
        network_info: Sequence[network_model.VIF],
    ) -> None:
        self._host.files.make_folder(machine.folder)
        self._disks.make_root(instance, machine.drives[0].path, image)
        for disk in disks.blank_disks:
            self._disks.make_blank(instance, disk)
        if disks.config_drive:
            kind: Literal["iso", "vhd"] = "iso" if disks.config_drive.kind is DriveKind.DVD else "vhd"
            content = config_drive.build(instance, injected_files, admin_password, network_info, kind)
            self._host.files.write(disks.config_drive.path, content)

    def _undo(self, instance: Instance, *, keep_files: bool) -> None:
        try:
            self._remove(instance.uuid, instance.name, destroy_disks=not keep_files)
        except Exception as error:  # whatever it was: the user shall hear why the build failed, not this
            LOG.warning(
                "What the failed build made could not be removed yet; it is tried again with every resource report: %s",
                error,
                instance=instance,
            )
            self._leftovers.remember(Leftover(instance.uuid, instance.name, with_files=not keep_files))

    @in_novas_words
    def destroy(self, instance: Instance, *, destroy_disks: bool) -> None:
        """Removes the machine and, if asked, its files. What is gone already is fine."""
        with instance_lock(instance.uuid):
            self._remove(instance.uuid, instance.name, destroy_disks=destroy_disks)

    @in_novas_words
    def clear(self, instance: Instance, *, keep: Callable[[str], bool]) -> None:
        """Removes the machine and its files, but for those whose name is to be kept.

        :raises nova.exception.InstanceExists: there is a foreign machine of that name.
        """
        with instance_lock(instance.uuid):
            machine = self._host.machines.find(instance.name)
            if machine is not None and names.owner(machine.notes) != instance.uuid:
                raise exception.InstanceExists(name=instance.name)
            self._remove(instance.uuid, instance.name, destroy_disks=False)
            folder = names.instance_folder(self._settings.instances_path, instance.name)
            if self._host.files.exists(folder):
                self._host.files.delete_content(folder, keep=keep)

    @in_novas_words
    def cleanup(self, instance: Instance, network_info: Sequence[network_model.VIF]) -> None:
        """What is left to do for an instance that lives on another host now: its ports here are disconnected."""
        self._ports.unplug(instance, network_info)

    def remove_leftovers(self) -> None:
        """Removes the remains of failed builds; what cannot be removed now is tried again next time."""
        for left in self._leftovers.all():
            uuid = left.instance_uuid
            with instance_lock(uuid):
                if uuid not in self._leftovers:
                    continue
                try:
                    self._remove(uuid, left.instance_name, destroy_disks=left.with_files)
                except CimError as error:
                    LOG.warning("The remains of instance %s cannot be removed yet: %s", uuid, error)
                    return
                LOG.info("The remains of instance %s were removed", uuid)

    def _remove(self, uuid: str, name: str, *, destroy_disks: bool) -> None:
        machine = self._host.machines.find(name)
        if machine is not None:
            if names.owner(machine.notes) != uuid:
                # The folder of that name is the foreign machine's as well.
                LOG.warning("Machine %s does not belong to instance %s: it is left alone", name, uuid)
                self._leftovers.forget(uuid)
                return
            self._console.finish(uuid)
            self._host.machines.destroy(machine.machine_id)
        if destroy_disks:
            instances_path = self._settings.instances_path
            self._host.files.delete_tree(names.instance_folder(instances_path, name))
            self._host.files.delete_tree(names.revert_folder(instances_path, name))
            self._console.forget(uuid)
        elif uuid in self._leftovers:
            shielding_data.remove(self._host.files, names.instance_folder(self._settings.instances_path, name))
        self._leftovers.forget(uuid)
