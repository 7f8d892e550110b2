"""Flavor extra specs of our own, all under ``hyperv:``, and the one way to read one.

Nova's API checks them by the same table where the operator has installed this package there (``register``, by the entry
point ``nova.api.extra_spec_validators``); a flavor can be older than that, so every value is judged again when it is
used.
"""

from __future__ import annotations

from nova import exception
from nova.api.validation.extra_specs import base
from nova.objects.instance import Instance
from oslo_utils import strutils

from compute_hyperv.nova.errors import InstanceRefused

DYNAMIC_MEMORY_RATIO = "hyperv:dynamic_memory_ratio"
MEMORY_MINIMUM_MB = "hyperv:memory_minimum_mb"
MEMORY_BUFFER_PERCENT = "hyperv:memory_buffer_percent"
PROCESSOR_COMPATIBILITY = "hyperv:processor_compatibility"
PROCESSOR_RESERVATION_PERCENT = "hyperv:processor_reservation_percent"
LOW_MMIO_MB = "hyperv:low_mmio_mb"
HIGH_MMIO_MB = "hyperv:high_mmio_mb"
SRIOV = "hyperv:sriov"

EXTRA_SPEC_VALIDATORS = [
    base.ExtraSpecValidator(
        name=DYNAMIC_MEMORY_RATIO,
        description="How many times as much memory the flavor has as a server starts with; 1 gives it all from the "
        "start. Instead of [hyperv] dynamic_memory_ratio.",
        value={"type": str, "pattern": r"[1-9]\d*(\.\d+)?"},
    ),
    base.ExtraSpecValidator(
        name=MEMORY_MINIMUM_MB,
        description="How far dynamic memory may shrink, MB. Without it: to what the server starts with.",
        value={"type": int, "min": 32},
    ),
    base.ExtraSpecValidator(
        name=MEMORY_BUFFER_PERCENT,
        description="How much memory dynamic memory keeps free for the guest, percent of what it uses.",
        value={"type": int, "min": 5, "max": 2000},
    ),
    base.ExtraSpecValidator(
        name=PROCESSOR_COMPATIBILITY,
        description="Whether processor features that other hosts may lack are hidden. Instead of [hyperv] "
        "limit_cpu_features.",
        value={"type": bool},
    ),
    base.ExtraSpecValidator(
        name=PROCESSOR_RESERVATION_PERCENT,
        description="How much of a logical processor the host keeps for each virtual one.",
        value={"type": int, "min": 0, "max": 100},
    ),
    base.ExtraSpecValidator(
        name=LOW_MMIO_MB,
        description="Room for registers and memory of passed-through devices below 4 GiB, MB.",
        value={"type": int, "min": 128, "max": 3584},
    ),
    base.ExtraSpecValidator(
        name=HIGH_MMIO_MB,
        description="Room for registers and memory of passed-through devices above 4 GiB, MB.",
        value={"type": int, "min": 512},
    ),
    base.ExtraSpecValidator(
        name=SRIOV,
        description="Whether the server's NICs take a virtual function of the host's adapter while there is one.",
        value={"type": bool},
    ),
]

_VALIDATORS = {validator.name: validator for validator in EXTRA_SPEC_VALIDATORS}


def register() -> list[base.ExtraSpecValidator]:
    """What Nova's API loads."""
    return EXTRA_SPEC_VALIDATORS


def check(instance: Instance) -> None:
    """:raises InstanceRefused: a key under ``hyperv:`` that there is not, or a value that it cannot have."""
    for name, value in instance.flavor.extra_specs.items():
        if not name.startswith("hyperv:"):
            continue
        validator = _VALIDATORS.get(name)
        if validator is None:
            raise InstanceRefused(
                instance_id=instance.uuid,
                reason=f"the flavor has {name}: there are {', '.join(sorted(_VALIDATORS))}.",
            )
        try:
            validator.validate(name, value)
        except exception.ValidationError as error:
            raise InstanceRefused(
                instance_id=instance.uuid, reason=f"the flavor has {name}={value}: {error.format_message()}"
            ) from error


def integer(instance: Instance, name: str) -> int | None:
    """The value after ``check``; None where the flavor has none."""
    value = instance.flavor.extra_specs.get(name)
    return None if value is None else int(value)


def number(instance: Instance, name: str) -> float | None:
    value = instance.flavor.extra_specs.get(name)
    return None if value is None else float(value)


def boolean(instance: Instance, name: str) -> bool | None:
    value = instance.flavor.extra_specs.get(name)
    return None if value is None else strutils.bool_from_string(value, strict=True)
