"""Processors, memory, TPM and devices of the host: what flavor and image ask for, and what a machine gets for it.

Pure, as ``spec`` is. What excludes each other on Hyper-V: dynamic memory on one side, nested virtualization, a NUMA
topology and devices of the host on the other (facts: hyperv-ops 2 and 13).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nova import exception
from nova.objects import fields
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from nova.virt import hardware

from compute_hyperv.host.model import Memory, MmioSpace, Processor
from compute_hyperv.nova import extra_specs
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.image_properties import image_property
from compute_hyperv.nova.numa import SMALL_PAGE_KB

# Msvm_MemorySettingData page: the host takes memory in steps of 2 MB, and at least 32 MB.
_MEMORY_STEP_MB = 2
_MEMORY_MINIMUM_MB = 32

# cpu.shares of a Linux host, which quota:cpu_shares is in, are 1024 where nothing is said; Hyper-V's weights are 100.
_SHARES_OF_A_PROCESSOR, _WEIGHT_OF_A_PROCESSOR = 1024, 100
_WEIGHTS = range(1, 10001)
_DEFAULT_PERIOD_US = 100_000

# What Microsoft advises for graphics cards; the room costs nothing where it is not needed.
_DEVICE_MMIO = MmioSpace(low_mb=3072, high_mb=33280)
_DEFAULT_MMIO = MmioSpace(low_mb=128, high_mb=512)

_VGPU = re.compile(r"resources[A-Za-z0-9_-]*:VGPU")


@dataclass(frozen=True, slots=True)
class NumaNodes:
    """:param memory_mb: of each node.  :param processors: of each node."""

    memory_mb: int
    processors: int


@dataclass(frozen=True, slots=True)
class HostDevices:
    """:param pci: addresses of the devices that Nova has claimed.  :param gpu_partitions: how many."""

    pci: tuple[str, ...] = ()
    gpu_partitions: int = 0


def processor(instance: Instance, numa: NumaNodes | None, *, limit_features: bool, nested: bool) -> Processor:
    """:param limit_features: what nova.conf says; the flavor may say otherwise."""
    compatibility = extra_specs.boolean(instance, extra_specs.PROCESSOR_COMPATIBILITY)
    limit = _limit_percent(instance)
    reserved = extra_specs.integer(instance, extra_specs.PROCESSOR_RESERVATION_PERCENT) or 0
    if reserved > limit:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the flavor reserves {reserved} % of a processor ({extra_specs.PROCESSOR_RESERVATION_PERCENT}) and "
            f"limits it to {limit:g} % (quota:cpu_quota).",
        )
    return Processor(
        count=instance.flavor.vcpus,
        limit_features=limit_features if compatibility is None else compatibility,
        expose_virtualization=nested,
        weight=_weight(instance),
        limit_percent=limit,
        reserved_percent=reserved,
        numa_node_processors=numa.processors if numa else None,
    )


def _weight(instance: Instance) -> int:
    shares = _quota(instance, "quota:cpu_shares")
    if shares is None:
        return _WEIGHT_OF_A_PROCESSOR
    weight = round(shares * _WEIGHT_OF_A_PROCESSOR / _SHARES_OF_A_PROCESSOR)
    return min(max(weight, _WEIGHTS.start), _WEIGHTS.stop - 1)


def _limit_percent(instance: Instance) -> float:
    """``quota:cpu_quota`` in each ``quota:cpu_period``, both microseconds, for each virtual processor."""
    quota_us = _quota(instance, "quota:cpu_quota")
    period_us = _quota(instance, "quota:cpu_period") or _DEFAULT_PERIOD_US
    if quota_us is None or quota_us <= 0:
        return 100
    if period_us < 0:
        raise InstanceRefused(instance_id=instance.uuid, reason=f"the flavor has quota:cpu_period={period_us}.")
    return min(100, round(100 * quota_us / period_us, 3))


def _quota(instance: Instance, name: str) -> int | None:
    text = instance.flavor.extra_specs.get(name)
    try:
        return None if text is None else int(text)
    except ValueError:
        raise InstanceRefused(
            instance_id=instance.uuid, reason=f"the flavor has {name}={text}, which is no whole number."
        ) from None


def memory(
    instance: Instance, ratio: float, *, numa: NumaNodes | None = None, nested: bool = False, devices: bool = False
) -> Memory:
    """All of the flavor's RAM from the start, or, with a ratio above 1 or a minimum, a part of it that can change.

    :param ratio: what nova.conf says; the flavor may say otherwise.
    """
    total_mb = instance.flavor.memory_mb
    if total_mb < _MEMORY_MINIMUM_MB or total_mb % _MEMORY_STEP_MB:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the flavor has {total_mb} MB of RAM: Hyper-V takes steps of {_MEMORY_STEP_MB} MB and at least "
            f"{_MEMORY_MINIMUM_MB} MB.",
        )
    own_ratio = extra_specs.number(instance, extra_specs.DYNAMIC_MEMORY_RATIO)
    minimum_mb = extra_specs.integer(instance, extra_specs.MEMORY_MINIMUM_MB)
    excluded_by = {"a NUMA topology": numa, "nested virtualization": nested, "devices of the host": devices}
    if reasons := [what for what, there in excluded_by.items() if there]:
        if minimum_mb is not None or (own_ratio or 1) > 1:
            raise InstanceRefused(
                instance_id=instance.uuid,
                reason=f"the flavor asks for dynamic memory ({extra_specs.DYNAMIC_MEMORY_RATIO}, "
                f"{extra_specs.MEMORY_MINIMUM_MB}) and the server for {' and '.join(reasons)}: Hyper-V has no machine "
                "with both.",
            )
        return Memory(total_mb, total_mb, total_mb, numa_node_mb=numa.memory_mb if numa else None)
    startup_mb = _startup_mb(total_mb, ratio if own_ratio is None else own_ratio)
    if minimum_mb is not None and (minimum_mb > startup_mb or minimum_mb % _MEMORY_STEP_MB):
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the flavor has {extra_specs.MEMORY_MINIMUM_MB}={minimum_mb}: the server starts with {startup_mb} "
            f"MB, and Hyper-V takes steps of {_MEMORY_STEP_MB} MB.",
        )
    chosen = Memory(startup_mb, startup_mb if minimum_mb is None else minimum_mb, total_mb)
    return _with_buffer(instance, chosen)


def _startup_mb(total_mb: int, ratio: float) -> int:
    if ratio <= 1:
        return total_mb
    part_mb = int(total_mb / ratio)
    return min(max(part_mb - part_mb % _MEMORY_STEP_MB, _MEMORY_MINIMUM_MB), total_mb)


def _with_buffer(instance: Instance, chosen: Memory) -> Memory:
    buffer_percent = extra_specs.integer(instance, extra_specs.MEMORY_BUFFER_PERCENT)
    if buffer_percent is None:
        return chosen
    if not chosen.dynamic:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the flavor has {extra_specs.MEMORY_BUFFER_PERCENT}, but no dynamic memory: set "
            f"{extra_specs.DYNAMIC_MEMORY_RATIO} or {extra_specs.MEMORY_MINIMUM_MB}.",
        )
    return Memory(chosen.startup_mb, chosen.minimum_mb, chosen.maximum_mb, buffer_percent)


def numa_nodes(instance: Instance) -> NumaNodes | None:
    """The virtual NUMA topology that Nova has fitted to the host; None leaves it to the host.

    Hyper-V divides a machine into nodes that are all alike, and chooses by itself which nodes of the host they run on.
    """
    if instance.numa_topology is None:
        return None
    cells = instance.numa_topology.cells
    if any(cell.cpu_policy not in (None, fields.CPUAllocationPolicy.SHARED) for cell in cells):
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="hw:cpu_policy: Hyper-V has no dedicated processors for single machines. Reserve some of each with "
            f"{extra_specs.PROCESSOR_RESERVATION_PERCENT}, or take a flavor without it.",
        )
    if any(cell.pagesize not in (None, SMALL_PAGE_KB) for cell in cells):
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="hw:mem_page_size: Hyper-V chooses the size of memory pages by itself. Take a flavor and an image "
            "without it.",
        )
    sizes = {(cell.memory, len(cell.cpuset)) for cell in cells}
    if len(sizes) > 1:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="hw:numa_*: Hyper-V has only NUMA topologies whose nodes have the same memory and number of "
            f"processors; asked for: {', '.join(f'{mb} MB and {count}' for mb, count in sorted(sizes))}.",
        )
    memory_mb, processors = sizes.pop()
    if memory_mb % _MEMORY_STEP_MB:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"hw:numa_*: a node has {memory_mb} MB, and Hyper-V takes steps of {_MEMORY_STEP_MB} MB.",
        )
    return NumaNodes(memory_mb, processors)


def wants_tpm(instance: Instance, image_meta: ImageMeta) -> bool:
    """Whether the image (``hw_tpm_version``, or ``os_vtpm`` as the retired driver had it) or the flavor
    (``hw:tpm_version``) asks for a virtual TPM.

    :raises InstanceRefused: for one that Hyper-V does not have.
    """
    asked = hardware.get_vtpm_constraint(instance.flavor, image_meta)
    if asked is None:
        return image_property(instance, image_meta, "os_vtpm") == "required"
    if asked.version != fields.TPMVersion.v2_0:
        raise InstanceRefused(
            instance_id=instance.uuid, reason=f"a TPM {asked.version} is asked for: Hyper-V's virtual TPMs are 2.0."
        )
    models = {
        instance.flavor.extra_specs.get("hw:tpm_model"),
        image_property(instance, image_meta, "hw_tpm_model"),
    }
    if fields.TPMModel.TIS in models:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"a TPM of the model {fields.TPMModel.TIS} is asked for: Hyper-V's virtual TPMs are "
            f"{fields.TPMModel.CRB}.",
        )
    return True


def host_devices(instance: Instance) -> HostDevices:
    """What of the host's devices the machine gets: exactly the PCI devices that Nova has claimed for it."""
    requested = sum(request.count for request in instance.pci_requests.requests) if instance.pci_requests else 0
    claimed = tuple(sorted(device.address for device in instance.get_pci_devices())) if requested else ()
    if len(claimed) != requested:
        # Nova claims before it builds; without a claim a device could be somebody else's.
        counted = f"for {requested} devices, of which {len(claimed)} are claimed"
        raise exception.PciDeviceRequestFailed(requests=counted)
    return HostDevices(claimed, _gpu_partitions(instance))


def _gpu_partitions(instance: Instance) -> int:
    specs: Mapping[str, str] = instance.flavor.extra_specs
    return sum(int(value) for name, value in specs.items() if _VGPU.fullmatch(name) and value.isdecimal())


def mmio_space(instance: Instance, devices: HostDevices) -> MmioSpace | None:
    """Room for the registers of the host's devices; None is the host's default."""
    default = _DEVICE_MMIO if devices.pci or devices.gpu_partitions else None
    low_mb = extra_specs.integer(instance, extra_specs.LOW_MMIO_MB)
    high_mb = extra_specs.integer(instance, extra_specs.HIGH_MMIO_MB)
    if low_mb is None and high_mb is None:
        return default
    base = default or _DEFAULT_MMIO
    return MmioSpace(low_mb or base.low_mb, high_mb or base.high_mb)
