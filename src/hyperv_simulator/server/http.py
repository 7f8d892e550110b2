"""An HTTP/1.1 listener: one thread and one handler object per connection.

What lives here and only here: sockets, threads and HTTP framing (h11 parses it). A handler is made per connection and
lives as long as it, because Windows authenticates connections, not requests.

Rule 1: whatever a client sends, or leaves unsent, ends its own connection at worst, never another's.
Rule 2: this file knows neither WS-Management nor authentication.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import h11

_log = logging.getLogger(__name__)

IDLE_TIMEOUT_S = 120.0  # http.sys's own
_TLS_HANDSHAKE_TIMEOUT_S = 10.0
_RECEIVE_BYTES = 65536
# A body over the limit is read to its end, so that the client gets to read the 413, but not forever.
_DISCARD_FACTOR = 32


class Disconnect(Exception):
    """Raised by a handler: close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, its body complete.

    :param headers: names in lower case, in the order they came.
    :param oversized: the body was longer than the listener allows, and is empty here.
    :param client_certificate: of the client (DER), verified by TLS; None where it showed none.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    oversized: bool = False
    client_certificate: bytes | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name (lower case); None where there is none."""
        return next((value for header, value in self.headers if header == name), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    close: bool = False


class Handler(Protocol):
    """What answers the requests of one connection, in order. May raise ``Disconnect``."""

    def handle(self, request: HttpRequest) -> HttpResponse: ...


class HttpListener:
    """Listens on one address and port.

    :param new_handler: makes the handler of a new connection.
    :param tls: the server's TLS context; None for plain HTTP.
    :param max_body_bytes: longer bodies arrive as ``oversized``.
    :param retrieval_timeout_s: how long a request may take to come in, counted from its header; then its connection is
        closed (MaxPacketRetrievalTimeSeconds, MS-WSMV 2.2.4.36).
    :param clock: seconds since 1970, as the host's clock shows them; every answer tells the date.
    """

    def __init__(
        self,
        address: str,
        port: int,
        new_handler: Callable[[], Handler],
        *,
        tls: ssl.SSLContext | None = None,
        max_body_bytes: int,
        retrieval_timeout_s: float = 120.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.address = address
        self.port = port
        self._new_handler = new_handler
        self._tls = tls
        self._max_body_bytes = max_body_bytes
        self._retrieval_timeout_s = retrieval_timeout_s
        self._clock = clock
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._stopping = False

    def start(self) -> None:
        """Listens and accepts from now on.

        :raises OSError: the address or port can't be had.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address, self.port))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        self._socket = listener
        name = f"listen {self.address}:{self.port}"
        threading.Thread(target=self._accept, args=(listener,), name=name, daemon=True).start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Closes the listener and every connection, and waits for the threads, up to the timeout."""
        with self._lock:
            self._stopping = True
            connections = dict(self._connections)
        if self._socket is not None:
            with contextlib.suppress(OSError):  # shutdown wakes accept(); "not connected" is what it says on success
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        for connection in connections:
            _hang_up(connection)
        deadline = time.monotonic() + timeout_s
        for thread in connections.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def drop_connections(self) -> None:
        """Cuts every connection there is, as a restart of the service does; new ones are welcome."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _hang_up(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._stopping or listener.fileno() < 0:
                    return
                # Out of file descriptors, or the client gave up in the queue: neither is a reason to stop serving.
                time.sleep(0.05)
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name=f"connection {self.address}:{self.port}", daemon=True
            )
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        registered = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection.settimeout(_TLS_HANDSHAKE_TIMEOUT_S)
                secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                registered = self._replace(connection, secured)
                secured.do_handshake()
                connection = secured
            handler = self._new_handler()
            _Connection(connection, handler, self._max_body_bytes, self._retrieval_timeout_s, self._clock).serve()
        except (OSError, Disconnect):
            pass  # the client is gone, or shall believe that we are: nobody is left to tell
        except Exception:
            # A defect of ours must not take other connections down; the client sees its own one closed.
            _log.exception("a connection to %s:%s ended by an internal error", self.address, self.port)
        finally:
            with self._lock:
                self._connections.pop(registered, None)
            _hang_up(registered)
            registered.close()

    def _replace(self, plain: socket.socket, secured: socket.socket) -> socket.socket:
        """Registers the TLS socket in place of the one it took over."""
        with self._lock:
            self._connections[secured] = self._connections.pop(plain)
            if self._stopping:
                raise Disconnect
        return secured


