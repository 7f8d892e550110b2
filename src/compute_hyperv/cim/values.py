"""CIM values: instances, references, and the Python types that stand for CIM's.

What lives here and only here: the shapes that cross the border between a wire format (``soap``, ``cimxml``) and
everybody else. This file knows no XML, no schema and no I/O.

=====================  =========================================================================
CIM type               Python
=====================  =========================================================================
boolean                ``bool``
(s|u)int8..64          ``int``
real32, real64         ``float``
string, char16         ``str``
datetime (timestamp)   ``datetime.datetime``, always aware
datetime (interval)    ``datetime.timedelta``
datetime with ``*``    ``str`` in CIM's 25-character form (nothing else can hold it)
reference              ``CimReference``
object                 ``CimInstance``
uint8[]                ``bytes``
any other array        ``list`` of the above
NULL                   ``None``
=====================  =========================================================================
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

CimScalar: TypeAlias = Union[bool, int, float, str, dt.datetime, dt.timedelta, "CimReference", "CimInstance"]
CimValue: TypeAlias = Union[CimScalar, bytes, "list[CimScalar]", None]
KeyValue: TypeAlias = Union[str, "CimReference"]

DEFAULT_NAMESPACE = "root/virtualization/v2"


@dataclass(frozen=True, slots=True)
class CimReference:
    """The address of one instance, or of a class (then without keys).

    Names of classes and keys, namespaces and hosts compare without regard to letter case, key values as well: WS-Man
    selectors do (MS-WSMV 3.1.4.1.2), and Hyper-V itself mixes cases in one id (facts: real-instances 1.1).

    :param class_name: as the schema spells it.
    :param keys: key property name to value; integers and booleans in their text form, references nested.
    :param namespace: with ``/`` separators, ``root/virtualization/v2``.
    :param host: the computer name of a path that carries one (``\\\\HOST\\root\\...``), else empty. Not compared.
    """

    class_name: str
    keys: Mapping[str, KeyValue] = field(default_factory=dict)
    namespace: str = DEFAULT_NAMESPACE
    host: str = ""

    def _identity(self) -> tuple[object, ...]:
        keys = frozenset(
            (name.lower(), value.lower() if isinstance(value, str) else value) for name, value in self.keys.items()
        )
        return (self.namespace.lower(), self.class_name.lower(), keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CimReference) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def key(self, name: str) -> str:
        """The value of a key that is no reference. Raises KeyError where there is none."""
        for key_name, value in self.keys.items():
            if key_name.lower() == name.lower() and isinstance(value, str):
                return value
        raise KeyError(name)


class CimInstance:
    """One instance: a class name and properties, whose names ignore letter case but keep the one they came with.

    A property that is absent and one that is NULL differ here, as they do on the wire: ``in`` tells them apart,
    ``get`` does not.
    """

    __slots__ = ("_properties", "class_name", "namespace")

    def __init__(
        self,
        class_name: str,
        properties: Mapping[str, CimValue] | None = None,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        self.class_name = class_name
        self.namespace = namespace
        self._properties: dict[str, tuple[str, CimValue]] = {}
        for name, value in (properties or {}).items():
            self[name] = value

    def __getitem__(self, name: str) -> CimValue:
        return self._properties[name.lower()][1]

    def __setitem__(self, name: str, value: CimValue) -> None:
        lower = sys.intern(name.lower())  # a host keeps thousands of instances: their names once for all
        known = self._properties.get(lower)
        self._properties[lower] = (known[0] if known else sys.intern(str(name)), value)

    def __delitem__(self, name: str) -> None:
        del self._properties[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._properties

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._properties.values())

    def __len__(self) -> int:
        return len(self._properties)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CimInstance)
            and self.class_name.lower() == other.class_name.lower()
            and self.namespace.lower() == other.namespace.lower()
            and {name: value for name, (_, value) in self._properties.items()}
            == {name: value for name, (_, value) in other._properties.items()}
        )

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"CimInstance({self.class_name!r}, {dict(self.items())!r})"

    def get(self, name: str, default: CimValue = None) -> CimValue:
        """The property's value; ``default`` where it is absent or NULL."""
        value = self._properties.get(name.lower(), (name, None))[1]
        return default if value is None else value

    def items(self) -> Iterator[tuple[str, CimValue]]:
        return iter(self._properties.values())

    def copy(self) -> CimInstance:
        copied = CimInstance(self.class_name, None, self.namespace)
        copied._properties = dict(self._properties)
        return copied

    # Typed reading. A property that is absent, NULL or of another type raises TypeError with the property's name:
    # code above this layer then never carries a CimValue about.

    def text(self, name: str, default: str | None = None) -> str:
        value = self.get(name, default)
        if not isinstance(value, str):
            raise TypeError(f"{self.class_name}.{name} is {value!r}, not a string")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        value = self.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{self.class_name}.{name} is {value!r}, not an integer")
        return value

    def boolean(self, name: str, default: bool | None = None) -> bool:
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise TypeError(f"{self.class_name}.{name} is {value!r}, not a boolean")
        return value

    def texts(self, name: str) -> list[str]:
        """An array of strings; empty where it is absent or NULL."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TypeError(f"{self.class_name}.{name} is {value!r}, not an array")
        return [item for item in value if isinstance(item, str)]

    def integers(self, name: str) -> list[int]:
        """An array of integers; empty where it is absent or NULL."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TypeError(f"{self.class_name}.{name} is {value!r}, not an array")
        return [item for item in value if isinstance(item, int)]
