"""The state of machines: reading it, changing it, and asking a guest to shut down.

A request for a state that the machine has already is answered 32775, as is one that is impossible just now; so the
state itself decides, never the code alone (facts: old-driver 5.4).
"""

from __future__ import annotations

import contextlib
import logging
import re
import time

from compute_hyperv.cim.errors import MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import eq, references_of, select
from compute_hyperv.host import jobs
from compute_hyperv.host.model import MachineState
from compute_hyperv.host.services import machine_reference

LOG = logging.getLogger(__name__)

_RUN, _TURN_OFF, _SAVE, _PAUSE, _RESET = 2, 3, 6, 9, 11

_WHAT = {_RUN: "Starting", _TURN_OFF: "Turning off", _SAVE: "Saving", _PAUSE: "Pausing", _RESET: "Resetting"}

# States that end in another one by themselves: a refused request is worth repeating when they have.
_PASSING = frozenset(
    {
        MachineState.OTHER,
        MachineState.SHUTTING_DOWN,
        MachineState.STARTING,
        MachineState.SAVING,
        MachineState.PAUSING,
        MachineState.RESUMING,
        MachineState.FAST_SAVING,
    }
)
# EnabledState of a machine whose storage is lost, to what it was doing (facts: old-driver 5.4).
_CRITICAL = {
    32781: MachineState.RUNNING,
    32782: MachineState.OFF,
    32783: MachineState.SHUTTING_DOWN,
    32784: MachineState.SAVED,
    32785: MachineState.PAUSED,
    32786: MachineState.STARTING,
    32787: MachineState.OTHER,
    32788: MachineState.SAVING,
    32789: MachineState.PAUSING,
    32790: MachineState.RESUMING,
    32791: MachineState.FAST_SAVED,
    32792: MachineState.FAST_SAVING,
}
_HEALTHY = (0, 5)  # HealthState: not known, OK

_TRIES = 5
_BETWEEN_TRIES_S = 1.0
# How often a guest is asked: while it boots, its integration service is not there yet.
_ASK_AGAIN_S = 5.0
_FIRST_LOOK_S, _LOOK_EVERY_S = 0.2, 1.0

#: What the ``Name`` of a machine looks like; the host, of the same class, has its computer name there.
MACHINE_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

STATE_PROPERTIES = ["Name", "ElementName", "EnabledState", "HealthState"]


def state_of(machine: CimInstance) -> MachineState:
    """The state of an Msvm_ComputerSystem. What is not documented is OTHER."""
    code = machine.integer("EnabledState", MachineState.OTHER.value)
    if code in _CRITICAL:
        return _CRITICAL[code]
    return MachineState(code) if code in {state.value for state in MachineState} else MachineState.OTHER


def is_healthy(machine: CimInstance) -> bool:
    return machine.integer("EnabledState", 0) not in _CRITICAL and machine.integer("HealthState", 5) in _HEALTHY


