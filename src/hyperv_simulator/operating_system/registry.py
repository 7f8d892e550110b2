r"""The registry: keys, values, and what is kept of them over a restart.

Rule 1: names are found without regard to letter case and keep the case they were made with.
Rule 2: what stands in the registry and elsewhere is one value: whoever needs a setting (the time service its servers)
reads it here; a value that another part owns (a service's start mode) is bound to that part by ``bind``.
Rule 3: kept are the differences to the defaults, see ``kept``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

Data: TypeAlias = str | int | bytes | tuple[str, ...]


class Kind(IntEnum):
    """The types of values, by the numbers that EnumValues gives."""

    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    MULTI_SZ = 7
    QWORD = 11


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its type."""

    kind: Kind
    data: Data


@dataclass(slots=True)
class _Key:
    name: str
    values: dict[str, tuple[str, Value]] = field(default_factory=dict)  # by lower-case name
    children: dict[str, _Key] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Binding:
    read: Callable[[], Value | None]
    write: Callable[[Value], None]


def sz(text: str) -> Value:
    return Value(Kind.SZ, text)


def dword(number: int) -> Value:
    return Value(Kind.DWORD, number)


class KeyMissing(Exception):
    """There is no such key."""


class HasSubkeys(Exception):
    """A key with keys in it is not deleted."""


