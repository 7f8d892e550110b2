"""``CimSession``: one host's CIM, as operations on instances.

What is repeated, and why it is safe:

==================  ==============================================  ================================
failure             what it proves                                  repeated
==================  ==============================================  ================================
connection refused  nothing was sent                                any request, once
connection broke    nothing                                         Get and Identify, once; a query,
                                                                    once from its start
Busy (quota)        the host refused before it did anything         any request, while time is left
TimedOut, others    nothing, or that repeating is useless           never
==================  ==============================================  ================================

``timeout_s`` bounds a call as a whole, repetitions and pulls included. The host is told to give up when that time is
over (OperationTimeout); only if it does not do so within a few seconds more is the connection cut.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from compute_hyperv.cim import wql
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.errors import Busy, ProtocolError, Unreachable
from compute_hyperv.cim.failures import SendFailed
from compute_hyperv.cim.pool import ConnectionPool
from compute_hyperv.cim.soap import envelope, faults, responses
from compute_hyperv.cim.soap import requests as asked
from compute_hyperv.cim.soap.reading import ClassHint
from compute_hyperv.cim.subscription import Subscription
from compute_hyperv.cim.transport import Transport, WinRmTransport
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimValue

_log = logging.getLogger(__name__)

Identity: TypeAlias = responses.IdentifyResponse
_R = TypeVar("_R")

# More than any answer holds: the envelope size is what limits a batch (MaxBatchItems of Windows is 32000).
_BATCH = 32_000
# How long past its own limit a host may take to say that it gave up.
_GRACE_S = 5.0
_BUSY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 4.0)
_BROKEN_DELAY_S = 0.1


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a method gave back. No return code is an error here: ``host.jobs`` knows which ones are.

    :param return_value: ``None`` for a method without one.
    :param outputs: the output parameters by name, without the return value.
    """

    return_value: int | None
    outputs: Mapping[str, CimValue]

    def __getitem__(self, name: str) -> CimValue:
        """The output parameter, ``None`` where the host left it out: both mean NULL."""
        wanted = name.lower()
        return next((value for key, value in self.outputs.items() if key.lower() == wanted), None)

    def reference(self, name: str) -> CimReference | None:
        """Raises ProtocolError where something else stands there."""
        return self._typed(name, CimReference)

    def text(self, name: str) -> str:
        """A string parameter. Raises ProtocolError where it is NULL or something else."""
        value = self._typed(name, str)
        if value is None:
            raise ProtocolError(f"The host left output parameter {name} empty.")
        return value

    def texts(self, name: str) -> list[str]:
        """An array of strings, empty for NULL."""
        value = self._typed(name, list)
        return [item for item in value or () if isinstance(item, str)]

    def references(self, name: str) -> list[CimReference]:
        """An array of references, empty for NULL."""
        value = self._typed(name, list)
        return [item for item in value or () if isinstance(item, CimReference)]

    def _typed(self, name: str, kind: type[_R]) -> _R | None:
        value = self[name]
        if value is not None and not isinstance(value, kind):
            raise ProtocolError(f"Output parameter {name} is {value!r}, not a {kind.__name__}.")
        return value


