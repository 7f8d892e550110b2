"""``-f table``, the default: on a terminal a host is a table of its own, as wide as the terminal; elsewhere, and for
chosen columns, it is the plain grid of cliff, which other programs read."""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.table import TableFormatter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compute_hyperv.readiness.model import Verdict

COLUMNS = ("Host", "Check", "Verdict", "Found", "Expected", "Remedy")

_STYLES = {
    Verdict.PASS: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.UNREADABLE: "magenta",
    Verdict.NOT_APPLICABLE: "dim",
}


class ReportTable(TableFormatter):
    """Takes the rows of ``compute-hyperv check``."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        if tuple(column_names) != COLUMNS or not stdout.isatty():
            super().emit_list(column_names, data, stdout, parsed_args)
            return
        console = Console(file=stdout, highlight=False)
        for host, rows in itertools.groupby(data, key=lambda row: str(row[0])):
            console.print(_table(host, [tuple(map(str, row)) for row in rows]))


def _table(host: str, rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=_title(host, rows), title_justify="left", title_style="", expand=True)
    table.add_column("Check", overflow="fold", max_width=26)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Found", ratio=1, overflow="fold")
    for _, check, verdict, found, expected, remedy in rows:
        told = Text(found)
        if expected:
            told.append("\nexpected: ", style="dim").append(expected)
        if remedy:
            told.append("\nremedy: ", style="dim").append(remedy)
        table.add_row(Text(check), Text(verdict, style=_STYLES[Verdict(verdict)]), told)
    return table


def _title(host: str, rows: Sequence[tuple[str, ...]]) -> Text:
    counts = Counter(Verdict(row[2]) for row in rows)
    title = Text(host, style="bold")
    for verdict in Verdict:
        if counts[verdict]:
            title.append("  ").append(f"{counts[verdict]} {verdict}", style=_STYLES[verdict])
    return title
