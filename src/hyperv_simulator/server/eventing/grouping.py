"""Events that are gathered: GROUP WITHIN of an event query.

The first event of a group opens its interval; at its end one ``__AggregateEvent`` tells how many there were and shows
the first (WmiSdk, "GROUP Clause", "HAVING Clause"). When nobody pulls, an interval begins when somebody does: events
are made by who pulls (see ``watch``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import wql

_OPERATORS: Mapping[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(slots=True)
class _Interval:
    """One group while its events are counted."""

    until: float
    first: CimInstance
    count: int = 0


class Gathering:
    """The groups of one subscription; used by who pulls only.

    :param clock: seconds, monotonic.
    """

    def __init__(self, group: wql.Group, clock: Callable[[], float]) -> None:
        self._group = group
        self._clock = clock
        self._open: dict[tuple[str, ...], _Interval] = {}

    @property
    def due_at(self) -> float | None:
        """When the next group is complete, by the clock; None while there is none."""
        return min((interval.until for interval in self._open.values()), default=None)

    def add(self, events: Iterable[CimInstance]) -> None:
        for event in events:
            key = tuple(repr(_value(event, path)).lower() for path in self._group.by)
            interval = self._open.setdefault(key, _Interval(self._clock() + self._group.within_s, event))
            interval.count += 1

    def take(self) -> list[CimInstance]:
        """The groups whose interval is over, those that HAVING leaves out excepted."""
        over = [key for key, interval in self._open.items() if self._clock() >= interval.until]
        complete = [self._open.pop(key) for key in over]
        return [_aggregate(interval) for interval in complete if self._wanted(interval.count)]

    def _wanted(self, count: int) -> bool:
        if self._group.having is None:
            return True
        sign, number = self._group.having
        return _OPERATORS[sign](count, number)


def _aggregate(interval: _Interval) -> CimInstance:
    values: dict[str, CimValue] = {"NumberOfEvents": interval.count, "Representative": interval.first}
    return CimInstance("__AggregateEvent", values, interval.first.namespace)


def _value(event: CimInstance, path: tuple[str, ...]) -> CimValue:
    value: CimValue = event
    for name in path:
        value = value.get(name) if isinstance(value, CimInstance) else None
    return value
