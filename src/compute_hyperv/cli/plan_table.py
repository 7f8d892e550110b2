"""A plan as a table for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.journal import Entry
from compute_hyperv.readiness.plan import HostPlan, Step

_MOST_NAMES = 5


def show(console: Console, plans: Sequence[tuple[str, HostPlan]]) -> None:
    """Every host's steps, what they cost, and what can't be planned."""
    for host, plan in plans:
        if not plan.steps:
            _say(console, f"{host}: nothing to do.")
        else:
            _say(console, f"{host}:")
            table = Table("", "What is", "What will be", "What it costs", box=SIMPLE_HEAD, pad_edge=False)
            for number, step in enumerate(plan.steps, 1):
                table.add_row(str(number), *map(_plain, (step.found, _aim(step), _cost(step.change))))
            console.print(table)
            _tell_machines(console, plan)
        for obstacle in plan.obstacles:
            _say(console, f"{host}: can't be planned: {obstacle}")


def show_undoing(console: Console, host: str, entries: Sequence[Entry]) -> None:
    """What goes back to what, in the order of going."""
    _say(console, f"{host}:")
    table = Table("", "What was changed", "What it goes back to", "What it costs", box=SIMPLE_HEAD, pad_edge=False)
    for number, entry in enumerate(entries, 1):
        change = entry.change
        table.add_row(str(number), *map(_plain, (change.title, change.tell(entry.previous), _cost(change))))
    console.print(table)


def _aim(step: Step) -> str:
    return f"{step.change.title} (an earlier run was cut before this counted)" if step.again else step.change.title


def _cost(change: Change) -> str:
    effects = change.effects
    costs = [f"restarts service {name}" for name in effects.restarts]
    if effects.reboot:
        costs.append("restarts Windows")
    if effects.machines:
        costs.append("machines notice")
    return ", ".join(costs)


def _tell_machines(console: Console, plan: HostPlan) -> None:
    touched = [step for step in plan.steps if plan.machines_touched(step)]
    if not touched:
        return
    names = ", ".join(plan.machines[:_MOST_NAMES])
    more = f" and {len(plan.machines) - _MOST_NAMES} more" if len(plan.machines) > _MOST_NAMES else ""
    what = (
        "Windows restarts: machines stop, as their automatic stop action says" if plan.restarts_windows else "touched"
    )
    numbers = ", ".join(str(number) for number, step in enumerate(plan.steps, 1) if step in touched)
    _say(console, f"Running machines (steps {numbers}; {what}): {names}{more}")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
