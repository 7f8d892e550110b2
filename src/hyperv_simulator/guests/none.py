"""Guests without an inside: instant state machines that obey.

What is real: the disks are opened as a machine that starts opens them (missing, damaged or used elsewhere: the start
fails with Windows' code), and stay in use while the machine is on; the serial port's pipe is there while the machine is
on.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from hyperv_simulator.config.guest import GuestConfig
from hyperv_simulator.guests.base import (
    UNSPECIFIED,
    GuestDiskSpec,
    GuestError,
    GuestListener,
    GuestNicSpec,
    GuestSpec,
    StopReason,
)
from hyperv_simulator.guests.none_console import NoneConsole
from hyperv_simulator.guests.none_exchange import NoneExchange
from hyperv_simulator.storage.holds import Hold
from hyperv_simulator.storage.vhd import DiskStore

# Windows gives process ids in steps of 4.
_process_ids = itertools.count(4096, 4)
_FIRST_PORT = 1  # COM 1


# What a guest may do by itself; "mute" and "answer": its integration services stop, and go on.
Action = Literal["power-off", "reset", "crash", "mute", "answer"]


class PipeHolder(Protocol):
    """Makes a named pipe exist as long as the result is open (`pipes.PipeServer`)."""

    def open(self, name: str, greeting: bytes = b"") -> PipeHandle: ...


class PipeHandle(Protocol):
    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class NoneGuest:
    """See `base.Guest`. ``integration_ready`` may be set: False is a guest that does not listen to shutdown
    requests."""

    def __init__(
        self,
        spec: GuestSpec,
        listener: GuestListener,
        disks: DiskStore,
        pipes: PipeHolder | None,
        config: GuestConfig,
    ) -> None:
        self.spec = spec
        self.integration = config.integration_services
        self._greeting = config.console.encode()
        self.console = NoneConsole(spec.name)
        self.exchange = NoneExchange(spec.name, config)
        self._listener = listener
        self._disks = disks
        self._pipes = pipes
        self._lock = threading.RLock()
        self._process_id: int | None = None
        self._held: dict[str, Hold] = {}
        self._plugged: tuple[GuestDiskSpec, ...] = ()
        self._open_pipes: dict[int, PipeHandle] = {}

    @property
    def running(self) -> bool:
        return self._process_id is not None

    @property
    def process_id(self) -> int | None:
        return self._process_id

    @property
    def integration_ready(self) -> bool:
        return self.running and self.integration and not self.has_crashed

    @property
    def hibernates(self) -> bool:
        return True

    @property
    def has_crashed(self) -> bool:
        return self.console.crashed

    def start(self, restore_from: Path | None = None) -> None:
        with self._lock:
            if self.running:
                return
            if restore_from is not None:
                self._restore(restore_from)
            try:
                self.change_disks(self.spec.disks)
                self.change_serial(self.spec.serial)
            except BaseException:
                self._let_go()
                raise
            self._process_id = next(_process_ids)

    def _restore(self, state_file: Path) -> None:
        try:
            document = json.loads(state_file.read_text())
            saved, self.console.typed = document["machine_id"], document["typed"]
        except (OSError, ValueError, KeyError) as error:
            raise GuestError(UNSPECIFIED, f"The saved state can't be read: {error}") from error
        if saved != self.spec.machine_id:
            raise GuestError(UNSPECIFIED, f"The saved state is that of {saved}")
        state_file.unlink()

    def power_off(self) -> None:
        with self._lock:
            self._let_go()
            self._process_id = None

    def shutdown(self) -> None:
        with self._lock:
            if not self.integration_ready:
                return
        threading.Thread(target=self._obey, name=f"shutdown {self.spec.name}", daemon=True).start()

    def _obey(self) -> None:
        with self._lock:
            if not self.running:
                return
            self.power_off()
        self._listener.stopped(self.spec.machine_id, StopReason.GUEST_POWERED_OFF)

    def reset(self) -> None:
        self.console.reset()

    def pause(self) -> None:
        """Nothing runs that could be paused."""

    def resume(self) -> None:
        """As `pause`."""

    def save(self, state_file: Path) -> None:
        with self._lock:
            self._write_state(state_file)
            self.power_off()

    def _write_state(self, state_file: Path) -> None:
        state_file.write_text(json.dumps({"machine_id": self.spec.machine_id, "typed": self.console.typed}))

    def change_disks(self, disks: tuple[GuestDiskSpec, ...]) -> None:
        wanted = {disk.path: disk for disk in disks if disk.path}
        with self._lock:
            for path, disk in wanted.items():
                if path not in self._held:
                    self._held[path] = self._disks.hold(path, read_only=disk.kind == "dvd")
            for path in [path for path in self._held if path not in wanted]:
                self._held.pop(path).close()
            self._plugged = disks

    def switch_disks(self, change: Callable[[], tuple[GuestDiskSpec, ...]], state_file: Path | None = None) -> None:
        with self._lock:
            if not self.running:
                change()
                return
            if state_file is not None:
                self._write_state(state_file)
            plugged = self._plugged
            self.change_disks(())
            try:
                plugged = change()
            finally:
                self.change_disks(plugged)

    def resize_disk(self, disk: GuestDiskSpec, size_bytes: int) -> None:
        """Nobody is there to look."""

    def change_nics(self, nics: tuple[GuestNicSpec, ...]) -> None:
        """No wire, nothing to do."""

    def change_memory(self, memory_mb: int) -> None:
        """Nobody in it would notice."""

    def change_serial(self, serial: tuple[tuple[int, str], ...]) -> None:
        if self._pipes is None:
            return
        with self._lock:
            for pipe in self._open_pipes.values():
                pipe.close()
            self._open_pipes = {
                number: self._pipes.open(name, self._greeting if number == _FIRST_PORT else b"")
                for number, name in serial
                if name
            }

    def act(self, action: Action) -> None:
        """Do something by itself, without having been asked by its host. Nothing happens while it is off."""
        if not self.running:
            return
        if action == "power-off":
            self._obey()
        elif action == "reset":
            self.console.reset()
            self._listener.reset(self.spec.machine_id)
        elif action == "crash":
            self.console.crashed = True
        else:
            self.integration = action == "answer"

    def print(self, text: str, number: int = _FIRST_PORT) -> None:
        """Say something on a serial port, for tests that want a console."""
        with self._lock:
            if pipe := self._open_pipes.get(number):
                pipe.write(text.encode())

    def _let_go(self) -> None:
        for hold in self._held.values():
            hold.close()
        for pipe in self._open_pipes.values():
            pipe.close()
        self._held, self._open_pipes = {}, {}


class NoneRunner:
    """Makes `NoneGuest`s.

    :param pipes: where serial ports appear; None has none.
    :param config: what they are like; a function decides by machine.
    """

    def __init__(
        self,
        disks: DiskStore,
        pipes: PipeHolder | None = None,
        config: Callable[[GuestSpec], GuestConfig] = lambda _: GuestConfig(),
    ) -> None:
        self._disks = disks
        self._pipes = pipes
        self._config = config
        self._guests: list[NoneGuest] = []

    def create(self, spec: GuestSpec, listener: GuestListener) -> NoneGuest:
        guest = NoneGuest(spec, listener, self._disks, self._pipes, self._config(spec))
        self._guests.append(guest)
        return guest

    def forget(self, machine_id: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        for guest in self._guests:
            guest.power_off()
        self._guests.clear()
