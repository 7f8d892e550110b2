"""What happened that one subscription is about, and the events that follow from it.

Rule 1: WMI looks every WITHIN seconds and compares with what it saw before. So changes of one interval become at most
one event per instance: what came and went within it never was, what changed twice changed once.
Rule 2: a change is only noted where it happens (a lock of the repository is held there); events are made by who pulls.
Rule 3: of instances that are computed (devices of machines that run) nobody tells a change. They are looked at as WMI
does it, when an interval ends; while nobody pulls, intervals grow together.
Rule 4: what nobody pulls is bounded: beyond ``LONGEST`` changes and events the subscription has overflowed, for good.

Properties that are computed when they are read (an uptime) make no event by themselves, unlike on a host, where each
look sees another value; clients filter those events out.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.repository.instances import ChangeKind, Repository
from hyperv_simulator.server.eventing.grouping import Gathering
from hyperv_simulator.server.eventing.query import INTRINSIC, EventQuery

LONGEST = 10_000
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class _Change:
    """What an instance was at one look, and at the next; None where there was none."""

    before: CimInstance | None
    after: CimInstance | None

    @property
    def kind(self) -> ChangeKind | None:
        """None where nothing has changed after all."""
        if self.before is None:
            return "created" if self.after is not None else None
        if self.after is None:
            return "removed"
        return "changed" if self.before != self.after else None


class Watch:
    """The changes and events of one subscription. Safe for threads.

    :param woken: called when there may be something to fetch, or when it is known when there will be.
    """

    def __init__(
        self,
        query: EventQuery,
        repository: Repository,
        woken: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._query = query
        self._repository = repository
        self._woken = woken
        self._clock = clock
        self._lock = threading.Lock()
        self._started_at = clock()
        self._open: dict[CimReference, _Change] = {}  # of the interval that has not ended
        self._open_until = 0.0
        self._closed: deque[_Change] = deque()  # of those that have
        self._events: deque[CimInstance] = deque()
        computed = (name for name in query.targets if query.kinds and repository.has_computed(name, query.namespace))
        self._computed = tuple(computed)
        self._seen = self._look()
        self._look_at = self._next_look() if self._computed else 0.0
        self._gathering = Gathering(query.group, clock) if query.group is not None else None
        self.overflowed = False

    @property
    def due_in_s(self) -> float | None:
        """When the next look finds something, seconds; None while nothing has happened."""
        with self._lock:
            if self._closed or self._events or self.overflowed:
                return 0.0
            due = ([self._open_until] if self._open else []) + ([self._look_at] if self._computed else [])
        if self._gathering is not None and (complete_at := self._gathering.due_at) is not None:
            due.append(complete_at)
        return max(min(due) - self._clock(), 0.0) if due else None

    def note(self, before: CimInstance | None, after: CimInstance | None) -> None:
        """A change of an instance, as the repository's hook tells it."""
        instance = after if after is not None else before
        if instance is None or not self._query.kinds or not self._concerns(instance):
            return
        reference = self._repository.reference_of(instance)
        with self._lock:
            self._end_interval()
            if not self._open:
                self._open_until = self._next_look()
            known = self._open.get(reference)
            self._open[reference] = _Change(known.before if known is not None else before, after)
            self._check_length()
        self._woken()

    def raised(self, event: CimInstance) -> None:
        """An extrinsic event."""
        if self._query.kinds or not self._is_a(event, self._query.event_class):
            return
        if not self._query.accepts(event):
            return
        with self._lock:
            self._events.append(self._query.projected(event))
            self._check_length()
        self._woken()

    def take(self) -> list[CimInstance]:
        """The events there are by now. One thread at a time."""
        self._compare()
        with self._lock:
            self._end_interval()
            changes, self._closed = list(self._closed), deque()
            events, self._events = list(self._events), deque()
        for change in changes:
            event = self._event(change)
            if event is not None and self._query.accepts(event):
                events.append(self._query.projected(event))
        if self._gathering is None:
            return events
        self._gathering.add(events)
        return self._gathering.take()

    # Inside

    def _concerns(self, instance: CimInstance) -> bool:
        return instance.namespace.lower() == self._query.namespace.lower() and any(
            self._is_a(instance, name) for name in self._query.targets
        )

    def _is_a(self, instance: CimInstance, class_name: str) -> bool:
        return self._repository.catalogue.find(instance.namespace, instance.class_name).is_a(class_name)

    def _next_look(self) -> float:
        """The end of the interval that runs now; the lock is held."""
        within_s = self._query.within_s
        elapsed = self._clock() - self._started_at
        return self._started_at + (int(elapsed / within_s) + 1) * within_s

    def _compare(self) -> None:
        """Finds what has become of the computed instances since the last look, if it is time for another."""
        if not self._computed or self._clock() < self._look_at:
            return
        before, now = self._seen, self._look()
        changes = (_Change(before.get(key), now.get(key)) for key in {**before, **now})
        with self._lock:
            self._seen, self._look_at = now, self._next_look()
            self._closed.extend(change for change in changes if change.kind in self._query.kinds)
            self._check_length()

    def _look(self) -> dict[CimReference, CimInstance]:
        found = (item for name in self._computed for item in self._repository.computed(name, self._query.namespace))
        return {self._repository.reference_of(item): item for item in found}

    def _end_interval(self) -> None:
        """Closes the interval if its time is over; the lock is held."""
        if self._open and self._clock() >= self._open_until:
            self._closed.extend(change for change in self._open.values() if change.kind in self._query.kinds)
            self._open = {}

    def _check_length(self) -> None:
        if len(self._open) + len(self._closed) + len(self._events) > LONGEST:
            self.overflowed = True
            self._open, self._closed, self._events = {}, deque(), deque()

    def _event(self, change: _Change) -> CimInstance | None:
        kind = change.kind
        if kind is None:
            return None
        target = change.after if change.after is not None else change.before
        values: dict[str, CimValue] = {
            "SECURITY_DESCRIPTOR": None,
            "TargetInstance": self._repository.finished(target) if target is not None else None,
            "TIME_CREATED": int((dt.datetime.now(dt.UTC) - _EPOCH) / dt.timedelta(microseconds=1)) * 10,
        }
        if kind == "changed" and change.before is not None:
            values["PreviousInstance"] = self._repository.finished(change.before)
        return CimInstance(INTRINSIC[kind], values, self._query.namespace)
