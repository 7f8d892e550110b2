"""root/cimv2: the performance counters that managers of Hyper-V hosts read, computed at every read.

Guests without a processor cost nothing: a host is as good as idle, and its counters say so (one part in a hundred of
each processor's time). Counters without a meaning here are 0. Classes of counters that are not listed are not served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from compute_hyperv.cim.schema import CimType
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.operating_system import processes
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_NUMBERS = frozenset({CimType.UINT8, CimType.UINT16, CimType.UINT32, CimType.UINT64})
_TICKS_PER_S = 10_000_000  # of 100 ns, in which Windows counts times
_LOAD_PERCENT = 1
_MIB = 1024**2
_STANDARD = "root/standardcimv2"
_FILETIME_EPOCH_S = 11644473600
_BUSY = ("PercentTotalRunTime", "PercentHypervisorRunTime", "PercentProcessorTime", "PercentPrivilegedTime")
_IDLE = ("PercentIdleTime", "PercentC1Time")

Row = tuple[str, Mapping[str, CimValue]]


class Counters:
    """The counters of one host."""

    def __init__(self, repository: Repository, facts: HostFacts, memory: HostMemory, machines: Machines) -> None:
        self._repository = repository
        self._facts = facts
        self._memory = memory
        self._machines = machines

    def populate(self, *, hypervisor: bool) -> None:
        """Declares the classes; those of the hypervisor only where it runs."""
        self._add("PerfOS_Processor", self._processors)
        self._add("PerfOS_Memory", self._windows_memory)
        self._add("PerfOS_System", self._windows)
        self._add("PerfDisk_LogicalDisk", lambda: self._named("Win32_LogicalDisk", "Name", CIMV2))
        self._add("Tcpip_NetworkInterface", lambda: self._named("MSFT_NetAdapter", "InterfaceDescription", _STANDARD))
        if hypervisor:
            self._add("HvStats_HyperVHypervisorLogicalProcessor", self._logical_processors)
            self._add("HvStats_HyperVHypervisorRootVirtualProcessor", self._root_processors)
            self._add("HvStats_HyperVHypervisorVirtualProcessor", self._virtual_processors)
            self._add("HvStats_HyperVHypervisor", self._hypervisor)
            self._add("VmmsVirtualMachineStats_HyperVVirtualMachineHealthSummary", self._health)
            self._add("NvspNicStats_HyperVVirtualNetworkAdapter", self._adapters)

    def _add(self, name: str, rows: Callable[[], Iterable[Row]]) -> None:
        for kind in ("Formatted", "Raw"):
            class_name = f"Win32_Perf{kind}Data_{name}"
            self._repository.add_source(
                class_name,
                lambda _owner, class_name=class_name, raw=kind == "Raw": [  # type: ignore[misc]  # bound at definition
                    self._instance(class_name, row, raw=raw) for row in rows()
                ],
                CIMV2,
            )

    def _instance(self, class_name: str, row: Row, *, raw: bool) -> CimInstance:
        """Every counter of the class: those of the row, times as the class counts them, 0."""
        name, values = row
        catalogue = self._repository.catalogue
        properties = catalogue.find(CIMV2, class_name).properties
        numbers = {prop.name: 0 for prop in properties.values() if prop.type in _NUMBERS}
        full: dict[str, CimValue] = {**numbers, "Name": name, **values}
        if raw:
            full.update(self._raw_times(frozenset(properties)))
        else:
            full.update({counter: _LOAD_PERCENT for counter in _BUSY if counter in properties})
            full.update({counter: 100 - _LOAD_PERCENT for counter in _IDLE if counter in properties})
        return new_instance(catalogue, class_name, full, CIMV2)

    def _raw_times(self, names: frozenset[str]) -> dict[str, CimValue]:
        """Times run up from the start of Windows; a client takes the difference of two reads."""
        up = int((time.monotonic() - self._facts.started) * _TICKS_PER_S)
        stamp = int((time.time() + _FILETIME_EPOCH_S) * _TICKS_PER_S)
        found: dict[str, CimValue] = {
            "Frequency_PerfTime": _TICKS_PER_S,
            "Frequency_Sys100NS": _TICKS_PER_S,
            "Frequency_Object": _TICKS_PER_S,
            "Timestamp_PerfTime": up,
            "Timestamp_Sys100NS": stamp,
            "Timestamp_Object": stamp,
        }
        found.update(dict.fromkeys(_BUSY, up * _LOAD_PERCENT // 100))
        found.update(dict.fromkeys(_IDLE, up * (100 - _LOAD_PERCENT) // 100))
        found.update({f"{name}_Base": stamp for name in (*_BUSY, *_IDLE)})
        return {name: value for name, value in found.items() if name in names}

    # Rows

    def _logical(self, prefix: str) -> Iterable[Row]:
        yield "_Total", {}
        for number in range(self._facts.config.threads):
            yield f"{prefix}{number}", {}

    def _processors(self) -> Iterable[Row]:
        return self._logical("")

    def _logical_processors(self) -> Iterable[Row]:
        return self._logical("Hv LP ")

    def _root_processors(self) -> Iterable[Row]:
        return self._logical("Root VP ")

    def _virtual_processors(self) -> Iterable[Row]:
        yield "_Total", {}
        for machine in self._running():
            for number in range(_processors_of(machine)):
                yield f"{machine.reader.name}:Hv VP {number}", {}

    def _hypervisor(self) -> Iterable[Row]:
        running = self._running()
        virtual = sum(_processors_of(machine) for machine in running)
        threads = self._facts.config.threads
        yield (
            "",
            {
                "LogicalProcessors": threads,
                "Partitions": 1 + len(running),
                "VirtualProcessors": threads + virtual,
                "TotalPages": self._facts.config.memory_mb * _MIB // 4096,
            },
        )

    def _health(self) -> Iterable[Row]:
        yield "", {"HealthOk": len(self._machines.all()), "HealthCritical": 0}

    def _adapters(self) -> Iterable[Row]:
        """Names as clients expect them; traffic is not measured."""
        for machine in self._running():
            for nic in machine.reader.all(NIC):
                adapter_id = nic.text("InstanceID").rpartition("\\")[2]
                ids = f"{machine.machine_id}--{adapter_id}".lower()
                yield f"{machine.reader.name}_{nic.text('ElementName', '')}_{ids}", {}

    def _windows_memory(self) -> Iterable[Row]:
        free = max(0, self._memory.free_mb) * _MIB
        total = self._facts.config.memory_mb * _MIB
        yield (
            "",
            {
                "AvailableBytes": free,
                "AvailableKBytes": free // 1024,
                "AvailableMBytes": free // _MIB,
                "CommittedBytes": total - free,
                "CommitLimit": total,
                "PercentCommittedBytesInUse": (total - free) * 100 // total,
            },
        )

    def _windows(self) -> Iterable[Row]:
        yield (
            "",
            {
                "SystemUpTime": int(time.monotonic() - self._facts.started),
                "Processes": processes.count(self._repository),
            },
        )

    def _named(self, class_name: str, name: str, namespace: str) -> Iterable[Row]:
        """A row per instance of a class; nothing is counted for it."""
        yield "_Total", {}
        for item in self._repository.instances(class_name, namespace):
            yield item.text(name, ""), {}

    def _running(self) -> list[Machine]:
        return [machine for machine in self._machines.all() if machine.is_on]


def _processors_of(machine: Machine) -> int:
    return machine.reader.processor.integer("VirtualQuantity", 1)
