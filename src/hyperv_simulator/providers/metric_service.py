"""Msvm_MetricService: turning metrics on and off, and showing which are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.metering.meters import Meter, Meters
from hyperv_simulator.outcomes import INVALID_PARAMETER, NOT_SUPPORTED, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository

_ENABLE, _DISABLE, _RESET = 2, 3, 4
_FAILED = 2  # of the service's own family of codes
_MINIMUM, _MAXIMUM = 2, 3


class MetricProvider(Provider):
    class_name = "Msvm_MetricService"

    def __init__(self, repository: Repository, meters: Meters, settings: ServiceSettings) -> None:
        self._repository = repository
        self._meters = meters
        self._settings = settings

    def methods(self) -> Mapping[str, Method]:
        return {
            "ControlMetrics": self._control,
            "ControlMetricsByClass": self._not_supported,
            "ControlSampleTimes": self._not_supported,
            "ShowMetrics": self._show,
            "ShowMetricsByClass": self._not_supported,
            "GetMetricValues": self._values,
            **self._settings.methods(),
            **service_control(),
        }

    def _control(self, call: Call) -> Outputs:
        """Without a subject for every element, without a definition every metric; not without both (hyperv-ops 14)."""
        wanted = call.integer("MetricCollectionEnabled")
        if wanted not in (_ENABLE, _DISABLE, _RESET):
            raise Refused(INVALID_PARAMETER, f"MetricCollectionEnabled {wanted}")
        meters = self._chosen(call)
        if wanted == _RESET:
            self._meters.reset(meters)
        else:
            self._meters.turn(meters, on=wanted == _ENABLE)
        return done()

    def _show(self, call: Call) -> Outputs:
        meters = self._chosen(call)
        definitions = [self._definition(meter) for meter in meters]
        elements: list[CimScalar] = [self._repository.reference_of(meter.element) for meter in meters]
        shown: list[CimScalar] = [self._repository.reference_of(item) for item in definitions]
        names: list[CimScalar] = [item.text("ElementName") for item in definitions]
        states: list[CimScalar] = [meter.state for meter in meters]
        return done(ManagedElements=elements, DefinitionList=shown, MetricNames=names, MetricCollectionEnabled=states)

    def _values(self, call: Call) -> Outputs:
        """The lowest or highest values of one metric, at most Count of them."""
        definition = self._found(call.target_of("Definition"))
        order = call.integer("Range", _MINIMUM)
        if order not in (_MINIMUM, _MAXIMUM):
            raise Refused(INVALID_PARAMETER, f"Range {order}")
        values = [value for meter in self._defined(definition) if (value := self._meters.value_of(meter)) is not None]
        values.sort(key=lambda value: int(value.text("MetricValue")), reverse=order == _MAXIMUM)
        found: list[CimScalar] = [self._repository.reference_of(item) for item in values]
        return done(Values=found[: call.integer("Count", len(found))])

    @staticmethod
    def _not_supported(_: Call) -> Outputs:
        return {"ReturnValue": NOT_SUPPORTED}

    # Inside

    def _chosen(self, call: Call) -> list[Meter]:
        subject, definition = call.given("Subject"), call.given("Definition")
        if subject is None and definition is None:
            raise Refused(INVALID_PARAMETER, "neither Subject nor Definition")
        meters: Iterable[Meter]
        if subject is None:
            meters = self._defined(self._found(call.target_of("Definition")))
        else:
            meters = self._of_subject(self._found(call.target_of("Subject")))
            if definition is not None:
                meters = self._only(meters, self._found(call.target_of("Definition")))
        chosen = list(meters)
        if not chosen:
            raise Refused(_FAILED, "nothing to measure there")
        return chosen

    def _of_subject(self, subject: CimInstance) -> list[Meter]:
        if subject.class_name != CONNECTION:
            return self._meters.of(subject)
        # A port needs metering ACLs and a machine that runs (old-driver 5.17).
        return [
            meter
            for meter in self._meters.ports_meters(subject)
            if meter.machine.state in (State.RUNNING, State.PAUSED)
        ]

    def _defined(self, definition: CimInstance) -> list[Meter]:
        return self._only(self._meters.all(), definition)

    @staticmethod
    def _only(meters: Iterable[Meter], definition: CimInstance) -> list[Meter]:
        wanted = definition.text("Id").removeprefix("Microsoft:")
        return [meter for meter in meters if meter.guid == wanted]

    def _definition(self, meter: Meter) -> CimInstance:
        return self._found(CimReference(meter.metric.definition_class, {"Id": f"Microsoft:{meter.guid}"}))

    def _found(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None:
            raise Refused(INVALID_PARAMETER, f"nothing at {reference}")
        return found
