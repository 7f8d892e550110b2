"""Guests that boot: one QEMU process per running machine.

A guest's life in QEMU is watched by the thread that reads its monitor (`qmp`): whatever makes QEMU end, that thread
gives disks and pipes back and says so. Methods called by the host hold the guest's lock, so one change happens at a
time.

The processes are `children`: none outlives the simulator.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hyperv_simulator import children
from hyperv_simulator.guests import accelerator, qemu_command, qemu_firmware, qemu_state
from hyperv_simulator.guests.base import (
    UNSPECIFIED,
    GuestDiskSpec,
    GuestError,
    GuestListener,
    GuestNicSpec,
    GuestSpec,
    StopReason,
)
from hyperv_simulator.guests.console import Console
from hyperv_simulator.guests.exchange import Exchange
from hyperv_simulator.guests.network import Wires
from hyperv_simulator.guests.qemu_console import QemuConsole
from hyperv_simulator.guests.qemu_devices import Devices
from hyperv_simulator.guests.qemu_exchange import QemuExchange
from hyperv_simulator.guests.qemu_integration import PowerButton
from hyperv_simulator.guests.qemu_serial import SerialPorts
from hyperv_simulator.guests.qmp import Qmp, QmpError
from hyperv_simulator.guests.swtpm import Tpm
from hyperv_simulator.smb import run_folders
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

LOG = logging.getLogger(__name__)
_Part = TypeVar("_Part")

NOT_SUPPORTED = 0x80070032
QUIT_TIMEOUT_S = 10.0


class QemuGuest:
    """See `base.Guest`.

    :param kept: the folder of what the machine keeps while it is off.
    """

    def __init__(
        self,
        spec: GuestSpec,
        listener: GuestListener,
        disks: DiskStore,
        pipes: PipeServer,
        wires: Wires,
        kept: Path,
    ) -> None:
        self._spec = spec
        self._listener = listener
        self._disks = disks
        self._pipes = pipes
        self._wires = wires
        self._kept = kept
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._devices: Devices | None = None
        self._console: QemuConsole | None = None
        self._exchange: QemuExchange | None = None
        self._tpm: Tpm | None = None
        self._button: PowerButton | None = None
        self._serial: SerialPorts | None = None
        self._folder: Path | None = None
        self._gone = threading.Event()
        self._gone.set()
        self._turned_off = False
        self._shut_down = False
        self._failure: DiskError | None = None

    @property
    def running(self) -> bool:
        return not self._gone.is_set()

    @property
    def process_id(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    @property
    def integration_ready(self) -> bool:
        button = self._button
        return button is not None and self.running and button.is_heard

    @property
    def hibernates(self) -> bool:
        return False

    @property
    def has_crashed(self) -> bool:
        """Not known: a guest that stands still looks like one that waits."""
        return False

    @property
    def console(self) -> Console:
        return self._there(self._console)

    @property
    def exchange(self) -> Exchange:
        return self._there(self._exchange)

    @staticmethod
    def _there(part: _Part | None) -> _Part:
        if part is None:
            raise GuestError(UNSPECIFIED, "The machine is not running.")
        return part

    # ---------------------------------------------------------------- on and off

    def start(self, restore_from: Path | None = None) -> None:
        with self._lock:
            if self.running:
                return
            saved = qemu_state.SavedState.read(restore_from) if restore_from is not None else None
            if saved is not None and saved.machine_id != self._spec.machine_id:
                raise GuestError(UNSPECIFIED, f"The saved state is that of {saved.machine_id}")
            self._turned_off = self._shut_down = False
            self._failure = None
            folder = self._folder = run_folders.make("guest")
            try:
                self._launch(folder, saved)
            except BaseException:
                self._turned_off = True
                self._give_back()
                raise
            if restore_from is not None:
                restore_from.unlink()

    def _launch(self, folder: Path, saved: qemu_state.SavedState | None) -> None:
        variables = folder / "variables.fd"
        if self._spec.generation == 2:
            qemu_firmware.write_variables(self._spec, variables)
        layout = saved.layout if saved is not None else qemu_command.Layout.fresh(self._spec)
        devices = self._devices = Devices(self._spec, self._disks, self._wires, layout, folder)
        devices.open_disks()
        tpm = self._tpm = Tpm(self._kept / "tpm") if self._spec.tpm else None
        serial = self._serial = SerialPorts(self._pipes)
        serial.connect(self._spec.serial)
        monitor, monitor_end = socket.socketpair()
        exchange, exchange_end = socket.socketpair()
        ends = [monitor_end, exchange_end, *serial.ends, *([tpm.end] if tpm is not None else [])]
        command = qemu_command.command_line(
            self._spec,
            devices.blockdevs,
            qemu_command.Connections(
                monitor_end.fileno(),
                tuple(end.fileno() for end in serial.ends),
                exchange_end.fileno(),
                tpm.end.fileno() if tpm is not None else None,
            ),
            variables,
            layout,
            accelerator=accelerator.option(),
        )
        if saved is not None:
            command += ["-incoming", saved.incoming]
        qmp = Qmp(monitor, self._on_event, self._on_end)
        try:
            with (folder / "qemu.log").open("wb") as log:
                self._process = children.start(command, stderr=log, pass_fds=[end.fileno() for end in ends])
        except FileNotFoundError as error:
            monitor.close()
            exchange.close()
            raise GuestError(UNSPECIFIED, f"{error.filename} is missing: install qemu-system-x86.") from error
        finally:
            for end in ends:
                end.close()
        self._gone.clear()
        self._qmp = qmp
        self._button = PowerButton(qmp)
        self._console = QemuConsole(qmp.execute, folder)
        self._exchange = QemuExchange(exchange)
        qmp.start()
        try:
            qmp.negotiate()
            devices.connect(qmp)
            if saved is not None:
                qemu_state.wait_until_read(qmp)
                qmp.execute("cont")
        except QmpError as error:
            said = (folder / "qemu.log").read_text(errors="replace").strip()
            self._kill()
            raise GuestError(UNSPECIFIED, said or str(error)) from error

    def _kill(self) -> None:
        self._turned_off = True
        if self._process is not None:
            self._process.kill()
        self._gone.wait(QUIT_TIMEOUT_S)

    def power_off(self) -> None:
        with self._lock:
            self._turned_off = True
            qmp = self._qmp
            if qmp is not None and self.running:
                try:
                    qmp.execute("quit")  # the images are closed in order
                except QmpError:
                    LOG.debug("%s ended before it was told to", self._spec.name)
            if not self._gone.wait(QUIT_TIMEOUT_S):
                self._kill()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def shutdown(self) -> None:
        self._shut_down = True
        self._tell("system_powerdown")

    def reset(self) -> None:
        if self._button is not None:
            self._button.reset()
        self._tell("system_reset")

    def pause(self) -> None:
        self._tell("stop")

    def resume(self) -> None:
        self._tell("cont")

    def save(self, state_file: Path) -> None:
        with self._lock:
            qmp, devices = self._qmp, self._devices
            if qmp is None or devices is None:
                raise GuestError(UNSPECIFIED, "The machine is not running.")
            was_running: bool = self._tell("query-status")["running"]
            self._tell("stop")
            try:
                qemu_state.write(qmp, state_file, self._spec.machine_id, devices.layout)
            except GuestError:
                if was_running:
                    self._tell("cont")
                raise
            self.power_off()

    def _tell(self, command: str) -> Any:
        qmp = self._qmp
        try:
            return qmp.execute(command) if qmp is not None else None
        except QmpError as error:
            raise GuestError(UNSPECIFIED, str(error)) from error

    # ---------------------------------------------------------------- devices

    def change_disks(self, disks: tuple[GuestDiskSpec, ...]) -> None:
        with self._lock:
            if self._devices is not None:
                self._devices.change_disks(disks)

    def switch_disks(self, change: Callable[[], tuple[GuestDiskSpec, ...]], state_file: Path | None = None) -> None:
        with self._lock:
            devices, qmp = self._devices, self._qmp
            if devices is None or qmp is None:
                change()  # the guest has ended, its files are up to date
                return
            # The disks change at one moment of the guest's time; what comes after needs no more of its time.
            was_running: bool = self._tell("query-status")["running"]
            self._tell("stop")
            failure: GuestError | DiskError | None = None
            try:
                devices.branch(qmp)
                if state_file is not None:
                    qemu_state.write(qmp, state_file, self._spec.machine_id, devices.layout)
            except QmpError as error:
                failure = GuestError(UNSPECIFIED, str(error))
            except (GuestError, DiskError) as error:
                failure = error
            if was_running:
                self._tell("cont")

            def change_or_fail() -> tuple[GuestDiskSpec, ...]:
                if failure is not None:
                    raise failure
                return change()

            devices.switch_disks(change_or_fail)

    def resize_disk(self, disk: GuestDiskSpec, size_bytes: int) -> None:
        with self._lock:
            if self._devices is not None:
                self._devices.resize_disk(disk, size_bytes)

    def change_nics(self, nics: tuple[GuestNicSpec, ...]) -> None:
        with self._lock:
            if self._devices is not None:
                self._devices.change_nics(nics)

    def change_memory(self, memory_mb: int) -> None:
        """:raises GuestError: always: a QEMU guest keeps the memory that it was started with."""
        raise GuestError(NOT_SUPPORTED, f"The simulator can't give a running QEMU guest {memory_mb} MB: turn it off.")

    def change_serial(self, serial: tuple[tuple[int, str], ...]) -> None:
        with self._lock:
            if self._serial is not None:
                self._serial.connect(serial)

    # ---------------------------------------------------------------- QEMU speaks

    def _on_event(self, event: str, data: dict[str, Any]) -> None:
        if event == "RESET" and self._exchange is not None and self._button is not None:
            self._exchange.greet()
            self._button.reset()
        if event == "RESET" and data.get("guest"):
            # Not in this thread: the listener may wait for somebody who waits for an answer that this thread reads.
            threading.Thread(target=self._listener.reset, args=(self._spec.machine_id,), daemon=True).start()
        elif event == "SHUTDOWN":
            self._shut_down = True
        elif event == "DEVICE_DELETED" and self._devices is not None:
            self._devices.deleted(data.get("device"))

    def _on_end(self) -> None:
        """In the monitor's thread, once per start: QEMU is gone or about to be."""
        if self._process is not None:
            try:
                self._process.wait(QUIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._give_back()
        if not self._turned_off:
            reason = StopReason.GUEST_POWERED_OFF if self._shut_down else StopReason.CRASHED
            self._listener.stopped(self._spec.machine_id, reason)

    def _give_back(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        if self._devices is not None:
            try:
                self._devices.close()
            except DiskError as error:
                LOG.error("What %s wrote could not be stored: %s", self._spec.name, error)
                self._failure = error
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._exchange is not None:
            self._exchange.close()
        if self._tpm is not None:
            self._tpm.close()
            self._tpm = None
        self._devices = self._qmp = self._folder = self._process = None
        self._console = self._exchange = self._button = None
        self._gone.set()
