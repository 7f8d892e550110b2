"""Nova hears within seconds what becomes of machines without its doing: a guest shuts itself down, somebody stops a
machine by hand, the host is started anew.

One thread for each host waits for what the host tells (``host.watch``). Whenever something may have been missed, and
every minute besides, all machines are looked at and compared with what was known. Foreign machines are nobody's
business here.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova.virt import event as virt_event
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host.inventory import same_boot
from compute_hyperv.host.model import MachineState, MachineSummary
from compute_hyperv.host.watch import MachineWatch, MissedChanges
from compute_hyperv.nova import names

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

LOG = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0

_WAS_PAUSED = frozenset({MachineState.PAUSED, MachineState.PAUSING, MachineState.RESUMING})
_EVENTS: Mapping[MachineState, int] = {
    MachineState.RUNNING: virt_event.EVENT_LIFECYCLE_STARTED,
    MachineState.OFF: virt_event.EVENT_LIFECYCLE_STOPPED,
    MachineState.PAUSED: virt_event.EVENT_LIFECYCLE_PAUSED,
    MachineState.SAVED: virt_event.EVENT_LIFECYCLE_SUSPENDED,
    MachineState.FAST_SAVED: virt_event.EVENT_LIFECYCLE_SUSPENDED,
}


def transition(before: MachineState, machine: MachineSummary) -> int | None:
    """What Nova calls the way to the machine's state; None for a state that is no end, or that Nova must not act on.

    A machine that has lost its storage is off or saved for that reason only: Nova would stop it for good.
    """
    if not machine.healthy and machine.state is not MachineState.RUNNING:
        return None
    if machine.state is MachineState.RUNNING and before in _WAS_PAUSED:
        return virt_event.EVENT_LIFECYCLE_RESUMED
    return _EVENTS.get(machine.state)


@dataclass(slots=True)
class _Known:
    instance_uuid: str | None
    state: MachineState


class Lifecycle:
    """:param tell: given an instance's UUID, its machine, and the way it went (``virt_event.EVENT_LIFECYCLE_...``).
    :param host_started: called before anything is told of machines, when the host was started anew.
    """

    def __init__(
        self,
        host: HyperVHost,
        tell: Callable[[str, MachineSummary, int], None],
        host_started: Callable[[], None],
    ) -> None:
        self._host = host
        self._tell = tell
        self._host_started = host_started
        self._known: dict[str, _Known] = {}
        self._booted_at: dt.datetime | None = None
        self._watch: MachineWatch | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hyperv-lifecycle", daemon=True)

    def start(self) -> None:
        """From now on; what machines are like before that is only noted."""
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if (watch := self._watch) is not None:
            watch.close()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except CimError as error:
                LOG.warning("Changes of machines are noticed late until the host tells of them again: %s", error)
            except Exception:  # whatever it was: without this thread Nova hears of nothing any more
                LOG.exception("Listening to the host failed; it is tried again")
            self._closed.wait(_LOOK_EVERY_S / 2)

    def _listen(self) -> None:
        watch = self._host.machines.watch()
        try:
            self._watch = watch
            if self._closed.is_set():
                return
            self._look()
            look_at = time.monotonic() + _LOOK_EVERY_S
            while not self._closed.is_set():
                change = watch.next(max(0.0, look_at - time.monotonic()))
                if isinstance(change, MachineSummary):
                    self._note(change)
                elif not self._closed.is_set():
                    if isinstance(change, MissedChanges):
                        LOG.info("Changes of machines may have been missed: %s", change.reason)
                    self._look()
                    look_at = time.monotonic() + _LOOK_EVERY_S
        finally:
            self._watch = None
            watch.close()

    def _note(self, machine: MachineSummary) -> None:
        """One machine that the host told of."""
        known = self._known.get(machine.machine_id)
        if known is None:
            self._look()  # made since the last one; whose it is say its notes
        else:
            self._report(machine, known)

    def _look(self) -> None:
        """All machines, compared with what was known."""
        booted_at = self._host.inventory.booted_at()
        if self._booted_at is not None and not same_boot(booted_at, self._booted_at):
            LOG.info("The host was started anew at %s", booted_at)
            self._host_started()
        is_first = self._booted_at is None  # what machines are like then, Nova asks by itself
        self._booted_at = booted_at
        machines = self._host.machines.list(with_notes=True)
        there = {machine.machine_id: machine for machine in machines}
        for gone in self._known.keys() - there.keys():
            del self._known[gone]
        for machine_id, machine in there.items():
            # Of one that was made since, too: it may have come and gone between two looks of the host.
            known = self._known.setdefault(machine_id, _Known(None, machine.state if is_first else MachineState.OTHER))
            known.instance_uuid = names.owner(machine.notes)
            self._report(machine, known)

    def _report(self, machine: MachineSummary, known: _Known) -> None:
        before, known.state = known.state, machine.state
        if before is machine.state or known.instance_uuid is None:
            return
        event = transition(before, machine)
        if event is not None:
            self._tell(known.instance_uuid, machine, event)
