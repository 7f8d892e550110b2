"""``compute-hyperv check HOST...``"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from cliff.lister import Lister
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from compute_hyperv.cli import targets
from compute_hyperv.cli.page import page
from compute_hyperv.readiness import checks
from compute_hyperv.readiness.expectations import ConfigurationError
from compute_hyperv.readiness.model import Check, Result, Verdict
from compute_hyperv.readiness.report import exit_status
from compute_hyperv.readiness.runner import Subject, run

COLUMNS = ("Host", "Check", "Verdict", "Found", "Expected", "Remedy")


class CheckHosts(Lister):
    """Check whether hosts are ready to be compute nodes.

    Exit status: 0 all checks pass; 1 warnings, with --strict; 2 failures; 3 a host or a check could not be read.
    """

    @property
    def formatter_namespace(self) -> str:
        return "compute_hyperv.cli.formatter"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        targets.add_arguments(parser)
        parser.add_argument(
            "--only", action="append", default=[], metavar="CHECK", help="a check or a section; may be repeated"
        )
        parser.add_argument("--strict", action="store_true", help="warnings count: exit status 1")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one self-contained page too")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[tuple[str, ...]]]:
        try:
            wanted = checks.selected(parsed_args.only)
        except KeyError as error:
            raise ConfigurationError(
                f"There is no check or section {error.args[0]!r}; `compute-hyperv explain` lists them all."
            ) from None
        with targets.subjects(parsed_args) as subjects:
            results = self._run(subjects, wanted)
        if parsed_args.html:
            parsed_args.html.write_text(page(results), encoding="utf-8")
        self._status = exit_status(results, strict=parsed_args.strict)
        colours = parsed_args.formatter == "table" and getattr(self.app.stdout, "isatty", lambda: False)()
        return COLUMNS, [_row(result, in_colour=colours) for result in results]

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._status = 0
        status: int = super().run(parsed_args)
        return status or self._status

    def _run(self, subjects: Sequence[Subject], wanted: Sequence[Check]) -> list[Result]:
        console = Console(file=self.app.stderr)
        if not console.is_terminal:
            return run(subjects, wanted)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} of {task.total}"),
            console=console,
            transient=True,
        ) as progress:
            task = progress.add_task("checking", total=len(subjects) * (len(wanted) + 1))
            return run(subjects, wanted, lambda _result: progress.advance(task))


_COLOURS = {
    Verdict.PASS: "32",
    Verdict.WARN: "33",
    Verdict.FAIL: "1;31",
    Verdict.UNREADABLE: "35",
    Verdict.NOT_APPLICABLE: "2",
}


def _row(result: Result, *, in_colour: bool) -> tuple[str, ...]:
    finding = result.finding
    verdict = f"\033[{_COLOURS[finding.verdict]}m{finding.verdict}\033[0m" if in_colour else str(finding.verdict)
    found = "\n".join((finding.found, *finding.details))
    return result.host, result.check.name, verdict, found, finding.expected, finding.remedy
