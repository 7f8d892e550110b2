"""``keys`` and ``check``: what hosts.toml may say, and whether one does."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyperv_simulator.cli.options import Commands
from hyperv_simulator.config import file as config
from hyperv_simulator.config import keys
from hyperv_simulator.config.errors import ConfigError


def add_to(commands: Commands) -> None:
    check = commands.add_parser(
        "check",
        help="say what is wrong in hosts.toml",
        description="Reads hosts.toml as 'run' does and starts nothing. Exit code 0: it is right, and a line for each "
        "host says what it is; 2: each mistake is on a line of standard error, with its line in the file.",
    )
    check.add_argument("file", type=Path, metavar="hosts.toml", nargs="+")
    check.set_defaults(run=_check)

    described = commands.add_parser(
        "keys",
        help="print every key of hosts.toml with its default and meaning",
        description="Prints a hosts.toml with every key at its default, each under its meaning; tables that are not "
        "there by default are commented out. It is a file to begin with.",
    )
    described.set_defaults(run=_keys)


def _check(options: argparse.Namespace) -> int:
    problems: list[str] = []
    for file in options.file:
        try:
            for host in config.load(file):
                print(f"{file}: host {host.name} at {host.address}, Windows Server {host.version}")
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return 0


def _keys(_: argparse.Namespace) -> int:
    print(keys.as_toml(), end="")
    return 0
