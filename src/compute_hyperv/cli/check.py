"""``compute-hyperv check HOST...``"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from cliff.lister import Lister
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from compute_hyperv.cli import targets
from compute_hyperv.cli.page import page
from compute_hyperv.cli.table import COLUMNS
from compute_hyperv.readiness import checks
from compute_hyperv.readiness.expectations import ConfigurationError, Flavor
from compute_hyperv.readiness.model import Check, Result
from compute_hyperv.readiness.report import exit_status
from compute_hyperv.readiness.runner import Subject, run


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
        parser.add_argument(
            "--flavor",
            action="append",
            default=[],
            type=_flavor,
            metavar="NAME=VCPUS:MB",
            help="a flavor of the cloud, to see what NUMA nodes mean for it; may be repeated",
        )
        parser.add_argument(
            "--survey-devices",
            action="store_true",
            help="look at each PCI device that machines could be given, not only at those of [pci] device_spec",
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
        if parsed_args.html and not parsed_args.html.parent.is_dir():  # before hosts are asked for nothing
            raise ConfigurationError(f"--html {parsed_args.html} can't be written: there is no such folder.")
        with targets.subjects(parsed_args) as subjects:
            results = self._run([_asked(subject, parsed_args) for subject in subjects], wanted)
        if parsed_args.html:
            _write(parsed_args.html, page(results))
        self._status = exit_status(results, strict=parsed_args.strict)
        return COLUMNS, [_row(result) for result in results]

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


def _asked(subject: Subject, parsed_args: argparse.Namespace) -> Subject:
    """What the command line asks beyond nova.conf."""
    wanted = dataclasses.replace(
        subject.wanted, flavors=tuple(parsed_args.flavor), survey_devices=parsed_args.survey_devices
    )
    return dataclasses.replace(subject, wanted=wanted)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {file} can't be written: {error.strerror}.") from None


def _row(result: Result) -> tuple[str, ...]:
    finding = result.finding
    found = "\n".join((finding.found, *finding.details))
    return result.host, result.check.name, str(finding.verdict), found, finding.expected, finding.remedy


def _flavor(text: str) -> Flavor:
    """``m1.large=8:16384``"""
    name, _, size = text.partition("=")
    vcpus, _, memory_mb = size.partition(":")
    if not (name and vcpus.isdigit() and memory_mb.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no flavor; write NAME=VCPUS:MB, such as m1.large=8:16384")
    return Flavor(name, int(vcpus), int(memory_mb))
