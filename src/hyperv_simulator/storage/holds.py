"""Who has which file open: the share modes that Windows enforces between a machine's disks and disk operations.

Files are told apart by inode, so a file that is renamed over SMB while a machine uses it is still in use. What SMB
clients do with an open file is not checked here: Samba serves the folder without asking us.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

_Key = tuple[int, int]


class Holds:
    """Readers and writers per file: any number of readers, or one writer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: dict[_Key, int] = {}
        self._writers: set[_Key] = set()

    def take(self, *, shared: Iterable[Path] = (), exclusive: Iterable[Path] = ()) -> Hold:
        """All of them or none.

        :raises DiskError: SHARING_VIOLATION.
        """
        readers = {_key(path): path for path in shared}
        writers = {_key(path): path for path in exclusive}
        with self._lock:
            for key, path in (readers | writers).items():
                if key in self._writers or (key in writers and self._readers.get(key)):
                    raise DiskError(errors.SHARING_VIOLATION, path.name)
            for key in readers:
                self._readers[key] = self._readers.get(key, 0) + 1
            self._writers.update(writers)
        return Hold(self, frozenset(readers), frozenset(writers))

    def in_use(self, path: Path) -> bool:
        return self.count(path) > 0

    def count(self, path: Path) -> int:
        """How many have it open."""
        key = _key(path)
        with self._lock:
            return self._readers.get(key, 0) + (key in self._writers)

    def drop(self, readers: frozenset[_Key], writers: frozenset[_Key]) -> None:
        with self._lock:
            for key in readers:
                self._readers[key] -= 1
                if not self._readers[key]:
                    del self._readers[key]
            self._writers -= writers


class Hold:
    """What `Holds.take` gave; `close` gives it back, once. Usable in a ``with``."""

    def __init__(self, holds: Holds, readers: frozenset[_Key], writers: frozenset[_Key]) -> None:
        self._holds = holds
        self._files: tuple[frozenset[_Key], frozenset[_Key]] | None = (readers, writers)

    def close(self) -> None:
        files, self._files = self._files, None
        if files is not None:
            self._holds.drop(*files)

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _key(path: Path) -> _Key:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DiskError(errors.FILE_NOT_FOUND, path.name) from error
    return status.st_dev, status.st_ino
