"""What each command of the control endpoint does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, get_args

from hyperv_simulator.config.reading import Reader
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.guests.none import Action, NoneGuest
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.machines.machine import Machine

_BY_DEFAULT = {field.name: field.default for field in fields(FaultRule)}


class Wrong(Exception):
    """The request can't be done as it is; the message says what to write instead."""


def answer(hosts: Sequence[SimulatedHost], request: object) -> Any:
    """The result of one request.

    :raises Wrong: it is no request, names an unknown host, or has a wrong value.
    """
    if not isinstance(request, dict) or request.get("command") not in _COMMANDS:
        raise Wrong(f"no such command; write one of {', '.join(sorted(_COMMANDS))}")
    wanted = request.get("host")
    chosen = [host for host in hosts if wanted is None or host.config.name.lower() == str(wanted).lower()]
    if not chosen:
        names = ", ".join(host.config.name for host in hosts)
        raise Wrong(f"there is no host {wanted}; write one of {names}, or none for all")
    return _COMMANDS[request["command"]](chosen, request)


def _state(hosts: Sequence[SimulatedHost], _: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": host.config.name,
            "address": host.config.address,
            "version": host.config.version,
            "requests": len(host.requests),
            "faults": _rules_of(host),
            **_inside_of(host),
        }
        for host in hosts
    ]


def _inside_of(host: SimulatedHost) -> dict[str, Any]:
    """What there is of a host only while it runs."""
    try:
        inside = host.inside
    except RuntimeError:
        return {"running": False}
    machines = [
        {"id": each.machine_id, "name": each.reader.system.text("ElementName", ""), "state": each.state.name}
        for each in inside.machines.all()
    ]
    return {"running": True, "machines": machines, "disk_full": inside.disks.folder.full}


def _faults(hosts: Sequence[SimulatedHost], _: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"host": host.config.name, **rule} for host in hosts for rule in _rules_of(host)]


def _rules_of(host: SimulatedHost) -> list[dict[str, Any]]:
    return [
        {
            "number": each.number,
            "seen": each.seen,
            "rule": {name: value for name, value in asdict(each.rule).items() if value != _BY_DEFAULT[name]},
        }
        for each in host.faults
    ]


def _add_fault(hosts: Sequence[SimulatedHost], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = request.get("rule")
    if not isinstance(values, dict):
        raise Wrong('rule is missing; write an object with at least "effect"')
    reader = Reader()
    rule = reader.table(FaultRule, values, ("rule",))
    if rule is None:
        raise Wrong("; ".join(problem.text for problem in reader.problems))
    return [{"host": host.config.name, "number": host.faults.add(rule)} for host in hosts]


def _remove_fault(hosts: Sequence[SimulatedHost], request: Mapping[str, Any]) -> int:
    number = _number(request, "number")
    removed = sum(host.faults.remove(int(number)) for host in hosts)
    if not removed:
        raise Wrong(f"there is no fault rule {number:g}; 'faults' lists those in force")
    return removed


def _clear_faults(hosts: Sequence[SimulatedHost], _: Mapping[str, Any]) -> None:
    for host in hosts:
        host.faults.clear()


def _reboot(hosts: Sequence[SimulatedHost], _: Mapping[str, Any]) -> None:
    for host in hosts:
        host.reboot()


def _jump_clock(hosts: Sequence[SimulatedHost], request: Mapping[str, Any]) -> None:
    seconds = _number(request, "seconds")
    for host in hosts:
        host.jump_clock(seconds)


def _fill_disk(hosts: Sequence[SimulatedHost], request: Mapping[str, Any]) -> None:
    full = request.get("full", True)
    if not isinstance(full, bool):
        raise Wrong(f"full is {full!r}; write true or false")
    for host in hosts:
        host.fill_disk(full=full)


def _machines_of(host: SimulatedHost) -> list[Machine]:
    try:
        return host.inside.machines.all()
    except RuntimeError:
        return []  # it restarts


def _let_guest_act(hosts: Sequence[SimulatedHost], request: Mapping[str, Any]) -> None:
    wanted, given = str(request.get("machine", "")).lower(), request.get("action")
    action: Action | None = next((known for known in get_args(Action) if known == given), None)
    if action is None:
        raise Wrong(f"action is {given!r}; write one of {', '.join(get_args(Action))}")
    machines = [machine for host in hosts for machine in _machines_of(host)]
    found = [each for each in machines if wanted in (each.machine_id.lower(), each.reader.name.lower())]
    guests = [guest for each in found if (guest := each.guest) is not None]
    if not guests:
        raise Wrong(f"no machine {request.get('machine')!r} runs; 'state' lists machines")
    for guest in guests:
        if not isinstance(guest, NoneGuest):
            raise Wrong("a guest in QEMU does what its system does; only guests 'none' can be told")
        guest.act(action)


def _number(request: Mapping[str, Any], name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"{name} is {value!r}; write a number")
    return value


_COMMANDS: Mapping[str, Callable[[Sequence[SimulatedHost], Mapping[str, Any]], Any]] = {
    "state": _state,
    "faults": _faults,
    "add-fault": _add_fault,
    "remove-fault": _remove_fault,
    "clear-faults": _clear_faults,
    "reboot": _reboot,
    "jump-clock": _jump_clock,
    "fill-disk": _fill_disk,
    "guest": _let_guest_act,
}
