"""``/wsman``: who may come in, in which form a message must come, and what leaves.

What lives here and only here: the HTTP side of WinRM, in the order in which a request is judged. What the SOAP inside
says is the business of ``wsman``.

====================================================  ==============================================================
request                                               answer
====================================================  ==============================================================
another path                                          404
another method than POST                              405
no, unfinished or wrong credentials                   401 with the challenges (except Identify, see below)
a body over MaxEnvelopeSizekb                         413, no SOAP (MS-WSMV 3.1.4.1.20)
an empty body                                         200, empty: clients authenticate that way before they seal
a sealed body that can't be opened                    400 (assumption)
a plain body over HTTP, AllowUnencrypted being false  500, empty (seen by clients: diyan/pywinrm issue 208)
anything else                                         what ``wsman`` answers, sealed if the request was
====================================================  ==============================================================

Identify is answered to anybody who sends the header ``WSMANIDENTIFY: unauthenticated`` (MS-WSMV 3.1.4.1.23).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyperv_simulator.server import encryption
from hyperv_simulator.server.accounts import Accounts
from hyperv_simulator.server.auth import ConnectionAuthentication, NtlmAcceptor, Refused
from hyperv_simulator.server.http import HttpRequest, HttpResponse
from hyperv_simulator.server.kerberos import KerberosAcceptor

_PATHS = ("/wsman", "/wsman-anon/identify")
_SOAP = "application/soap+xml;charset=UTF-8"
# A sealed body is longer than its SOAP by the frame and a signature.
FRAME_BYTES = 1024


@dataclass(frozen=True, slots=True)
class SoapAnswer:
    """What one SOAP request is answered with.

    :param body: empty where the answer is an HTTP status and nothing else.
    """

    status: int
    body: bytes = b""


class SoapService(Protocol):
    """What answers SOAP; ``wsman.WsManService`` is the one.

    ``user`` is None for an anonymous Identify. May raise ``http.Disconnect``.
    """

    def answer(self, message: bytes, user: str | None) -> SoapAnswer: ...


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """WinRM's ``Service`` settings that the wire obeys.

    :param max_envelope_bytes: MaxEnvelopeSizekb × 1024.
    :param channel_binding: of the TLS certificate; None on a listener without TLS.
    :param kerberos: None where the host is in no domain.
    :param allow_certificate: clients may authenticate by a certificate.
    :param allow_credssp: ``Service/Auth/CredSSP``.
    """

    accounts: Accounts
    allow_basic: bool
    allow_unencrypted: bool
    max_envelope_bytes: int
    channel_binding: bytes | None = None
    kerberos: KerberosAcceptor | None = None
    allow_certificate: bool = False
    allow_credssp: bool = False


class WsManConnection:
    """Answers the requests of one connection.

    :param before_each: called first for every request; adds latency.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        acceptor: NtlmAcceptor,
        service: SoapService,
        before_each: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._service = service
        self._before_each = before_each
        self._authentication = ConnectionAuthentication(
            settings.accounts,
            acceptor,
            allow_basic=settings.allow_basic,
            allow_credssp=settings.allow_credssp,
            channel_binding=settings.channel_binding,
            kerberos=settings.kerberos,
            allow_certificate=settings.allow_certificate,
        )

    def handle(self, request: HttpRequest) -> HttpResponse:
        self._before_each()
        path = request.path.partition("?")[0].rstrip("/").lower()
        if path not in _PATHS:
            return HttpResponse(404)
        if request.method != "POST":
            return HttpResponse(405, (("Allow", "POST"),))
        if (request.header("wsmanidentify") or "").lower() == "unauthenticated":
            return self._plain(request, user=None)
        verdict = self._authentication.authenticate(
            request.header("authorization"), certificate=request.client_certificate
        )
        if isinstance(verdict, Refused):
            return HttpResponse(401, verdict.headers)
        response = self._answer(request, verdict.user)
        return HttpResponse(response.status, (*verdict.headers, *response.headers), response.body)

    def _answer(self, request: HttpRequest, user: str) -> HttpResponse:
        protocol = encryption.protocol_of(request.header("content-type") or "")
        if protocol is not None:
            return self._sealed(request, user, protocol)
        without_tls = self._settings.channel_binding is None
        if request.body and without_tls and not self._settings.allow_unencrypted:
            return HttpResponse(500)
        return self._plain(request, user)

    def _plain(self, request: HttpRequest, user: str | None) -> HttpResponse:
        if request.oversized or len(request.body) > self._settings.max_envelope_bytes:
            return HttpResponse(413)
        if not request.body:
            return HttpResponse(200)
        answer = self._service.answer(request.body, user)
        return HttpResponse(answer.status, (("Content-Type", _SOAP),) if answer.body else (), answer.body)

    def _sealed(self, request: HttpRequest, user: str, protocol: str) -> HttpResponse:
        context = self._authentication.context
        if request.oversized:
            return HttpResponse(413)
        if context is None:
            return HttpResponse(400)
        try:
            message = encryption.unseal(context, protocol, request.body)
        except encryption.EncryptionError:
            return HttpResponse(400)
        if len(message) > self._settings.max_envelope_bytes:
            return HttpResponse(413)
        answer = self._service.answer(message, user)
        if not answer.body:
            return HttpResponse(answer.status)
        sealed = encryption.seal(context, protocol, answer.body)
        return HttpResponse(answer.status, (("Content-Type", sealed.content_type),), sealed.body)