def _hang_up(connection: socket.socket) -> None:
    """Ends a connection that its own thread may be reading, which wakes that thread."""
    with contextlib.suppress(OSError):
        # The plain socket's method: SSLSocket.shutdown would take the TLS state away under the reading thread.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Connection:
    """HTTP on one socket."""

    def __init__(
        self,
        connection: socket.socket,
        handler: Handler,
        max_body_bytes: int,
        retrieval_timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._socket = connection
        self._clock = clock
        self._handler = handler
        self._max_body_bytes = max_body_bytes
        self._retrieval_timeout_s = retrieval_timeout_s
        self._due: float | None = None  # when the request that comes in must be complete
        self._http = h11.Connection(h11.SERVER)
        self._client_certificate: bytes | None = None
        if isinstance(connection, ssl.SSLSocket):
            self._client_certificate = connection.getpeercert(binary_form=True)

    def serve(self) -> None:
        """Answers requests until either side closes."""
        while True:
            try:
                request = self._receive()
            except h11.RemoteProtocolError as error:
                self._send(HttpResponse(error.error_status_hint, close=True))
                return
            if request is None:
                return
            self._send(self._handler.handle(request))
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    def _receive(self) -> HttpRequest | None:
        """The next request; None when the client closed instead."""
        head: h11.Request | None = None
        chunks: list[bytes] = []
        received = 0
        self._due = None
        for event in self._events():
            if isinstance(event, h11.Request):
                head = event
                self._due = time.monotonic() + self._retrieval_timeout_s
                if self._http.they_are_waiting_for_100_continue:
                    self._socket.sendall(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            elif isinstance(event, h11.Data):
                received += len(event.data)
                if received <= self._max_body_bytes:
                    chunks.append(bytes(event.data))
                elif received > self._max_body_bytes * _DISCARD_FACTOR:
                    raise Disconnect
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                return None
        if head is None:
            return None
        oversized = received > self._max_body_bytes
        return HttpRequest(
            method=head.method.decode("ascii"),
            path=head.target.decode("ascii"),
            headers=tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers),
            body=b"" if oversized else b"".join(chunks),
            oversized=oversized,
            client_certificate=self._client_certificate,
        )

    def _events(self) -> Iterator[object]:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._socket.settimeout(self._patience_s())
                self._http.receive_data(self._socket.recv(_RECEIVE_BYTES))
            elif event is h11.PAUSED:
                return
            else:
                yield event

    def _patience_s(self) -> float:
        """How long to wait for the next bytes. Raises Disconnect when a request took too long to come in."""
        if self._due is None:
            return IDLE_TIMEOUT_S
        left_s = self._due - time.monotonic()
        if left_s <= 0:
            raise Disconnect
        return min(left_s, IDLE_TIMEOUT_S)

    def _send(self, response: HttpResponse) -> None:
        self._socket.settimeout(IDLE_TIMEOUT_S)
        headers = [
            *response.headers,
            ("Server", "Microsoft-HTTPAPI/2.0"),
            ("Date", email.utils.formatdate(self._clock(), usegmt=True)),
            ("Content-Length", str(len(response.body))),
        ]
        if response.close:
            headers.append(("Connection", "close"))
        parts = [
            self._http.send(
                h11.Response(
                    status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase.encode()
                )
            ),
            self._http.send(h11.Data(data=response.body)) if response.body else b"",
            self._http.send(h11.EndOfMessage()),
        ]
        self._socket.sendall(b"".join(part or b"" for part in parts))
