"""What a guest's integration services do besides shutting it down: key-value pairs both ways, files from the host.

`Msvm_KvpExchangeComponent` shows what a guest reports; HostExchangeItems are what it is told. Sources: hyperv-ops 10,
real-instances 3.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Report:
    """:param intrinsic: what the guest's daemon says by itself (OSName …).  :param items: what somebody in the guest
    wants to be known."""

    intrinsic: Mapping[str, str]
    items: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Addresses:
    """How one of a guest's adapters is set.

    :param subnets: one mask or prefix length for each of ``addresses``.
    """

    dhcp: bool = True
    addresses: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()


class Exchange(Protocol):
    """The host's end. Safe for threads."""

    def report(self) -> Report | None:
        """What the guest says now; None while nobody in it answers."""

    def tell(self, items: Mapping[str, str]) -> None:
        """All items that the host has for the guest; it gets them when it listens."""

    def addresses(self, mac: str) -> Addresses:
        """What the host was told of an adapter; of one that it knows nothing about, that it asks by DHCP."""

    def set_addresses(self, mac: str, wanted: Addresses) -> None:
        """:raises GuestError: the guest does not."""

    def copy_file(self, path: str, data: bytes, *, overwrite: bool, create_folders: bool) -> None:
        """Write a file in the guest.

        :raises GuestError: the guest does not, or nobody answers.
        """
