"""Connections kept open between operations, each used by one operation at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from compute_hyperv.cim.errors import Unreachable
from compute_hyperv.host.smb.connection import SmbConnection
from compute_hyperv.host.smb.endpoint import SmbEndpoint

_KEPT = 4  # idle connections per server; more are opened when needed and closed after use

Result = TypeVar("Result")


class SmbPool:
    """Connections to the host and to other file servers. Thread-safe; opens nothing before it is asked to."""

    def __init__(self, endpoint: SmbEndpoint) -> None:
        self.endpoint = endpoint
        self._idle: dict[str, list[SmbConnection]] = {}
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def connection(self, server: str) -> Iterator[SmbConnection]:
        """A connection of one's own for a while."""
        with self._lend(self._take(server) or SmbConnection(self.endpoint, server)) as connection:
            yield connection

    def run(self, server: str, operation: Callable[[SmbConnection, bool], Result]) -> Result:
        """Run an operation that may be repeated: once more on a new connection when it found a kept one broken (the
        host was restarted since, say).

        :param operation: gets the connection and whether this is the repetition.
        """
        kept = self._take(server)
        if kept is not None:
            try:
                with self._lend(kept):
                    return operation(kept, False)
            except Unreachable:
                self._drop_idle(server)  # what broke one connection broke the others
        with self._lend(SmbConnection(self.endpoint, server)) as connection:
            return operation(connection, kept is not None)

    @contextlib.contextmanager
    def _lend(self, connection: SmbConnection) -> Iterator[SmbConnection]:
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            kept = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in kept:
            connection.close()

    def _take(self, server: str) -> SmbConnection | None:
        with self._lock:
            if self._closed:
                raise Unreachable(f"The connections to {server} are closed.")
            idle = self._idle.get(server.lower(), [])
            while idle:
                connection = idle.pop()
                if connection.usable:
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: SmbConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(connection.server.lower(), [])
            if connection.usable and len(idle) < _KEPT and not self._closed:
                idle.append(connection)
                return
        connection.close()

    def _drop_idle(self, server: str) -> None:
        with self._lock:
            idle = self._idle.pop(server.lower(), [])
        for connection in idle:
            connection.close()
