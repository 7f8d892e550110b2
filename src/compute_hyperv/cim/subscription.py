"""A subscription to events of one host, as something to iterate over; it survives lost connections.

::

    with session.subscribe(wql.events_of("Msvm_ComputerSystem", "modified")) as events:
        for each in events:
            if isinstance(each, Gap):
                look_at_everything_again()
            else:
                use(each["TargetInstance"])

Rule 1: whatever may have been missed is told. When the connection or the host's side of the subscription is lost, a new
subscription is made, and then a ``Gap`` comes before its first event: what is read after it is complete.
Rule 2: it has a connection of its own, which waits at the host for events; the session's others are not held up.
Rule 3: what another try can't change (rights, a query that the host refuses) is raised; the rest is tried again for as
long as it takes, with growing pauses.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias, TypeVar

from compute_hyperv.cim import wql
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.errors import Busy, CimError, ProtocolError, TimedOut, Unreachable
from compute_hyperv.cim.failures import SendFailed
from compute_hyperv.cim.soap import envelope, eventing, faults, responses
from compute_hyperv.cim.soap import requests as asked
from compute_hyperv.cim.transport import Transport
from compute_hyperv.cim.values import CimInstance

_log = logging.getLogger(__name__)

_BATCH = 1000
_GRACE_S = 5.0
_SHORTEST_PULL_S = 0.5  # hosts refuse shorter timeouts (MaxTimeoutms is at least 500, MS-WSMV 2.2.4.10)
_FAREWELL_S = 2.0
_PAUSES_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_NOTHING_YET = ("w:TimedOut", "n:TimedOut")
_PASSING = (Unreachable, TimedOut, Busy, ProtocolError)
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may have been missed; ``reason`` says what was lost. Events that follow are complete again."""

    reason: CimError


Notification: TypeAlias = CimInstance | Gap


class Subscription:
    """See above. Made by ``CimSession.subscribe``. One thread at a time may wait; any may close.

    :param make_transport: makes a connection of its own.
    :param heartbeat_s: the host says at least this often that there was nothing; who does not ask again for as long
        loses the subscription, and sees a ``Gap``.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        make_transport: Callable[[], Transport],
        query: wql.Query,
        namespace: str,
        heartbeat_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._make_transport = make_transport
        self._transport = make_transport()
        self._what = f"Events {query} on {endpoint.host}"
        self._subscribe = eventing.Subscribe(namespace, filter=str(query), heartbeat_s=heartbeat_s)
        self._heartbeat_s = heartbeat_s
        self._closed = threading.Event()
        self._in_use = threading.Lock()  # held while the connection is
        self._ready: deque[Notification] = deque()
        self._current: eventing.SubscribeResponse | None = None
        self._lost: CimError | None = None
        self._failures = 0
        try:
            self._begin(endpoint.operation_timeout_s)
        except BaseException:
            self._transport.close()
            raise

    def next(self, timeout_s: float | None = None) -> Notification | None:
        """The next event or gap; None when the time is over, or the subscription closed.

        :raises CimError: what trying again would not change. The subscription may still be used.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._closed.is_set():
            if self._ready:
                return self._ready.popleft()
            left_s = self._heartbeat_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                return None
            try:
                self._step(left_s)
            except _PASSING as error:
                if not self._closed.is_set():
                    self._note_loss(error, left_s)
            except CimError:
                if not self._closed.is_set():
                    raise
        return None

    def __iter__(self) -> Iterator[Notification]:
        """Events and gaps, until the subscription is closed."""
        while (notification := self.next()) is not None:
            yield notification

    def close(self) -> None:
        """Ends it, here and on the host; who waits for events returns at once. Takes two seconds at most."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._interrupt()
        current = self._current
        if current is None:
            return
        farewell = self._make_transport()
        try:
            with contextlib.suppress(CimError):  # a host that can't be told finds out by itself: nobody pulls
                request = eventing.Unsubscribe(
                    self._subscribe.namespace, self._subscribe.class_name, current.identifier
                )
                self._send(farewell, request, _FAREWELL_S, grace_s=0)
        finally:
            farewell.close()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _interrupt(self) -> None:
        """Ends what another thread waits for, also if it has no connection yet that could be cut."""
        deadline = time.monotonic() + _FAREWELL_S
        while time.monotonic() < deadline:
            self._transport.interrupt()
            if self._in_use.acquire(timeout=0.02):
                self._in_use.release()
                return

    def _step(self, left_s: float) -> None:
        """Subscribes where there is no subscription, else pulls once."""
        with self._in_use:
            if self._closed.is_set():
                return
            if self._current is None:
                self._begin(max(left_s, _SHORTEST_PULL_S))
            else:
                self._pull(self._current, max(min(left_s, self._heartbeat_s), _SHORTEST_PULL_S))

    def _begin(self, timeout_s: float) -> None:
        answer = self._send(self._transport, self._subscribe, timeout_s)
        self._current = _expect(answer, eventing.SubscribeResponse)
        self._failures = 0
        if self._lost is not None:
            self._ready.append(Gap(self._lost))
            self._lost = None

    def _pull(self, current: eventing.SubscribeResponse, timeout_s: float) -> None:
        pull = asked.Pull(self._subscribe.namespace, self._subscribe.class_name, current.context, _BATCH)
        try:
            answer = _expect(self._send(self._transport, pull, timeout_s), responses.PullResponse)
        except _NothingYet:
            return
        self._ready.extend(item for item in answer.items if isinstance(item, CimInstance))
        if answer.end_of_sequence:
            raise Unreachable(f"{self._what}: the host ended the subscription.")
        if answer.context:
            self._current = eventing.SubscribeResponse(
                current.namespace, current.class_name, current.identifier, answer.context
            )

    def _note_loss(self, error: CimError, left_s: float) -> None:
        """What there was is gone; waits a little before the next try."""
        _log.debug("%s; subscribing anew", error)
        self._transport.close()
        self._current = None
        self._lost = self._lost or error
        pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        self._closed.wait(min(pause_s, left_s))

    def _send(
        self, transport: Transport, request: asked.Request, timeout_s: float, grace_s: float = _GRACE_S
    ) -> responses.Response:
        """One request and its answer, errors of our family only (and _NothingYet)."""
        header = asked.RequestHeader(
            message_id=envelope.new_message_id(),
            to=self._endpoint.url,
            operation_timeout_s=timeout_s,
            max_envelope_bytes=self._endpoint.max_envelope_kb * 1024,
        )
        try:
            answer = transport.send(asked.encode_request(request, header), timeout_s + grace_s)
            return responses.decode_response(answer, answers=header.message_id)
        except SendFailed as failed:
            raise type(failed.error)(
                f"{self._what}: {failed.error.message}", remedy=failed.error.remedy, code=failed.error.code
            ) from failed
        except faults.SoapFault as fault:
            if fault.subcode in _NOTHING_YET and isinstance(request, asked.Pull):
                raise _NothingYet from None
            raise faults.to_error(fault, self._what) from None


class _NothingYet(Exception):
    """The host waited as long as it was asked to; the subscription lives."""


def _expect(response: responses.Response, kind: type[_R]) -> _R:
    if not isinstance(response, kind):
        raise ProtocolError(f"The host answered with a {type(response).__name__} instead of a {kind.__name__}.")
    return response
