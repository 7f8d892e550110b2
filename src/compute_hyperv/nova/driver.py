"""The driver that nova-compute loads: ``compute_driver = compute_hyperv.driver.HyperVDriver``.

A table of contents. Each method hands over to the room that does the work; none does any itself. Nova calls them from
many threads at once, and so do the rooms expect it.
"""

from __future__ import annotations

import nova.conf
from nova.virt import driver
from nova.virt import event as virt_event

from compute_hyperv.nova.file_systems import EPHEMERAL
from compute_hyperv.nova.rooms import Rooms, open_rooms

CONF = nova.conf.CONF


class HyperVDriver(driver.ComputeDriver):
    """One Hyper-V host, managed from here over WinRM and SMB."""

    capabilities = driver.ComputeDriver.capabilities | {
        "has_imagecache": True,
        "supports_attach_interface": True,
        "supports_trusted_certs": True,
        "supports_device_tagging": True,
        "supports_tagged_attach_interface": True,
        "supports_secure_boot": True,
        "supports_image_type_iso": True,
        "supports_image_type_qcow2": True,
        "supports_image_type_raw": True,
        "supports_image_type_vhd": True,
        "supports_image_type_vhdx": True,
        "supports_image_type_vmdk": True,
    }

    _rooms: Rooms

    # The service

    def init_host(self, host):
        self._rooms = open_rooms(host, self.virtapi, self._tell_nova)

    def _tell_nova(self, instance_uuid, transition):
        self.emit_event(virt_event.LifecycleEvent(instance_uuid, transition))

    def cleanup_host(self, host):
        self._rooms.close()

    def get_host_ip_addr(self):
        return self._rooms.address

    def get_host_uptime(self):
        return self._rooms.resources.uptime()

    # What the host has

    def get_available_nodes(self, refresh=False):
        return [self._rooms.resources.node_name()]

    def get_available_resource(self, nodename):
        self._rooms.builder.remove_leftovers()
        self._rooms.snapshots.remove_leftovers()
        return self._rooms.resources.available()

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)
        self._rooms.resources.update_provider_tree(provider_tree, nodename, ratios, allocations)

    # Instances

    def list_instances(self):
        return self._rooms.instances.list_names()

    def list_instance_uuids(self):
        return self._rooms.instances.list_uuids()

    def instance_exists(self, instance):
        return self._rooms.instances.exists(instance)

    def get_info(self, instance, use_cache=True):
        return self._rooms.instances.info(instance, use_cache=use_cache)

    def spawn(
        self,
        context,
        instance,
        image_meta,
        injected_files,
        admin_password,
        allocations,
        network_info=None,
        block_device_info=None,
        power_on=True,
        accel_info=None,
    ):
        self._rooms.builder.spawn(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            [] if network_info is None else network_info,  # not by its truth, for which it would be waited
            block_device_info,
            power_on=power_on,
        )

    def rebuild(
        self,
        context,
        instance,
        image_meta,
        injected_files,
        admin_password,
        allocations,
        bdms,
        detach_block_devices,
        attach_block_devices,
        network_info=None,
        evacuate=False,
        block_device_info=None,
        preserve_ephemeral=False,
        accel_uuids=None,
        reimage_boot_volume=False,
    ):
        if evacuate or not preserve_ephemeral:
            raise NotImplementedError  # Nova does it itself then: destroy and spawn
        self._rooms.rebuilding.rebuild(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            bdms,
            detach_block_devices,
            attach_block_devices,
            network_info or [],
        )

    def destroy(
        self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True
    ):
        self._rooms.snapshots.end(instance)
        self._rooms.builder.destroy(instance, destroy_disks=destroy_disks)

    def cleanup(
        self,
        context,
        instance,
        network_info,
        block_device_info=None,
        destroy_disks=True,
        migrate_data=None,
        destroy_vifs=True,
        destroy_secrets=True,
    ):
        if destroy_vifs:
            self._rooms.builder.cleanup(instance, network_info or [])

    # Disks

    def is_supported_fs_format(self, fs_type):
        return fs_type in EPHEMERAL

    # Power

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None, share_info=None):
        self._rooms.rescue.forget(instance)
        self._rooms.vifs.plug(instance, network_info or [])
        self._rooms.power.on(instance)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._rooms.power.off(instance, timeout)

    def reboot(
        self,
        context,
        instance,
        network_info,
        reboot_type,
        block_device_info=None,
        bad_volumes_callback=None,
        accel_info=None,
        share_info=None,
    ):
        self._rooms.rescue.forget(instance)
        self._rooms.power.reboot(
            instance,
            soft=reboot_type == "SOFT",
            repair=lambda: self._rooms.vifs.plug(instance, network_info or []),
        )

    def pause(self, instance):
        self._rooms.power.pause(instance)

    def unpause(self, instance):
        self._rooms.power.unpause(instance)

    def suspend(self, context, instance):
        self._rooms.power.suspend(instance)

    def resume(self, context, instance, network_info, block_device_info=None, share_info=None):
        self._rooms.vifs.plug(instance, network_info or [])
        self._rooms.power.resume(instance)

    def trigger_crash_dump(self, instance):
        self._rooms.power.interrupt(instance)

    def resume_state_on_host_boot(self, context, instance, network_info, share_info, block_device_info=None):
        self.power_on(context, instance, network_info, block_device_info, share_info=share_info)

    # Copies

    def snapshot(self, context, instance, image_id, update_task_state):
        self._rooms.snapshots.take(context, instance, image_id, update_task_state)

    # The guest

    def set_admin_password(self, instance, new_pass):
        self._rooms.passwords.set(instance, new_pass)

    # Rescue

    def rescue(self, context, instance, network_info, image_meta, rescue_password, block_device_info, share_info):
        self._rooms.rescue.enter(context, instance, network_info or [], image_meta, rescue_password)

    def unrescue(self, context, instance):
        self._rooms.rescue.leave(instance)

    # Ports

    def plug_vifs(self, instance, network_info):
        self._rooms.vifs.plug(instance, network_info or [])

    def attach_interface(self, context, instance, image_meta, vif):
        self._rooms.vifs.attach(context, instance, vif)

    def detach_interface(self, context, instance, vif):
        self._rooms.vifs.detach(context, instance, vif)

    def unplug_vifs(self, instance, network_info):
        self._rooms.vifs.unplug(instance, network_info or [])

    # Console

    def get_console_output(self, context, instance):
        return self._rooms.console.show(instance)

    # How it does

    def get_instance_diagnostics(self, instance):
        return self._rooms.diagnostics.standard(instance)

    def get_diagnostics(self, instance):
        return self._rooms.diagnostics.free_form(instance)

    # Images

    def cache_image(self, context, image_id):
        return self._rooms.images.prepare(context, image_id)

    def manage_image_cache(self, context, all_instances):
        self._rooms.images.age(context, {instance.image_ref for instance in all_instances if instance.image_ref})
