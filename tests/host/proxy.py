"""A TCP proxy that breaks on demand: it cuts connections, falls silent, and goes on."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType


class Proxy:
    """Listens on ``port`` of the same address as the server behind it."""

    def __init__(self, address: str, server_port: int) -> None:
        self._server = (address, server_port)
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._moving = threading.Event()
        self._moving.set()
        self._limit: int | None = None
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._listener.close()
        self.go_on()
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def stall(self) -> None:
        """Pass nothing on, and close nothing."""
        self._moving.clear()

    def stall_after(self, count: int) -> None:
        """Fall silent once so many bytes have gone to the server."""
        self._limit = count

    def go_on(self) -> None:
        self._limit = None
        self._moving.set()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    self._moving.wait()
                    key.data.sendall(data)
                    if key.data is server and self._limit is not None:
                        self._limit -= len(data)
                        if self._limit <= 0:
                            self.stall()
