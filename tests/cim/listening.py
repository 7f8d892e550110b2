"""A listener that answers as a test says, byte by byte: what no WinRM would do, and what a network can do to it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.soap import requests, responses

Answer = Callable[[socket.socket, bytes], None]


@dataclass
class Listener:
    """Each request takes the next answer; the last one is repeated."""

    address: str
    port: int
    answers: list[Answer]
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def endpoint(self) -> Endpoint:
        return self.endpoint_with()

    def endpoint_with(self, **options: object) -> Endpoint:
        """Plain text and Basic, so that a message is one HTTP request."""
        basis: dict[str, object] = {
            "host": self.address,
            "port": self.port,
            "scheme": "http",
            "auth": "basic",
            "username": "u",
            "password": "p",
            "allow_unencrypted": True,
        }
        return Endpoint(**(basis | options))  # type: ignore[arg-type]


@contextlib.contextmanager
def listener(*answers: Answer) -> Iterator[Listener]:
    server = socket.create_server(("127.0.0.1", 0))
    state = Listener(*server.getsockname(), answers=list(answers))
    stop = threading.Event()
    open_connections: list[socket.socket] = []

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            open_connections.append(connection)
            state.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while body := _read_request(connection):
                state.bodies.append(body)
                answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
                answer(connection, body)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield state
    finally:
        stop.set()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def http(status: int, body: bytes = b"", *, headers: str = "") -> Answer:
    """A whole HTTP answer."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    return answer


def soap(make: Callable[[requests.Request], responses.Response]) -> Answer:
    """The proper answer to a request."""

    def answer(connection: socket.socket, message: bytes) -> None:
        header, request = requests.decode_request(message)
        http(200, responses.encode_response(make(request), header.message_id))(connection, message)

    return answer


def identity(connection: socket.socket, message: bytes) -> None:
    body = responses.encode_response(responses.IdentifyResponse(product_version="OS: 10.0.20348"), "")
    http(200, body)(connection, message)


def hang_up(connection: socket.socket, _: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def cut_short(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<s:Envelope")
    connection.shutdown(socket.SHUT_RDWR)


def say_nothing(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


def drip(connection: socket.socket, _: bytes) -> None:
    """A byte now and then, for ever: no timeout of a single read ever passes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0]):
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return body
