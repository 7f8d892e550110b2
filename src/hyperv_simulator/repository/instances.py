"""The instances of one host: what exists, under which keys, and who wants to know about changes.

Rule 1: what is stored is sparse (no NULLs) and never changed in place; a change stores a new instance, so whoever holds
an old one may read it without a lock. ``finished`` makes of it what a client may see.
Rule 2: an instance belongs to exactly one class; asking for a base class finds the instances of every derived one, in
the order of the catalogue, within a class in the order in which they came (Windows is as stable as that).
Rule 3: an instance may have an owner, the machine or switch whose GUID stands in its keys. Everything of one owner is
found without looking at the rest, so that a host with thousands of machines answers as fast as one with ten.
Rule 4: a hook runs while the lock is held: it notes what happened and returns.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimValue, KeyValue
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.wmi_faults import ambiguous_selectors, not_found, unknown_selector

Key: TypeAlias = tuple[str, ...]
ChangeKind: TypeAlias = Literal["created", "changed", "removed"]
Hook: TypeAlias = Callable[[ChangeKind, CimInstance | None, CimInstance | None], None]
Source: TypeAlias = Callable[[str], Iterable[CimInstance]]
Dynamic: TypeAlias = Callable[[CimInstance], Mapping[str, CimValue]]

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def owner_in(text: str) -> str:
    """The first GUID in a text, in lower case; empty where there is none."""
    match = _GUID.search(text)
    return match.group().lower() if match else ""


class _Table:
    """The stored instances of one class."""

    __slots__ = ("by_owner", "instances", "keys", "name")

    def __init__(self, name: str, keys: tuple[str, ...]) -> None:
        self.name = name
        self.keys = keys
        self.instances: dict[Key, CimInstance] = {}
        self.by_owner: dict[str, dict[Key, None]] = {}

    def owner(self, instance: CimInstance) -> str:
        system = instance.get("SystemName")
        if isinstance(system, str):
            return system.lower()
        for name in self.keys:
            value = instance.get(name)
            if isinstance(value, str) and (found := owner_in(value)):
                return found
        return ""


class Repository:
    """See the rules above. Safe for threads."""

    def __init__(self, catalogue: HostCatalogue) -> None:
        self.catalogue = catalogue
        self.lock = threading.RLock()
        self._tables: dict[tuple[str, str], _Table] = {}
        self._sources: dict[tuple[str, str], Source] = {}
        self._dynamic: dict[tuple[str, str], tuple[frozenset[str], Dynamic]] = {}
        self._hooks: list[Hook] = []
        self._hosting: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    # What there is

    def add_source(self, class_name: str, source: Source, namespace: str = DEFAULT_NAMESPACE) -> None:
        """A class whose instances are computed whenever somebody asks.

        :param source: gives the instances of one owner (in lower case), or all of them for an empty text.
        """
        self._sources[self._name(namespace, class_name)] = source
        self._hosting.clear()

    def add_dynamic(
        self, class_name: str, names: Iterable[str], compute: Dynamic, namespace: str = DEFAULT_NAMESPACE
    ) -> None:
        """Properties of a class that are computed at every read, such as an uptime.

        :param names: the properties that ``compute`` gives; a query on one of them computes before it compares.
        """
        self._dynamic[self._name(namespace, class_name)] = (frozenset(name.lower() for name in names), compute)

    def add_hook(self, hook: Hook) -> None:
        """``hook(kind, before, after)`` is called for every change, see rule 4."""
        self._hooks.append(hook)

    def is_computed(self, class_name: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Whether the class itself has a source."""
        return self._name(namespace, class_name) in self._sources

    def has_instances_of(self, namespace: str, class_name: str) -> bool:
        """Whether somebody looks after this class or one derived from it: it may be empty, but it is not unserved."""
        return bool(self._serving(namespace, class_name))

    # Writing

    def serve(self, class_name: str, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Declares that this class is looked after, though nothing may be in it."""
        with self.lock:
            self._table(namespace, class_name)

    def add(self, instance: CimInstance) -> CimReference:
        """Stores an instance (in place of one with the same keys) and gives its address."""
        with self.lock:
            table = self._table(instance.namespace, instance.class_name)
            key = self._key(table, instance)
            before = table.instances.get(key)
            table.instances[key] = instance
            if owner := table.owner(instance):
                table.by_owner.setdefault(owner, {})[key] = None
            self._tell("created" if before is None else "changed", before, instance)
        return self.reference_of(instance)

    def change(self, reference: CimReference, changes: Mapping[str, CimValue]) -> CimInstance:
        """Stores the instance anew with some properties changed (None: NULL). Keys stay as they are.

        :raises SoapFault: there is no such instance.
        """
        with self.lock:
            before = self._find_exact(reference)
            if before is None:
                raise not_found(reference)
            after = before.copy()
            for name, value in changes.items():
                if value is None:
                    if name in after:
                        del after[name]
                else:
                    after[name] = value
            table = self._table(before.namespace, before.class_name)
            table.instances[self._key(table, before)] = after
            self._tell("changed", before, after)
        return after

    def remove(self, reference: CimReference) -> bool:
        """Takes an instance away; whether there was one."""
        with self.lock:
            before = self._find_exact(reference)
            if before is None:
                return False
            table = self._table(before.namespace, before.class_name)
            key = self._key(table, before)
            del table.instances[key]
            owner = table.owner(before)
            if owner in table.by_owner:
                table.by_owner[owner].pop(key, None)
                if not table.by_owner[owner]:
                    del table.by_owner[owner]
            self._tell("removed", before, None)
        return True

    # Reading what is stored (sparse)

    def instances(self, class_name: str, namespace: str = DEFAULT_NAMESPACE) -> list[CimInstance]:
        """The instances of a class and of those derived from it."""
        found: list[CimInstance] = []
        for name in self._serving(namespace, class_name):
            table = self._tables.get(name)
            if table is not None:
                with self.lock:
                    found.extend(table.instances.values())
            if (source := self._sources.get(name)) is not None:
                found.extend(source(""))
        return found

    def has_computed(self, class_name: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Whether the class or one derived from it has a source."""
        return any(name in self._sources for name in self._serving(namespace, class_name))

    def computed(self, class_name: str, namespace: str = DEFAULT_NAMESPACE) -> list[CimInstance]:
        """Those of ``instances`` that nobody stores."""
        sources = (self._sources.get(name) for name in self._serving(namespace, class_name))
        return [item for source in sources if source is not None for item in source("")]

    def owned(
        self, class_name: str, owner: str, namespace: str = DEFAULT_NAMESPACE, *, computed: bool = True
    ) -> list[CimInstance]:
        """Those of ``instances`` that belong to a machine or switch, named by its GUID or to a host by its name.

        :param computed: with those that nobody stores.
        """
        wanted = owner.lower()
        found: list[CimInstance] = []
        for name in self._serving(namespace, class_name):
            table = self._tables.get(name)
            if table is not None:
                with self.lock:
                    found.extend(table.instances[key] for key in table.by_owner.get(wanted, ()))
            if computed and (source := self._sources.get(name)) is not None:
                found.extend(source(wanted))
        return found

    def find(self, reference: CimReference) -> CimInstance | None:
        """The instance with these keys, or the only one that a part of its keys names; None where there is none.

        :raises SoapFault: the given keys fit several instances, or name properties that are no keys.
        """
        exact = self._find_exact(reference)
        if exact is not None:
            return exact
        cls = self.catalogue.find(reference.namespace, reference.class_name)
        known = {name.lower() for name in cls.keys}
        for name in reference.keys:
            if name.lower() not in known:
                raise unknown_selector(reference, name)
        owner = _owner_in_keys(reference)
        candidates = (
            self.owned(cls.name, owner, reference.namespace) if owner else self.instances(cls.name, reference.namespace)
        )
        fitting = [item for item in candidates if self._fits(item, reference)]
        if len(fitting) > 1:
            raise ambiguous_selectors(reference)
        return fitting[0] if fitting else None

    def get(self, reference: CimReference) -> CimInstance:
        """As ``find``; raises the fault of a missing instance."""
        instance = self.find(reference)
        if instance is None:
            raise not_found(reference)
        return instance

    def reference_of(self, instance: CimInstance) -> CimReference:
        """The address of an instance: its class and all its keys."""
        cls = self.catalogue.find(instance.namespace, instance.class_name)
        keys: dict[str, KeyValue] = {}
        for name in cls.keys:
            value = instance.get(name)
            keys[name] = value if isinstance(value, CimReference) else key_text(value)
        return CimReference(cls.name, keys, instance.namespace)

    # What a client may see

    def finished(self, instance: CimInstance, only: frozenset[str] | None = None) -> CimInstance:
        """The instance with every property of its class, in alphabetical order, computed ones included.

        :param only: the lower-case names of the properties that are wanted at all.
        """
        entry = self._dynamic.get(self._name(instance.namespace, instance.class_name))
        if entry is not None and only is not None and not only & entry[0]:
            entry = None
        computed = entry[1](instance) if entry is not None else {}
        lowered = {name.lower(): value for name, value in computed.items()}
        full = CimInstance(instance.class_name, None, instance.namespace)
        for name, lower in self.catalogue.property_names(instance.namespace, instance.class_name):
            if only is not None and lower not in only:
                continue
            full[name] = lowered[lower] if lower in lowered else instance.get(name)
        return full

    def dynamic_names(self, namespace: str, class_name: str) -> frozenset[str]:
        """The lower-case names of the properties computed at read in a class or one derived from it."""
        names: frozenset[str] = frozenset()
        for name in self._serving(namespace, class_name):
            if name in self._dynamic:
                names |= self._dynamic[name][0]
        return names

    # Inside

    @staticmethod
    def _name(namespace: str, class_name: str) -> tuple[str, str]:
        return namespace.replace("\\", "/").lower(), class_name.lower()

    def _table(self, namespace: str, class_name: str) -> _Table:
        name = self._name(namespace, class_name)
        table = self._tables.get(name)
        if table is None:
            cls = self.catalogue.find(namespace, class_name)
            table = self._tables[name] = _Table(cls.name, tuple(cls.keys))
            self._hosting.clear()
        return table

    def _serving(self, namespace: str, class_name: str) -> tuple[tuple[str, str], ...]:
        """The names of the tables and sources of a class and its derived ones."""
        name = self._name(namespace, class_name)
        serving = self._hosting.get(name)
        if serving is None:
            with self.lock:
                derived = (self._name(namespace, cls.name) for cls in self.catalogue.subclasses(namespace, class_name))
                serving = tuple(item for item in derived if item in self._tables or item in self._sources)
                self._hosting[name] = serving
        return serving

    @staticmethod
    def _key(table: _Table, instance: CimInstance) -> Key:
        return tuple(key_text(instance.get(name)).lower() for name in table.keys)

    def _find_exact(self, reference: CimReference) -> CimInstance | None:
        for name in self._serving(reference.namespace, reference.class_name):
            table = self._tables.get(name)
            if table is None or len(table.keys) != len(reference.keys):
                continue
            given = {key.lower(): value for key, value in reference.keys.items()}
            try:
                key = tuple(key_text(given[own.lower()]).lower() for own in table.keys)
            except KeyError:
                continue
            with self.lock:
                if key in table.instances:
                    return table.instances[key]
        return None

    @staticmethod
    def _fits(instance: CimInstance, reference: CimReference) -> bool:
        for name, wanted in reference.keys.items():
            value = instance.get(name)
            if isinstance(wanted, CimReference):
                if value != wanted:
                    return False
            elif key_text(value).lower() != wanted.lower():
                return False
        return True

    def _tell(self, kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        for hook in self._hooks:
            hook(kind, before, after)


def _owner_in_keys(reference: CimReference) -> str:
    """The owner that the keys of a reference name, as ``_Table.owner`` reads it off an instance."""
    keys = {name.lower(): value for name, value in reference.keys.items()}
    system = keys.get("systemname")
    if isinstance(system, str):
        return system.lower()
    instance_id = keys.get("instanceid")
    return owner_in(instance_id) if isinstance(instance_id, str) else ""


def key_text(value: CimValue) -> str:
    """A key's value as selectors carry it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, CimReference):
        return repr(sorted((name.lower(), str(key).lower()) for name, key in value.keys.items())) + value.class_name
    return "" if value is None else str(value)


def first(instances: Iterable[CimInstance]) -> CimInstance | None:
    """The first instance, or None."""
    iterator: Iterator[CimInstance] = iter(instances)
    return next(iterator, None)
