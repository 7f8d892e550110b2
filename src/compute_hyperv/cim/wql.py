"""WQL built from values. Nobody above writes a query as text, so that no user's data can become part of its grammar.

::

    select("Msvm_ComputerSystem", ["Name", "EnabledState"]).where(eq("Caption", "Virtual Machine"))
    select("Msvm_ConcreteJob").where(any_of(eq("JobState", 4), is_null("JobState")))
    associators_of(reference, result_class="Msvm_Keyboard")
    events_of("Msvm_ComputerSystem", "modified").where(changed("EnabledState"))

Names are checked, values are quoted: a string literal stands between single quotes, with backslash and quote escaped by
a backslash (WmiSdk, "WQL"). Conditions given to one ``where`` must all hold.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from compute_hyperv.cim import datetimes, paths
from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.values import CimReference

Change: TypeAlias = Literal["created", "modified", "deleted", "any"]
WqlValue: TypeAlias = str | int | bool | dt.datetime | dt.timedelta | CimReference

_EVENTS: dict[Change, str] = {
    "created": "__InstanceCreationEvent",
    "modified": "__InstanceModificationEvent",
    "deleted": "__InstanceDeletionEvent",
    "any": "__InstanceOperationEvent",
}
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)  # with a dot: a member of an embedded object


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; made by the functions below, never from text that came from elsewhere."""

    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query. ``str(query)`` is its WQL.

    :param class_name: the class of what it finds, as far as it says; empty where it finds anything.
    :param namespace: where it must be asked, empty where that is free.
    """

    head: str
    class_name: str
    conditions: tuple[Condition, ...] = ()
    namespace: str = ""

    def where(self, *conditions: Condition) -> Query:
        """The same query with more conditions, all of which must hold."""
        return replace(self, conditions=self.conditions + conditions)

    def __str__(self) -> str:
        if not self.conditions:
            return self.head
        return f"{self.head} WHERE {' AND '.join(condition.text for condition in self.conditions)}"


def select(class_name: str, properties: Sequence[str] | None = None) -> Query:
    """All instances of a class and of those derived from it, with all or only the named properties."""
    wanted = "*" if properties is None else ", ".join(_name(name) for name in properties)
    if not wanted:
        raise InvalidRequest(f"A query for {class_name} names no property to read.")
    return Query(f"SELECT {wanted} FROM {_name(class_name)}", class_name)  # noqa: S608 - every part is a checked name


def events_of(class_name: str, change: Change = "any", *, within_s: int = 2) -> Query:
    """Changes of instances of a class and of those derived from it, for ``CimSession.subscribe``. What it finds has the
    instance as ``TargetInstance``, and with "modified" what it was before as ``PreviousInstance``.

    :param within_s: how often the host looks; what is undone in between goes unnoticed (WmiSdk, "WITHIN Clause").
    """
    event = _EVENTS[change]
    head = f"SELECT * FROM {event} WITHIN {int(within_s)}"  # noqa: S608 - a name of ours and a number
    return Query(head, event, (isa("TargetInstance", class_name),))


def changed(name: str) -> Condition:
    """The property of a modified instance has another value than before."""
    return Condition(f"TargetInstance.{_name(name)} <> PreviousInstance.{_name(name)}")


def associators_of(
    reference: CimReference,
    *,
    assoc_class: str | None = None,
    result_class: str | None = None,
    role: str | None = None,
    result_role: str | None = None,
) -> Query:
    """The instances that associations connect with this one (WmiSdk, "ASSOCIATORS OF Statement")."""
    filters = {"AssocClass": assoc_class, "ResultClass": result_class, "Role": role, "ResultRole": result_role}
    return _traversal("ASSOCIATORS", reference, filters)


def references_of(reference: CimReference, *, result_class: str | None = None, role: str | None = None) -> Query:
    """The associations that refer to this instance (WmiSdk, "REFERENCES OF Statement")."""
    return _traversal("REFERENCES", reference, {"ResultClass": result_class, "Role": role})


def eq(name: str, value: WqlValue) -> Condition:
    return _compare(name, "=", value)


def ne(name: str, value: WqlValue) -> Condition:
    return _compare(name, "<>", value)


def lt(name: str, value: WqlValue) -> Condition:
    return _compare(name, "<", value)


def le(name: str, value: WqlValue) -> Condition:
    return _compare(name, "<=", value)


def gt(name: str, value: WqlValue) -> Condition:
    return _compare(name, ">", value)


def ge(name: str, value: WqlValue) -> Condition:
    return _compare(name, ">=", value)


def like(name: str, pattern: str) -> Condition:
    """``%`` is any text, ``_`` a character, ``[a-f]`` one of a set. Text of users goes through :func:`escape_like`."""
    return _compare(name, "LIKE", pattern)


def escape_like(text: str) -> str:
    """The pattern that matches exactly this text."""
    return re.sub(r"([%_\[])", r"[\1]", text)


def isa(name: str, class_name: str) -> Condition:
    """An embedded object (``TargetInstance``) is of this class or derives from it."""
    return _compare(name, "ISA", _name(class_name))


def is_null(name: str) -> Condition:
    return Condition(f"{_name(name)} IS NULL")


def is_not_null(name: str) -> Condition:
    return Condition(f"{_name(name)} IS NOT NULL")


def any_of(*conditions: Condition) -> Condition:
    """At least one holds. Raises InvalidRequest for none: no query means "nothing"."""
    if not conditions:
        raise InvalidRequest("A query cannot ask for any of no conditions.")
    return Condition(f"({' OR '.join(condition.text for condition in conditions)})")


def all_of(*conditions: Condition) -> Condition:
    """All hold; for use inside :func:`any_of`."""
    if not conditions:
        raise InvalidRequest("A query cannot ask for all of no conditions.")
    return Condition(f"({' AND '.join(condition.text for condition in conditions)})")


def _traversal(verb: str, reference: CimReference, filters: dict[str, str | None]) -> Query:
    head = f"{verb} OF {{{paths.relative_path(reference)}}}"
    given = [f"{name} = {_name(value)}" for name, value in filters.items() if value is not None]
    # These clauses stand side by side without AND, unlike conditions.
    head = f"{head} WHERE {' '.join(given)}" if given else head
    return Query(head, filters["ResultClass"] or "", namespace=reference.namespace)


def _compare(name: str, operator: str, value: WqlValue) -> Condition:
    return Condition(f"{_name(name)} {operator} {_literal(value)}")


def _literal(value: WqlValue) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, CimReference):
        return paths.quote(paths.format_path(value), "'")
    if isinstance(value, (dt.datetime, dt.timedelta)):
        return paths.quote(datetimes.to_cim(value), "'")
    return paths.quote(value, "'")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name!r} is not the name of a class or property.")
    return name
