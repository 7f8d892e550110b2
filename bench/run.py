"""Runs the benchmarks, prints the table, writes ``bench/results.json``; exit code 1 if a budget is missed.

``python -m bench.run [name …]`` runs only those named.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

from bench.measurements import Measurement  # noqa: E402

BENCHMARKS = ("spawn", "state", "upload", "boot20", "nova_compute", "simulator", "operations", "readiness")
RESULTS = ROOT / "bench" / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="What the product costs.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"only these of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    console = Console()
    measured: list[Measurement] = []
    for name in names:
        with console.status(f"measuring {name}"):
            measured.extend(_measure(name))
    console.print(_table(measured))
    RESULTS.write_text(json.dumps(_report(measured), indent=2) + "\n")
    missed = [one for one in measured if one.missed]
    console.print(f"written to {RESULTS.relative_to(ROOT)}; {len(missed)} of the budgets missed")
    return 1 if missed else 0


def _measure(name: str) -> Iterator[Measurement]:
    # Imported one by one: those that start Nova must not do so for the others.
    yield from importlib.import_module(f"bench.{name}").measure()


def _table(measured: list[Measurement]) -> Table:
    table = Table()
    for heading in ("measure", "case", "value", "budget", ""):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for one in measured:
        verdict = "" if one.budget is None else "[red]missed" if one.missed else "[green]met"
        table.add_row(one.name, one.case, f"{one.value:.3g} {one.unit}", str(one.budget or ""), verdict or one.note)
    return table


def _report(measured: list[Measurement]) -> dict[str, object]:
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    return {"machine": machine, "measurements": [one.as_json() for one in measured]}


if __name__ == "__main__":
    sys.exit(main())
