"""Clients that tests use: SMB through smbprotocol, a serial line that is read to its end."""

from __future__ import annotations

import contextlib
import re
import threading
import time

import smbclient
from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from hyperv_simulator.config.host import HostConfig


class FileClient:
    """One SMB connection with a session."""

    def __init__(self, config: HostConfig, password: str | None = None) -> None:
        self.address = config.address
        self._cache: dict[str, Connection] = {}
        self._session: Session = smbclient.register_session(
            config.address,
            username=config.username,
            password=password or config.password,
            port=config.smb_port,
            connection_cache=self._cache,
        )
        self._tree = TreeConnect(self._session, rf"\\{config.address}\IPC$")
        self._tree.connect()

    def path(self, path: str) -> str:
        return rf"\\{self.address}\{path}"

    def write(self, path: str, data: bytes) -> None:
        with smbclient.open_file(self.path(path), "wb", connection_cache=self._cache) as file:
            file.write(data)

    def read(self, path: str) -> bytes:
        with smbclient.open_file(self.path(path), "rb", connection_cache=self._cache) as file:
            data: bytes = file.read()
            return data

    def names(self, path: str) -> list[str]:
        return sorted(smbclient.listdir(self.path(path), connection_cache=self._cache))

    def free_bytes(self, share: str) -> int:
        return int(smbclient.stat_volume(self.path(share), connection_cache=self._cache).caller_available_size)

    def copy_on_host(self, source: str, target: str) -> None:
        smbclient.copyfile(self.path(source), self.path(target), connection_cache=self._cache)

    def open_pipe(self, name: str) -> Open:
        pipe = Open(self._tree, name)
        pipe.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
            0,
            ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
            CreateDisposition.FILE_OPEN,
            CreateOptions.FILE_NON_DIRECTORY_FILE,
        )
        return pipe

    def close(self) -> None:
        """Just hang up: smbd answers no orderly farewell while the read of a pipe is pending."""
        for connection in self._cache.values():
            connection.disconnect(close=False)


class Console:
    """A machine's serial line, read in the background as nova-compute's console logger does it."""

    def __init__(self, files: FileClient, pipe: str) -> None:
        self._pipe = files.open_pipe(pipe)
        self._text = ""
        self._more = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(SMBException):
            while True:
                data = self._pipe.read(0, 65536)
                with self._more:
                    self._text += data.decode(errors="replace").replace("\r", "")
                    self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    @property
    def text(self) -> str:
        return self._text

    def wait_for(self, pattern: str, timeout_s: float = 90, *, prompt: bool = False) -> str:
        """The line in which the pattern is found; a whole line, or a prompt."""
        deadline = time.monotonic() + timeout_s
        with self._more:
            while not (found := re.search(f".*(?:{pattern}).*" + ("" if prompt else "\n"), self._text, re.MULTILINE)):
                left = deadline - time.monotonic()
                if left <= 0 or (self._ended and not found):
                    raise AssertionError(f"{pattern!r} did not appear on the console:\n{self._text}")
                self._more.wait(left)
        return found.group().strip()

    def type(self, text: str) -> None:
        self._pipe.write(text.encode(), 0)
