"""One authenticated SMB 3 connection to one server: bounded in time, with errors in our words.

Rules: every wait has a deadline, also where smbprotocol has none; a connection that broke or fell silent is marked
``broken`` and never used again; no file semantics here (those are in ``files.py`` and ``pipes.py``).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from smbprotocol.connection import Connection
from smbprotocol.exceptions import (
    SMBAuthenticationError,
    SMBConnectionClosed,
    SMBException,
    SMBResponseException,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from compute_hyperv.cim.errors import AccessDenied, CimError, TimedOut, Unreachable
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.host.smb.status import error_of

_WIRE_LOG = logging.getLogger("smbprotocol")
if _WIRE_LOG.level == logging.NOTSET:
    _WIRE_LOG.setLevel(logging.WARNING)  # it writes several INFO lines per request: a nova-compute log would drown

_DEAD_PEER_MS = 20_000  # a host that lost power: the kernel gives up on unacknowledged data after this
_KEEPALIVE_IDLE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_TRIES = 30, 10, 3


class _BoundedConnection(Connection):  # type: ignore[misc]
    """smbprotocol's connection with a default deadline for every answer and a queue for the credits.

    Several threads may send: one after the other, because smbprotocol counts credits and sends in two steps, and fails
    instead of waiting when none are left.
    """

    def __init__(self, server: str, port: int, timeout_s: float) -> None:
        super().__init__(uuid.uuid4(), server, port=port, require_signing=True)
        self._timeout_s = timeout_s
        self._send_lock = threading.Lock()

    def receive(
        self, request: Any, wait: bool = True, timeout: float | None = None, resolve_symlinks: bool = True
    ) -> Any:
        return super().receive(
            request, wait=wait, timeout=timeout or self._timeout_s, resolve_symlinks=resolve_symlinks
        )

    def _send(self, *arguments: Any, **named: Any) -> Any:
        deadline = time.monotonic() + self._timeout_s
        while True:
            with self._send_lock:
                try:
                    return super()._send(*arguments, **named)
                except SMBException as exc:
                    if "credits are available" not in str(exc) or time.monotonic() > deadline:
                        raise
            time.sleep(0.01)  # answers of other threads bring credits back

    def send_parts(self, parts: list[memoryview]) -> None:
        """Send a finished message that lies in several pieces, without putting them together first."""
        self._check_worker_running()
        length = sum(len(part) for part in parts)
        rest = [memoryview(struct.pack(">I", length)), *parts]  # Direct TCP, [MS-SMB2] 2.1
        with self.transport._sock_lock:
            while rest:
                sent = self.transport._sock.sendmsg(rest)
                while rest and sent >= len(rest[0]):
                    sent -= len(rest.pop(0))
                if sent:
                    rest[0] = rest[0][sent:]

    @property
    def listening(self) -> bool:
        """Whether smbprotocol still waits for answers; it ends that, and says nothing, when the server hangs up."""
        return self._t_worker is not None and self._t_worker.is_alive()

    def bound_socket(self) -> None:
        """Deadlines that only the socket can keep: a peer that is gone, and one that no longer reads."""
        raw = self.transport._sock
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_TRIES)
        raw.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_SNDTIMEO,
            struct.pack("ll", int(self._timeout_s), int(self._timeout_s % 1 * 1e6)),
        )


class SmbConnection:
    """A connection with a session on it. Opening it does the I/O; raises Unreachable, TimedOut, AccessDenied."""

    def __init__(self, endpoint: SmbEndpoint, server: str) -> None:
        self.server = server
        self.broken = False
        self._trees: dict[str, TreeConnect] = {}
        self._trees_lock = threading.Lock()
        self.wire = _BoundedConnection(server, endpoint.port_of(server), endpoint.timeout_s)
        try:
            with self.translating("Connecting to", f"{server}:{endpoint.port_of(server)}"):
                self.wire.connect(timeout=endpoint.connect_timeout_s)
                self.wire.bound_socket()
                self._session = Session(
                    self.wire, endpoint.username, endpoint.password, require_encryption=endpoint.encrypt
                )
                self._session.connect()
        except CimError:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        return not self.broken and self.wire.listening and bool(self.wire.transport and self.wire.transport.connected)

    def tree(self, share: str) -> Any:
        """The tree connect of a share. Raises smbprotocol's errors: call it inside ``translating``."""
        with self._trees_lock:
            tree = self._trees.get(share.lower())
            if tree is None:
                tree = TreeConnect(self._session, f"\\\\{self.server}\\{share}")
                tree.connect()
                self._trees[share.lower()] = tree
            return tree

    @contextlib.contextmanager
    def translating(self, what: str, path: str) -> Iterator[None]:
        """Turn what smbprotocol and the socket raise into our errors, and notice a broken connection."""
        try:
            yield
        except SMBResponseException as exc:
            error = error_of(exc.status, what, path, detail=str(exc))
            self.broken = self.broken or isinstance(error, Unreachable)
            raise error from exc
        except SMBAuthenticationError as exc:
            self.broken = True
            raise AccessDenied(
                f"{what} {path} failed: {exc}", remedy="Check [hyperv] username and password, or the Kerberos ticket."
            ) from exc
        except SMBConnectionClosed as exc:
            self.broken = True
            raise Unreachable(f"{what} {path} failed: the server closed the connection.") from exc
        except SMBException as exc:
            self.broken = True
            if "timeout" in str(exc).lower():
                raise TimedOut(f"{what} {path} failed: the server does not answer.") from exc
            raise Unreachable(f"{what} {path} failed: {exc}") from exc
        except (OSError, ValueError) as exc:  # ValueError: smbprotocol's for a socket that does not connect
            self.broken = True
            cause = exc.__cause__ if isinstance(exc, ValueError) else exc
            if isinstance(exc, TimeoutError | BlockingIOError):
                raise TimedOut(f"{what} {path} failed: the server does not answer.") from exc
            if isinstance(cause, OSError):
                raise Unreachable(
                    f"{what} {path} failed: {cause.strerror or cause}.",
                    remedy="Check that the host is up and that its firewall admits SMB (port 445) from here.",
                ) from exc
            raise

    def close(self) -> None:
        """Close the socket. The server closes what is open on it; a log-off could wait for a server that hangs."""
        self.broken = True
        if self.wire.transport is not None:
            with contextlib.suppress(OSError):
                self.wire.disconnect(close=False)
