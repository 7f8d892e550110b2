"""``hosts.toml`` as a whole: read, checked, and what no host alone can get wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.host import PORTS, HostConfig
from hyperv_simulator.config.positions import Positions
from hyperv_simulator.config.reading import Problem, Reader

_NO_HOST = "no host; write at least one [[host]] table"


@dataclass(frozen=True, slots=True)
class HostsFile:
    """The tables of hosts.toml.

    :param host: the simulated hosts.
    """

    host: tuple[HostConfig, ...] = (HostConfig(),)


def load(path: Path | None) -> tuple[HostConfig, ...]:
    """The hosts that the file describes; without a file, one host with every default.

    :raises ConfigError: the file can't be read, or something in it is wrong: every mistake with its line.
    """
    if path is None:
        return check((HostConfig(),))
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name an existing file, or none for one default host") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise ConfigError(f"{where}: not TOML: {error}") from None
    reader = Reader()
    file = reader.table(HostsFile, document)
    problems = reader.problems or _clashes(file.host if file else ())
    if file is None or problems:
        lines = Positions(text)
        found = sorted((lines.line(problem.path), problem.text) for problem in problems)
        raise ConfigError(*(f"{path}:{line}: {what}" for line, what in found))
    return file.host


def with_defaults(hosts: Sequence[HostConfig], **overrides: Any) -> tuple[HostConfig, ...]:
    """The hosts with the command line's values in place of their own."""
    return tuple(replace(host, **overrides) for host in hosts)


def check(hosts: Sequence[HostConfig]) -> tuple[HostConfig, ...]:
    """Checks what one host alone can't get wrong: names and addresses that two hosts share.

    :raises ConfigError: naming both hosts and the value.
    """
    problems = _clashes(hosts)
    if problems:
        raise ConfigError(*(problem.text for problem in problems))
    return tuple(hosts)


def _clashes(hosts: Sequence[HostConfig]) -> list[Problem]:
    if not hosts:
        return [Problem((), _NO_HOST)]
    problems, taken = [], dict[str, str]()
    for number, host in enumerate(hosts):
        clashes: dict[str, str] = {}
        for key, claim in _claims(host):
            if claim in taken:
                text = f"host {host.name}: {claim} belongs to host {taken[claim]}; give each host its own"
                clashes.setdefault(key, text)
            taken.setdefault(claim, host.name)
        problems += [Problem(("host", number, key), text) for key, text in clashes.items()]
    return problems


def _claims(host: HostConfig) -> Iterator[tuple[str, str]]:
    """What no other host may have, with the key to change."""
    yield "name", f"name {host.name.lower()}"
    for port in PORTS:
        yield "address", f"{host.address}:{getattr(host, port)}"
