"""What a preparation has changed on a host, on this machine's disk, so that it can be undone.

Rule 1: a file of JSON lines that only grows; each line is on the disk before what it announces begins.
Rule 2: whatever moment the program is killed in, the file can be read: a torn last line is one that was not written.
Rule 3: one host per file, one program at a time.

::

    journal     version, host
    before      step, change, previous      what is changed next, and what was; boot: the start of Windows then
    again       step, boot                  what a run that was cut had begun is changed next
    after       step                        it was read back
    restarting, restarted                   Windows
    restoring   step, boot                  what is undone next
    restored    step                        it was read back
    failed, interrupted                     why it went no further
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from compute_hyperv.readiness.changes.base import Change, State
from compute_hyperv.readiness.changes.kinds import from_data, to_data

_VERSION = 1
_SUFFIX = ".jsonl"


class JournalError(ValueError):
    """A journal that can't be read or written; the message names file and line."""


@dataclass(slots=True)
class Entry:
    """One change that was begun.

    :param previous: what was before it.
    :param boot: when Windows had been started, where the change wants a restart.
    :param finished: it was read back.
    :param restoring: its restoring was begun, at this start of Windows (empty where that does not matter); None: not.
    """

    step: int
    change: Change
    previous: State
    boot: str = ""
    finished: bool = False
    restoring: str | None = None
    restored: bool = False

    def again(self, boot: str) -> None:
        self.boot, self.finished, self.restoring = boot, False, None


class Journal:
    """An open journal. Making one with a host starts the file, or goes on with the one that is there.

    :param host: whose changes; None: whoever's it is.
    :raises JournalError: it can't be read or written, is another host's, or another program has it open.
    """

    def __init__(self, path: Path, host: str | None = None) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.host = host or ""
        try:
            if host is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if host is not None else 0)
            self._file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        except OSError as error:
            raise JournalError(f"The journal {path} can't be opened: {error.strerror}.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._load(host)
        except BlockingIOError:
            self._file.close()
            raise JournalError(f"The journal {path} is in use by another program.") from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    # Writing

    def before(self, change: Change, previous: State, boot: str = "") -> Entry:
        """A change is made next. One that was begun before keeps what was before that."""
        begun = next((entry for entry in self.entries if entry.change == change and not entry.restored), None)
        if begun is not None:
            self._write("again", step=begun.step, boot=boot)
            begun.again(boot)
            return begun
        entry = Entry(len(self.entries) + 1, change, previous, boot)
        self._write("before", step=entry.step, change=to_data(change), previous=previous, boot=boot)
        self.entries.append(entry)
        return entry

    def after(self, entry: Entry) -> None:
        self._write("after", step=entry.step)
        entry.finished = True

    def restoring(self, entry: Entry, boot: str) -> None:
        self._write("restoring", step=entry.step, boot=boot)
        entry.restoring = boot

    def restored(self, entry: Entry) -> None:
        self._write("restored", step=entry.step)
        entry.restored = True

    def note(self, event: str, text: str = "") -> None:
        """What is no change: a restart, a failure, an interruption."""
        self._write(event, **({"text": text} if text else {}))

    # Reading

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """Changes that were begun and neither read back nor undone since."""
        return tuple(entry for entry in self.entries if not entry.finished and not entry.restored)

    @property
    def to_undo(self) -> tuple[Entry, ...]:
        """What was begun and is not restored, last first."""
        return tuple(entry for entry in reversed(self.entries) if not entry.restored)

    # Inside

    def _load(self, host: str | None) -> None:
        whole, torn = self._lines()
        if torn:
            os.truncate(self.path, sum(len(line) + 1 for line in whole))
        if not whole:
            if host is None:
                raise JournalError(f"{self.path} is no journal of compute-hyperv prepare: it is empty.")
            self._write("journal", version=_VERSION, host=host)
            _sync_folder(self.path.parent)
            return
        for number, line in enumerate(whole, 1):
            try:
                record = json.loads(line)
                self._take(record)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                raise JournalError(f"{self.path}, line {number}: {error or 'no record'}.") from None
        if not self.host:
            raise JournalError(f"{self.path} is no journal of compute-hyperv prepare.")
        if host is not None and self.host.lower() != host.lower():
            raise JournalError(f"{self.path} is the journal of {self.host}, not of {host}; name another file.")

    def _lines(self) -> tuple[list[bytes], bytes]:
        self._file.seek(0)
        *whole, torn = self._file.read().split(b"\n")
        return whole, torn

    def _take(self, record: dict[str, Any]) -> None:
        event = record["event"]
        if event == "journal":
            if record["version"] != _VERSION:
                raise ValueError(f"version {record['version']}; this program knows {_VERSION}")
            self.host = record["host"]
        elif event == "before":
            change = from_data(record["change"])
            self.entries.append(Entry(record["step"], change, record["previous"], record["boot"]))
        elif event == "again":
            self._entry(record).again(record["boot"])
        elif event == "after":
            self._entry(record).finished = True
        elif event == "restoring":
            self._entry(record).restoring = record["boot"]
        elif event == "restored":
            self._entry(record).restored = True

    def _entry(self, record: dict[str, Any]) -> Entry:
        entry: Entry = self.entries[record["step"] - 1]
        return entry

    def _write(self, event: str, **values: Any) -> None:
        moment = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        line = json.dumps({"event": event, "at": moment, **values}, ensure_ascii=False) + "\n"
        try:
            self._file.write(line.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(f"The journal {self.path} can't be written: {error.strerror}.") from None


def default_folder() -> Path:
    """Where journals are kept that nobody named a place for (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state") / "compute-hyperv"


def default_path(host: str) -> Path:
    """The journal of a run that was cut, if it is the host's last one; else a new one, named by host and time."""
    folder = default_folder()
    moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    new = folder / f"{_stem(host)}{moment}{_SUFFIX}"
    for path in sorted(_journals(folder, host), reverse=True):
        try:
            with Journal(path) as journal:
                return path if journal.unfinished else new
        except JournalError:
            continue
    return new


def _journals(folder: Path, host: str) -> Iterator[Path]:
    return folder.glob(f"{_stem(host)}[0-9]*T[0-9]*Z{_SUFFIX}")


def _stem(host: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in host)
    return f"prepare-{plain}-"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
