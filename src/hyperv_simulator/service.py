"""What the wire calls: one door to a host's instances and methods.

Rule 1: what goes out is finished (every property there, computed ones up to date) and belongs to the caller.
Rule 2: every error is a ``SoapFault`` as WMI would give it; there are no others.
Rule 3: a class of the catalogue that nobody looks after is not the same as an empty one. Where a real host can have no
instance of it, it is empty; else the provider says that it is not capable (0x80041024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from compute_hyperv.cim.errors import CimError, NotFound
from compute_hyperv.cim.paths import format_path, parse_path, relative_path
from compute_hyperv.cim.schema import CimClass
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import wql
from hyperv_simulator.providers.base import Call, Caller, Provider, Remover, Writer
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.repository.associations import Associations
from hyperv_simulator.repository.emptiness import may_be_empty
from hyperv_simulator.repository.instances import Repository, owner_in
from hyperv_simulator.wql.tree import And, Comparison, Condition, Like

__all__ = ["Caller", "CimService"]


class CimService:
    """See the rules above. Safe for threads.

    :param before_reading: called before every request, to forget what has become old (jobs).
    :param is_silent: whether the service behind a namespace is stopped: its classes are there then, and have no
        instances (clients see nothing, or "not found", while vmms is stopped).
    """

    def __init__(
        self,
        repository: Repository,
        associations: Associations,
        providers: Sequence[Provider],
        *,
        host_name: str,
        before_reading: Iterable[Callable[[], None]] = (),
        is_silent: Callable[[str], bool] = lambda _namespace: False,
    ) -> None:
        self._repository = repository
        self._associations = associations
        self._providers = {(item.namespace.lower(), item.class_name.lower()): item for item in providers}
        self._host_name = host_name
        self._housekeeping = tuple(before_reading)
        self._is_silent = is_silent

    # Reading

    def get(self, ref: CimReference) -> CimInstance:
        """One instance. A part of its keys is enough where it identifies one (wsman-cim 6)."""
        self._tidy()
        cls = self._class_at(ref)
        if cls.association and not self._is_silent(ref.namespace):
            return self._get_association(ref)
        return self._repository.finished(self._lookup(ref, cls))

    def enumerate(self, namespace: str, class_name: str) -> list[CimInstance]:
        """All instances of a class and of those derived from it."""
        self._tidy()
        cls = self._class_at(CimReference(class_name, {}, namespace))
        if self._is_silent(namespace):
            return []
        if cls.association:
            return self._links(cls)
        self._check_served(cls)
        return [self._repository.finished(item) for item in self._repository.instances(cls.name, namespace)]

    def query(self, namespace: str, wql_text: str) -> list[CimInstance]:
        """What a WQL query finds; instances hold only the selected properties where it names some."""
        self._tidy()
        if not self._repository.catalogue.has_namespace(namespace):
            raise wmi_faults.invalid_namespace(namespace)
        try:
            query = wql.parse(wql_text)
        except wql.WqlError as error:
            raise wmi_faults.invalid_query(wql_text, str(error)) from None
        if isinstance(query, wql.Select):
            return self._select(namespace, wql_text, query)
        return self._navigate(namespace, wql_text, query)

    def reference_of(self, instance: CimInstance) -> CimReference:
        """The address of an instance that one of the readers gave, whatever a projection left of it."""
        return instance.reference if isinstance(instance, _Projection) else self._repository.reference_of(instance)

    # Methods and writing

    def invoke(
        self, ref: CimReference, method: str, parameters: Mapping[str, CimValue], caller: Caller
    ) -> dict[str, CimValue]:
        """Calls a method. Outputs that the method leaves open are NULL; ReturnValue is absent for void methods."""
        self._tidy()
        cls = self._class_at(ref)
        try:
            signature = cls.method(method)
        except NotFound:
            raise wmi_faults.method_not_found(cls.name, method) from None
        for name in parameters:
            if name.lower() not in {item.name.lower() for item in signature.parameters}:
                raise wmi_faults.invalid_method_parameter(cls.name, method, name)
        instance = self._called(ref, cls, signature.name)
        call = Call(
            target=instance,
            reference=self._repository.reference_of(instance),
            method=signature.name,
            parameters={name.lower(): value for name, value in parameters.items()},
            caller=caller,
            catalogue=self._repository.catalogue,
        )
        outputs = self._invoke(self._repository.catalogue.find(ref.namespace, instance.class_name), call)
        if outputs is None:
            raise wmi_faults.not_capable(f"{cls.name}.{signature.name}")
        complete: dict[str, CimValue] = {
            item.name: None for item in signature.parameters if item.direction in ("out", "inout")
        }
        complete.update(outputs)
        if signature.returns is None:
            complete.pop("ReturnValue", None)
        return complete

    def put(self, ref: CimReference, instance: CimInstance) -> None:
        """Changes an instance directly; Hyper-V's own classes are changed by methods and refuse it."""
        cls = self._class_at(ref)
        before = self._lookup(ref, cls)
        writer = self._provider(cls)
        if not isinstance(writer, Writer):
            raise wmi_faults.not_capable(f"writing {cls.name}")
        writer.put(before, instance)

    def create(self, instance: CimInstance) -> CimReference:
        """No class of a simulated host is created by Put or Create yet."""
        self._class_at(CimReference(instance.class_name, {}, instance.namespace))
        raise wmi_faults.not_capable(f"creating {instance.class_name}")

    def delete(self, ref: CimReference) -> None:
        """Takes an instance away, where the class lets clients do that."""
        cls = self._class_at(ref)
        instance = self._lookup(ref, cls)
        remover = self._provider(cls)
        if not isinstance(remover, Remover):
            raise wmi_faults.not_capable(f"deleting {ref.class_name}")
        remover.delete(instance)

    # Inside: classes

    def _tidy(self) -> None:
        for action in self._housekeeping:
            action()

    def _class_at(self, ref: CimReference) -> CimClass:
        catalogue = self._repository.catalogue
        if not catalogue.has_namespace(ref.namespace):
            raise wmi_faults.invalid_namespace(ref.namespace)
        try:
            return catalogue.find(ref.namespace, ref.class_name)
        except NotFound:
            raise wmi_faults.class_not_found(ref.namespace, ref.class_name) from None

    def _check_served(self, cls: CimClass) -> None:
        if not self._repository.has_instances_of(cls.namespace, cls.name) and not may_be_empty(cls):
            raise wmi_faults.not_capable(cls.name)

    def _lookup(self, ref: CimReference, cls: CimClass) -> CimInstance:
        if self._is_silent(ref.namespace):
            raise wmi_faults.not_found(ref)
        self._check_served(cls)
        if not ref.keys and cls.keys:
            raise wmi_faults.insufficient_selectors(ref)
        return self._repository.get(ref)

    def _called(self, ref: CimReference, cls: CimClass, method: str) -> CimInstance:
        """What a method is called on; a static one without selectors has the class itself, which is empty."""
        provider = self._provider(cls)
        if not ref.keys and provider is not None and provider.is_static(method):
            return CimInstance(cls.name, None, ref.namespace)
        return self._lookup(ref, cls)

    def _invoke(self, cls: CimClass, call: Call) -> Mapping[str, CimValue] | None:
        provider = self._provider(cls)
        return provider.invoke(call) if provider is not None else None

    def _provider(self, cls: CimClass) -> Provider | None:
        """Who has the methods of a class: its own provider, or that of the nearest base class."""
        found = (self._providers.get((cls.namespace.lower(), name.lower())) for name in cls.ancestors)
        return next((provider for provider in found if provider is not None), None)

    # Inside: SELECT

    def _select(self, namespace: str, text: str, query: wql.Select) -> list[CimInstance]:
        catalogue = self._repository.catalogue
        try:
            cls = catalogue.find(namespace, query.class_name)
        except NotFound:
            raise wmi_faults.invalid_class_in_query(text, query.class_name) from None
        self._check_properties(cls, text, query)
        if self._is_silent(namespace):
            return []
        if cls.association:
            judge = self._judge(query.where, text)
            return [self._shown(item, query) for item in self._links(cls) if judge(item)]
        self._check_served(cls)
        judge = self._judge(query.where, text)
        dynamic = self._repository.dynamic_names(namespace, cls.name)
        candidates = self._candidates(cls, namespace, query.where)
        if any(name.lower() in dynamic for name in wql.properties_read(query.where)):
            candidates = [self._repository.finished(item) for item in candidates]
        return [self._shown(item, query) for item in candidates if judge(item)]

    def _check_properties(self, cls: CimClass, text: str, query: wql.Select) -> None:
        """A property that the class lacks makes the query invalid, whether it is selected or compared."""
        named = [*(query.properties or ()), *wql.properties_read(query.where)]
        for name in named:
            if name.startswith("__"):
                continue
            try:
                self._repository.catalogue.property(cls.namespace, cls.name, name.partition(".")[0])
            except NotFound:
                # A derived class may have it: Windows judges by the class in FROM alone.
                raise wmi_faults.invalid_query(text, f"{cls.name} has no property {name}") from None

    def _judge(self, where: Condition | None, text: str) -> wql.Matcher:
        if where is None:
            return lambda _instance: True
        try:
            return wql.matcher(where, self._read, self._is_subclass)
        except wql.WqlError as error:
            raise wmi_faults.invalid_query(text, str(error)) from None

    def _candidates(self, cls: CimClass, namespace: str, where: Condition | None) -> list[CimInstance]:
        """The instances that a query can find at all, cut down by an owner that its conditions name."""
        owner = _owner_named(where, cls)
        if owner:
            return self._repository.owned(cls.name, owner, namespace)
        return self._repository.instances(cls.name, namespace)

    def _shown(self, item: CimInstance, query: wql.Select) -> CimInstance:
        """The instance, or what the query selects of it."""
        if query.properties is None:
            return self._repository.finished(item)
        chosen = self._repository.finished(item, frozenset(name.lower() for name in query.properties))
        reference = self._repository.reference_of(item)
        return _Projection(chosen.class_name, dict(chosen.items()), chosen.namespace, reference)

    def _read(self, instance: CimInstance, name: str) -> CimValue:
        if not name.startswith("__"):
            return instance.get(name)
        system = name.upper()
        if system == "__CLASS":
            return instance.class_name
        if system == "__NAMESPACE":
            return instance.namespace.replace("/", "\\")
        if system == "__SERVER":
            return self._host_name
        if system in ("__PATH", "__RELPATH"):
            reference = self._repository.reference_of(instance)
            return relative_path(reference) if system == "__RELPATH" else format_path(reference, self._host_name)
        if system in ("__SUPERCLASS", "__DYNASTY"):
            ancestors = self._repository.catalogue.find(instance.namespace, instance.class_name).ancestors
            return ancestors[-1] if system == "__DYNASTY" else next(iter(ancestors[1:]), None)
        return None

    def _is_subclass(self, instance: CimInstance, class_name: str) -> bool:
        return self._repository.catalogue.find(instance.namespace, instance.class_name).is_a(class_name)

    # Inside: ASSOCIATORS OF, REFERENCES OF

    def _navigate(self, namespace: str, text: str, query: wql.AssociatorsOf | wql.ReferencesOf) -> list[CimInstance]:
        try:
            start = parse_path(query.path, namespace)
        except CimError as error:
            raise wmi_faults.invalid_query(text, error.message) from None
        catalogue = self._repository.catalogue
        names = (
            (query.association_class, query.result_class)
            if isinstance(query, wql.AssociatorsOf)
            else (query.result_class,)
        )
        for name in (start.class_name, *names):
            try:
                if name:
                    catalogue.find(start.namespace, name)
            except NotFound:
                raise wmi_faults.invalid_class_in_query(text, name) from None
        if query.class_definitions_only:
            raise wmi_faults.not_capable("queries for class definitions")
        instance = self._lookup(start, catalogue.find(start.namespace, start.class_name))
        if isinstance(query, wql.ReferencesOf):
            return self._associations.references(instance, query.result_class, query.role)
        found = self._associations.associators(
            instance,
            association_class=query.association_class,
            result_class=query.result_class,
            role=query.role,
            result_role=query.result_role,
        )
        return [self._repository.finished(item) for item in found]

    def _links(self, cls: CimClass) -> list[CimInstance]:
        if not self._associations.knows(cls) and not may_be_empty(cls):
            raise wmi_faults.not_capable(cls.name)
        return self._associations.all(cls)

    def _get_association(self, ref: CimReference) -> CimInstance:
        ends = [value for value in ref.keys.values() if isinstance(value, CimReference)]
        cls = self._class_at(ref)
        if ends:
            start = self._repository.find(ends[0])
            for link in self._associations.references(start, cls.name, "") if start is not None else ():
                if all(link.get(name) == value for name, value in ref.keys.items()):
                    return link
        raise wmi_faults.not_found(ref)


class _Projection(CimInstance):
    """What a query selected of an instance; it keeps the address that its properties may no longer tell."""

    __slots__ = ("reference",)

    def __init__(
        self, class_name: str, properties: Mapping[str, CimValue], namespace: str, reference: CimReference
    ) -> None:
        super().__init__(class_name, properties, namespace)
        self.reference = reference


def _owner_named(where: Condition | None, cls: CimClass) -> str:
    """The GUID in a condition that every result must fulfil, where that condition is on a key that names an owner."""
    match where:
        case And(conditions):
            return next(filter(None, (_owner_named(item, cls) for item in conditions)), "")
        case Comparison((name,), "=", str(value)) if name.lower() == "name" and cls.keys == _NAMED_BY_GUID:
            return owner_in(value)
        case Comparison((name,), "=", str(value)) if name.lower() == "systemname":
            return value.lower()
        case Comparison((name,), "=", str(value)) if name.lower() == "instanceid":
            return owner_in(value)
        case Like((name,), pattern) if name.lower() == "instanceid":
            return owner_in(pattern.partition("%")[0]) if "[" not in pattern.partition("%")[0] else ""
    return ""


_NAMED_BY_GUID = ("CreationClassName", "Name")  # the keys of machines and switches