class _Deadline:
    """The time that is left of one call."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return max(self._end - time.monotonic(), 0.001)


class CimSession:
    """Operations on one host. Safe for threads; makes no connection before the first operation.

    Every operation may raise any CimError; each says which operation failed, on which host, and what to do.

    :param transport_factory: makes the connections; pypsrp's where it is not given.
    """

    def __init__(self, endpoint: Endpoint, *, transport_factory: Callable[[], Transport] | None = None) -> None:
        self._endpoint = endpoint
        self._make_transport: Callable[[], Transport] = transport_factory or (lambda: WinRmTransport(endpoint))
        self._connections = ConnectionPool(self._make_transport, endpoint.connections)
        self._count_lock = threading.Lock()
        self._requests = 0

    @property
    def endpoint(self) -> Endpoint:
        """Where and how the host is reached."""
        return self._endpoint

    @property
    def requests(self) -> int:
        """How many WS-Man requests have been sent so far, repetitions included."""
        return self._requests

    def identify(self) -> Identity:
        """Who answers there: the cheapest proof that address, credentials and WinRM are right."""
        response = self._exchange(asked.Identify(), "Identify", self._deadline(None), repeat=True)
        return _expect(response, responses.IdentifyResponse)

    def get(self, reference: CimReference, *, timeout_s: float | None = None) -> CimInstance:
        """One instance. Raises NotFound where it does not exist."""
        what = f"Reading {_describe(reference)}"
        response = self._exchange(asked.Get(reference), what, self._deadline(timeout_s), repeat=True)
        return _expect(response, responses.GetResponse).instance

    def query(
        self, query: wql.Query, *, namespace: str | None = None, timeout_s: float | None = None
    ) -> list[CimInstance]:
        """All instances that a query finds, pulled to the end; in the namespace of the query's instance, where it
        starts from one. Those of a query that names properties have the class it selects from, even where they are of
        a subclass: the host does not say."""
        where = namespace or query.namespace or DEFAULT_NAMESPACE
        hint = ClassHint(where, query.class_name)
        enumerate_ = asked.Enumerate(where, filter=str(query), optimize=True, max_elements=_BATCH)
        return [_instance(item) for item in self._enumerate(enumerate_, f"Query {query}", timeout_s, hint)]

    def query_references(
        self, query: wql.Query, *, namespace: str | None = None, timeout_s: float | None = None
    ) -> list[CimReference]:
        """The addresses of the instances that a query finds."""
        where = namespace or query.namespace or DEFAULT_NAMESPACE
        mode = asked.EnumerationMode.REFERENCE
        enumerate_ = asked.Enumerate(where, filter=str(query), mode=mode, optimize=True, max_elements=_BATCH)
        items = self._enumerate(enumerate_, f"Query {query}", timeout_s, None)
        if not all(isinstance(item, CimReference) for item in items):
            raise ProtocolError(f"Query {query} for references: the host answered with something else.")
        return [item for item in items if isinstance(item, CimReference)]

    def enumerate(
        self, class_name: str, *, namespace: str = DEFAULT_NAMESPACE, timeout_s: float | None = None
    ) -> list[CimInstance]:
        """All instances of a class and of its subclasses."""
        enumerate_ = asked.Enumerate(namespace, class_name, optimize=True, max_elements=_BATCH)
        what = f"Enumerating {class_name}"
        return [_instance(item) for item in self._enumerate(enumerate_, what, timeout_s, None)]

    def associators(
        self,
        reference: CimReference,
        *,
        assoc_class: str | None = None,
        result_class: str | None = None,
        timeout_s: float | None = None,
    ) -> list[CimInstance]:
        """The instances that are associated with this one."""
        query = wql.associators_of(reference, assoc_class=assoc_class, result_class=result_class)
        return self.query(query, timeout_s=timeout_s)

    def invoke(
        self,
        target: CimReference,
        method: str,
        parameters: Mapping[str, CimValue] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> MethodResult:
        """Calls a method of an instance, or of a class where the target has no keys.

        A CimInstance is welcome where the schema says "string with an embedded instance". Never repeated where the host
        may have begun. Raises InvalidRequest, before anything is sent, for a parameter that the schema does not have.
        """
        what = f"{target.class_name}.{method}"
        request = asked.Invoke(target, method, parameters or {})
        response = self._exchange(request, what, self._deadline(timeout_s), repeat=False)
        outputs = dict(_expect(response, responses.InvokeResponse).outputs)
        returned = outputs.pop("ReturnValue", None)
        if isinstance(returned, int) or returned is None:
            return MethodResult(returned, outputs)
        raise ProtocolError(f"{what} returned {returned!r}, which is no return code.")

    def put(self, instance: CimInstance, reference: CimReference, *, timeout_s: float | None = None) -> None:
        """Replaces the properties that the instance has."""
        what = f"Writing {_describe(reference)}"
        self._exchange(asked.Put(reference, instance), what, self._deadline(timeout_s), repeat=False)

    def create(self, instance: CimInstance, *, timeout_s: float | None = None) -> CimReference:
        """Makes an instance of a class that can be made this way; most of Hyper-V's are made by methods."""
        what = f"Creating a {instance.class_name}"
        response = self._exchange(asked.Create(instance), what, self._deadline(timeout_s), repeat=False)
        return _expect(response, responses.CreateResponse).reference

    def delete(self, reference: CimReference, *, timeout_s: float | None = None) -> None:
        """Raises NotFound where it does not exist."""
        what = f"Deleting {_describe(reference)}"
        self._exchange(asked.Delete(reference), what, self._deadline(timeout_s), repeat=False)

    def subscribe(self, query: wql.Query, *, namespace: str | None = None, heartbeat_s: float = 60.0) -> Subscription:
        """Events from now on (``wql.events_of``); what may have been missed later on is told by a ``Gap``.

        :param heartbeat_s: how often the host is asked again at the latest; who does not fetch events for as long loses
            the subscription.
        """
        where = namespace or query.namespace or DEFAULT_NAMESPACE
        return Subscription(self._endpoint, self._make_transport, query, where, heartbeat_s)

    def close(self) -> None:
        """Closes the connections. Operations that run come to their end; new ones are refused."""
        self._connections.close()

    def _deadline(self, timeout_s: float | None) -> _Deadline:
        return _Deadline(self._endpoint.operation_timeout_s if timeout_s is None else timeout_s)

    def _enumerate(
        self, request: asked.Enumerate, what: str, timeout_s: float | None, hint: ClassHint | None
    ) -> list[responses.Item]:
        """Items to the end of the sequence. Begins anew, once, where the connection broke between two batches: what a
        Pull has taken out of an enumeration, and whose answer was lost, does not come again."""
        deadline = self._deadline(timeout_s)
        for last_try in (False, True):
            response = self._exchange(request, what, deadline, repeat=True, hint=hint)
            first = _expect(response, responses.EnumerateResponse)
            try:
                return [*first.items, *self._pull(request, first, what, deadline, hint)]
            except Unreachable as error:
                if last_try:
                    raise
                _log.debug("%s; beginning anew", error)
        raise AssertionError("the last try returns or raises")

    def _pull(
        self,
        request: asked.Enumerate,
        first: responses.EnumerateResponse,
        what: str,
        deadline: _Deadline,
        hint: ClassHint | None,
    ) -> list[responses.Item]:
        """What follows the first items."""
        items: list[responses.Item] = []
        context, end = first.context, first.end_of_sequence
        while not end:
            if not context:
                raise ProtocolError(f"{what}: the host says neither that this is all nor how to get the rest.")
            pull = asked.Pull(request.namespace, request.class_name, context, _BATCH)
            response = self._exchange(pull, what, deadline, repeat=False, hint=hint)
            batch = _expect(response, responses.PullResponse)
            items.extend(batch.items)
            # The context may change with every answer: the newest one counts.
            context, end = batch.context or context, batch.end_of_sequence
        return items

    def _exchange(
        self,
        request: asked.Request,
        what: str,
        deadline: _Deadline,
        *,
        repeat: bool,
        hint: ClassHint | None = None,
    ) -> responses.Response:
        """One request and its answer, repeated as the table above says; ``repeat`` for requests that change nothing."""
        what = f"{what} on {self._endpoint.host}"
        busy_delays = iter(_BUSY_DELAYS_S)
        broken_delays = iter((_BROKEN_DELAY_S,))
        while True:
            try:
                return self._exchange_once(request, deadline, hint)
            except SendFailed as failed:
                error = type(failed.error)(
                    f"{what}: {failed.error.message}", remedy=failed.error.remedy, code=failed.error.code
                )
                delay = next(broken_delays, None) if failed.again and (repeat or failed.unprocessed) else None
            except faults.SoapFault as fault:
                error = faults.to_error(fault, what)
                delay = next(busy_delays, None) if isinstance(error, Busy) else None
            except ProtocolError as broken:
                raise ProtocolError(f"{what}: {broken.message}", remedy=broken.remedy) from broken
            if delay is None or delay >= deadline.left_s:
                raise error
            _log.debug("%s; trying again in %.1f s", error, delay)
            time.sleep(delay)

    def _exchange_once(self, request: asked.Request, deadline: _Deadline, hint: ClassHint | None) -> responses.Response:
        limit_s = deadline.left_s
        header = asked.RequestHeader(
            message_id=envelope.new_message_id(),
            to=self._endpoint.url,
            operation_timeout_s=limit_s,
            max_envelope_bytes=self._endpoint.max_envelope_kb * 1024,
        )
        message = asked.encode_request(request, header)
        with self._connections.connection(limit_s) as transport:
            with self._count_lock:
                self._requests += 1
            started = time.monotonic()
            answer = transport.send(message, limit_s + _GRACE_S)
        _log.debug("%s: %.0f ms, %d bytes", type(request).__name__, (time.monotonic() - started) * 1000, len(answer))
        return responses.decode_response(answer, answers=header.message_id, hint=hint)


def _expect(response: responses.Response, kind: type[_R]) -> _R:
    if not isinstance(response, kind):
        raise ProtocolError(f"The host answered with a {type(response).__name__} instead of a {kind.__name__}.")
    return response


def _instance(item: responses.Item) -> CimInstance:
    if isinstance(item, CimInstance):
        return item
    if isinstance(item, (responses.Fragment, responses.ObjectAndReference)):
        return item.instance
    raise ProtocolError("The host answered with a reference where an instance was asked for.")


def _describe(reference: CimReference) -> str:
    keys = ", ".join(f"{name}={value}" for name, value in reference.keys.items() if isinstance(value, str))
    return f"{reference.class_name}({keys})"
