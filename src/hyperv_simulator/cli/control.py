"""``state``, ``faults``, ``reboot``, ``clock``, ``disk``, ``guest``: what is done to hosts that run already."""

from __future__ import annotations

import argparse
import json
import types
import typing
from dataclasses import fields
from typing import Any, Literal, get_args

from hyperv_simulator.cli.options import Commands, add_state
from hyperv_simulator.config import keys
from hyperv_simulator.control.client import Control
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.guests.none import Action
from hyperv_simulator.state_folder import default_state_folder

_FAULTS_EPILOG = """\
examples:
  hyperv-simulator faults add drop-after --method DefineSystem
      the next DefineSystem is done, and its answer is lost
  hyperv-simulator faults add fault --fault QUOTA_MAX_OPERATIONS --times 3 --host hv1
  hyperv-simulator faults add job-error --method CreateVirtualHardDisk --code 32768 --message "No."
  hyperv-simulator faults list
  hyperv-simulator faults remove 2
"""


def add_to(commands: Commands) -> None:
    state = _controlling(
        commands, "state", "show running hosts as JSON", "Prints what runs: hosts, machines, fault rules."
    )
    state.set_defaults(run=lambda options: _print(options, "state"))

    faults = commands.add_parser(
        "faults",
        help="make things go wrong on running hosts",
        description="Fault rules of running hosts: what a rule matches, and what it does to the requests that match.",
        epilog=_FAULTS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = faults.add_subparsers(metavar="ACTION", required=True)
    listed = _controlling(actions, "list", "show the rules in force as JSON", "Prints the rules in force.")
    listed.set_defaults(run=lambda options: _print(options, "faults"))
    _add_rule_options(_controlling(actions, "add", "add a rule", "Adds a rule; an empty pattern matches everything."))
    remove = _controlling(actions, "remove", "take a rule away", "Takes a rule away.")
    remove.add_argument("number", type=int, help="as 'list' shows it")
    remove.set_defaults(run=lambda options: _do(options, "remove-fault", number=options.number))
    clear = _controlling(actions, "clear", "take all rules away", "Takes all rules away.")
    clear.set_defaults(run=lambda options: _do(options, "clear-faults"))

    reboot = _controlling(commands, "reboot", "restart running hosts", "Restarts hosts, as Windows would.")
    reboot.set_defaults(run=lambda options: _do(options, "reboot"))
    clock = _controlling(commands, "clock", "let running hosts' clocks jump", "Lets the hosts' clocks jump.")
    clock.add_argument("seconds", type=float, help="how far; negative: back (write it after --)")
    clock.set_defaults(run=lambda options: _do(options, "jump-clock", seconds=options.seconds))
    disk = _controlling(commands, "disk", "fill running hosts' volumes", "Says whether anything fits on the volumes.")
    disk.add_argument("state_of_disk", choices=("full", "normal"), metavar="full|normal")
    disk.set_defaults(run=lambda options: _do(options, "fill-disk", full=options.state_of_disk == "full"))
    guest = _controlling(
        commands,
        "guest",
        "let a machine's guest do something by itself",
        "Lets the guest of a running machine (guests = none) turn itself off, reset or crash, or stop and go on\n"
        "answering as integration services do.",
    )
    guest.add_argument("machine", help="name or id of the machine")
    guest.add_argument("action", choices=get_args(Action))
    guest.set_defaults(run=lambda options: _do(options, "guest", machine=options.machine, action=options.action))


def _controlling(commands: Commands, name: str, short: str, long: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=short, description=long)
    parser.add_argument("--host", help="name of one host; default: all that run")
    add_state(parser)
    return parser


def _add_rule_options(parser: argparse.ArgumentParser) -> None:
    """An option for every field of a rule, from the field."""
    said, hints = keys.meanings(FaultRule), typing.get_type_hints(FaultRule)
    for field in fields(FaultRule):
        kind: Any = hints[field.name]
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            kind = typing.get_args(kind)[0]
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else None
        parser.add_argument(
            "effect" if field.name == "effect" else f"--{field.name.replace('_', '-')}",
            choices=choices,
            type=str if choices else kind,
            help=said[field.name].replace("``", "").replace("%", "%%"),
            metavar="EFFECT" if field.name == "effect" else None,
        )
    parser.set_defaults(run=_add_rule)


def _add_rule(options: argparse.Namespace) -> int:
    given = {field.name: getattr(options, field.name) for field in fields(FaultRule)}
    rule = {name: value for name, value in given.items() if value is not None}
    return _print(options, "add-fault", rule=rule)


def _print(options: argparse.Namespace, command: str, **arguments: Any) -> int:
    """One item of the result a line, so that both people and programs can read it."""
    for item in _ask(options, command, **arguments):
        print(json.dumps(item, ensure_ascii=False))
    return 0


def _do(options: argparse.Namespace, command: str, **arguments: Any) -> int:
    _ask(options, command, **arguments)
    return 0


def _ask(options: argparse.Namespace, command: str, **arguments: Any) -> Any:
    with Control(options.state or default_state_folder()) as control:
        return control.ask(command, host=options.host, **arguments)
