"""How much a flavor lets its instances' disks do: ``quota:disk_*``.

Hyper-V counts I/O operations of 8 KB ("normalised IOPS") and limits reads and writes together (Msvm_StorageAllocation-
SettingData page). So a number of bytes becomes one of operations, rounded up as the retired driver had it (old-driver
facts 3.6); a limit for reads and one for writes become one for their sum; and one for a single direction is refused,
because it could not be kept.
"""

from __future__ import annotations

from nova.objects.instance import Instance

from compute_hyperv.nova.errors import InstanceRefused

_NORMALISED_BYTES = 8 << 10
_UNITS = {"iops": 1, "bytes": _NORMALISED_BYTES}  # operations count before bytes


def iops_limit(instance: Instance) -> int:
    """The limit for each local disk of the instance; 0 for none.

    :raises InstanceRefused: a limit that Hyper-V cannot keep.
    """
    total = _first([(unit, _quota(instance, f"total_{unit}")) for unit in _UNITS])
    directions = {unit: (_quota(instance, f"read_{unit}"), _quota(instance, f"write_{unit}")) for unit in _UNITS}
    if total and any(any(pair) for pair in directions.values()):
        raise _refusal(instance, "limits for reads or writes beside a total cannot be kept: remove either")
    for unit, (read, write) in directions.items():
        if bool(read) != bool(write):
            alone = "read" if read else "write"
            raise _refusal(
                instance,
                f"quota:disk_{alone}_{unit}_sec alone cannot be kept: set quota:disk_total_{unit}_sec, or both "
                "directions, whose sum counts",
            )
    return total or _first([(unit, read + write) for unit, (read, write) in directions.items()])


def _first(limits: list[tuple[str, int]]) -> int:
    return next((-(-limit // _UNITS[unit]) for unit, limit in limits if limit), 0)


def _quota(instance: Instance, name: str) -> int:
    text = instance.flavor.extra_specs.get(f"quota:disk_{name}_sec", "0")
    # Nova has checked it only where the flavor was made with a recent microversion.
    if not text.isdecimal():
        raise _refusal(instance, f"quota:disk_{name}_sec={text} is no number from 0 up: correct it")
    return int(text)


def _refusal(instance: Instance, why: str) -> InstanceRefused:
    return InstanceRefused(instance_id=instance.uuid, reason=f"{why}.")
