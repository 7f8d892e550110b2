"""``hosts.toml`` as a whole: read, checked, and what no host alone can get wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.host import PORTS, HostConfig
from hyperv_simulator.config.reading import read


@dataclass(frozen=True, slots=True)
class _File:
    """The tables of hosts.toml."""

    host: tuple[HostConfig, ...] = (HostConfig(),)


def load(path: Path | None) -> tuple[HostConfig, ...]:
    """The hosts that the file describes; without a file, one host with every default.

    :raises ConfigError: the file can't be read, or something in it is wrong.
    """
    if path is None:
        return check((HostConfig(),))
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name an existing file, or none for one default host") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        return check(read(_File, document, "").host)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def with_defaults(hosts: Sequence[HostConfig], **overrides: Any) -> tuple[HostConfig, ...]:
    """The hosts with the command line's values in place of their own."""
    return tuple(replace(host, **overrides) for host in hosts)


def check(hosts: Sequence[HostConfig]) -> tuple[HostConfig, ...]:
    """Checks what one host alone can't get wrong: names and addresses that two hosts share.

    :raises ConfigError: naming both hosts and the value.
    """
    if not hosts:
        raise ConfigError("no host; write at least one [[host]] table")
    taken: dict[str, str] = {}
    for host in hosts:
        claims = [f"name {host.name.lower()}", *(f"{host.address}:{getattr(host, port)}" for port in PORTS)]
        for claim in claims:
            if claim in taken:
                owner = taken[claim]
                raise ConfigError(f"host {host.name}: {claim} belongs to host {owner}; give each host its own")
            taken[claim] = host.name
    return tuple(hosts)
