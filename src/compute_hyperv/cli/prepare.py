"""``compute-hyperv prepare HOST...``"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cliff.command import Command
from rich.console import Console

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cli import plan_table, targets
from compute_hyperv.readiness import checks
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import ConfigurationError
from compute_hyperv.readiness.journal import Entry, Journal, JournalError, default_path
from compute_hyperv.readiness.model import Check, Result, Verdict
from compute_hyperv.readiness.plan import HostPlan, make_plan
from compute_hyperv.readiness.preparation import Activity, Failed, Preparation, Undoing
from compute_hyperv.readiness.runner import Subject, run

DONE, NOT_ALL, FAILED, UNREADABLE, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class _Planned:
    subject: Subject
    plan: HostPlan
    journal: Path


class Prepare(Command):
    """Make hosts ready to be compute nodes: show what has to be changed, ask, do it, and read it back.

    What is changed is written to a journal first, by which --undo restores it. Windows is restarted where something
    wants that, unless --reboot never. A second run has nothing to do, or goes on where the first one was cut.

    Exit status: 0 everything that can be prepared is so; 1 it is not, because you said no, or Windows may not be
    restarted; 2 a change failed or could not be planned, or the arguments are wrong; 3 a host could not be read; 130
    interrupted.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        targets.add_arguments(parser)
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="SECTION",
            help="a section of checks, or a check; may be repeated",
        )
        parser.add_argument(
            "--adapter",
            action="append",
            default=[],
            metavar="[SWITCH=]ADAPTER",
            help="physical network adapter for a switch that has to be made; may be repeated",
        )
        parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--reboot", choices=("allow", "never"), default="allow", help="whether Windows may be restarted"
        )
        parser.add_argument(
            "--journal", type=Path, metavar="FILE", help="where to write what was (default: below $XDG_STATE_HOME)"
        )
        parser.add_argument("--undo", type=Path, metavar="JOURNAL", help="restore what this journal tells")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        self._console = Console(file=self.app.stdout, soft_wrap=False, highlight=False)
        try:
            if parsed_args.undo:
                return self._undo(parsed_args)
            return self._prepare(parsed_args)
        except JournalError as error:
            raise ConfigurationError(str(error)) from None
        except KeyboardInterrupt:
            self._say("Interrupted.")
            return INTERRUPTED

    # Preparing

    def _prepare(self, arguments: argparse.Namespace) -> int:
        wanted = _selected(arguments.only)
        adapters = tuple(_adapter(text) for text in arguments.adapter)
        with targets.subjects(arguments) as found:
            if arguments.journal and len(found) > 1:
                raise ConfigurationError(
                    "--journal is the file of one host; prepare the hosts one by one, or leave it out."
                )
            subjects = [
                dataclasses.replace(each, wanted=dataclasses.replace(each.wanted, adapters=adapters)) for each in found
            ]
            planned, status = self._plan(subjects, wanted, arguments)
            plan_table.show(self._console, [(each.subject.host.name, each.plan) for each in planned])
            if any(each.plan.obstacles for each in planned):
                status = max(status, FAILED)
            todo = [each for each in planned if each.plan.steps]
            if arguments.dry_run or not todo:
                return status
            if not arguments.yes and not self._agreed("Do this?"):
                self._say("Nothing was changed.")
                return max(status, NOT_ALL)
            return max(status, self._carry_out(todo, wanted, may_restart=arguments.reboot == "allow"))

    def _plan(
        self, subjects: Sequence[Subject], wanted: Sequence[Check], arguments: argparse.Namespace
    ) -> tuple[list[_Planned], int]:
        status = DONE
        planned = []
        results = run(subjects, wanted)
        for subject in subjects:
            own = [result for result in results if result.host == subject.host.name]
            if not _answers(own):
                self._say(f"{subject.host.name}: {own[0].finding.found} {own[0].finding.remedy}")
                status = UNREADABLE
                continue
            path = arguments.journal or default_path(subject.host.name)
            try:
                plan = make_plan(Context(subject.host, subject.wanted), own, _unfinished(path, subject.host.name))
            except CimError as error:
                self._say(f"{subject.host.name}: {error}")
                status = UNREADABLE
                continue
            planned.append(_Planned(subject, plan, path))
        return planned, status

    def _carry_out(self, planned: Sequence[_Planned], wanted: Sequence[Check], *, may_restart: bool) -> int:
        """One host after the other: what goes wrong on one is not done to the next."""
        status = DONE
        for position, each in enumerate(planned):
            host = each.subject.host
            with Journal(each.journal, host.name) as journal:
                self._say(f"{host.name}: the journal is {each.journal}")
                preparation = Preparation(host, each.plan, journal, may_restart, self._telling(host.name))
                try:
                    preparation.run()
                except Failed as failure:
                    self._say(f"{host.name}: FAILED: {failure}")
                    self._tell_left(preparation)
                    for later in planned[position + 1 :]:
                        self._say(f"{later.subject.host.name}: not begun")
                    return FAILED
                except KeyboardInterrupt:
                    self._tell_left(preparation)
                    raise
            if preparation.waits_for_restart:
                self._say(f"{host.name}: restart Windows, then run this again.")
                self._tell_left(preparation)
                status = NOT_ALL
                continue
            self._tell_remaining(each.subject, wanted)
        return status

    def _tell_left(self, preparation: Preparation) -> None:
        name = preparation.host.name
        for step in preparation.done:
            self._say(f"{name}: done: {step.change.title}")
        for step in preparation.left:
            self._say(f"{name}: not done: {step.change.title}")
        self._say(f"{name}: to restore what was: compute-hyperv prepare --undo {preparation.journal.path}")

    def _tell_remaining(self, subject: Subject, wanted: Sequence[Check]) -> None:
        """What checks say now."""
        subject.host.forget()
        bad = (Verdict.FAIL, Verdict.WARN, Verdict.UNREADABLE)
        left = [result for result in run([subject], wanted) if result.finding.verdict in bad]
        name = subject.host.name
        self._say(f"{name}: prepared. {len(left) or 'No'} checks are left that do not pass.")
        for result in left:
            self._say(f"{name}: {result.check.name}: {result.finding.verdict}: {result.finding.found}")

    # Undoing

    def _undo(self, arguments: argparse.Namespace) -> int:
        with Journal(arguments.undo) as journal:
            if arguments.hosts and arguments.hosts != [journal.host]:
                raise ConfigurationError(f"{arguments.undo} is the journal of {journal.host}; leave the host out.")
            entries = journal.to_undo
            if not entries:
                self._say(f"{journal.host}: nothing is left to undo.")
                return DONE
            plan_table.show_undoing(self._console, journal.host, entries)
            if arguments.dry_run:
                return DONE
            if not arguments.yes and not self._agreed("Restore this?"):
                self._say("Nothing was changed.")
                return NOT_ALL
            arguments.hosts = [journal.host]
            with targets.subjects(arguments) as (subject,):
                return self._carry_back(subject, journal, may_restart=arguments.reboot == "allow")

    def _carry_back(self, subject: Subject, journal: Journal, *, may_restart: bool) -> int:
        name = subject.host.name
        undoing = Undoing(subject.host, journal, may_restart, self._telling(name))
        try:
            undoing.run()
        except Failed as failure:
            self._say(f"{name}: FAILED: {failure}")
            return FAILED
        finally:
            for change in undoing.left:
                self._say(f"{name}: not restored: {change.title}")
        if undoing.waits_for_restart:
            self._say(f"{name}: restart Windows, then run this again.")
            return NOT_ALL
        self._say(f"{name}: restored.")
        return DONE

    # Talking

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _telling(self, host: str) -> Callable[[Activity, str], None]:
        def tell(activity: Activity, title: str) -> None:
            self._say(f"{host}: {activity}: {title}" if title != host else f"{host}: {activity}")

        return tell

    def _agreed(self, question: str) -> bool:
        if not sys.stdin.isatty():
            raise ConfigurationError("Nobody is there to be asked; look at the plan with --dry-run, then add --yes.")
        while True:
            self._console.print(f"{question} (yes/no) ", end="", markup=False)
            answer = sys.stdin.readline()
            if not answer or answer.strip().lower() in ("no", "n"):
                return False
            if answer.strip().lower() in ("yes", "y"):
                return True
            self._say("Please write yes or no.")


def _selected(names: Sequence[str]) -> tuple[Check, ...]:
    try:
        return checks.selected(names)
    except KeyError as error:
        raise ConfigurationError(
            f"There is no check or section {error.args[0]!r}; `compute-hyperv explain` lists them all."
        ) from None


def _adapter(text: str) -> tuple[str, str]:
    switch, equals, adapter = text.partition("=")
    chosen = (switch, adapter) if equals else ("", text)
    if not chosen[1].strip():
        raise ConfigurationError(f"--adapter is {text!r}; write the name of an adapter, or SWITCH=ADAPTER.")
    return chosen


def _answers(results: Sequence[Result]) -> bool:
    return results[0].finding.verdict is Verdict.PASS


def _unfinished(path: Path, host: str) -> Sequence[Entry]:
    if not path.exists():
        return ()
    with Journal(path, host) as journal:
        return journal.unfinished
