"""A condition's tree to a function that says whether an instance fits.

A comparison with a NULL property is false, whatever the operator; only IS NULL finds it. A constant in quotes fits a
number, a boolean or a date when it can be read as one (WMI coerces them).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from compute_hyperv.cim.datetimes import from_cim
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.wql.tree import (
    And,
    Comparison,
    Condition,
    IsA,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
    PropertyComparison,
    PropertyPath,
    WqlError,
)

Matcher: TypeAlias = Callable[[CimInstance], bool]
Reader: TypeAlias = Callable[[CimInstance, str], CimValue]
IsSubclass: TypeAlias = Callable[[CimInstance, str], bool]

_OPERATORS: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "<>": lambda order: order != 0,
    "<": lambda order: order < 0,
    ">": lambda order: order > 0,
    "<=": lambda order: order <= 0,
    ">=": lambda order: order >= 0,
}


def matcher(condition: Condition, read: Reader, is_subclass: IsSubclass) -> Matcher:
    """The judge of a condition.

    :param read: gives a property of an instance, system properties (``__CLASS``) included.
    :param is_subclass: whether an instance is of a class or of one derived from it.
    """
    match condition:
        case And(conditions):
            judges = [matcher(item, read, is_subclass) for item in conditions]
            return lambda instance: all(judge(instance) for judge in judges)
        case Or(conditions):
            alternatives = [matcher(item, read, is_subclass) for item in conditions]
            return lambda instance: any(judge(instance) for judge in alternatives)
        case Not(inner):
            denied = matcher(inner, read, is_subclass)
            return lambda instance: not denied(instance)
        case IsNull(path):
            return lambda instance: _walk(instance, path, read) is None
        case IsA(path, class_name):

            def judge_class(instance: CimInstance) -> bool:
                target = _walk(instance, path, read) if path else instance
                return isinstance(target, CimInstance) and is_subclass(target, class_name)

            return judge_class
        case Like(path, pattern):
            expression = like_expression(pattern)

            def judge_text(instance: CimInstance) -> bool:
                value = _walk(instance, path, read)
                return isinstance(value, str) and expression.fullmatch(value) is not None

            return judge_text
        case Comparison(path, operator, constant):
            accept = _OPERATORS[operator]

            def judge_order(instance: CimInstance) -> bool:
                value = _walk(instance, path, read)
                order = None if value is None else compare(value, constant)
                return order is not None and accept(order)

            return judge_order

        case PropertyComparison(left, operator, right):
            accept_both = _OPERATORS[operator]

            def judge_both(instance: CimInstance) -> bool:
                first, second = _walk(instance, left, read), _walk(instance, right, read)
                order = None if first is None or second is None else _order(first, second)
                return order is not None and accept_both(order)

            return judge_both


def properties_read(condition: Condition | None) -> Iterator[str]:
    """The first name of every property path that the condition reads."""
    match condition:
        case And(conditions) | Or(conditions):
            for item in conditions:
                yield from properties_read(item)
        case Not(inner):
            yield from properties_read(inner)
        case Comparison(path, _, _) | Like(path, _) | IsNull(path):
            yield path[0]
        case PropertyComparison(left, _, right):
            yield left[0]
            yield right[0]
        case IsA(path, _) if path:
            yield path[0]


def _walk(instance: CimInstance, path: PropertyPath, read: Reader) -> CimValue:
    value = read(instance, path[0])
    for name in path[1:]:
        if not isinstance(value, CimInstance):
            return None
        value = read(value, name)
    return value


def compare(value: CimValue, constant: Literal) -> int | None:
    """-1, 0 or 1 as ``value`` is less than, equal to or more than the constant; None where they can't be compared."""
    if isinstance(value, bool):
        wanted = _as_boolean(constant)
        return None if wanted is None else (value > wanted) - (value < wanted)
    if isinstance(value, int | float):
        number = _as_number(constant)
        return None if number is None else (value > number) - (value < number)
    if isinstance(value, dt.datetime) and isinstance(constant, str):
        moment = parse_datetime(constant)
        return None if moment is None else (value > moment) - (value < moment)
    if isinstance(value, dt.timedelta) and isinstance(constant, str):
        interval = parse_interval(constant)
        return None if interval is None else (value > interval) - (value < interval)
    if isinstance(value, str):
        left = value.lower()
        right = str(constant).lower()
        return (left > right) - (left < right)
    return None  # arrays, references and embedded objects can't be compared in WQL


def _order(left: CimValue, right: CimValue) -> int | None:
    """As ``compare``, of two values that instances hold; what has no order is equal or not (1)."""
    if isinstance(left, str) and isinstance(right, str):
        left, right = left.lower(), right.lower()
    if left == right:
        return 0
    if isinstance(left, (int, float, str, dt.datetime, dt.timedelta)) and type(left) is type(right):
        return 1 if left > right else -1  # type: ignore[operator]  # of one type
    return 1


def _as_boolean(constant: Literal) -> bool | None:
    if isinstance(constant, bool):
        return constant
    if isinstance(constant, int):
        return bool(constant)
    return {"true": True, "false": False, "1": True, "0": False}.get(str(constant).lower())


def _as_number(constant: Literal) -> float | None:
    if isinstance(constant, bool | int | float):
        return constant
    try:
        return int(str(constant), 0)
    except ValueError:
        return None


_DATETIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6}))?([+-]\d{1,3})?")


def parse_datetime(text: str) -> dt.datetime | None:
    """A CIM timestamp (``yyyymmddHHMMSS.mmmmmm+UUU``) or an ISO one; None where the text is neither."""
    match = _DATETIME.fullmatch(text)
    try:
        if match is None:
            moment = dt.datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        year, month, day, hour, minute, second = (int(match.group(n)) for n in range(1, 7))
        microsecond = int((match.group(7) or "0").ljust(6, "0"))
        zone = dt.timezone(dt.timedelta(minutes=int(match.group(8) or 0)))
        return dt.datetime(year, month, day, hour, minute, second, microsecond, zone)
    except ValueError:
        return None


def parse_interval(text: str) -> dt.timedelta | None:
    """A CIM interval (``ddddddddHHMMSS.mmmmmm:000``); None where the text is none."""
    try:
        value = from_cim(text)
    except ValueError:
        return None
    return value if isinstance(value, dt.timedelta) else None


def like_expression(pattern: str) -> re.Pattern[str]:
    """The regular expression of a LIKE pattern: ``%`` any text, ``_`` one character, ``[abc] [a-c] [^abc]`` a set."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        elif character == "[":
            end = pattern.find("]", position + 2)
            if end < 0:
                raise WqlError(f"a set is not closed in the pattern {pattern!r}")
            inside = pattern[position + 1 : end]
            negated, members = ("^", inside[1:]) if inside.startswith("^") else ("", inside)
            parts.append(f"[{negated}{_set_members(members)}]")
            position = end
        else:
            parts.append(re.escape(character))
        position += 1
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _set_members(members: str) -> str:
    """A set's members as a regular expression has them; a hyphen (or ``=``, its WQL twin) between two is a range."""
    parts: list[str] = []
    position = 0
    while position < len(members):
        if position + 2 < len(members) and members[position + 1] in "-=":
            first, last = sorted((members[position], members[position + 2]))
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
            position += 3
        else:
            parts.append(re.escape(members[position]))
            position += 1
    return "".join(parts)
