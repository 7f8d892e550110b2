"""The class catalogue: what a class is called, what it inherits, and how its properties and parameters are typed.

Nothing about a class is typed by hand in this project: everything comes from ``data/<namespace with dots>.json``, made
by ``tools/make_schema.py`` (sources and licences: NOTICE). A namespace is read when it is first asked for, a class is
resolved (inheritance, overrides) when it is first found; both are then kept for the life of the process.

Names of namespaces, classes, properties and methods ignore letter case, as WMI does. The system classes (``__*``) exist
in every namespace. Safe for threads: what is built twice by two threads is equal, and one of them is kept.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, cast

from compute_hyperv.cim.errors import NotFound

_DATA = resources.files("compute_hyperv.cim") / "data"

Record = dict[str, Any]
Direction = Literal["in", "out", "inout"]


class CimType(StrEnum):
    """The CIM types by the names that MOF and CIM-XML give them; ``object`` is WMI's embedded object."""

    BOOLEAN = "boolean"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    SINT8 = "sint8"
    SINT16 = "sint16"
    SINT32 = "sint32"
    SINT64 = "sint64"
    REAL32 = "real32"
    REAL64 = "real64"
    STRING = "string"
    CHAR16 = "char16"
    DATETIME = "datetime"
    REFERENCE = "reference"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class CimProperty:
    """One property of a class.

    :param reference_class: the class that a ``reference`` points to, where the schema names it.
    :param embedded_class: of an ``object``; of a ``string``, the class of the instance it carries as CIM-XML text.
    :param default: the documented default; ``None`` where there is none. A datetime stands in its CIM form, as text.
    :param values: value (as text) to meaning.
    :param since: the first Windows release that has it (``23h2``: Server 2025 and its peers); empty where all have.
    """

    name: str
    type: CimType
    is_array: bool = False
    reference_class: str | None = None
    embedded_class: str | None = None
    writable: bool = False
    default: bool | int | str | list[bool | int | str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    since: str = ""


@dataclass(frozen=True, slots=True)
class CimParameter:
    """One parameter of a method, in the order of the method's signature."""

    name: str
    direction: Direction
    type: CimType
    is_array: bool = False
    reference_class: str | None = None
    embedded_class: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CimMethod:
    """One method. ``returns`` is ``None`` for a method without a return value; ``return_values`` gives meanings."""

    name: str
    returns: CimType | None
    parameters: tuple[CimParameter, ...] = ()
    return_values: Mapping[str, str] = field(default_factory=dict)

    def parameter(self, name: str) -> CimParameter:
        """Raises NotFound, naming the method, where it has no such parameter."""
        wanted = name.lower()
        for parameter in self.parameters:
            if parameter.name.lower() == wanted:
                return parameter
        raise NotFound(f"Method {self.name} has no parameter {name}.")


@dataclass(frozen=True)
class CimClass:
    """One class with everything it inherits.

    :param ancestors: the names of this class and of all it derives from, from itself upwards.
    :param keys: the key properties, which are also its WS-Man selectors; empty for abstract classes and singletons.
    """

    name: str
    namespace: str
    superclass: str | None
    ancestors: tuple[str, ...]
    abstract: bool
    association: bool
    singleton: bool
    keys: tuple[str, ...]
    properties: Mapping[str, CimProperty]
    methods: Mapping[str, CimMethod]
    since: str = ""

    @functools.cached_property
    def properties_by_lower_name(self) -> Mapping[str, CimProperty]:
        """For who reads many instances of the class; everybody else uses :meth:`property`."""
        return {name.lower(): prop for name, prop in self.properties.items()}

    @functools.cached_property
    def _methods_by_lower_name(self) -> dict[str, CimMethod]:
        return {name.lower(): method for name, method in self.methods.items()}

    def property(self, name: str) -> CimProperty:
        """Raises NotFound, naming class and property, where the class has no such property."""
        try:
            return self.properties_by_lower_name[name.lower()]
        except KeyError:
            raise NotFound(f"Class {self.name} of {self.namespace} has no property {name}.") from None

    def has_property(self, name: str) -> bool:
        return name.lower() in self.properties_by_lower_name

    def method(self, name: str) -> CimMethod:
        """Raises NotFound, naming class and method, where the class has no such method."""
        try:
            return self._methods_by_lower_name[name.lower()]
        except KeyError:
            raise NotFound(f"Class {self.name} of {self.namespace} has no method {name}.") from None

    def is_a(self, name: str) -> bool:
        """True when this class is the named one or derives from it."""
        wanted = name.lower()
        return any(ancestor.lower() == wanted for ancestor in self.ancestors)


class Catalogue:
    """All namespaces that the package has data for. Use :func:`catalogue`; a second one would read everything again."""

    def __init__(self) -> None:
        self._names = frozenset(
            entry.name.removesuffix(".json").replace(".", "/")
            for entry in _DATA.iterdir()
            if entry.name.endswith(".json") and not entry.name.startswith("_")
        )
        self._loaded: dict[str, _Namespace] = {}
        self._lock = threading.Lock()

    def namespaces(self) -> frozenset[str]:
        """Lower case, with slashes: ``root/virtualization/v2``."""
        return self._names

    def find(self, namespace: str, class_name: str) -> CimClass:
        """The class with all it inherits. Raises NotFound for an unknown namespace or class."""
        return self._namespace(namespace).find(class_name)

    def classes(self, namespace: str) -> list[CimClass]:
        """Every class of a namespace. Resolves them all: for tools and tests, not for a request."""
        found = self._namespace(namespace)
        return [found.find(name) for name in found.names()]

    def subclasses(self, namespace: str, class_name: str) -> list[CimClass]:
        """The class itself and all that derive from it, at any depth."""
        found = self._namespace(namespace)
        return [found.find(name) for name in found.subclass_names(class_name)]

    def _namespace(self, name: str) -> _Namespace:
        key = normalize_namespace(name)
        loaded = self._loaded.get(key)
        if loaded is None:
            if key not in self._names:
                raise NotFound(f"Namespace {name} is not in the schema.")
            with self._lock:
                loaded = self._loaded.get(key)
                if loaded is None:
                    loaded = self._loaded[key] = _Namespace(key)
        return loaded


@functools.cache
def catalogue() -> Catalogue:
    """The one catalogue of this process."""
    return Catalogue()


def normalize_namespace(name: str) -> str:
    """``ROOT\\virtualization\\v2`` and ``root/virtualization/v2/`` are one: lower case, slashes inside only."""
    return name.replace("\\", "/").strip("/").lower()


class _Namespace:
    """The records of one namespace, and the classes made of them so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        records: Record = dict(_system_records())
        records.update(json.loads((_DATA / f"{name.replace('/', '.')}.json").read_text("utf-8"))["classes"])
        self._records: dict[str, tuple[str, Record]] = {key.lower(): (key, record) for key, record in records.items()}
        self._classes: dict[str, CimClass] = {}

    def names(self) -> Iterable[str]:
        return [name for name, _ in self._records.values()]

    def find(self, class_name: str) -> CimClass:
        key = class_name.lower()
        found = self._classes.get(key)
        if found is None:
            if key not in self._records:
                raise NotFound(f"Namespace {self._name} has no class {class_name}.")
            name, record = self._records[key]
            base = self.find(record["super"]) if "super" in record else None
            found = self._classes[key] = _resolve(name, self._name, record, base)
        return found

    def subclass_names(self, class_name: str) -> list[str]:
        result = [self.find(class_name).name]
        for name in result:  # grows while it is walked
            result.extend(self._children.get(name.lower(), ()))
        return result

    @functools.cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for name, record in self._records.values():
            if "super" in record:
                children.setdefault(record["super"].lower(), []).append(name)
        return children


@functools.cache
def _system_records() -> Record:
    return cast(Record, json.loads((_DATA / "_system.json").read_text("utf-8"))["classes"])


def _resolve(name: str, namespace: str, record: Record, base: CimClass | None) -> CimClass:
    properties: dict[str, CimProperty] = dict(base.properties) if base else {}
    methods: dict[str, CimMethod] = dict(base.methods) if base else {}
    for own_name, own in record.get("props", {}).items():
        _replace(properties, own_name, _property(own_name, own))
    for inherited_name, override in record.get("overrides", {}).items():
        if inherited_name in properties:
            properties[inherited_name] = _override(properties[inherited_name], override)
    for own_name, own in record.get("methods", {}).items():
        _replace(methods, own_name, _method(own_name, own))
    return CimClass(
        name=name,
        namespace=namespace,
        superclass=base.name if base else None,
        ancestors=(name, *(base.ancestors if base else ())),
        abstract=bool(record.get("abstract")),
        association=bool(record.get("assoc")) or bool(base and base.association),
        singleton=bool(record.get("singleton")),
        keys=tuple(record.get("keys", ())) or (base.keys if base else ()),
        properties=MappingProxyType(properties),
        methods=MappingProxyType(methods),
        since=record.get("since", ""),
    )


def _replace(members: dict[str, Any], name: str, member: object) -> None:
    """A subclass may spell an inherited name with other letter case: it is the same member."""
    for known in members:
        if known.lower() == name.lower() and known != name:
            del members[known]
            break
    members[name] = member


def _property(name: str, record: Record) -> CimProperty:
    cim_type, is_array = _type(record["t"])
    return CimProperty(
        name=name,
        type=cim_type,
        is_array=is_array,
        reference_class=record.get("ref"),
        embedded_class=record.get("emb"),
        writable=bool(record.get("w")),
        default=record.get("default"),
        values=MappingProxyType(record.get("values", {})),
        since=record.get("since", ""),
    )


def _override(inherited: CimProperty, record: Record) -> CimProperty:
    return CimProperty(
        name=inherited.name,
        type=inherited.type,
        is_array=inherited.is_array,
        reference_class=inherited.reference_class,
        embedded_class=inherited.embedded_class,
        writable=inherited.writable,
        default=record.get("default", inherited.default),
        values=MappingProxyType(record["values"]) if "values" in record else inherited.values,
        since=inherited.since,
    )


def _method(name: str, record: Record) -> CimMethod:
    return CimMethod(
        name=name,
        returns=CimType(record["ret"]) if "ret" in record else None,
        parameters=tuple(_parameter(parameter) for parameter in record.get("params", ())),
        return_values=MappingProxyType(record.get("rv", {})),
    )


def _parameter(record: Record) -> CimParameter:
    cim_type, is_array = _type(record["t"])
    return CimParameter(
        name=record["n"],
        direction=record["d"],
        type=cim_type,
        is_array=is_array,
        reference_class=record.get("ref"),
        embedded_class=record.get("emb"),
        optional=bool(record.get("opt")),
    )


def _type(text: str) -> tuple[CimType, bool]:
    return CimType(text.removesuffix("[]")), text.endswith("[]")
