"""The subscriptions of one host: whose they are, how long they live, and how a Pull waits for events.

A subscription ends when its client says so, when it expires, or when nobody pulls: within the heartbeat interval that
the client asked for (wsman-cim 9, WSMERR 2150858762), or within EnumerationTimeoutms where it asked for none (as any
enumeration, MS-WSMV 3.1.4.1.36; an assumption for subscriptions). What became of one that ended by itself is remembered
for a while, so that the next Pull is told.

A heartbeat is an answer to Pull without items. DSP0226 10.2.5 knows a message of its own, but the WinRM client answers
that with Unsubscribe, as Microsoft's own server for Unix notes (OMI, ``wsman.c``).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.server import wire_faults
from hyperv_simulator.server.eventing.query import EventQuery
from hyperv_simulator.server.eventing.source import EventSource
from hyperv_simulator.server.eventing.watch import Watch

_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client and the host agreed on.

    :param heartbeat_s: a Pull is answered at least this often; None: only when there is something.
    :param expires_s: how long the subscription lives; None: until it is ended.
    :param idle_s: how long it waits for a Pull.
    """

    heartbeat_s: float | None
    expires_s: float | None
    idle_s: float


class Subscription:
    """One subscription. Its owner is ``Subscriptions``; one Pull at a time waits on it."""

    def __init__(
        self, query: EventQuery, source: EventSource, user: str, terms: Terms, clock: Callable[[], float]
    ) -> None:
        self.identifier = str(uuid.uuid4()).upper()
        self.context = f"uuid:{str(uuid.uuid4()).upper()}"
        self.user = user
        self.label = query.targets[0] if query.targets else query.event_class
        self.pending: deque[CimInstance] = deque()  # fetched, but not sent yet
        self.fault: SoapFault | None = None  # why it has ended
        self._terms = terms
        self._clock = clock
        self._changed = threading.Condition()
        self._pulling = False
        self._used_at = clock()
        self._expires_at = None if terms.expires_s is None else clock() + terms.expires_s
        self.watch = Watch(query, source.repository, self._wake, clock)

    def overdue(self) -> SoapFault | None:
        """Why it has to end by now."""
        now = self._clock()
        if self._expires_at is not None and now >= self._expires_at:
            return wire_faults.context_lost()
        if self.watch.overflowed:
            return wire_faults.subscription_cancelled()
        if not self._pulling and now - self._used_at > self._terms.idle_s:
            return wire_faults.context_lost() if self._terms.heartbeat_s is None else wire_faults.no_pull_in_time()
        return None

    def end(self, fault: SoapFault) -> None:
        """Nothing comes any more; a Pull that waits gets the fault."""
        with self._changed:
            self.fault = self.fault or fault
            self._changed.notify_all()

    def begin_pull(self) -> None:
        """Raises the fault of a second Pull at the same time."""
        with self._changed:
            if self._pulling:
                raise wire_faults.pull_in_progress()
            self._pulling = True

    def end_pull(self) -> None:
        with self._changed:
            self._pulling = False
            self._used_at = self._clock()

    def wait(self, seconds: float) -> bool:
        """Waits until there are events in ``pending``, or until the time is over; whether there are some.

        :raises SoapFault: the subscription has ended.
        """
        deadline = self._clock() + seconds
        while True:
            with self._changed:
                fault = self.fault or self.overdue()
                if fault is not None:
                    raise fault
            self.pending.extend(self.watch.take())
            if self.pending:
                return True
            with self._changed:
                left = [deadline - self._clock()]
                if left[0] <= 0:
                    return False
                if self._expires_at is not None:
                    left.append(self._expires_at - self._clock())
                due = self.watch.due_in_s
                if due is not None:
                    left.append(due)
                if self.fault is None:
                    self._changed.wait(max(min(left), 0.001))

    @property
    def heartbeat_s(self) -> float | None:
        return self._terms.heartbeat_s

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Subscriptions:
    """All of one host. Safe for threads.

    :param clock: seconds, monotonic.
    """

    def __init__(self, source: EventSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Subscription] = {}
        self._ended: OrderedDict[str, tuple[str, SoapFault]] = OrderedDict()

    def open(self, query: EventQuery, user: str, terms: Terms) -> Subscription:
        subscription = Subscription(query, self._source, user, terms, self._clock)
        self._source.add(subscription.watch)
        with self._lock:
            self._open[subscription.context.lower()] = subscription
        return subscription

    def find(self, context: str, user: str) -> Subscription | None:
        """The subscription with this context; None where there never was one of this user's.

        :raises SoapFault: there was one, but it ended by itself.
        """
        self._expire()
        key = context.strip().lower()
        with self._lock:
            subscription = self._open.get(key)
            owner, fault = self._ended.get(key, ("", None))
        if subscription is not None and subscription.user == user:
            return subscription
        if fault is not None and owner == user:
            raise fault
        return None

    def label(self, context: str) -> str:
        """The class that a subscription is about; empty for an unknown one."""
        with self._lock:
            subscription = self._open.get(context.strip().lower())
        return subscription.label if subscription is not None else ""

    def identified(self, identifier: str, user: str) -> Subscription | None:
        """The subscription with this identifier."""
        self._expire()
        wanted = identifier.strip().upper()
        with self._lock:
            return next((each for each in self._open.values() if (each.identifier, each.user) == (wanted, user)), None)

    def end(self, subscription: Subscription, fault: SoapFault) -> None:
        """Forgets a subscription, as its client wishes."""
        with self._lock:
            self._open.pop(subscription.context.lower(), None)
        self._source.remove(subscription.watch)
        subscription.end(fault)

    def opened_by(self, user: str) -> int:
        """How many a user has."""
        self._expire()
        with self._lock:
            return sum(1 for each in self._open.values() if each.user == user)

    def close(self) -> None:
        """Ends them all; every Pull that waits gets its fault."""
        with self._lock:
            everything = list(self._open.values())
        for each in everything:
            self.end(each, wire_faults.subscription_cancelled())

    def _expire(self) -> None:
        with self._lock:
            over = [(each, fault) for each in self._open.values() if (fault := each.overdue()) is not None]
            for each, fault in over:
                self._ended[each.context.lower()] = (each.user, fault)
                while len(self._ended) > _REMEMBERED:
                    self._ended.popitem(last=False)
        for each, fault in over:
            self.end(each, fault)
