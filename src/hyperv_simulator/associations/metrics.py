"""Metrics: their definitions, the elements that they measure, and the values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.associations.walks import some
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.metering.definitions import AGGREGATION, BASE
from hyperv_simulator.metering.meters import Meter, Meters
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository

_DEFINITION, _VALUE = "CIM_BaseMetricDefinition", "CIM_BaseMetricValue"


class MetricAssociations:
    """Metrics: their definitions, the elements that they measure, and the values."""

    def __init__(self, repository: Repository, meters: Meters) -> None:
        self._repository = repository
        self._meters = meters

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_MetricDefForME",
            "Antecedent",
            "CIM_ManagedElement",
            "Dependent",
            _DEFINITION,
            lambda element: [self._definition(meter) for meter in self._meters.of(element)],
            lambda definition: [meter.element for meter in self._meters.all() if self._defines(definition, meter)],
            self._state,
            all_lefts=self._elements,
        )
        yield Association(
            "Msvm_MetricForME",
            "Antecedent",
            "CIM_ManagedElement",
            "Dependent",
            _VALUE,
            lambda element: self._values(self._meters.of(element)),
            lambda value: [meter.element for meter in some_meter(self._meters.meter_at(value))],
            all_lefts=self._elements,
        )
        yield Association(
            "Msvm_MetricInstance",
            "Antecedent",
            _DEFINITION,
            "Dependent",
            _VALUE,
            lambda definition: self._values(meter for meter in self._meters.all() if self._defines(definition, meter)),
            lambda value: [self._definition(meter) for meter in some_meter(self._meters.meter_at(value))],
        )
        yield Association(
            "Msvm_MetricCollectionDependency",
            "Antecedent",
            _VALUE,
            "Dependent",
            _VALUE,
            lambda value: [found for meter in some_meter(self._meters.meter_at(value)) for found in self._above(meter)],
            self._below,
        )
        for definition_class in (BASE, AGGREGATION):
            yield Association(
                "Msvm_ServiceAffectsElement",
                "AffectingElement",
                "Msvm_MetricService",
                "AffectedElement",
                definition_class,
                lambda _service, name=definition_class: self._repository.instances(name),  # type: ignore[misc]
                lambda _definition: self._repository.instances("Msvm_MetricService"),
                lambda _left, _right: {"ElementEffects": [5], "OtherElementEffectsDescriptions": []},
            )

    def _elements(self) -> Iterable[CimInstance]:
        found = {self._repository.reference_of(meter.element): meter.element for meter in self._meters.all()}
        return found.values()

    def _state(self, element: CimInstance, definition: CimInstance) -> Mapping[str, CimValue]:
        states = [meter.state for meter in self._meters.of(element) if self._defines(definition, meter)]
        return {"MetricCollectionEnabled": states[0]} if states else {}

    @staticmethod
    def _defines(definition: CimInstance, meter: Meter) -> bool:
        return definition.text("Id") == f"Microsoft:{meter.guid}"

    def _definition(self, meter: Meter) -> CimInstance:
        return self._repository.get(CimReference(meter.metric.definition_class, {"Id": f"Microsoft:{meter.guid}"}))

    def _values(self, meters: Iterable[Meter]) -> list[CimInstance]:
        return [value for meter in meters if (value := self._meters.value_of(meter)) is not None]

    def _above(self, meter: Meter) -> list[CimInstance]:
        """The machine's value that a resource's is part of."""
        if meter.element.class_name == COMPUTER_SYSTEM:
            return []
        machines = some(self._repository.find(meter.machine.reference))
        return self._values(
            upper for system in machines for upper in self._meters.of(system) if upper.metric is meter.metric
        )

    def _below(self, value: CimInstance) -> list[CimInstance]:
        meter = self._meters.meter_at(value)
        if meter is None or meter.element.class_name != COMPUTER_SYSTEM:
            return []
        return self._values(self._meters.below(meter))


def some_meter(meter: Meter | None) -> tuple[Meter, ...]:
    """None or one."""
    return () if meter is None else (meter,)
