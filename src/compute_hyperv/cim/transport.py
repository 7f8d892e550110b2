"""One connection to a host: bytes in, bytes out, within a deadline.

HTTP, TLS, authentication (Negotiate, NTLM, Kerberos, CredSSP, certificate, Basic), message encryption and channel
binding are pypsrp's. What is added here: a deadline for the whole exchange, one error for everything that can go wrong,
with a remedy for what an operator can change (``failures``), and the answer to the one question on which repeating
depends: can the host have acted on the message?

A connection that the host has closed while it was idle: with message encryption, what was sealed for the old
connection means nothing on a new one, so the host answers 401. A new handshake is then made, and the message sealed and
sent again; the 401 proves that nothing was done with it.

Not safe for threads: ``pool`` gives a connection to one thread at a time.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import requests.auth
from pypsrp.exceptions import WinRMTransportError
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import WSMan

from compute_hyperv.cim import failures
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.failures import SendFailed

# pypsrp logs whole messages (with users' data in them) at DEBUG, and a traceback for each timeout at ERROR. What fails
# is told by the error that is raised.
logging.getLogger("pypsrp.wsman").setLevel(logging.CRITICAL)

# What a connection that lost its handshake is answered with: 401 by WinRM, 400 where the seal is looked at first.
_STALE = (400, 401)


class Transport(Protocol):
    """What carries messages to a host. Tests may bring their own."""

    def send(self, message: bytes, timeout_s: float) -> bytes:
        """The answer, which may be a SOAP fault. Raises SendFailed for everything else."""

    def close(self) -> None: ...

    def interrupt(self) -> None:
        """Ends a send that another thread waits for; it raises SendFailed."""


class WinRmTransport:
    """The transport to a real host, or to a simulated one. Nothing is sent before the first message."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http: Any = None
        self._connections: list[Any] = []
        self._established = False  # this connection has carried a message already

    def send(self, message: bytes, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        was_established = self._established
        try:
            answer = self._exchange(message, timeout_s)
        except SendFailed as failed:
            if not was_established or failed.refused_by not in _STALE:
                raise
            self.close()
            answer = self._exchange(message, max(deadline - time.monotonic(), 0.001))
        self._established = True
        return answer

    def close(self) -> None:
        """The next message makes a new connection."""
        if self._http is not None:
            self._http.close()
        self._http = None
        self._established = False
        self._connections.clear()

    def interrupt(self) -> None:
        self._cut_connections()

    def _exchange(self, message: bytes, timeout_s: float) -> bytes:
        cut_off = threading.Event()

        def cut() -> None:
            cut_off.set()
            self._cut_connections()

        # The timeouts of sockets are per read: a host that sends a byte now and then would never run into them.
        watchdog = threading.Timer(timeout_s, cut)
        watchdog.daemon = True
        watchdog.start()
        sent = True
        try:
            if self._http is None:
                self._http = self._build()
            timeouts = (min(self._endpoint.connect_timeout_s, timeout_s), timeout_s)
            return bytes(self._http.send(message, timeout=timeouts))
        except WinRMTransportError as error:
            if "Envelope" in error.response_text[:1000]:
                return str(error.response_text).encode()
            raise failures.translate(self._endpoint, error, timeout_s, sent=sent) from error
        except Exception as error:
            # Everything: pypsrp raises whatever its parsing of a strange answer runs into, from KeyError to
            # struct.error, and a session may raise nothing that is not of our family.
            sent = self._http is not None and (not self._http.wrap_required or self._http.encryption is not None)
            if cut_off.is_set():
                raise failures.expired(self._endpoint, timeout_s, sent=sent) from error
            raise failures.translate(self._endpoint, error, timeout_s, sent=sent) from error
        finally:
            watchdog.cancel()

    def _cut_connections(self) -> None:
        for connection in list(self._connections):
            sock = getattr(connection, "sock", None)
            if sock is not None:
                # Below TLS: the thread that reads from it must see the end, not a connection without its TLS state.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _build(self) -> Any:
        endpoint = self._endpoint
        http = WSMan(
            endpoint.host,
            port=endpoint.effective_port,
            username=endpoint.username,
            password=endpoint.password,
            ssl=endpoint.scheme == "https",
            auth=endpoint.auth,
            cert_validation=endpoint.ca_file or endpoint.verify,
            # Without TLS, messages are always encrypted, except with Basic, which cannot and which the operator then
            # has allowed explicitly (see endpoint).
            encryption="never" if endpoint.scheme == "http" and endpoint.auth == "basic" else "auto",
            # Hosts are managed directly: a proxy that the environment names for the web is none for them.
            no_proxy=True,
            certificate_pem=endpoint.client_certificate,
            certificate_key_pem=endpoint.client_key,
        ).transport
        # Made here and not by the first send, in order to prepare it; pypsrp has no public way to do so.
        http.session = session = http._build_session()
        session.trust_env = False  # or a .netrc would add a password of its own to requests with a certificate
        if http.wrap_required and isinstance(session.auth, HTTPNegotiateAuth):
            session.auth = _HandshakeOnce(session.auth)
        for adapter in session.adapters.values():
            _track_connections(adapter, self._connections)
        return http


class _HandshakeOnce(requests.auth.AuthBase):
    """Authenticates a connection once. pypsrp's own class would answer the 401 of a new connection with a handshake,
    and then send along what was sealed for the old one."""

    def __init__(self, inner: HTTPNegotiateAuth) -> None:
        self._inner = inner

    @property
    def contexts(self) -> Any:
        """Where pypsrp looks for the context to seal with."""
        return self._inner.contexts

    def __call__(self, request: Any) -> Any:
        return request if self._inner.contexts else self._inner(request)


def _track_connections(adapter: Any, connections: list[Any]) -> None:
    """Notes every connection that an adapter makes, so that a deadline can cut it off."""
    makers = adapter.poolmanager.pool_classes_by_scheme  # pypsrp has made it the adapter's own
    for scheme, make_pool in list(makers.items()):
        makers[scheme] = _tracking(make_pool, connections)


def _tracking(make_pool: Callable[..., Any], connections: list[Any]) -> Callable[..., Any]:
    def make(*args: Any, **options: Any) -> Any:
        pool = make_pool(*args, **options)
        make_connection = pool.ConnectionCls

        def connect(*connection_args: Any, **connection_options: Any) -> Any:
            connection = make_connection(*connection_args, **connection_options)
            connections.append(connection)
            return connection

        pool.ConnectionCls = connect
        return pool

    return make
