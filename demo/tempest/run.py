"""Tempest itself: its folder, its run, and where its results are."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from demo.cloud import config
from demo.cloud.processes import Processes, TimedOut
from demo.settings import VENV, State
from demo.tempest import results
from demo.tempest.results import Result
from demo.tempest.settings import Prepared, tempest_conf

# What is run where nobody asks for less.
EVERYTHING = r"^tempest\.api\.compute\."

LIST, RUN = "tempest-list", "tempest"


@dataclass(frozen=True)
class Outcome:
    """:param tests: the names of those that were to run."""

    tests: list[str]
    results: list[Result]


class Tempest:
    def __init__(self, processes: Processes, state: State, prepared: Prepared, computes: int) -> None:
        self._processes = processes
        self._state = state
        self._folder = state.data / "tempest"
        self._conf = self._folder / "tempest.conf"
        self._folder.mkdir(exist_ok=True)
        config.save(self._conf, config.render(tempest_conf(state, prepared, computes)))

    def run(self, regex: str, concurrency: int, limit_s: float) -> Outcome:
        """Runs what matches, as far as it comes in that time. Whether tests fail is in the results; DemoError is raised
        when tempest itself does.
        """
        if not (self._folder / ".stestr").exists():
            self._processes.run(self._stestr("init"), log=LIST)
        listed, stream = self._state.run / "tempest-tests", self._state.run / "tempest.subunit"
        for written in (listed, stream):  # which is appended to
            written.unlink(missing_ok=True)
        self._processes.run(self._command("--list-tests", "--regex", regex), log=LIST, output=listed)
        command = self._command("--subunit", "--regex", regex, "--concurrency", str(concurrency))
        # Its exit status says no more than the results do; where time runs out, the results say of what.
        with contextlib.suppress(TimedOut):
            self._processes.exit_status(command, log=RUN, timeout_s=limit_s, output=stream)
        return Outcome(results.list_of_tests(listed.read_text()), results.read(stream))

    def _command(self, *words: str) -> list[str | Path]:
        return [*self._here("tempest"), "run", "--config-file", self._conf, *words]

    def _stestr(self, *words: str) -> list[str | Path]:
        """What keeps the results, in the current folder."""
        return [*self._here("stestr"), *words]

    def _here(self, program: str) -> list[str | Path]:
        return ["env", "-C", self._folder, VENV / "bin" / program]
