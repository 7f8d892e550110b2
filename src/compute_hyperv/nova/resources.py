"""What the host has and how much of it is used, for Nova's resource tracker and Placement.

Nova calls ``update_provider_tree`` in every claim, under a lock that all builds of the service share: it only
reads what the last ``available`` (the periodic task, outside that lock) has kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nova.conf
import os_resource_classes
import os_traits
from nova.compute import utils as compute_utils
from nova.objects import fields
from oslo_serialization import jsonutils
from oslo_utils import timeutils, versionutils

from compute_hyperv.host import versions
from compute_hyperv.host.model import HostInfo, HostUsage, VolumeSpace
from compute_hyperv.nova.errors import in_novas_words

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

CONF = nova.conf.CONF

_GIB = 1024**3
_HYPERVISOR_TYPE = fields.HVType.HYPERV
_SUPPORTED_INSTANCES = [
    (architecture, _HYPERVISOR_TYPE, fields.VMMode.HVM)
    for architecture in (fields.Architecture.I686, fields.Architecture.X86_64)
]

# The traits that are ours to set and to clear, and when the host has them. All others are the operator's.
TRAITS: Mapping[str, Any] = {
    os_traits.HW_ARCH_X86_64: lambda _info: True,
    os_traits.HW_CPU_HYPERTHREADING: lambda info: info.logical_processors > info.sockets * info.cores_per_socket,
    os_traits.COMPUTE_FIRMWARE_BIOS: lambda _info: True,
    os_traits.COMPUTE_FIRMWARE_UEFI: lambda info: versions.has(info.version, versions.Feature.GENERATION_2),
    os_traits.COMPUTE_STORAGE_BUS_IDE: lambda _info: True,
    os_traits.COMPUTE_STORAGE_BUS_SCSI: lambda _info: True,
}


@dataclass(frozen=True, slots=True)
class _Report:
    info: HostInfo
    usage: HostUsage
    space: VolumeSpace


class Resources:
    """:param instances_path: the folder whose volume is the disk that instances live on."""

    def __init__(self, host: HyperVHost, instances_path: str) -> None:
        self._host = host
        self._instances_path = instances_path
        self._last: _Report | None = None

    @in_novas_words
    def node_name(self) -> str:
        """The Windows computer name, as the retired driver had it: an upgraded cloud keeps its compute nodes.

        It must be unique in the cloud, which it is where the hosts share a domain or a name service.
        """
        return self._host.inventory.host_info().name

    @in_novas_words
    def available(self) -> dict[str, Any]:
        """A fresh reading, in the form that ``ComputeDriver.get_available_resource`` asks for."""
        return nova_resources(self._read())

    def _read(self) -> _Report:
        inventory = self._host.inventory
        self._last = _Report(inventory.host_info(), inventory.usage(), inventory.volume_space(self._instances_path))
        return self._last

    def update_provider_tree(self, provider_tree: Any, node_name: str, ratios: Mapping[str, float]) -> None:
        """Inventory and traits of the host's provider, from the last reading."""
        report = self._last
        if report is None:  # the tracker always reads before; another caller may not
            with_host = in_novas_words(self._read)
            report = with_host()
        provider_tree.update_inventory(node_name, placement_inventory(report, ratios))
        has = {trait for trait, is_there in TRAITS.items() if is_there(report.info)}
        provider_tree.add_traits(node_name, *has)
        provider_tree.remove_traits(node_name, *(TRAITS.keys() - has))

    @in_novas_words
    def uptime(self) -> str:
        """As the ``uptime`` command words it, which is what the API's callers parse."""
        booted_at = self._host.inventory.host_info().booted_at
        now = timeutils.utcnow(with_timezone=True)
        return uptime_text(now, now - booted_at)


def nova_resources(report: _Report) -> dict[str, Any]:
    info, usage, space = report.info, report.usage, report.space
    return {
        "hypervisor_type": _HYPERVISOR_TYPE,
        # 10.0.20348 becomes 10020348: it grows with every build, where the retired driver's 10000 said 2016 to 2025.
        "hypervisor_version": versionutils.convert_version_to_int(".".join(map(str, info.version))),
        "hypervisor_hostname": info.name,
        "vcpus": info.logical_processors,
        "vcpus_used": 0,
        "memory_mb": info.memory_mb,
        "memory_mb_used": info.memory_mb - usage.free_memory_mb,
        "local_gb": space.total_bytes // _GIB,
        "local_gb_used": (space.total_bytes - space.free_bytes) // _GIB,
        "disk_available_least": space.free_bytes // _GIB,
        "cpu_info": jsonutils.dumps(
            {
                "arch": fields.Architecture.X86_64,
                "vendor": info.processor_vendor,
                "model": info.processor_model,
                "features": [],
                "topology": {
                    "sockets": info.sockets,
                    "cores": info.cores_per_socket,
                    "threads": max(1, info.logical_processors // (info.sockets * info.cores_per_socket)),
                },
            }
        ),
        "supported_instances": _SUPPORTED_INSTANCES,
        # No topology: instances with NUMA wishes then go to hosts that can fulfil them.
        "numa_topology": None,
        "pci_passthrough_devices": jsonutils.dumps([]),
    }


def placement_inventory(report: _Report, ratios: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Totals, what is reserved for the host itself, and how far each may be overcommitted."""
    amounts = {
        os_resource_classes.VCPU: (report.info.logical_processors, CONF.reserved_host_cpus),
        os_resource_classes.MEMORY_MB: (report.info.memory_mb, CONF.reserved_host_memory_mb),
        os_resource_classes.DISK_GB: (
            report.space.total_bytes // _GIB,
            compute_utils.convert_mb_to_ceil_gb(CONF.reserved_host_disk_mb),
        ),
    }
    return {
        resource_class: {
            "total": total,
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
            "reserved": reserved,
            "allocation_ratio": ratios[resource_class],
        }
        for resource_class, (total, reserved) in amounts.items()
        if total > 0  # Placement takes no inventory of 0, which a volume below 1 GiB would give
    }


def uptime_text(now: dt.datetime, up: dt.timedelta) -> str:
    """`` 10:00:00 up 5 days, 3:02, 0 users, load average: 0, 0, 0``."""
    minutes = int(up.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    return f"{now:%H:%M:%S} up {days} days, {minutes // 60}:{minutes % 60:02d}, 0 users, load average: 0, 0, 0"
