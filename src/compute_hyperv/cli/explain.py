"""``compute-hyperv explain CHECK``"""

from __future__ import annotations

import argparse

from cliff.command import Command

from compute_hyperv.readiness.checks import BY_NAME
from compute_hyperv.readiness.expectations import ConfigurationError
from compute_hyperv.readiness.model import Check


class Explain(Command):
    """Tell why a check matters, what it reads, what good looks like, and how to fix it by hand."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("check", metavar="CHECK", nargs="?", help="name of the check; without one, all are listed")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.check is None:
            width = max(map(len, BY_NAME))
            for check in BY_NAME.values():
                print(f"{check.name:<{width}}  {check.title}", file=self.app.stdout)
            return
        if parsed_args.check not in BY_NAME:
            raise ConfigurationError(
                f"There is no check {parsed_args.check!r}; `compute-hyperv explain` lists them all."
            )
        print(explanation(BY_NAME[parsed_args.check]), file=self.app.stdout)


def explanation(check: Check) -> str:
    """Everything about a check, as text."""
    reads = "\n".join(f"  {source.description}" for source in check.reads)
    by_hand = "\n".join(f"  {line}" for line in check.by_hand.splitlines())
    return (
        f"{check.name}: {check.title}\n"
        f"Section: {check.section.title}\n\n"
        f"Why it matters\n  {check.why}\n\n"
        f"What is read\n{reads}\n\n"
        f"What good looks like\n  {check.good}\n\n"
        f"How to fix it by hand\n{by_hand}"
    )
