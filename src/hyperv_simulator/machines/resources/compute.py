"""Memory and processors: what a machine may have of them.

Every machine has one object of each from the start; they are modified, never added or removed (hyperv-ops 1).
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.rules import ResourceHost, changes_of, modify_failed, must_be_off
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, Refused

MINIMUM_MEMORY_MB = 32


class MemoryRules:
    """Sizes in MiB, multiples of 2; dynamic memory and virtual NUMA exclude each other (hyperv-ops 2)."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        raise Refused(INVALID_PARAMETER, "a machine has its memory already")

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        changes = changes_of(given)
        wanted = current.copy()
        for name, value in changes.items():
            wanted[name] = value
        startup, minimum, maximum = (wanted.integer(name, 0) for name in ("VirtualQuantity", "Reservation", "Limit"))
        dynamic = wanted.boolean("DynamicMemoryEnabled", False)
        if machine.is_on:
            self._check_while_on(machine, current, wanted)
        for name, size in (("VirtualQuantity", startup), ("Reservation", minimum), ("Limit", maximum)):
            if name in changes and size % 2:
                raise modify_failed(machine, "Memory", f"{size} MB is not a multiple of 2 MB.")
        if startup < MINIMUM_MEMORY_MB:
            raise modify_failed(machine, "Memory", f"The minimum is {MINIMUM_MEMORY_MB} MB.")
        most = self._host.version.limits.memory_mb_of(machine.reader.generation)
        if startup > most:
            raise modify_failed(machine, "Memory", f"The maximum is {most} MB.")
        if dynamic and not minimum <= startup <= maximum:
            raise modify_failed(
                machine, "Memory", "The startup memory must lie between the minimum and the maximum memory."
            )
        if (
            not 1 <= wanted.integer("Weight", 5000) <= 10000
            or not 5 <= wanted.integer("TargetMemoryBuffer", 20) <= 2000
        ):
            raise modify_failed(machine, "Memory", "The memory weight or buffer is out of range.")
        if given.get("DynamicMemoryEnabled") is True and machine.reader.system.get("VirtualNumaEnabled") is True:
            raise modify_failed(
                machine, "Memory", "Dynamic memory and virtual NUMA can't both be enabled for a virtual machine."
            )
        if dynamic and machine.reader.processor.get("ExposeVirtualizationExtensions") is True:
            raise modify_failed(machine, "Memory", "Dynamic memory can't be used with nested virtualization.")
        if machine.is_on and startup != current.get("VirtualQuantity"):
            machine.change_memory(startup)
        self._host.repository.change(self._host.repository.reference_of(current), changes)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, "a machine keeps its memory")

    def _check_while_on(self, machine: Machine, current: CimInstance, wanted: CimInstance) -> None:
        """Sizes can change while it runs since 2016 (configuration version 6.2); whether it is dynamic never can."""
        dynamic = current.get("DynamicMemoryEnabled")
        if wanted.get("DynamicMemoryEnabled") != dynamic or self._host.version.release < 2016:
            raise modify_failed(
                machine, "Memory", "The operation cannot be performed while the machine is running.", INVALID_STATE
            )
        if dynamic is True and wanted.get("VirtualQuantity") != current.get("VirtualQuantity"):
            raise modify_failed(
                machine, "Memory", "The startup memory can't be changed while the machine is running.", INVALID_STATE
            )


class ProcessorRules:
    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        raise Refused(INVALID_PARAMETER, "a machine has its processor settings already")

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        changes = changes_of(given)
        wanted = current.copy()
        for name, value in changes.items():
            wanted[name] = value
        count = wanted.integer("VirtualQuantity", 1)
        if count != current.get("VirtualQuantity"):
            must_be_off(machine, "Processor")
        # More virtual processors than the host has logical ones: the machine would not start, the console refuses it.
        limit = self._host.version.limits.processors_of(machine.reader.generation)
        most = min(limit, self._host.logical_processors)
        if not 1 <= count <= most:
            raise modify_failed(
                machine, "Processor", f"A virtual machine can have 1 to {most} virtual processors here."
            )
        if not 0 <= wanted.integer("Reservation", 0) <= wanted.integer("Limit", 100000) <= 100000:
            raise modify_failed(machine, "Processor", "The reservation and the limit are out of range.")
        if not 0 <= wanted.integer("Weight", 100) <= 10000:
            raise modify_failed(machine, "Processor", "The weight is out of range.")
        if given.get("ExposeVirtualizationExtensions") is True:
            must_be_off(machine, "Processor")
            if machine.reader.memory.get("DynamicMemoryEnabled") is True:
                raise modify_failed(machine, "Processor", "Nested virtualization can't be used with dynamic memory.")
        self._host.repository.change(self._host.repository.reference_of(current), changes)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, "a machine keeps its processors")
