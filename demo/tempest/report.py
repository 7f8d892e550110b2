"""The results as a page and as a table: what did not pass, and why."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from demo.tempest.reasons import explanation
from demo.tempest.results import NOT_RUN, Result

_UNEXPLAINED = "Not explained yet."
_OUTCOMES = ("pass", "skip", "fail", NOT_RUN)


@dataclass(frozen=True)
class Report:
    """:param tests: by name, for each that was to run.
    :param regex: which were to run.
    :param seconds: that tempest took for them.
    """

    tests: Mapping[str, Result]
    regex: str
    seconds: float
    concurrency: int
    version: str

    def count(self, outcome: str) -> int:
        return sum(result.outcome == outcome for result in self.tests.values())

    @property
    def defects(self) -> list[str]:
        """The tests that fail for no known reason."""
        return [
            name for name, result in self.tests.items() if result.outcome == "fail" and not explanation(name, result)
        ]

    @property
    def summary(self) -> str:
        counts = ", ".join(f"{self.count(outcome)} {outcome}" for outcome in _OUTCOMES)
        return f"{len(self.tests)} tests: {counts}, in {self.seconds:.0f} s"

    def table(self) -> Table:
        table = Table("", "reason", "tests", title=self.summary)
        for outcome in ("fail", "skip"):
            for because, said in self._by_reason(outcome).items():
                count = sum(len(names) for names in said.values())
                table.add_row("[red]fail" if outcome == "fail" else outcome, because, str(count))
        return table

    def page(self) -> str:
        return "\n".join([*self._head(), *self._failures(), *self._skips(), *self._not_run()])

    def _head(self) -> list[str]:
        return [
            "# Tempest",
            "",
            f"Tempest {self.version}, `{self.regex}`, {self.concurrency} at once, on the cloud of `make tempest`:",
            "two simulated Hyper-V hosts, Windows Server 2022 and 2025, whose guests are state machines.",
            "`make tempest DOCS=1` writes this page from what a run says.",
            "",
            f"| tests | {' | '.join(_OUTCOMES)} | seconds |",
            "|---|---|---|---|---|---|",
            f"| {len(self.tests)} | {' | '.join(str(self.count(each)) for each in _OUTCOMES)} | {self.seconds:.0f} |",
            "",
        ]

    def _failures(self) -> list[str]:
        lines = ["## What fails", ""]
        for name, result in self.tests.items():
            if result.outcome == "fail":
                because = explanation(name, result) or _UNEXPLAINED
                lines += [f"* `{name}`", f"  {because}", "", "  ```", f"  {last_line(result.reason)}", "  ```", ""]
        return lines if len(lines) > 2 else [*lines, "Nothing.", ""]

    def _skips(self) -> list[str]:
        lines = ["## What is skipped", ""]
        for because, said in self._by_reason("skip").items():
            lines += [f"### {because}", ""]
            for reason, names in said.items():
                lines += [f"Tempest says “{reason}”:", "", *(f"* `{name}`" for name in names), ""]
        return lines if len(lines) > 2 else [*lines, "Nothing.", ""]

    def _not_run(self) -> list[str]:
        names = [name for name, result in self.tests.items() if result.outcome == NOT_RUN]
        if not names:
            return []
        why = "The run was ended before all tests had their turn; these say nothing about the driver."
        return ["## What did not run", "", why, "", *(f"* `{name}`" for name in names), ""]

    def _by_reason(self, outcome: str) -> dict[str, dict[str, list[str]]]:
        """Tests by why they do not pass, and within that by what tempest says."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, result in self.tests.items():
            if result.outcome == outcome:
                found[explanation(name, result) or _UNEXPLAINED][last_line(result.reason)].append(name)
        return found


def last_line(text: str) -> str:
    """Of a traceback, where the error is; cut where it is long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing"
