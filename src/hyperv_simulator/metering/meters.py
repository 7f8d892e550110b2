"""For what metrics are on, and the values that follow.

A metric is on for a machine as a whole (then for every resource of it, those that are added later as well: assumption)
or for single resources; what was said of a resource last counts. So a machine's state is enabled, disabled or, where
its resources differ, partially enabled. Values exist only while a metric is on (seen: HVWMI ``metrics_enable``).
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.machines.device_kinds import CONNECTION, MEMORY, PREFIX, PROCESSOR, SASD
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.metering.definitions import Metric, metrics_of
from hyperv_simulator.metering.measurements import Measurements
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import ChangeKind, Repository

ENABLED, DISABLED, PARTIALLY = 2, 3, 32768
ACL = "Msvm_EthernetSwitchPortAclSettingData"
_METER = 3
_DIRECTIONS = {1: "incoming", 2: "outgoing"}
_SECTION = "metering"
_ON = (State.RUNNING, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Meter:
    """One metric at one element.

    :param machine: whose it is.
    :param guid: of the definition: the machine's or the resource's.
    """

    element: CimInstance
    machine: Machine
    metric: Metric
    guid: str
    state: int


class Meters:
    """Safe for threads."""

    def __init__(
        self,
        repository: Repository,
        machines: Machines,
        memory: HostMemory,
        measurements: Measurements,
        kept: KeptState,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._repository = repository
        self._machines = machines
        self._memory = memory
        self._measurements = measurements
        self._kept = kept
        self._now = now
        self._metrics = metrics_of(repository)
        self._lock = threading.RLock()
        section = kept.section(_SECTION)
        self._on: dict[str, set[str]] = {name: set(guids) for name, guids in section.get("machines", {}).items()}
        self._said: dict[str, dict[str, bool]] = section.get("resources", {})
        self._since: dict[str, dt.datetime] = {}
        repository.add_hook(self._note)
        for class_name in ("Msvm_BaseMetricValue", "Msvm_AggregationMetricValue"):
            repository.add_source(class_name, self._source(class_name))

    # Which meters there are

    def of(self, element: CimInstance) -> list[Meter]:
        """The meters of a machine or of one of its resources, on or off; none of anything else."""
        if element.class_name == COMPUTER_SYSTEM:
            machine = self._machines.find(element.text("Name", ""))
            return self._of_machine(machine, element) if machine is not None else []
        source = _source_of(element)
        machine = self._machines.find(_owner(element)) if source else None
        if machine is None:
            return []
        return [self._at(element, machine, metric) for metric in self._metrics if metric.source == source]

    def all(self) -> Iterator[Meter]:
        """Every meter of the host."""
        for machine in self._machines.all():
            system = self._repository.find(machine.reference)
            if system is not None:
                yield from self._of_machine(machine, system)
            for resource in self._resources(machine):
                yield from self.of(resource)

    def below(self, meter: Meter) -> list[Meter]:
        """The meters that a machine's meter sums up."""
        return [
            self._at(resource, meter.machine, meter.metric)
            for resource in self._resources(meter.machine)
            if _source_of(resource) == meter.metric.source
        ]

    def ports_meters(self, connection: CimInstance) -> list[Meter]:
        """The meters of a port: those of its metering ACLs."""
        machine = self._machines.find(_owner(connection))
        if machine is None or connection.class_name != CONNECTION:
            return []
        return [meter for acl in machine.reader.features_of(connection, ACL) for meter in self.of(acl)]

    # Turning them

    def turn(self, meters: Iterable[Meter], on: bool) -> None:
        with self._lock:
            for meter in meters:
                machine_id = meter.machine.machine_id.lower()
                if meter.element.class_name == COMPUTER_SYSTEM:
                    for lower in self.below(meter):
                        self._said.get(_id(lower.element), {}).pop(meter.metric.guid, None)
                    chosen = self._on.setdefault(machine_id, set())
                    (chosen.add if on else chosen.discard)(meter.metric.guid)
                else:
                    self._said.setdefault(_id(meter.element), {})[meter.metric.guid] = on
                if on:
                    self._since.setdefault(machine_id, self._now())
            self._keep()

    def reset(self, meters: Iterable[Meter]) -> None:
        """Begins to count anew."""
        for machine in {meter.machine.machine_id: meter.machine for meter in meters}.values():
            self._measurements.reset(machine)
            with self._lock:
                self._since[machine.machine_id.lower()] = self._now()

    # Values

    def value_of(self, meter: Meter) -> CimInstance | None:
        """What a meter shows; None while it is off, or where a machine has nothing of the kind."""
        parts = self._measured(meter)
        if meter.state == DISABLED or not parts:
            return None
        since = self._since.get(meter.machine.machine_id.lower(), self._now())
        now = self._now()
        name = meter.metric.name if meter.guid == meter.metric.guid else meter.metric.machine_name
        values: dict[str, CimValue] = {
            "InstanceID": f"{_id_of(meter.element)}\\{meter.guid}",  # the form is an assumption
            "Caption": name,
            "ElementName": name,
            "Description": name,
            "MeasuredElementName": meter.element.get("ElementName"),
            "MetricDefinitionId": f"Microsoft:{meter.guid}",
            "MetricValue": str(parts[0] if len(parts) == 1 else _together(meter.metric, parts)),
            "TimeStamp": now,
            "Duration": now - since,
            "Volatile": False,
        }
        if meter.metric.function != "sum":
            values |= {"AggregationTimeStamp": since, "AggregationDuration": now - since}
        return new_instance(self._repository.catalogue, meter.metric.value_class, values)

    def meter_at(self, value: CimInstance) -> Meter | None:
        """Whose value an instance is."""
        wanted = value.text("InstanceID").lower()
        machine = self._machines.find(_owner(value))
        for meter in self._meters_of(machine) if machine is not None else ():
            if f"{_id_of(meter.element)}\\{meter.guid}".lower() == wanted:
                return meter
        return None

    # Inside

    def _of_machine(self, machine: Machine, system: CimInstance) -> list[Meter]:
        found = []
        for metric in self._metrics:
            states = [
                self._is_on(machine, resource, metric)
                for resource in self._resources(machine)
                if _source_of(resource) == metric.source
            ] or [metric.guid in self._on.get(machine.machine_id.lower(), ())]
            state = PARTIALLY if any(states) != all(states) else ENABLED if all(states) else DISABLED
            found.append(Meter(system, machine, metric, metric.machine_guid, state))
        return found

    def _at(self, resource: CimInstance, machine: Machine, metric: Metric) -> Meter:
        state = ENABLED if self._is_on(machine, resource, metric) else DISABLED
        return Meter(resource, machine, metric, metric.guid, state)

    def _is_on(self, machine: Machine, resource: CimInstance, metric: Metric) -> bool:
        said = self._said.get(_id(resource), {}).get(metric.guid)
        return metric.guid in self._on.get(machine.machine_id.lower(), ()) if said is None else said

    def _resources(self, machine: Machine) -> list[CimInstance]:
        reader = machine.reader
        candidates = [*reader.all(MEMORY), *reader.all(PROCESSOR), *reader.all(SASD), *reader.all(ACL)]
        return [item for item in candidates if _source_of(item)]

    def _meters_of(self, machine: Machine) -> Iterator[Meter]:
        system = self._repository.find(machine.reference)
        for element in ([system] if system is not None else []) + self._resources(machine):
            yield from self.of(element)

    def _measured(self, meter: Meter) -> list[int]:
        parts = [meter] if meter.element.class_name != COMPUTER_SYSTEM else self.below(meter)
        measure = self._measurements.value
        return [measure(part.metric.key, part.machine, part.element) for part in parts if part.state == ENABLED]

    def _source(self, class_name: str) -> Callable[[str], Iterable[CimInstance]]:
        def source(owner: str) -> Iterator[CimInstance]:
            for machine in [self._machines.find(owner)] if owner else self._machines.all():
                for meter in self._meters_of(machine) if machine is not None else ():
                    value = self.value_of(meter) if meter.metric.value_class == class_name else None
                    if value is not None:
                        yield value

        return source

    def _note(self, _kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        instance = after or before
        if instance is None or instance.class_name != COMPUTER_SYSTEM:
            return
        machine_id = instance.text("Name")
        if after is None:
            self._measurements.forget(machine_id)
            with self._lock:
                self._on.pop(machine_id.lower(), None)
                self._said = {name: said for name, said in self._said.items() if machine_id.lower() not in name}
        elif after.get("EnabledState") in _ON:
            self._measurements.started(machine_id, self._memory.assigned_mb(machine_id))
        elif after.get("EnabledState") in (State.OFF, State.SAVED):
            self._measurements.ended(machine_id)

    def _keep(self) -> None:
        document: dict[str, Any] = {
            "machines": {name: sorted(guids) for name, guids in self._on.items() if guids},
            "resources": {name: said for name, said in self._said.items() if said},
        }
        self._kept.keep(_SECTION, document)


def _source_of(element: CimInstance) -> str:
    """What is measured at an element; empty where nothing is. There are no metrics of DVDs (old-driver 5.17)."""
    if element.class_name == MEMORY:
        return "memory"
    if element.class_name == PROCESSOR:
        return "processor"
    if element.class_name == SASD and element.get("ResourceSubType") == f"{PREFIX}Virtual Hard Disk":
        return "disk"
    if element.class_name == ACL and element.get("Action") == _METER:
        direction = element.get("Direction")
        return _DIRECTIONS.get(direction, "") if isinstance(direction, int) else ""
    return ""


def _together(metric: Metric, parts: list[int]) -> int:
    """The resources' values as one: latencies are averaged, the rest adds up (assumption)."""
    return round(sum(parts) / len(parts)) if metric.key == "disk_latency" else sum(parts)


def _id_of(element: CimInstance) -> str:
    if element.class_name == COMPUTER_SYSTEM:
        return "Microsoft:" + element.text("Name")
    return element.text("InstanceID")


def _id(element: CimInstance) -> str:
    return _id_of(element).lower()


def _owner(element: CimInstance) -> str:
    return element.text("InstanceID", "").removeprefix("Microsoft:").partition("\\")[0]
