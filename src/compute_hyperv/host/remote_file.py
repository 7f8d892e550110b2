"""A file of a host that is read from its beginning to its end, however long that takes.

For content that is handed on while it is read. The file must not change meanwhile: when the connection breaks, reading
goes on at the same place over a new one.
"""

from __future__ import annotations

import contextlib
from types import TracebackType

from compute_hyperv.cim.errors import TimedOut, Unreachable
from compute_hyperv.host.errors import FileError
from compute_hyperv.host.paths import SmbPath
from compute_hyperv.host.smb import handles
from compute_hyperv.host.smb.handles import Handle
from compute_hyperv.host.smb.pool import SmbPool


class RemoteFile:
    """Made by ``Files.reading``; has what ``read``-ing needs of a file, and no more."""

    def __init__(self, pool: SmbPool, path: str, where: SmbPath) -> None:
        self._pool = pool
        self._path = path
        self._where = where
        self._position = 0
        self._open: contextlib.ExitStack | None = None
        self._handle: Handle | None = None
        self.size_bytes = 0

    def __enter__(self) -> RemoteFile:
        try:
            self._connect()
        except (Unreachable, TimedOut):  # a kept connection that broke while nobody used it
            self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes (all that the server gives at once, if negative); none at the end of the file."""
        wanted = min(size if size >= 0 else handles.PAYLOAD, handles.PAYLOAD, self.size_bytes - self._position)
        if wanted <= 0:
            return b""
        try:
            data = self._read(wanted)
        except (Unreachable, TimedOut):
            self._disconnect()
            self._connect()
            data = self._read(wanted)
        self._position += len(data)
        return data

    def _read(self, wanted: int) -> bytes:
        if self._handle is None:
            raise ValueError(f"{self._path} is not open")
        with self._connection.translating("Reading", self._path):
            return self._handle.read(self._position, wanted)

    def _connect(self) -> None:
        with contextlib.ExitStack() as stack:
            self._connection = stack.enter_context(self._pool.connection(self._where.server))
            with self._connection.translating("Reading", self._path):
                handle = Handle(
                    self._connection,
                    self._where,
                    handles.READ,
                    share=handles.SHARE_READ,
                    options=handles.FILE,
                )
                stack.enter_context(handle)
            if self._position and handle.size_bytes != self.size_bytes:
                raise FileError(f"Reading {self._path} failed: it has changed meanwhile.", path=self._path)
            self.size_bytes = handle.size_bytes
            self._handle = handle
            self._open = stack.pop_all()

    def _disconnect(self) -> None:
        opened, self._open, self._handle = self._open, None, None
        if opened is not None:
            with contextlib.suppress(Unreachable, TimedOut), self._connection.translating("Closing", self._path):
                opened.close()
