"""An event query, checked against the classes of the host and made ready to judge events.

WMI tells two kinds: intrinsic events, changes of instances, for which it looks every WITHIN seconds; extrinsic ones,
which somebody raises. The queries that it refuses, and the codes: WmiSdk "WMI Error Constants". That Hyper-V's provider
raises no intrinsic events of its own, so that WITHIN is needed for all of them, is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import wql
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.instances import ChangeKind
from hyperv_simulator.server import wire_faults
from hyperv_simulator.wql.tree import And, Comparison, Condition, IsA, Or

_TARGET = "targetinstance"
# Which changes an intrinsic event class covers; derived classes first, as the catalogue derives them.
INTRINSIC: dict[ChangeKind, str] = {
    "created": "__InstanceCreationEvent",
    "changed": "__InstanceModificationEvent",
    "removed": "__InstanceDeletionEvent",
}
_ALL_OPERATIONS = "__instanceoperationevent"


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What one subscription wants.

    :param kinds: the changes that it is about; empty for extrinsic events.
    :param event_class: the class in FROM.
    :param targets: classes of the instances whose changes count.
    :param properties: the selected ones; None for all.
    :param group: how they are gathered; None: each by itself.
    """

    namespace: str
    event_class: str
    kinds: frozenset[ChangeKind]
    targets: tuple[str, ...]
    within_s: float
    properties: tuple[str, ...] | None
    matcher: wql.Matcher | None
    group: wql.Group | None = None

    def accepts(self, event: CimInstance) -> bool:
        return self.matcher is None or self.matcher(event)

    def projected(self, event: CimInstance) -> CimInstance:
        """The event with what was selected of it."""
        if self.properties is None:
            return event
        wanted = {name.lower() for name in self.properties}
        kept = {name: value for name, value in event.items() if name.lower() in wanted}
        return CimInstance(event.class_name, kept, event.namespace)


def compiled(namespace: str, text: str, catalogue: HostCatalogue) -> EventQuery:
    """The query of a subscription. Raises the fault that WMI has for a query that is none."""
    if not catalogue.has_namespace(namespace):
        raise wmi_faults.invalid_namespace(namespace)
    try:
        tree = wql.parse_event(text)
    except wql.WqlError as error:
        raise wmi_faults.invalid_query(text, str(error)) from None
    try:
        cls = catalogue.find(namespace, tree.class_name)
    except NotFound:
        raise wmi_faults.invalid_class_in_query(text, tree.class_name) from None
    if not is_indication(catalogue, namespace, cls.name):
        raise wire_faults.not_an_event_class(text)
    kinds = _kinds(cls.name)
    targets: tuple[str, ...] = ()
    if kinds:
        targets = tuple(_targets(tree.where))
        if not targets:
            raise wire_faults.registration_too_broad(text)
        if tree.within_s is None:
            raise wire_faults.within_needed(text)
    for name in targets:
        try:
            catalogue.find(namespace, name)
        except NotFound:
            raise wmi_faults.invalid_class_in_query(text, name) from None
    judge = None
    if tree.where is not None:
        try:
            judge = wql.matcher(tree.where, _read, lambda item, name: _is_a(catalogue, item, name))
        except wql.WqlError as error:
            raise wmi_faults.invalid_query(text, str(error)) from None
    return EventQuery(namespace, cls.name, kinds, targets, tree.within_s or 0.0, tree.properties, judge, tree.group)


def is_indication(catalogue: HostCatalogue, namespace: str, class_name: str) -> bool:
    """Whether instances of a class are events: WMI's own ``__Event`` or CIM's ``CIM_Indication`` is its base."""
    cls = catalogue.find(namespace, class_name)
    return cls.is_a("__Event") or cls.is_a("CIM_Indication")


def _kinds(event_class: str) -> frozenset[ChangeKind]:
    lowered = event_class.lower()
    if lowered == _ALL_OPERATIONS:
        return frozenset(INTRINSIC)
    return frozenset(kind for kind, name in INTRINSIC.items() if name.lower() == lowered)


def _targets(where: Condition | None) -> list[str]:
    """The classes that TargetInstance must be of, one at least: of what all conditions demand, the first that says."""
    match where:
        case IsA((name,), class_name) if name.lower() == _TARGET:
            return [class_name]
        case Comparison((name, system), "=", str(value)) if (name.lower(), system.lower()) == (_TARGET, "__class"):
            return [value]
        case And(conditions):
            return next((found for item in conditions if (found := _targets(item))), [])
        case Or(conditions):
            each = [_targets(item) for item in conditions]
            return [name for names in each for name in names] if all(each) else []
    return []


def _read(instance: CimInstance, name: str) -> CimValue:
    if name.upper() == "__CLASS":
        return instance.class_name
    return instance.get(name)


def _is_a(catalogue: HostCatalogue, instance: CimInstance, class_name: str) -> bool:
    return catalogue.find(instance.namespace, instance.class_name).is_a(class_name)
