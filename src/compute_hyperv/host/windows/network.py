"""Network adapters of Windows and their addresses (class pages MSFT_NetAdapter, MSFT_NetIPAddress)."""

from __future__ import annotations

import ipaddress
import socket
from collections import defaultdict
from dataclasses import dataclass

from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import select

_NAMESPACE = "root/StandardCimv2"
_CONNECTED = 1  # MediaConnectState


@dataclass(frozen=True, slots=True)
class NetworkAdapter:
    """:param guid: of the interface, without braces, upper case.
    :param physical: hardware, not a switch's or a team's.
    :param addresses: its own, without those that are good for its link only.
    :param manages: the host is managed through it, or may be: the address at which we reach the host is nowhere, and
        this adapter has one.
    """

    name: str
    guid: str
    physical: bool
    connected: bool
    addresses: tuple[str, ...]
    manages: bool


class Network:
    """:param reached_at: name or address at which we reach the host."""

    def __init__(self, session: CimSession, reached_at: str) -> None:
        self._session = session
        self._reached_at = reached_at

    def adapters(self) -> tuple[NetworkAdapter, ...]:
        """All of them, in Windows' order: two requests."""
        addresses: dict[int, list[str]] = defaultdict(list)
        query = select("MSFT_NetIPAddress", ["IPAddress", "InterfaceIndex"])
        for row in self._session.query(query, namespace=_NAMESPACE):
            text = row.text("IPAddress", "").partition("%")[0]
            if text and not ipaddress.ip_address(text).is_link_local:
                addresses[row.integer("InterfaceIndex")].append(text)
        ours = _addresses_of(self._reached_at)
        if not any(ours.intersection(texts) for texts in addresses.values()):
            ours = {text for texts in addresses.values() for text in texts}  # behind a translation of addresses
        properties = ["Name", "InterfaceGuid", "InterfaceIndex", "HardwareInterface", "MediaConnectState"]
        return tuple(
            NetworkAdapter(
                row.text("Name"),
                row.text("InterfaceGuid", "").strip("{}").upper(),
                row.boolean("HardwareInterface", False),
                row.integer("MediaConnectState", 0) == _CONNECTED,
                tuple(addresses[row.integer("InterfaceIndex")]),
                not ours.isdisjoint(addresses[row.integer("InterfaceIndex")]),
            )
            for row in self._session.query(select("MSFT_NetAdapter", properties), namespace=_NAMESPACE)
        )


def _addresses_of(name: str) -> set[str]:
    try:
        return {str(item[4][0]).partition("%")[0] for item in socket.getaddrinfo(name, None)}
    except OSError:
        return set()
