"""What would have to be changed on a host, and in which order: nothing here changes anything.

Changes come from the checks that do not pass. What needs a feature that is not there yet is planned too, unread: its
turn is after the restart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compute_hyperv.cim.errors import CimError, NotFound, TimedOut, Unreachable
from compute_hyperv.host.inventory import same_boot
from compute_hyperv.host.model import MachineState
from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.changes.features import FeatureInstalled
from compute_hyperv.readiness.changes.services import ServiceRunning
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.journal import Entry
from compute_hyperv.readiness.model import Result, Verdict
from compute_hyperv.readiness.readings import Readings

LATER = "not known yet"
_NOT_PASSED = frozenset({Verdict.FAIL, Verdict.WARN, Verdict.UNREADABLE})
_SILENT = (Unreachable, TimedOut)

# Changes with the names of the checks that want them, in the checks' order.
_Wanted = dict[Change, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a host.

    :param checks: names of the checks that it serves.
    :param found: what is now, for a person.
    :param later: it needs a feature that does not work yet.
    :param again: an earlier run was cut between the change and what makes it count; it is done once more.
    """

    change: Change
    checks: tuple[str, ...]
    found: str
    later: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class HostPlan:
    """:param steps: in the order in which they work.
    :param machines: names of the machines that run now.
    :param obstacles: what can't be planned, and why; a line each.
    """

    steps: tuple[Step, ...] = ()
    machines: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()

    @property
    def restarts_windows(self) -> bool:
        return any(step.change.effects.reboot for step in self.steps)

    def machines_touched(self, step: Step) -> tuple[str, ...]:
        effects = step.change.effects
        return self.machines if effects.machines or effects.reboot else ()


def make_plan(context: Context, results: Sequence[Result], unfinished: Sequence[Entry] = ()) -> HostPlan:
    """The plan for one host.

    :param results: what its checks found.
    :param unfinished: what earlier runs began.
    :raises Unreachable: the host does not answer any more. TimedOut as well.
    """
    obstacles: list[str] = []
    wanted = _wanted(context, results, obstacles)
    host = context.host
    again = {entry.change for entry in unfinished if _counts_still(host, entry)}
    for change in again:
        wanted.setdefault(change, ())
    coming = _features(wanted)
    steps = []
    for change, checks in wanted.items():
        try:
            step = _step(host, change, checks, coming, again=change in again)
        except _SILENT:
            raise
        except CimError as error:
            obstacles.append(f"{change.title}: {error}")
            continue
        if step is not None:
            steps.append(step)
    steps.sort(key=lambda step: step.change.stage)
    return HostPlan(tuple(steps), _running(host) if steps else (), tuple(dict.fromkeys(obstacles)))


def boot_of(host: Readings) -> str:
    """When Windows was started, as a journal holds it."""
    return host.host.inventory.booted_at().isoformat()


def is_same_boot(host: Readings, boot: str) -> bool:
    return bool(boot) and same_boot(host.host.inventory.booted_at(), dt.datetime.fromisoformat(boot))


def _wanted(context: Context, results: Iterable[Result], obstacles: list[str]) -> _Wanted:
    by_change: _Wanted = {}

    def ask(result: Result, coming: Mapping[str, object] | None) -> None:
        check = result.check
        if check.changes is None:
            return
        try:
            changes = check.changes(context)
        except _SILENT:
            raise
        except CimError as error:
            obstacles.append(f"{check.name}: {error}")
            return
        for change in changes:
            if coming is None or change.needs in coming:
                by_change[change] = (*by_change.get(change, ()), check.name)

    results = list(results)
    for result in results:
        if result.finding.verdict in _NOT_PASSED:
            ask(result, None)
    if coming := _features(by_change):
        # Checks that don't apply before a feature is there do so when it is.
        for result in results:
            if result.finding.verdict is Verdict.NOT_APPLICABLE:
                ask(result, dict.fromkeys(coming))
    return by_change


def _features(wanted: Iterable[Change]) -> frozenset[str]:
    """Features that will work when the plan has been carried out, and may not yet."""
    wanted = tuple(wanted)
    installed = {change.name for change in wanted if isinstance(change, FeatureInstalled)}
    started = {change.needs for change in wanted if isinstance(change, ServiceRunning) and change.needs}
    return frozenset(installed | started)


def _step(
    host: Readings, change: Change, checks: tuple[str, ...], coming: frozenset[str], *, again: bool
) -> Step | None:
    """None for what is done."""
    later = change.needs in coming
    try:
        state = change.state(host)
    except NotFound:
        if not later:
            raise
        return Step(change, checks, LATER, later=True)
    again = again and change.is_done(state)
    if again or later or not change.is_done(state):
        return Step(change, checks, change.tell(state), later=later, again=again)
    return None


def _counts_still(host: Readings, entry: Entry) -> bool:
    """Whether what an earlier run may have changed still lacks the restart that makes it count."""
    effects = entry.change.effects
    if effects.reboot:
        return is_same_boot(host, entry.boot)
    if not effects.restarts:
        return False
    try:
        return bool(entry.change.state(host) != entry.previous)
    except NotFound:  # the service may have been stopped for it
        return True


def _running(host: Readings) -> tuple[str, ...]:
    try:
        machines = host.host.machines.list()
    except NotFound:  # no Hyper-V
        return ()
    return tuple(sorted(machine.name for machine in machines if machine.state is not MachineState.OFF))
