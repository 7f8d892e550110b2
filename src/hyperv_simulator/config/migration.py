"""``[host.migration]``: moving machines to other hosts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MigrationConfig:
    """What the host's migration service starts with, and what of the host decides whether machines can come and go.

    :param enabled: Enable-VMMigration was called; off on a fresh host.
    :param authentication: of the host's own connections to other hosts. CredSSP needs the password of whoever asks,
        which the host has only of clients that came with CredSSP themselves.
    :param delegates_to: hosts for which Active Directory lets this one delegate to "Microsoft Virtual System Migration
        Service" and cifs; ``*`` is all. Needed for Kerberos.
    :param networks: subnets for migration, ``10.0.0.0/8`` say; without any, every network.
    :param simultaneous: how many machines, and how many storages, may move at once.
    :param performance: how memory travels.
    :param processor_vendor: running machines move between processors of one vendor only.
    :param processor_level: x86-64 level (1 to 4): what the processors can; running machines do not move to less, unless
        their processor settings limit them.
    """

    enabled: bool = False
    authentication: Literal["credssp", "kerberos"] = "credssp"
    delegates_to: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    simultaneous: int = 2
    performance: Literal["tcpip", "compression", "smb"] = "compression"
    processor_vendor: Literal["intel", "amd"] = "intel"
    processor_level: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.processor_level <= 4:
            raise ValueError(f"processor_level is {self.processor_level}; write a number from 1 to 4")
        if self.simultaneous < 0:
            raise ValueError(f"simultaneous is {self.simultaneous}; write a whole number, 0 or more")
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"networks holds {network!r}; write subnets such as 10.0.0.0/8") from None
