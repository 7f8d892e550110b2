"""One machine's life: off, running, paused, saved, and the changes between them.

Rule 1: a change of state is asked for, checked against the table in ``transitions`` and then done in a job; while it is
under way nothing else may change the state (32775).
Rule 2: what is stored in the repository (EnabledState and the like) is written here and only here.
Rule 3: the guest may end by itself at any time; that is noticed unless a change under way will settle the state anyway.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compute_hyperv.cim.values import CimReference, CimValue
from hyperv_simulator.guests.base import UNSPECIFIED, Guest, GuestDiskSpec, GuestError, StopReason
from hyperv_simulator.guests.picture import Picture
from hyperv_simulator.jobs import JobControl
from hyperv_simulator.machines.guest_keeper import GuestKeeper, cause_of
from hyperv_simulator.machines.reader import MachineReader
from hyperv_simulator.machines.surroundings import Surroundings
from hyperv_simulator.machines.transitions import KNOWN_REQUESTS, TRANSITIONS, State, Transition
from hyperv_simulator.outcomes import (
    INVALID_PARAMETER,
    INVALID_STATE,
    OUT_OF_MEMORY_RESULT,
    OperationFailed,
    Refused,
)
from hyperv_simulator.storage.errors import DiskError

_LOG = logging.getLogger(__name__)
_NORMAL = "Operating normally"


@dataclass(frozen=True, slots=True)
class Departure:
    """What a guest was when it left for another host.

    :param started_at: by the monotonic clock; its uptime goes on.
    """

    state: State
    started_at: float


class Machine:
    """The runtime side of one Msvm_ComputerSystem. Safe for threads."""

    def __init__(
        self, host: Surroundings, machine_id: str, state: State = State.OFF, *, is_planned: bool = False
    ) -> None:
        self.machine_id = machine_id
        self.is_planned = is_planned
        self.reader = MachineReader(host.repository, machine_id)
        self.lock = threading.RLock()
        self.disks_lock = threading.RLock()  # held while the files under its disks change hands
        self.state = state
        self._host = host
        self._keeper = GuestKeeper(host, machine_id, self.reader, self)
        self._changing: Transition | None = None
        self._is_claimed = False
        self._stopping_asked = False
        # Told before the guest starts, and after it is off.
        self.before_start: Callable[[Machine], None] = lambda _machine: None
        self.after_stop: Callable[[Machine], None] = lambda _machine: None

    @property
    def reference(self) -> CimReference:
        """A planned machine is an instance of another class, until it is realized."""
        class_name = "Msvm_PlannedComputerSystem" if self.is_planned else "Msvm_ComputerSystem"
        return CimReference(class_name, {"CreationClassName": class_name, "Name": self.machine_id})

    # What it is doing

    @property
    def is_changing(self) -> bool:
        return self._changing is not None or self._is_claimed

    @property
    def is_on(self) -> bool:
        """It holds memory and files: running, paused, or on the way there or back."""
        return self.state in (State.RUNNING, State.PAUSED) or self.is_changing

    @property
    def guest(self) -> Guest | None:
        return self._keeper.guest if self.state in (State.RUNNING, State.PAUSED) else None

    @property
    def uptime_ms(self) -> int:
        """OnTimeInMilliseconds: 0 while it is off; goes on when the guest reboots (real-instances 3.2)."""
        if self.state not in (State.RUNNING, State.PAUSED):
            return 0
        return int((time.monotonic() - self._keeper.started_at) * 1000)

    @property
    def integration_ready(self) -> bool:
        """The guest's integration services answer."""
        guest = self.guest
        return guest is not None and self.state is State.RUNNING and guest.integration_ready

    def picture(self) -> Picture | None:
        """What its screen shows, or showed when it was saved; None while it is off.

        :raises GuestError: it is just ending.
        """
        guest = self.guest
        if guest is not None:
            return guest.console.picture()
        return self._keeper.picture() if self.state is State.SAVED else None

    @property
    def saved_file(self) -> Path:
        """Where its memory is while it is saved."""
        return self._keeper.saved_file

    # Asking for a change

    def request_state(self, requested: int, user: str) -> CimReference:
        """Starts the job of a state change and gives its address.

        :raises Refused: 32773 for a state that nobody can ask for, 32775 where there is no way to it from here.
        """
        if requested not in KNOWN_REQUESTS:
            raise Refused(INVALID_PARAMETER, f"state {requested}")
        with self.lock:
            transition = TRANSITIONS.get((self.state, requested))
            if transition is None or self.is_changing or self.is_planned:
                raise Refused(INVALID_STATE, f"{requested} while {self.state.name}")
            self._changing = transition
            self._show(transition.passing)

        def work(_: JobControl) -> None:
            self._go(transition)

        return self._host.jobs.start(
            transition.job,
            work,
            user=user,
            affected=self.reference,
            origin=("Msvm_ComputerSystem", "RequestStateChange"),
            on_failure=self._stay,
        )

    def claim(self) -> None:
        """Keeps every state change away, because the machine is about to be destroyed.

        :raises Refused: 32775: it is on, or another change is under way.
        """
        with self.lock:
            if self.is_on:
                raise Refused(INVALID_STATE, "the machine is on")
            self._is_claimed = True

    def unclaim(self) -> None:
        """The machine stays after all."""
        self._is_claimed = False

    def occupy(self, status: int, description: str) -> None:
        """Keeps every state change away while something is done with the machine, on or off, and shows what.

        :param status: the second OperationalStatus (hyperv-ops 6).
        :raises Refused: 32775: a change is under way.
        """
        with self.lock:
            if self.is_changing:
                raise Refused(INVALID_STATE, "a change is under way")
            self._is_claimed = True
            self._show({"OperationalStatus": [2, status], "StatusDescriptions": [_NORMAL, description]})

    def vacate(self) -> None:
        """What ``occupy`` was for has ended. A second time does nothing."""
        with self.lock:
            if self._is_claimed and self._host.repository.find(self.reference) is not None:
                self._show({"OperationalStatus": [2], "StatusDescriptions": [_NORMAL]})
            self._is_claimed = False

    def shut_down(self) -> bool:
        """Asks the guest to shut down; False where a request is under way already."""
        with self.lock:
            guest = self.guest
            if guest is None or self._stopping_asked:
                return False
            self._stopping_asked = True
        guest.shutdown()
        return True

    def reboot(self) -> None:
        """A guest that was asked to reboot: it goes on in the same process, and its uptime with it."""
        guest = self.guest
        if guest is not None:
            guest.reset()

    def leave(self) -> None:
        """Turns the machine off without a job: the host goes down, or the machine is destroyed."""
        try:
            self._keeper.end()
        except DiskError as error:
            _LOG.error("turning off %s: %s", self.machine_id, error)

    # What the guest does by itself (GuestListener)

    def stopped(self, machine_id: str, reason: StopReason) -> None:
        with self.lock:
            if self._changing is not None or self._keeper.guest is None:
                return
            self._keeper.forget()
            self._settle(State.OFF)

    def reset(self, machine_id: str) -> None:
        with self.lock:
            self._stopping_asked = False

    # Hardware that changed while it runs

    def refresh_guest(self, part: Literal["disks", "nics", "serial"]) -> None:
        """Gives a running guest the drives, adapters or serial ports that the settings now have.

        :raises OperationFailed: the guest (or a disk) does not follow.
        """
        guest = self.guest
        if guest is None:
            return
        try:
            if part == "disks":
                with self.disks_lock:
                    guest.change_disks(self.reader.guest_disks())
            elif part == "nics":
                guest.change_nics(self.reader.guest_nics(self._host.host_name))
            else:
                guest.change_serial(self.reader.serial_pipes())
        except (DiskError, GuestError) as error:
            name = self.reader.name
            raise OperationFailed(
                f"Modifying the properties of '{name}' failed.", cause_of(error), machine_id=self.machine_id
            ) from None

    # Checkpoints

    def switch_disks(self, change: Callable[[], None], state_file: Path | None = None) -> None:
        """Puts other files under the machine's disks, on or off; see ``base.Guest.switch_disks``.

        :param change: puts them into the settings as well.
        :raises DiskError: as does ``change``.  :raises GuestError: the guest does not follow.
        """

        def changed() -> tuple[GuestDiskSpec, ...]:
            change()
            return self.reader.guest_disks()

        with self.disks_lock:
            guest = self.guest
            if guest is None:
                change()
            else:
                guest.switch_disks(changed, state_file)

    def show_work(self, status: int = 0, description: str = "") -> None:
        """Shows what goes on in the background, as the second OperationalStatus; nothing any more without a status."""
        if self._host.repository.find(self.reference) is None:
            return
        work = ([2, status], [_NORMAL, description]) if status else ([2], [_NORMAL])
        self._show({"OperationalStatus": list(work[0]), "StatusDescriptions": list(work[1])})

    def rest_as(self, state: State) -> None:
        """A checkpoint has been applied to a machine that is off or saved: it is what the checkpoint says."""
        with self.lock:
            self._settle(state)

    def change_memory(self, size_mb: int) -> None:
        """Gives a machine that runs another amount of its host's memory.

        :raises OperationFailed: there is not enough, or the guest does not follow; it keeps what it has.
        """
        guest, before_mb = self.guest, self._host.memory.assigned_mb(self.machine_id)
        if guest is None:
            return
        summary = f"'{self.reader.name}' failed to modify device 'Memory'."
        if not self._host.memory.take(self.machine_id, size_mb):
            raise OperationFailed(
                summary, f"Not enough memory in the system (0x{OUT_OF_MEMORY_RESULT:08X}).", machine_id=self.machine_id
            )
        try:
            guest.change_memory(size_mb)
        except GuestError as error:
            self._host.memory.take(self.machine_id, before_mb)
            raise OperationFailed(summary, cause_of(error), machine_id=self.machine_id) from None

    # Migrations

    def leave_for(self, memory: Path) -> Departure:
        """Writes the running guest's memory to a file and ends it here; the machine still looks as before.

        :raises GuestError: it can't, or has just ended.
        """
        with self.disks_lock:
            guest = self.guest
            if guest is None:
                raise GuestError(UNSPECIFIED, "The virtual machine is not running.")
            guest.save(memory)
        with self.lock:
            self._keeper.guest = None
        return Departure(self.state, self._keeper.started_at)

    def arrive(self, memory: Path, departure: Departure) -> None:
        """Goes on from what ``leave_for`` wrote, here or at another host.

        :raises OperationFailed: it does not start.
        """
        self._start(memory)
        if departure.state is State.PAUSED and self._keeper.guest is not None:
            self._keeper.guest.pause()
        with self.lock:
            self._keeper.started_at = departure.started_at
            gone = not self._keeper.is_alive
            if gone:
                self._keeper.forget()
            self._settle(State.OFF if gone else departure.state)

    # Doing it, in the thread of a job

    def _go(self, transition: Transition) -> None:
        actions: Mapping[str, Callable[[], None]] = {
            "start": self._start,
            "restore": self._restore,
            "turn off": self._keeper.end,
            "discard": self._keeper.discard,
            "save": self._keeper.save,
            "pause": self._pause,
            "resume": self._resume,
            "reset": self._reset,
        }
        self._host.check_devices(self.reader, transition.action)
        try:
            actions[transition.action]()
        except (DiskError, GuestError) as error:
            raise OperationFailed(
                f"'{self.reader.name}' failed to change state.", cause_of(error), machine_id=self.machine_id
            ) from None
        with self.lock:
            self._changing = None
            # The guest may have ended between its start and now, and nobody listened (rule 3).
            gone = transition.target in (State.RUNNING, State.PAUSED) and not self._keeper.is_alive
            if gone:
                self._keeper.forget()
            self._settle(State.OFF if gone else transition.target)

    def _stay(self) -> None:
        """A change failed: the machine is where it was, or off where its guest is gone."""
        with self.lock:
            self._changing = None
            if not self._keeper.is_alive:
                self._keeper.guest = None
            if self._keeper.guest is None and self.state in (State.RUNNING, State.PAUSED):
                self.state = State.OFF
            if self.state not in (State.RUNNING, State.PAUSED):
                self._keeper.release()
            self._settle(self.state)

    def _start(self, restore_from: Path | None = None) -> None:
        with self.disks_lock:
            if restore_from is None and self.state is State.OFF:
                self.before_start(self)
            self._keeper.start(restore_from)
        with self.lock:
            self._stopping_asked = False

    def _restore(self) -> None:
        self._start(self._keeper.restore())

    def _pause(self) -> None:
        if self._keeper.guest is not None:
            self._keeper.guest.pause()

    def _resume(self) -> None:
        if self._keeper.guest is not None:
            self._keeper.guest.resume()

    def _reset(self) -> None:
        self._keeper.reset(was_paused=self.state is State.PAUSED)
        with self.lock:
            self._stopping_asked = False

    # Inside

    def _show(self, changes: Mapping[str, CimValue]) -> None:
        self._host.repository.change(self.reference, changes)

    def _settle(self, state: State) -> None:
        """Writes what a resting state looks like (real-instances 3.2)."""
        has_ended = state is State.OFF and self.state in (State.RUNNING, State.PAUSED)
        self.state = state
        on = state in (State.RUNNING, State.PAUSED)
        guest = self._keeper.guest
        self._show(
            {
                "EnabledState": int(state),
                "OtherEnabledState": None,
                "EnabledDefault": 2 if state is State.RUNNING else 3,
                "RequestedState": 5,
                "OperationalStatus": [2],
                "EnhancedSessionModeState": 6 if on else 3,
                "ProcessID": guest.process_id if on and guest is not None else None,
                "HwThreadsPerCoreRealized": 1 if on else None,
                "TimeOfLastStateChange": dt.datetime.now(dt.UTC),
            }
        )
        if has_ended:
            self.after_stop(self)
