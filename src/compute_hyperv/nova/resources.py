"""What the host has and how much of it is used, for Nova's resource tracker and Placement.

Nova calls ``update_provider_tree`` in every claim, under a lock that all builds of the service share: it only
reads what the last ``available`` (the periodic task, outside that lock) has kept.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import os_resource_classes
from nova.compute import utils as compute_utils
from nova.objects import fields
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import timeutils, versionutils

from compute_hyperv.host.model import HostInfo, HostUsage, VolumeSpace
from compute_hyperv.nova import host_devices, names, numa, shared_storage, traits
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.options import CONF
from compute_hyperv.nova.shared_storage import Allocations, SharedStorage

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

LOG = logging.getLogger(__name__)

_GIB = 1024**3
_HYPERVISOR_TYPE = fields.HVType.HYPERV
_SUPPORTED_INSTANCES = [
    (architecture, _HYPERVISOR_TYPE, fields.VMMode.HVM)
    for architecture in (fields.Architecture.I686, fields.Architecture.X86_64)
]

# Reserved amounts of memory are rounded up to this, so that Placement is not told of every breath of the host.
_MEMORY_STEP_MB = 512


@dataclass(frozen=True, slots=True)
class _Report:
    info: HostInfo
    usage: HostUsage
    space: VolumeSpace
    unwritten_bytes: int
    gpu_partitions: int


class Resources:
    """:param instances_path: the folder whose volume is the disk that instances live on.

    :param storage: which one that is, where other hosts may use it too; None where it is the host's own.
    """

    def __init__(self, host: HyperVHost, instances_path: str, storage: SharedStorage | None = None) -> None:
        self._host = host
        self._instances_path = instances_path
        self._storage = storage
        if storage is not None and not CONF.hyperv.shared_storage_provider:
            LOG.warning(
                "Every host that uses %s reports all of it as its own disk space, so together they can be given more "
                "than there is. [hyperv] shared_storage_provider lets it be counted once.",
                instances_path,
            )
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
        resources = nova_resources(self._read())
        resources["pci_passthrough_devices"] = host_devices.pci_passthrough_devices(self._host)
        return resources

    def _read(self) -> _Report:
        inventory = self._host.inventory
        usage = inventory.usage()
        machine_ids = [machine.machine_id for machine in usage.machines]
        self._last = _Report(
            inventory.host_info(),
            usage,
            inventory.volume_space(self._instances_path),
            self._host.promises.unwritten_bytes(self._instances_path, machine_ids),
            host_devices.gpu_partitions(self._host),
        )
        return self._last

    def update_provider_tree(
        self,
        provider_tree: Any,
        node_name: str,
        ratios: Mapping[str, float],
        allocations: Allocations | None = None,
    ) -> None:
        """Inventory and traits of the host's provider, and of the storage that it shares, from the last reading.

        :param allocations: of the host's instances, while Nova reshapes.
        :raises nova.exception.ReshapeNeeded: the disk space moves from the host's provider to that of its storage, or
            back.
        """
        report = self._last
        if report is None:  # the tracker always reads before; another caller may not
            with_host = in_novas_words(self._read)
            report = with_host()
        inventory = placement_inventory(report, ratios)
        disk = inventory.get(os_resource_classes.DISK_GB)
        if self._storage is not None and CONF.hyperv.shared_storage_provider:
            inventory.pop(os_resource_classes.DISK_GB, None)
            shared_storage.share(self._storage, provider_tree, node_name, disk, allocations)
        elif self._storage is not None:
            shared_storage.stop_sharing(self._storage, provider_tree, node_name, disk, allocations)
        provider_tree.update_inventory(node_name, inventory)
        has = traits.of(report.info)
        provider_tree.add_traits(node_name, *has)
        provider_tree.remove_traits(node_name, *(traits.TRAITS.keys() - has))

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
        # What is left once every disk has grown to the size that its instance sees.
        "disk_available_least": (space.free_bytes - report.unwritten_bytes) // _GIB,
        "cpu_info": jsonutils.dumps(
            {
                "arch": fields.Architecture.X86_64,
                "vendor": info.processor_vendor,
                "model": info.processor_model,
                "features": traits.processor_features(info),
                "topology": {
                    "sockets": info.sockets,
                    "cores": info.cores_per_socket,
                    "threads": max(1, info.logical_processors // (info.sockets * info.cores_per_socket)),
                },
            }
        ),
        "supported_instances": _SUPPORTED_INSTANCES,
        "numa_topology": numa.host_topology(info.numa_nodes),
    }


def placement_inventory(report: _Report, ratios: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Totals, what is not for Nova's instances, and how far each may be overcommitted."""
    info, usage = report.info, report.usage
    foreign = [machine for machine in usage.machines if names.owner(machine.notes) is None]
    foreign_processors = sum(machine.processors for machine in foreign)
    amounts = {
        os_resource_classes.VCPU: (
            info.logical_processors,
            # A virtual processor of theirs takes as much as one of ours, which the ratio multiplies.
            CONF.reserved_host_cpus + math.ceil(foreign_processors / ratios[os_resource_classes.VCPU]),
        ),
        os_resource_classes.MEMORY_MB: (
            info.memory_mb,
            max(CONF.reserved_host_memory_mb, _taken_by_windows_mb(info, usage))
            + _rounded_up(sum(machine.memory_mb for machine in foreign)),
        ),
        os_resource_classes.DISK_GB: (
            report.space.total_bytes // _GIB,
            compute_utils.convert_mb_to_ceil_gb(CONF.reserved_host_disk_mb),
        ),
        os_resource_classes.VGPU: (report.gpu_partitions, 0),
    }
    return {
        resource_class: {
            "total": total,
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
            "reserved": min(reserved, total),
            "allocation_ratio": ratios.get(resource_class, 1.0),
        }
        for resource_class, (total, reserved) in amounts.items()
        if total > 0  # Placement takes no inventory of 0, which a volume below 1 GiB would give
    }


def _taken_by_windows_mb(info: HostInfo, usage: HostUsage) -> int:
    """What Hyper-V gives no machine, whatever nova.conf reserves."""
    if usage.consumable_memory_mb is None:
        return 0
    return _rounded_up(max(0, info.memory_mb - usage.consumable_memory_mb - usage.memory_assigned_mb))


def _rounded_up(memory_mb: int) -> int:
    return -(-memory_mb // _MEMORY_STEP_MB) * _MEMORY_STEP_MB


def uptime_text(now: dt.datetime, up: dt.timedelta) -> str:
    """`` 10:00:00 up 5 days, 3:02, 0 users, load average: 0, 0, 0``."""
    minutes = int(up.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    return f"{now:%H:%M:%S} up {days} days, {minutes // 60}:{minutes % 60:02d}, 0 users, load average: 0, 0, 0"
