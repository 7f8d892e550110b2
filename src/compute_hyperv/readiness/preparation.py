"""Carrying out a plan, and taking back what a journal tells.

Rule 1: the journal knows of a change before the host does.
Rule 2: nothing counts as done that was not read back.
Rule 3: the first failure ends it; what is done stays, and what is not is said.
Windows is restarted once, after everything that wants it and before everything that waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from compute_hyperv.cim.errors import Busy, CimError, MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.readiness.changes.base import Change, Stage
from compute_hyperv.readiness.changes.services import ServiceRunning
from compute_hyperv.readiness.journal import Entry, Journal
from compute_hyperv.readiness.plan import HostPlan, Step, boot_of, is_same_boot
from compute_hyperv.readiness.readings import Readings

# What a host answers while a service or Windows itself comes up, and for how long we put up with that.
_COMING_UP = (Unreachable, TimedOut, Busy, NotFound)
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.5

Activity: TypeAlias = Literal["changing", "done", "restarting Windows", "Windows is back", "restoring", "restored"]
#: Told of each thing as it begins and ends, with the title of the change.
Progress: TypeAlias = Callable[[Activity, str], None]

_T = TypeVar("_T")


class Failed(Exception):
    """A step did not work; the message is for a person, with the remedy."""


@dataclass(slots=True)
class Preparation:
    """One host on its way to what a plan says. What it has done can be read at any time, also after an interruption.

    :param may_restart: whether Windows may be restarted.
    """

    host: Readings
    plan: HostPlan
    journal: Journal
    may_restart: bool
    progress: Progress
    done: list[Step] = field(default_factory=list)
    waits_for_restart: bool = False
    _changed: list[tuple[Step, Entry]] = field(default_factory=list)  # what the restart has to make good
    _coming_up: bool = False

    @property
    def left(self) -> tuple[Step, ...]:
        return tuple(step for step in self.plan.steps if step not in self.done)

    def run(self) -> None:
        """All steps, or all that can be done without the restart where that is not allowed.

        :raises Failed: with the step that did not work, and why.
        """
        for step in self.plan.steps:
            if step.change.stage > Stage.BEFORE_RESTART and self._changed:
                self._restart()
            if step.later and self.waits_for_restart:
                continue
            self._take(step)
        if self._changed:
            self._restart()

    def _take(self, step: Step) -> None:
        change = step.change
        self.progress("changing", change.title)
        with _noted(self.journal, change.title):
            state = _patiently(lambda: change.state(self.host), may_wait=self._coming_up)
            begun = any(entry.change == change for entry in self.journal.unfinished)
            if change.is_done(state) and not (begun or step.again):
                self._finish(step, None)  # whatever made it so, it is
                return
            boot = boot_of(self.host) if change.effects.reboot else ""
            previous = True if self._was_stopped_by_us(change) else state
            entry = self.journal.before(change, previous, boot)
            if change.due is None or state != change.due:
                change.apply(self.host)
            if change.effects.reboot:
                self._changed.append((step, entry))
                return
            self._verify(step, entry, may_wait=bool(change.effects.restarts))

    def _was_stopped_by_us(self, change: Change) -> bool:
        """A service that a cut run had stopped in order to restart it ran before that."""
        cut = [entry.change.effects.restarts for entry in self.journal.unfinished]
        return isinstance(change, ServiceRunning) and any(change.name in names for names in cut)

    def _restart(self) -> None:
        if not self.may_restart:
            self.waits_for_restart = True
            self._changed.clear()
            return
        with _noted(self.journal, "restarting Windows"):
            _restart(self.host, self.journal, self.progress)
        self._coming_up = True
        changed, self._changed = self._changed, []
        for step, entry in changed:
            with _noted(self.journal, step.change.title):
                self._verify(step, entry, may_wait=True)

    def _verify(self, step: Step, entry: Entry, *, may_wait: bool) -> None:
        change = step.change
        state = _patiently(lambda: change.state(self.host), may_wait=may_wait)
        if not change.is_done(state):
            raise MethodFailed(f"The host took it, but still says: {change.tell(state)}.")
        self._finish(step, entry)

    def _finish(self, step: Step, entry: Entry | None) -> None:
        if entry is not None:
            self.journal.after(entry)
        self.done.append(step)
        self.progress("done", step.change.title)


@dataclass(slots=True)
class Undoing:
    """One host on its way back."""

    host: Readings
    journal: Journal
    may_restart: bool
    progress: Progress
    restored: list[Change] = field(default_factory=list)
    waits_for_restart: bool = False

    @property
    def left(self) -> tuple[Change, ...]:
        return tuple(entry.change for entry in self.journal.to_undo)

    def run(self) -> None:
        """Everything that is not restored, last first; restarts Windows at the end where something wants it.

        :raises Failed: with the change that could not be restored, and why.
        """
        owing: list[Entry] = []
        for entry in self.journal.to_undo:
            self.progress("restoring", entry.change.title)
            with _noted(self.journal, f"undoing: {entry.change.title}"):
                if self._restore(entry):
                    owing.append(entry)
                else:
                    self._verify(entry, may_wait=bool(entry.change.effects.restarts))
        if not owing:
            return
        if not self.may_restart:
            self.waits_for_restart = True
            return
        with _noted(self.journal, "restarting Windows"):
            _restart(self.host, self.journal, self.progress)
        for entry in owing:
            with _noted(self.journal, f"undoing: {entry.change.title}"):
                self._verify(entry, may_wait=True)

    def _restore(self, entry: Entry) -> bool:
        """Whether it wants a restart of Windows."""
        change, effects = entry.change, entry.change.effects
        cut = entry.restoring is not None
        # A service that was cut between stopping and starting does not tell its state: then it is restored unread.
        if not (cut and effects.restarts) and change.state(self.host) == entry.previous:
            # Never done or taken back by somebody; or by us, before a restart that did not come.
            return cut and effects.reboot and is_same_boot(self.host, entry.restoring or "")
        self.journal.restoring(entry, boot_of(self.host) if effects.reboot else "")
        change.restore(self.host, entry.previous)
        return effects.reboot

    def _verify(self, entry: Entry, *, may_wait: bool) -> None:
        state = _patiently(lambda: entry.change.state(self.host), may_wait=may_wait)
        if state != entry.previous:
            raise MethodFailed(
                f"The host took it, but says {entry.change.tell(state)} instead of {entry.change.tell(entry.previous)}."
            )
        self.journal.restored(entry)
        self.restored.append(entry.change)
        self.progress("restored", entry.change.title)


def _restart(host: Readings, journal: Journal, progress: Progress) -> None:
    progress("restarting Windows", host.name)
    journal.note("restarting")
    host.host.power.restart()
    journal.note("restarted")
    host.forget()
    progress("Windows is back", host.name)


def _patiently(read: Callable[[], _T], *, may_wait: bool) -> _T:
    """Reads, again and again while what was restarted comes up."""
    deadline = time.monotonic() + (_PATIENCE_S if may_wait else 0)
    while True:
        try:
            return read()
        except _COMING_UP:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def _noted(journal: Journal, what: str) -> Iterator[None]:
    """What ends the work is written down, and a failure said in one line."""
    try:
        yield
    except CimError as error:
        journal.note("failed", f"{what}: {error}")
        raise Failed(f"{what}: {error}") from error
    except KeyboardInterrupt:
        journal.note("interrupted", what)
        raise
