"""HTTP at its plainest, so that what is measured is the other side: a client that sends the same bytes over one kept
connection, and (``python -m bench.plain_http address port``) a server that echoes."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class KeptConnection:
    """Sends prepared requests, one after the other."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def close(self) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> bytes:
        """The answer's body. Raises RuntimeError for any status but 200."""
        self._socket.sendall(request)
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = self._received[:end].lower()
        size = int(head.partition(b"content-length:")[2].split(None, 1)[0])
        while len(self._received) < end + 4 + size:
            self._receive()
        body, self._received = self._received[end + 4 : end + 4 + size], self._received[end + 4 + size :]
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {body.decode(errors='replace')}")
        return body

    def _receive(self) -> None:
        received = self._socket.recv(1 << 20)
        if not received:
            raise RuntimeError("the server closed the connection")
        self._received += received


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), _Echo) as server:
        print("ready", flush=True)
        server.serve_forever()
