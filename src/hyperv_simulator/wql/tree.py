"""What a WQL query says, as plain values.

A property is named by a path of names (``("Name",)``, or ``("TargetInstance", "Name")`` inside an event query).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Literal: TypeAlias = str | int | float | bool | None
PropertyPath: TypeAlias = tuple[str, ...]


class WqlError(Exception):
    """The text is no WQL; the message says where it stops being so. On the wire: WBEM_E_INVALID_QUERY."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``Property <operator> constant``; the operator is one of ``= <> < > <= >=``."""

    path: PropertyPath
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class PropertyComparison:
    """``Property <operator> Property``, as event queries compare a new value with the old one."""

    left: PropertyPath
    operator: str
    right: PropertyPath


@dataclass(frozen=True, slots=True)
class Like:
    """``Property LIKE 'pattern'`` with ``%``, ``_`` and ``[...]``."""

    path: PropertyPath
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """``Property IS NULL``."""

    path: PropertyPath


@dataclass(frozen=True, slots=True)
class IsA:
    """``Property ISA 'Class'``; an empty path is ``__this``, the instance itself."""

    path: PropertyPath
    class_name: str


@dataclass(frozen=True, slots=True)
class And:
    """All of them; a chain of any length is one node."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


Condition: TypeAlias = Comparison | PropertyComparison | Like | IsNull | IsA | And | Or | Not


@dataclass(frozen=True, slots=True)
class Group:
    """``GROUP WITHIN seconds [BY properties] [HAVING NumberOfEvents <operator> number]`` of an event query.

    :param having: operator and number; None where any number will do.
    """

    within_s: float
    by: tuple[PropertyPath, ...] = ()
    having: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """``SELECT ... FROM class [WITHIN seconds] [WHERE ...] [GROUP ...]``; ``properties`` is None for ``*``.

    :param within_s: of an event query that says how often to look.
    :param group: of one whose events are gathered.
    """

    properties: tuple[str, ...] | None
    class_name: str
    where: Condition | None = None
    within_s: float | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class AssociatorsOf:
    """``ASSOCIATORS OF {path} [WHERE ...]``; empty strings are filters that were not given."""

    path: str
    association_class: str = ""
    result_class: str = ""
    role: str = ""
    result_role: str = ""
    class_definitions_only: bool = False
    keys_only: bool = False


@dataclass(frozen=True, slots=True)
class ReferencesOf:
    """``REFERENCES OF {path} [WHERE ...]``; ``result_class`` is the association's class."""

    path: str
    result_class: str = ""
    role: str = ""
    class_definitions_only: bool = False
    keys_only: bool = False


Query: TypeAlias = Select | AssociatorsOf | ReferencesOf