class Registry:
    """Paths begin with the hive: ``HKLM\\SYSTEM``. Safe for threads.

    :param changed: is told what to keep after every change.
    """

    def __init__(self, defaults: Iterable[tuple[str, str, Value]], changed: Callable[[Any], None]) -> None:
        self._root = _Key("")
        self._lock = threading.RLock()
        self._bound: dict[tuple[str, str], _Binding] = {}
        self._changed = changed
        for path, name, value in defaults:
            self._put(path, name, value)
        self._defaults = self._flat()

    def bind(self, path: str, name: str, read: Callable[[], Value | None], write: Callable[[Value], None]) -> None:
        """A value that another part owns (rule 2). ``read`` gives None while there is no such value."""
        with self._lock:
            self._make(path)
            self._bound[path.lower(), name.lower()] = _Binding(read, write)
            self._make(path).values.setdefault(name.lower(), (name, Value(Kind.SZ, "")))

    def seed(self, defaults: Iterable[tuple[str, str, Value]]) -> None:
        """More defaults: what a feature brings when it is installed. What is there stays."""
        with self._lock:
            for path, name, value in defaults:
                key = self._find(path)
                if key is None or name.lower() not in key.values:
                    self._put(path, name, value)
                    self._defaults.setdefault(path, {})[name.lower()] = (name, value)

    def mark(self, path: str, *, there: bool) -> None:
        """A key that says something by being there."""
        if there:
            self.create_key(path)
        elif self.has_key(path):
            self.delete_key(path)

    # Reading

    def has_key(self, path: str) -> bool:
        return self._find(path) is not None

    def value(self, path: str, name: str) -> Value | None:
        """The value; None where it (or its key) is missing."""
        with self._lock:
            key = self._find(path)
            entry = key.values.get(name.lower()) if key is not None else None
            if entry is None:
                return None
            bound = self._bound.get((path.lower(), name.lower()))
            return bound.read() if bound is not None else entry[1]

    def text(self, path: str, name: str, default: str = "") -> str:
        value = self.value(path, name)
        return value.data if value is not None and isinstance(value.data, str) else default

    def number(self, path: str, name: str, default: int = 0) -> int:
        value = self.value(path, name)
        return value.data if value is not None and isinstance(value.data, int) else default

    def texts(self, path: str, name: str) -> tuple[str, ...]:
        """What a REG_MULTI_SZ holds."""
        value = self.value(path, name)
        return value.data if value is not None and isinstance(value.data, tuple) else ()

    def keys_in(self, path: str) -> list[str]:
        """:raises KeyMissing: see there."""
        with self._lock:
            return [child.name for child in self._existing(path).children.values()]

    def values_in(self, path: str) -> list[tuple[str, Value]]:
        """:raises KeyMissing: see there."""
        with self._lock:
            names = [name for name, _ in self._existing(path).values.values()]
            found = ((name, self.value(path, name)) for name in names)
            return [(name, value) for name, value in found if value is not None]

    # Writing

    def create_key(self, path: str) -> None:
        """Makes a key and those above it; nothing where it is there."""
        with self._lock:
            self._make(path)
            self._tell()

    def delete_key(self, path: str) -> None:
        """:raises KeyMissing: see there.
        :raises HasSubkeys: see there."""
        with self._lock:
            key = self._existing(path)
            if key.children:
                raise HasSubkeys
            above = self._existing(path.rpartition("\\")[0])
            del above.children[key.name.lower()]
            self._bound = {where: item for where, item in self._bound.items() if where[0] != path.lower()}
            self._tell()

    def set(self, path: str, name: str, value: Value) -> None:
        """:raises KeyMissing: the key is not made by this."""
        with self._lock:
            key = self._existing(path)
            bound = self._bound.get((path.lower(), name.lower()))
            if bound is not None:
                bound.write(value)
                return
            spelled = key.values[name.lower()][0] if name.lower() in key.values else name
            key.values[name.lower()] = (spelled, value)
            self._tell()

    def delete_value(self, path: str, name: str) -> bool:
        """Whether there was such a value.

        :raises KeyMissing: see there."""
        with self._lock:
            there = self._existing(path).values.pop(name.lower(), None)
            self._tell()
            return there is not None

    # Keeping

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Makes the changes again that an earlier run kept."""
        with self._lock:
            for path in kept.get("removed_keys", ()):
                self._remove(path)
            for path, values in kept.get("values", {}).items():
                key = self._make(path)
                for name, plain in values.items():
                    key.values[name.lower()] = (name, _read(plain))
            for path, names in kept.get("removed_values", {}).items():
                for name in names:
                    self._make(path).values.pop(name, None)

    def _tell(self) -> None:
        now = self._flat()
        values: dict[str, dict[str, Any]] = {}
        gone: dict[str, list[str]] = {}
        for path, entries in now.items():
            before = self._defaults.get(path, {})
            changed = {
                name: _plain(value)
                for lower, (name, value) in entries.items()
                if (path.lower(), lower) not in self._bound and before.get(lower, ("", None))[1] != value
            }
            if changed or path not in self._defaults:
                values[path] = changed
            if missing := [lower for lower in before if lower not in entries]:
                gone[path] = missing
        removed = [path for path in self._defaults if path not in now]
        self._changed({"values": values, "removed_values": gone, "removed_keys": removed})

    def _flat(self) -> dict[str, dict[str, tuple[str, Value]]]:
        found: dict[str, dict[str, tuple[str, Value]]] = {}

        def walk(key: _Key, path: str) -> None:
            for child in key.children.values():
                where = f"{path}\\{child.name}" if path else child.name
                found[where] = dict(child.values)
                walk(child, where)

        walk(self._root, "")
        return found

    # Inside

    def _put(self, path: str, name: str, value: Value) -> None:
        self._make(path).values[name.lower()] = (name, value)

    def _find(self, path: str) -> _Key | None:
        key = self._root
        for part in path.strip("\\").split("\\"):
            child = key.children.get(part.lower())
            if child is None:
                return None
            key = child
        return key

    def _existing(self, path: str) -> _Key:
        key = self._find(path)
        if key is None:
            raise KeyMissing(path)
        return key

    def _make(self, path: str) -> _Key:
        key = self._root
        for part in path.strip("\\").split("\\"):
            key = key.children.setdefault(part.lower(), _Key(part))
        return key

    def _remove(self, path: str) -> None:
        above, _, name = path.rpartition("\\")
        key = self._find(above) if above else self._root
        if key is not None:
            key.children.pop(name.lower(), None)


def _plain(value: Value) -> list[Any]:
    data: Any = value.data.hex() if isinstance(value.data, bytes) else value.data
    return [int(value.kind), list(data) if isinstance(data, tuple) else data]


def _read(plain: list[Any]) -> Value:
    kind, data = Kind(plain[0]), plain[1]
    if kind is Kind.BINARY:
        return Value(kind, bytes.fromhex(data))
    return Value(kind, tuple(data) if kind is Kind.MULTI_SZ else data)
