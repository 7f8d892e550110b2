"""Preparing simulated hosts in tests: plan, carry out, undo, without a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compute_hyperv.readiness.checks import selected
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.journal import Journal
from compute_hyperv.readiness.model import Result, Verdict
from compute_hyperv.readiness.plan import HostPlan, make_plan
from compute_hyperv.readiness.preparation import Preparation, Undoing
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import Subject, run
from tests.readiness.examining import readings_of

if TYPE_CHECKING:
    from hyperv_simulator.host import SimulatedHost

#: What asks for most of what prepare can do: machines move between members of a domain only.
WANTED = Expectations(
    switches=("external",),
    time_peers=("ntp.example.org",),
    use_multipath_io=True,
    numa_spanning=False,
)
# Without the folder for instances, which needs a file server.
SECTIONS = ("connection", "hyperv", "network", "time", "numa", "pci", "iscsi", "mpio", "migration")

_BAD = (Verdict.FAIL, Verdict.WARN, Verdict.UNREADABLE)


class Operator:
    """Somebody who prepares one host, with one journal."""

    def __init__(self, host: Readings, journal: Path, wanted: Expectations, only: tuple[str, ...]) -> None:
        self.host = host
        self.journal = journal
        self.wanted = wanted
        self.checks = selected(only)
        self.said: list[tuple[str, str]] = []

    def results(self) -> list[Result]:
        self.host.forget()
        return run([Subject(self.host, self.wanted)], self.checks)

    def complaints(self) -> set[str]:
        """Names of the checks that do not pass."""
        return {result.check.name for result in self.results() if result.finding.verdict in _BAD}

    def plan(self) -> HostPlan:
        results = self.results()
        assert results[0].finding.verdict is Verdict.PASS, results[0].finding.found
        unfinished = ()
        if self.journal.exists():
            with Journal(self.journal) as journal:
                unfinished = journal.unfinished
        return make_plan(Context(self.host, self.wanted), results, unfinished)

    def prepare(self, plan: HostPlan | None = None, *, may_restart: bool = True) -> Preparation:
        """Raises Failed."""
        plan = plan or self.plan()
        with Journal(self.journal, self.host.name) as journal:
            preparation = Preparation(self.host, plan, journal, may_restart, self._hear)
            preparation.run()
        return preparation

    def undo(self, *, may_restart: bool = True) -> Undoing:
        """Raises Failed."""
        with Journal(self.journal) as journal:
            undoing = Undoing(self.host, journal, may_restart, self._hear)
            undoing.run()
        return undoing

    def _hear(self, activity: str, title: str) -> None:
        self.said.append((activity, title))


@contextmanager
def operator(
    host: SimulatedHost, journal: Path, wanted: Expectations = WANTED, only: tuple[str, ...] = SECTIONS
) -> Iterator[Operator]:
    readings = readings_of(host, scheme="http")  # TLS would only cost time here
    with readings.host:
        yield Operator(readings, journal, wanted, only)
