"""WS-Management operations on a host's CIM service: one SOAP message in, one out.

What lives here and only here: which operation calls what, the limits that a message sets for its answer, and fault
rules on the wire. Bytes become values and back in ``compute_hyperv.cim.soap``, what is found or done is decided by
``CimService``.

HTTP status of a fault: 400 where the message itself is at fault (no SOAP, schema violated), else 500. Clients accept
both (wsman-cim 1); which of them Windows chooses for which fault is an assumption.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import CimError, ProtocolError
from compute_hyperv.cim.soap import names, uris
from compute_hyperv.cim.soap.eventing import Renew, Subscribe, Unsubscribe
from compute_hyperv.cim.soap.faults import SoapFault, encode_fault
from compute_hyperv.cim.soap.requests import (
    Create,
    Delete,
    Enumerate,
    Get,
    Identify,
    Invoke,
    OtherRequest,
    Pull,
    Put,
    Release,
    Request,
    RequestHeader,
    decode_request,
)
from compute_hyperv.cim.soap.responses import (
    CreateResponse,
    DeleteResponse,
    GetResponse,
    IdentifyResponse,
    InvokeResponse,
    OtherResponse,
    PutResponse,
    Response,
    encode_response,
)
from hyperv_simulator.fault_rules import GOES_ON, Action, FaultRule, FaultRules
from hyperv_simulator.quotas import Quotas
from hyperv_simulator.request_log import LoggedRequest, RequestLog
from hyperv_simulator.server import fragments, wire_faults
from hyperv_simulator.server.auth import MUTUAL_TLS, DelegatedUser
from hyperv_simulator.server.endpoint import SoapAnswer
from hyperv_simulator.server.enumerating import Enumerating, packer
from hyperv_simulator.server.eventing.operations import Eventing
from hyperv_simulator.server.eventing.source import EventSource
from hyperv_simulator.server.http import Disconnect
from hyperv_simulator.server.metadata import Metadata
from hyperv_simulator.server.operations import OpenOperations, RequestLimit
from hyperv_simulator.server.winrs.operations import RunLine, WinRs
from hyperv_simulator.service import Caller, CimService

_log = logging.getLogger(__name__)

_MIN_ENVELOPE_BYTES = 8192  # MS-WSMV 3.1.4.1.7

# Header blocks that may be marked as mandatory. MS-WSMV 2.2.4 and 2.2.3.
_UNDERSTOOD = frozenset(
    {
        "To",
        "From",
        "ReplyTo",
        "FaultTo",
        "RelatesTo",
        "Action",
        "MessageID",
        "ResourceURI",
        "SelectorSet",
        "OptionSet",
        "MaxEnvelopeSize",
        "OperationTimeout",
        "SessionId",
        "OperationID",
        "SequenceId",
        "ActivityId",
        "Identifier",
        "FragmentTransfer",
    }
)
_PROFILES = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/"
_LOCALES = frozenset({"Locale", "DataLocale"})
_ACTIONS: dict[type[Request], Action] = {
    Identify: "identify",
    Get: "get",
    Put: "put",
    Create: "create",
    Delete: "delete",
    Invoke: "invoke",
    Enumerate: "enumerate",
    Pull: "pull",
    Release: "release",
    Subscribe: "subscribe",
    Unsubscribe: "unsubscribe",
    Renew: "renew",
}


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """What the wire says about the host.

    :param name: computer name, the ``Machine`` of every fault.
    :param os_version: ``10.0.20348``.
    :param address: IPv4 address of its first adapter.
    :param allow_certificate: authentication by certificate is.
    :param allow_basic: Basic is among the security profiles that Identify names.
    """

    name: str
    os_version: str
    allow_basic: bool = False
    address: str = "127.0.0.1"
    allow_certificate: bool = False

    @property
    def security_profiles(self) -> tuple[str, ...]:
        """MS-WSMV 3.1.4.1.29.2: which schemes follow from which setting."""
        schemes = ("basic", "spnego-kerberos") if self.allow_basic else ("spnego-kerberos",)
        profiles = [f"{_PROFILES}{transport}/{scheme}" for transport in ("http", "https") for scheme in schemes]
        return (*profiles, MUTUAL_TLS) if self.allow_certificate else tuple(profiles)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a request is about, as fault rules and the log see it."""

    action: Action
    class_name: str = ""
    method: str = ""
    query: str = ""


