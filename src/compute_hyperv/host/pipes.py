"""Named pipes of a host, over SMB: the other end of machines' serial ports.

``\\\\.\\pipe\\name`` on the host is ``name`` on its ``IPC$`` share ([MS-SMB2] 3.2.4.3). A read waits at the server
until bytes come, so one read request stays out between calls: bytes that arrive after a call gave up belong to the
next one. All pipes share one connection; a thousand machines' consoles are a thousand requests, not a thousand
sockets.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any

from smbprotocol.exceptions import SMBConnectionClosed, SMBException
from smbprotocol.open import (
    CreateDisposition,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)

from compute_hyperv.cim.errors import CimError, Unreachable
from compute_hyperv.host.paths import pipe_name
from compute_hyperv.host.smb.connection import SmbConnection
from compute_hyperv.host.smb.endpoint import SmbEndpoint

_SHARE = "IPC$"
_BUFFER = 4096  # what vmwp.exe gives a COM pipe; also below one SMB credit


class PipeStream:
    """A connected pipe. For one reader and one writer at a time, which may be two threads."""

    def __init__(self, connection: SmbConnection, name: str) -> None:
        self.name = name
        self._connection = connection
        self._waiting: Any = None  # the read request that is out
        with connection.translating("Opening the pipe", name):
            tree = connection.tree(_SHARE)
            self._pipe = Open(tree, name)
            self._ids = (tree.session.session_id, tree.tree_connect_id)
            self._pipe.create(
                ImpersonationLevel.Impersonation,
                FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
                0,
                ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
                CreateDisposition.FILE_OPEN,
                0,
            )

    def __enter__(self) -> PipeStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, or arrives within the time; empty when nothing does. Raises PipeClosed, Unreachable."""
        with self._connection.translating("Reading the pipe", self.name):
            if self._waiting is None:
                message, _ = self._pipe.read(0, _BUFFER, send=False)
                self._waiting = self._connection.wire.send(message, *self._ids)
            if not self._arrived(timeout_s):
                if not self._connection.usable:  # nobody would ever set the event
                    raise SMBConnectionClosed("the connection broke")
                return b""
            request, self._waiting = self._waiting, None
            data: bytes = self._pipe._read_response(request)  # the half of Open.read() that waits
            return data

    def write(self, data: bytes) -> None:
        """Send all of the bytes. Raises PipeClosed, Unreachable."""
        with self._connection.translating("Writing to the pipe", self.name):
            position = 0
            while position < len(data):
                position += self._pipe.write(data[position : position + _BUFFER])

    def close(self) -> None:
        """Let go of the pipe, also when the host is gone."""
        if not self._connection.usable:
            return
        with contextlib.suppress(CimError), self._connection.translating("Closing the pipe", self.name):
            if self._waiting is not None:
                with contextlib.suppress(SMBException):  # answered in the meantime
                    self._waiting.cancel()
            self._pipe.close()

    def _arrived(self, timeout_s: float) -> bool:
        """Wait for the answer to the read that is out; an interim one (STATUS_PENDING) does not count.

        smbprotocol's own wait has whole seconds and gives the request up when they are over.
        """
        request = self._waiting
        while request.response_event.wait(timeout_s):
            with request.response_event_lock:
                if request.response is None:  # smbprotocol sets the event of all that waits when the connection breaks
                    raise SMBConnectionClosed("the connection broke")
                if not _is_interim(request.response):
                    return True
                # Forgotten, so that the event that comes when the connection breaks is not taken for it again.
                request.response = None
                request.response_event.clear()
        return False


class Pipes:
    """Opens pipes; keeps one connection for all of them."""

    def __init__(self, endpoint: SmbEndpoint) -> None:
        self._endpoint = endpoint
        self._connection: SmbConnection | None = None
        self._lock = threading.Lock()
        self._closed = False

    def open(self, name: str) -> PipeStream:
        """Connect to a pipe.

        :param name: ``\\\\.\\pipe\\name`` or ``name``.
        :raises FileMissing: there is no such pipe: the machine is off, or has no such port.
        :raises FileInUse: somebody else is connected to it.
        """
        connection, kept = self._connected()
        try:
            return PipeStream(connection, pipe_name(name))
        except Unreachable:
            if not kept:
                raise
        return PipeStream(self._connected()[0], pipe_name(name))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._connection:
                self._connection.close()

    def _connected(self) -> tuple[SmbConnection, bool]:
        """The connection, and whether it was there already."""
        with self._lock:
            if self._closed:
                raise Unreachable(f"The connection to the pipes of {self._endpoint.host} is closed.")
            if self._connection and self._connection.usable:
                return self._connection, True
            if self._connection:
                self._connection.close()
            self._connection = SmbConnection(self._endpoint, self._endpoint.host)
            return self._connection, False


def _is_interim(response: Any) -> bool:
    return bool(response["status"].get_value() == _STATUS_PENDING)


_STATUS_PENDING = 0x00000103
