"""Devices of the host that servers can get for themselves, as Nova's PCI tracker and Placement want to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova.objects import fields
from oslo_serialization import jsonutils

from compute_hyperv.host import versions
from compute_hyperv.host.model import PciDevice

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost


def pci_passthrough_devices(host: HyperVHost) -> str:
    """All dismounted devices; ``[pci] device_spec`` says which of them Nova may give away."""
    if not versions.has(host.inventory.host_info().version, versions.Feature.DEVICE_ASSIGNMENT):
        return jsonutils.dumps([])
    return jsonutils.dumps([_for_tracker(device) for device in host.pci_devices.list()])


def gpu_partitions(host: HyperVHost) -> int:
    """How many shares of graphics cards there are: Placement's VGPU."""
    if not versions.has(host.inventory.host_info().version, versions.Feature.GPU_PARTITIONS):
        return 0
    return host.gpus.partitions()


def _for_tracker(device: PciDevice) -> dict[str, Any]:
    return {
        "dev_id": f"pci_{device.address.replace(':', '_').replace('.', '_')}",
        "address": device.address,
        "vendor_id": device.vendor_id,
        "product_id": device.product_id,
        "label": f"label_{device.vendor_id}_{device.product_id}",
        # Hyper-V gives functions away as they are: it makes no difference whether one could be divided further.
        "dev_type": fields.PciDeviceType.STANDARD,
        "status": fields.PciDeviceStatus.AVAILABLE,
        "numa_node": None,
    }
