r"""What guests write to their serial ports, kept for ``openstack console log show``.

The host offers each serial port as a named pipe; we read it over SMB and keep the last 2 × 512 KiB of it, as the
retired driver did (``console.log`` and ``console.log.1``), but here, under nova-compute's ``state_path``, so that a
log is there when its host is not, and no output travels twice. Windows throws away what a guest writes while nobody
listens: what it writes while nova-compute is down is lost, what was read before is kept.

One thread per nova-compute reads all pipes. It never waits for one of them, and it opens them again when a machine
comes back; the time between two attempts grows, so that machines that stay off cost next to nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nova import exception
from nova.compute import power_state
from nova.objects.instance import Instance
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host.errors import FileMissing
from compute_hyperv.nova import names, shielding, spec

if TYPE_CHECKING:
    from compute_hyperv.host.pipes import Pipes, PipeStream

LOG = logging.getLogger(__name__)

KEPT_BYTES_PER_FILE = 512 * 1024

_POLL_S = 0.25
_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 15.0


def log_pipe(instance: Instance) -> tuple[str, ...]:
    """The pipe of the serial port whose output is the console log: the one that is only logged, where there is one.
    None of a shielded server."""
    if shielding.wanted(instance):
        return ()
    pipes = spec.serial_port_pipes(instance, instance.image_meta).values()
    read_only = names.pipe(instance.uuid, "ro")
    return (read_only,) if read_only in pipes else (names.pipe(instance.uuid, "rw"),)


def possible_log_pipes(instance_uuid: str) -> tuple[str, ...]:
    """For a running machine of which only the UUID is known: the first of these that it has."""
    return names.pipe(instance_uuid, "ro"), names.pipe(instance_uuid, "rw")


class LogFile:
    """Two files of bounded size: ``console.log``, and ``console.log.1`` with what was before it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current = folder / "console.log"
        self._previous = folder / "console.log.1"

    def append(self, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._current.open("ab") as file:
            file.write(data)
            full = file.tell() >= KEPT_BYTES_PER_FILE
        if full:
            self._current.replace(self._previous)

    def read(self) -> bytes:
        parts = []
        for path in (self._previous, self._current):
            with contextlib.suppress(FileNotFoundError):
                parts.append(path.read_bytes())
        return b"".join(parts)

    def remove(self) -> None:
        for path in (self._previous, self._current):
            path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()


@dataclass
class _Watch:
    pipes: tuple[str, ...]
    log: LogFile
    stream: PipeStream | None = None
    retry_at: float = 0.0
    retry_after_s: float = _FIRST_RETRY_S
    finishing: bool = False

    def close(self) -> None:
        if self.stream is not None:
            with contextlib.suppress(CimError):  # the connection may be gone; there is nothing left to close then
                self.stream.close()
            self.stream = None

    def later(self) -> None:
        self.close()
        self.retry_at = time.monotonic() + self.retry_after_s
        self.retry_after_s = min(self.retry_after_s * 2, _LAST_RETRY_S)


class ConsoleLogs:
    """The logs of all instances of one host.

    :param folder: where they are kept, a folder per instance.
    """

    def __init__(self, pipes: Pipes, folder: Path) -> None:
        self._pipes = pipes
        self._folder = folder
        self._watches: dict[str, _Watch] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, instance_uuid: str, pipes: tuple[str, ...]) -> None:
        """Start reading; at once, if it is being tried already. Returns without waiting for the host."""
        with self._lock:
            if self._closed or not pipes:
                return
            watch = self._watches.get(instance_uuid)
            if watch is None:
                self._watches[instance_uuid] = _Watch(pipes, self._log(instance_uuid))
            else:
                # Of other pipes the next connection is to hear: what a guest says while this one is closed is lost.
                watch.pipes = pipes
                watch.retry_at, watch.retry_after_s, watch.finishing = 0.0, _FIRST_RETRY_S, False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hyperv-console", daemon=True)
                self._thread.start()
        self._changed.set()

    def finish(self, instance_uuid: str) -> None:
        """Read to the machine's last word, and do not open its pipe again."""
        with self._lock:
            if instance_uuid in self._watches:
                self._watches[instance_uuid].finishing = True
        self._changed.set()

    def forget(self, instance_uuid: str) -> None:
        """Stop reading and remove the log."""
        with self._lock:
            self._watches.pop(instance_uuid, None)
            self._log(instance_uuid).remove()

    def read(self, instance_uuid: str) -> bytes:
        """All that is kept; empty where nothing was ever written."""
        return self._log(instance_uuid).read()

    def show(self, instance: Instance) -> bytes:
        """All that is kept. A running instance that is not listened to, because it was started behind our back or its
        host was away then, is from now on.

        :raises nova.exception.ConsoleNotAvailable: it is shielded.
        """
        if shielding.wanted(instance):
            raise exception.ConsoleNotAvailable("A shielded server has no serial port, and so no console log.")
        if instance.power_state == power_state.RUNNING:
            self.watch(instance.uuid, log_pipe(instance))
        return self.read(instance.uuid)

    def close(self) -> None:
        """End the thread; logs stay."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._changed.set()
        if thread is not None:
            thread.join(timeout=5)

    def _log(self, instance_uuid: str) -> LogFile:
        return LogFile(self._folder / instance_uuid)

    def _run(self) -> None:
        open_watches: list[_Watch] = []
        while True:
            with self._lock:
                closed = self._closed
                watches = {} if closed else dict(self._watches)
            for watch in open_watches:
                if watch not in watches.values():
                    watch.close()
            if closed:
                return
            busy = False
            for uuid, watch in watches.items():
                busy = self._serve(uuid, watch) or busy
            open_watches = [watch for watch in watches.values() if watch.stream is not None]
            self._changed.wait(0 if busy else self._pause(list(watches.values())))
            self._changed.clear()

    @staticmethod
    def _pause(watches: list[_Watch]) -> float | None:
        """How long nothing can happen; None for until somebody calls ``watch``."""
        if any(watch.stream is not None for watch in watches):
            return _POLL_S
        if not watches:
            return None
        return max(_POLL_S, min(watch.retry_at for watch in watches) - time.monotonic())

    def _serve(self, instance_uuid: str, watch: _Watch) -> bool:
        """One look at one pipe. Returns whether there was something to read."""
        try:
            if watch.stream is None:
                if watch.finishing:
                    self._drop(instance_uuid, watch)
                    return False
                if time.monotonic() < watch.retry_at:
                    return False
                watch.stream = self._open(watch.pipes)
                watch.retry_after_s = _FIRST_RETRY_S
            data = watch.stream.read(timeout_s=0)
            if not data:
                return False
            with self._lock:
                # An instance that was deleted meanwhile must not get a log again.
                if self._watches.get(instance_uuid) is watch:
                    watch.log.append(data)
            return True
        except CimError as error:
            LOG.debug("Console of instance %s: %s", instance_uuid, error)
            watch.later()
        except OSError as error:
            LOG.warning("The console log of instance %s cannot be written: %s", instance_uuid, error)
            watch.later()
        except Exception:  # a library's bug with one pipe must not end the thread that reads all of them
            LOG.exception("The console of instance %s cannot be read", instance_uuid)
            watch.later()
        return False

    def _drop(self, instance_uuid: str, watch: _Watch) -> None:
        with self._lock:
            if watch.finishing and self._watches.get(instance_uuid) is watch:  # else it was started again meanwhile
                del self._watches[instance_uuid]

    def _open(self, pipes: tuple[str, ...]) -> PipeStream:
        """The first pipe of these that is there. Raises CimError where none is, or it cannot be opened."""
        *others, last = pipes
        for pipe in others:
            with contextlib.suppress(FileMissing):
                return self._pipes.open(pipe)
        return self._pipes.open(last)