class Power:
    """Every method but :meth:`state` waits until the machine is where it shall be."""

    def __init__(self, session: CimSession) -> None:
        self._session = session

    def state(self, machine_id: str) -> MachineState:
        """:raises NotFound: there is no such machine."""
        return state_of(self._session.get(machine_reference(machine_id)))

    def start(self, machine_id: str) -> None:
        """Start, or go on after a pause or from a saved state."""
        self._reach(machine_id, _RUN, {MachineState.RUNNING})

    def turn_off(self, machine_id: str) -> None:
        """As pulling the plug does."""
        self._reach(machine_id, _TURN_OFF, {MachineState.OFF})

    def pause(self, machine_id: str) -> None:
        self._reach(machine_id, _PAUSE, {MachineState.PAUSED})

    def save(self, machine_id: str) -> None:
        """Write the memory to disk and stop."""
        self._reach(machine_id, _SAVE, {MachineState.SAVED, MachineState.FAST_SAVED})

    def reset(self, machine_id: str) -> None:
        """As the reset button does. The machine stays running throughout, so a refusal is a failure."""
        self._reach(machine_id, _RESET, set())

    def interrupt(self, machine_id: str) -> None:
        """Send a non-maskable interrupt to the running guest.

        :raises MethodFailed: it does not run.
        """
        jobs.run(
            self._session,
            machine_reference(machine_id),
            "InjectNonMaskableInterrupt",
            {},
            what=f"Interrupting machine {machine_id}",
        )

    def shutdown(self, machine_id: str, timeout_s: float) -> bool:
        """Ask the guest to shut down, again and again until it has or the time is over; whether it has.

        A guest without integration services never does.
        """
        deadline = time.monotonic() + timeout_s
        asked_at = float("-inf")
        pause_s = _FIRST_LOOK_S
        while True:
            if self.state(machine_id) is MachineState.OFF:
                return True
            now = time.monotonic()
            if now >= deadline:
                return False
            if now - asked_at >= _ASK_AGAIN_S:
                asked_at = now
                with contextlib.suppress(MethodFailed):  # not ready, locked, or on its way already: the state tells
                    self._ask_to_shut_down(machine_id)
            time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
            pause_s = min(pause_s * 2, _LOOK_EVERY_S)

    def cancel_jobs(self, machine_id: str) -> None:
        """End the jobs that hold the machine, as far as the host lets them be ended."""
        links = self._session.query(
            references_of(machine_reference(machine_id), result_class="Msvm_AffectedJobElement")
        )
        for link in links:
            reference = link.get("AffectingElement")
            if not isinstance(reference, CimReference):  # a provider leaks rows without content (real-instances 1.4)
                continue
            try:
                job = self._session.get(reference)
            except NotFound:
                continue
            if not jobs.has_ended(job) and job.boolean("Cancellable", False):
                LOG.warning("Ending the job %r of machine %s", job.text("Description", ""), machine_id)
                jobs.cancel(self._session, reference)

    def _ask_to_shut_down(self, machine_id: str) -> None:
        of_machine = select("Msvm_ShutdownComponent").where(eq("SystemName", machine_id))
        for component in self._session.query_references(of_machine):
            result = self._session.invoke(
                component, "InitiateShutdown", {"Force": False, "Reason": "Requested by OpenStack"}
            )
            jobs.complete(self._session, result, f"Asking machine {machine_id} to shut down", _ASK_AGAIN_S)

    def _reach(self, machine_id: str, code: int, wanted: set[MachineState]) -> None:
        """Request a state until the machine has it. A lost answer or a refusal is settled by looking."""
        what = f"{_WHAT[code]} machine {machine_id}"
        lost_before = False
        for attempt in range(1, _TRIES + 1):
            try:
                jobs.run(
                    self._session,
                    machine_reference(machine_id),
                    "RequestStateChange",
                    {"RequestedState": code},
                    what=what,
                    finished=lambda: not wanted or self.state(machine_id) in wanted,
                )
                return
            except MethodFailed as exc:
                if exc.code != jobs.INVALID_STATE:
                    raise
                state = self.state(machine_id)
                if state in wanted:
                    return
                if state not in _PASSING or attempt == _TRIES:
                    raise MethodFailed(f"{what} failed: it is {_in_words(state)}.", code=exc.code) from exc
            except Unreachable:
                if self._has_reached(machine_id, wanted):
                    return
                if lost_before:
                    raise
                lost_before = True
            except TimedOut:
                if self._has_reached(machine_id, wanted):
                    return
                raise
            time.sleep(_BETWEEN_TRIES_S)

    def _has_reached(self, machine_id: str, wanted: set[MachineState]) -> bool:
        try:
            return self.state(machine_id) in wanted
        except (Unreachable, TimedOut):
            return False


def _in_words(state: MachineState) -> str:
    return "in another state" if state is MachineState.OTHER else state.name.lower().replace("_", " ")
