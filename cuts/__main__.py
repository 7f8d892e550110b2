"""``python -m cuts [operation …]``: all cuts of these operations, or of all; exit code 1 if anything was left."""

from __future__ import annotations

import bench.native_threads  # noqa: F401

# isort: split
import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cuts.engine import THENS, Cut, FailsUncut, Recording, cuts, record
from cuts.operations import OPERATIONS
from cuts.points import WHENS
from cuts.stage import new_stage

_WIDTH = 120  # where no terminal says it
_FOLLOWED_BY = {"again": "done again", "delete": "deleted"}


def main() -> int:
    known = {operation.name: operation for operation in OPERATIONS}
    parser = argparse.ArgumentParser(prog="python -m cuts", description="Every operation, cut off at every request.")
    parser.add_argument("names", nargs="*", metavar="operation", help=f"only these of {', '.join(known)}")
    parser.add_argument("--changes", action="store_true", help="only at requests that change something")
    arguments = parser.parse_args()
    names = arguments.names or list(known)
    if unknown := set(names) - set(known):
        parser.error(f"there is no operation {', '.join(sorted(unknown))}")
    logging.getLogger("nova.thread_pool_factory").setLevel(logging.WARNING)  # it tells of its end
    sys.stdout.reconfigure(line_buffering=True)  # it takes long, and who reads a file wants to see how far it is
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH
    started, wrong, total = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="hyperv-cuts-") as folder, new_stage(Path(folder)) as stage:
        for name in names:
            try:
                with console.status(f"recording {name}"):
                    recording = record(stage, known[name])
            except FailsUncut as error:
                console.print(f"[red]{name}: {error}")
                wrong += 1
                continue
            points = [each for each in recording.points if not (arguments.changes and each.request.only_reads)]
            done: list[Cut] = []
            with console.status(f"{name}: {len(recording.points)} requests") as status:
                for each in cuts(stage, recording, points):
                    done.append(each)
                    status.update(f"{name}: {each.point}, cut {each.when} and {_FOLLOWED_BY[each.then]}")
            console.print(_table(recording, done))
            for each in done:
                for what in each.wrong:
                    console.print(
                        f"[red]{name}: {each.point}, cut {each.when} and {_FOLLOWED_BY[each.then]}: {what}", markup=True
                    )
            total, wrong = total + len(done), wrong + sum(bool(each.wrong) for each in done)
    console.print(f"{total} cuts, {wrong} of them left something wrong, in {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


def _table(recording: Recording, done: list[Cut]) -> Table:
    table = Table(title=recording.operation.name, title_justify="left")
    table.add_column("request", no_wrap=True)
    columns = [(when, then) for when in WHENS for then in THENS]
    for when, then in columns:
        table.add_column(f"cut {when},\n{_FOLLOWED_BY[then]}", justify="center")
    # A cut that Nova did not notice had nothing to be done again, nor another thing to come next.
    by_place = {(each.point, each.when, each.then): each for each in done}
    for point in recording.points:
        table.add_row(str(point), *(_mark(by_place.get((point, *column))) for column in columns))
    return table


def _mark(cut: Cut | None) -> str:
    if cut is None:
        return ""
    if cut.wrong:
        return "[red]✗"
    return "[green]✓" if cut.reached else "[dim]not reached"


if __name__ == "__main__":
    sys.exit(main())