class Rights(Protocol):
    """Who may do what; each raises the fault of who may not."""

    def admit(self, user: str) -> None: ...

    def admit_to(self, user: str, namespace: str, class_name: str, *, changes: bool) -> None: ...


class WsManService:
    """Answers SOAP for one host. Safe for threads.

    :param run_line: what a remote shell runs a command line with.
    :param pause: waits that many seconds, or until the host stops; then it returns True.
    :param befall: does what a fault rule does to the host as a whole.
    """

    def __init__(
        self,
        identity: HostIdentity,
        service: CimService,
        events: EventSource,
        *,
        faults: FaultRules,
        requests: RequestLog,
        quotas: Quotas,
        pause: Callable[[float], bool],
        run_line: RunLine,
        rights: Rights,
        befall: Callable[[FaultRule], None] = lambda _rule: None,
    ) -> None:
        self._identity = identity
        self._service = service
        self._faults = faults
        self._requests = requests
        self._quotas = quotas
        self._pause = pause
        self._befall = befall
        self._enumerating = Enumerating(service, quotas)
        self._eventing = Eventing(events, quotas)
        self._rights = rights
        self._winrs = WinRs(run_line, quotas, admit=self._admit, owner=self._full_name)
        self._metadata = Metadata(events.repository.catalogue)
        self._limit = RequestLimit(quotas.max_connections)
        self._open = OpenOperations(quotas.max_concurrent_operations_per_user)
        self._open.include(self._enumerating.opened_by)
        self._open.include(self._eventing.opened_by)
        self._open.include(self._winrs.shells.opened_by)

    def close(self) -> None:
        """Ends what keeps requests waiting: the host stops."""
        self._eventing.close()

    def answer(self, message: bytes, user: str | None) -> SoapAnswer:
        """The answer to one message.

        :param user: who sent it; None for an anonymous Identify.
        :raises Disconnect: a fault rule cuts the connection.
        """
        started = time.monotonic()
        try:
            header, request = decode_request(message)
        except SoapFault as fault:
            return self._fault(fault)
        except ProtocolError as error:
            return self._fault(wire_faults.schema_violated(error.message))
        if user is None and not isinstance(request, Identify):
            return SoapAnswer(401)
        subject = self._subject(request)
        outcome, answer = "ok", SoapAnswer(500)
        try:
            with self._limit.one():
                outcome, answer = self._under_rules(header, request, subject, user)
        except SoapFault as fault:
            outcome, answer = f"fault {fault.innermost_code}", self._fault(fault, header.message_id)
        except Disconnect:
            outcome = "dropped"
            raise
        finally:
            size_out, duration = len(answer.body), time.monotonic() - started
            self._requests.add(
                self._identity.name,
                LoggedRequest(
                    subject.action,
                    subject.class_name,
                    subject.method,
                    subject.query,
                    len(message),
                    size_out,
                    duration,
                    outcome,
                ),
            )
        return answer

    # Fault rules

    def _under_rules(
        self, header: RequestHeader, request: Request | OtherRequest, subject: _Subject, user: str | None
    ) -> tuple[str, SoapAnswer]:
        """What the rules leave of the request's answer: outcome for the log, and the answer."""
        rules = self._faults.for_request(subject.action, subject.class_name, subject.method, subject.query)
        delay_s = sum(rule.delay_ms for rule in rules if rule.effect == "delay") / 1000
        rule = next((rule for rule in rules if rule.effect not in GOES_ON), None)
        for each in rules:
            if each is rule or each.effect in GOES_ON:
                self._befall(each)
        limit_s = self._time_limit_s(header, request)
        if delay_s and self._pause(min(delay_s, limit_s)):
            raise Disconnect
        if rule is not None and rule.effect != "drop-after":
            return self._instead(rule, header)
        outcome, answer = self._judged(header, request, subject, user)
        if rule is not None:
            raise Disconnect
        if delay_s > limit_s:
            # Windows gives up waiting, not working: what was asked for has taken effect.
            return "timed out", self._fault(wire_faults.timed_out(), header.message_id)
        return outcome, answer

    def _time_limit_s(self, header: RequestHeader, request: Request | OtherRequest) -> float:
        """OperationTimeout; MaxTimeoutms where it is missing or longer (MS-WSMV 3.1.4.1.6), but for Pull (2.2.4.10)."""
        longest_s = math.inf if isinstance(request, Pull) else self._quotas.max_timeout_s
        return min(header.operation_timeout_s or self._quotas.max_timeout_s, longest_s)

    def _instead(self, rule: FaultRule, header: RequestHeader) -> tuple[str, SoapAnswer]:
        """What a rule makes of a request that is not to be processed."""
        if rule.effect in ("drop-before", "reboot"):
            raise Disconnect
        if rule.effect == "http-status":
            return f"http {rule.status}", SoapAnswer(rule.status)
        fault = wire_faults.with_code(rule.fault_code, rule.message)
        return f"fault {rule.fault_code}", self._fault(fault, header.message_id)

    def _subject(self, request: Request | OtherRequest) -> _Subject:
        if isinstance(request, OtherRequest):
            return _Subject("shell", method=request.action.rpartition("/")[2])
        action = _ACTIONS[type(request)]
        match request:
            case Invoke(reference, method):
                return _Subject(action, reference.class_name, method)
            case Get(reference) | Put(reference) | Delete(reference):
                return _Subject(action, reference.class_name)
            case Create(instance):
                return _Subject(action, instance.class_name)
            case Enumerate():
                return _Subject(action, self._enumerating.class_asked_for(request), query=request.filter)
            case Pull() | Release():
                context = request.context
                return _Subject(action, self._enumerating.class_of_context(context) or self._eventing.label(context))
            case Subscribe():
                return _Subject(action, request.class_name, query=request.filter)
        return _Subject(action)

    # Operations

    def _judged(
        self, header: RequestHeader, request: Request | OtherRequest, subject: _Subject, user: str | None
    ) -> tuple[str, SoapAnswer]:
        """The request processed, whatever comes of it."""
        try:
            limit = self._check(header)
            body = encode_response(self._operate(header, request, subject, user, limit), header.message_id)
            if len(body) > limit:
                raise wire_faults.answer_too_big()
        except SoapFault as fault:
            return f"fault {fault.innermost_code}", self._fault(fault, header.message_id)
        except CimError as error:
            # The request was readable and CimService raises faults only: so a provider gave what the schema forbids.
            _log.error("%s: an answer can't be written: %s", self._identity.name, error)
            return "internal error", self._fault(wire_faults.internal_error(), header.message_id)
        except Exception:
            # A defect must not end the connection without an answer: the client would take it for a network problem.
            _log.exception("%s: internal error", self._identity.name)
            return "internal error", self._fault(wire_faults.internal_error(), header.message_id)
        return "ok", SoapAnswer(200, body)

    def _check(self, header: RequestHeader) -> int:
        """Judges the header; the largest answer that is allowed."""
        if header.must_understand & _LOCALES:
            raise wire_faults.locale_not_understood()
        unknown = header.must_understand - _UNDERSTOOD
        if unknown:
            raise wire_faults.header_not_understood(", ".join(sorted(unknown)))
        if header.max_envelope_bytes is None:
            return self._quotas.max_envelope_bytes
        if header.max_envelope_bytes < _MIN_ENVELOPE_BYTES:
            raise wire_faults.envelope_size_too_small()
        return min(header.max_envelope_bytes, self._quotas.max_envelope_bytes)

    def _operate(
        self, header: RequestHeader, request: Request | OtherRequest, subject: _Subject, user: str | None, limit: int
    ) -> Response:
        if isinstance(request, Identify):
            if user is None:
                return IdentifyResponse()
            version = f"OS: {self._identity.os_version} SP: 0.0 Stack: 3.0"
            return IdentifyResponse(product_version=version, security_profiles=self._identity.security_profiles)
        if isinstance(request, OtherRequest):
            self._rights.admit(user or "")
            if uris.is_class_metadata(request.uri):
                return self._metadata.answer(header, request)
            return self._winrs.answer(header, request, user or "")
        self._check_namespace_selector(header, request)
        user = user or ""  # None is for Identify only
        changes = isinstance(request, Put | Create | Delete | Invoke)
        self._rights.admit_to(user, _namespace_of(request), subject.class_name, changes=changes)
        if header.fragment is not None:
            return self._operate_on_fragment(header, header.fragment, request)
        match request:
            case Get(reference):
                return GetResponse(self._service.get(reference))
            case Put(reference, instance):
                self._service.put(reference, instance)
                return PutResponse(self._service.get(reference))
            case Create(instance):
                return CreateResponse(self._service.create(instance))
            case Delete(reference):
                self._service.delete(reference)
                return DeleteResponse()
            case Invoke(reference, method, parameters):
                caller = Caller(self._full_name(user), has_credentials=isinstance(user, DelegatedUser))
                outputs = self._service.invoke(reference, method, dict(parameters), caller)
                return InvokeResponse(reference, method, outputs)
            case Enumerate():
                self._open.check(user)
                in_dmtf_form = header.resource_uri.lower().startswith(uris.DMTF)
                return self._enumerating.enumerate(request, header.selectors, limit, user, in_dmtf_form=in_dmtf_form)
            case Pull():
                events = self._eventing.pull(request, user, header.operation_timeout_s, packer(limit))
                return events or self._enumerating.pull(request, limit, user)
            case Release():
                return self._eventing.release(request, user) or self._enumerating.release(request, user)
            case Subscribe():
                self._open.check(user)
                return self._eventing.subscribe(request, user)
            case Unsubscribe():
                return self._eventing.unsubscribe(request, user)
            case Renew():
                raise self._eventing.renew(request)

    def _operate_on_fragment(self, header: RequestHeader, path: tuple[str, str], request: Request) -> Response:
        if "FragmentTransfer" not in header.must_understand:
            raise wire_faults.fragment_not_mandatory()
        if not isinstance(request, Get | Put):
            raise wire_faults.fragment_transfer_not_supported()
        fragment = fragments.parsed(*path)
        if isinstance(request, Put):
            self._service.put(request.reference, request.instance)
        body = fragments.written(self._service.get(request.reference), fragment, path[0])
        action = names.GET if isinstance(request, Get) else names.PUT
        echoed = f'<w:FragmentTransfer s:mustUnderstand="true">{xml.text(path[0])}</w:FragmentTransfer>'
        return OtherResponse(f"{action}Response", "saxw", body, echoed)

    def _full_name(self, user: str) -> str:
        """DOMAIN\\\\user, as owners are named (real-instances 3.5); a local account's domain is the computer."""
        name, at, realm = user.partition("@")
        if at:
            return f"{realm.partition('.')[0].upper()}\\{name}"
        return f"{self._identity.name}\\{user}"

    def _admit(self, user: str) -> None:
        self._open.check(user)

    @staticmethod
    def _check_namespace_selector(header: RequestHeader, request: Request) -> None:
        """``__cimnamespace`` may repeat a WMI URI's namespace, not contradict it (MS-WSMV notes 45 and 46)."""
        stated = next((value for name, value in header.selectors.items() if name.lower() == "__cimnamespace"), None)
        if stated is None:
            return
        namespace = _namespace_of(request)
        if not isinstance(stated, str) or stated.replace("\\", "/").lower() != namespace.lower():
            raise wire_faults.other_namespace_selected()

    def _fault(self, fault: SoapFault, relates_to: str = "") -> SoapAnswer:
        complete = replace(
            fault, machine=fault.machine or self._identity.name, relates_to=relates_to or fault.relates_to
        )
        status = 400 if fault.subcode == "w:SchemaValidationError" else 500
        return SoapAnswer(status, encode_fault(complete))


def _namespace_of(request: Request) -> str:
    match request:
        case Get(target) | Put(target) | Delete(target) | Invoke(target):
            return target.namespace
        case Create(instance):
            return instance.namespace
        case Enumerate() | Pull() | Release() | Subscribe() | Unsubscribe() | Renew():
            return request.namespace
    return ""
