"""What a guest is told of its tagged devices: by which bus address or MAC address it finds them.

A disk on SCSI is ``0:0:<controller>:<slot>``, one on IDE ``<controller>:<slot>`` (old-driver facts 5.20). An adapter
has its MAC address only: Nova knows no VMBus. Only what has a tag is told, as other drivers do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova.objects import virt_device_metadata as metadata
from nova.objects.block_device import BlockDeviceMappingList
from nova.objects.instance import Instance
from nova.objects.virtual_interface import VirtualInterfaceList

from compute_hyperv.host.model import Bus, Drive


def describe(context: Any, instance: Instance, drives: Mapping[str, Drive]) -> None:
    """Writes the instance's metadata anew; whoever calls saves it.

    :param drives: by the names that Nova gave the block devices.
    """
    devices: list[metadata.DeviceMetadata] = []
    for mapping in BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid):
        drive = drives.get(mapping.device_name)
        if mapping.tag and drive:
            devices.append(metadata.DiskMetadata(tags=[mapping.tag], serial=mapping.volume_id, bus=_bus(drive)))
    _keep(instance, [*devices, *_adapters(context, instance, without=None)])


def describe_adapters(context: Any, instance: Instance, *, without: str | None = None) -> None:
    """The same after an adapter has come or gone.

    :param without: id of the port whose adapter has gone; Nova forgets it only later.
    """
    before = instance.device_metadata.devices if instance.device_metadata else []
    others = [device for device in before if not isinstance(device, metadata.NetworkInterfaceMetadata)]
    _keep(instance, [*others, *_adapters(context, instance, without=without)])


def _adapters(context: Any, instance: Instance, *, without: str | None) -> list[metadata.DeviceMetadata]:
    ports = VirtualInterfaceList.get_by_instance_uuid(context, instance.uuid)
    return [
        metadata.NetworkInterfaceMetadata(mac=port.address, tags=[port.tag])
        for port in ports
        if port.tag and port.uuid != without
    ]


def _bus(drive: Drive) -> metadata.DeviceBus:
    if drive.bus is Bus.IDE:
        return metadata.IDEDeviceBus(address=f"{drive.controller}:{drive.slot}")
    # Nova's pattern takes hexadecimal digits as well; guests show decimal ones.
    return metadata.SCSIDeviceBus(address=f"0:0:{drive.controller}:{drive.slot}")


def _keep(instance: Instance, devices: list[metadata.DeviceMetadata]) -> None:
    instance.device_metadata = metadata.InstanceDeviceMetadata(devices=devices) if devices else None
