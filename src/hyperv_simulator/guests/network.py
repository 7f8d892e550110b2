"""Wires between guests: one multicast group on loopback per physical network and VLAN.

Guests on the same group and port hear each other, whichever simulated host they are on; nobody else does (QEMU binds
its socket to the group's address). It needs no root (facts/simulated-host, "Networks"). Group and port come from a hash
of realm, network and VLAN, so nothing has to be coordinated.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from hyperv_simulator.guests.base import GuestNicSpec


@dataclass(frozen=True, slots=True)
class Wires:
    """:param realm: simulators with equal realms share their wires; by default each process has its own."""

    realm: str = field(default_factory=lambda: str(os.getpid()))

    def group(self, nic: GuestNicSpec) -> str | None:
        """``address:port`` of the segment that the adapter hangs on; None where it hangs on none."""
        network = nic.network or nic.switch_name
        if not nic.connected or not network:
            return None
        segment = f"{self.realm}\0{network}\0{nic.vlan_id or 0}"
        digest = hashlib.sha256(segment.encode()).digest()
        # Administratively scoped addresses (RFC 2365), ports below those that Linux hands out by itself.
        return f"239.{digest[0]}.{digest[1]}.{digest[2]}:{10240 + int.from_bytes(digest[3:5], 'big') % 20000}"


def mac_with_colons(mac: str) -> str:
    """``00155D010203`` and ``00-15-5d-01-02-03`` to ``00:15:5d:01:02:03``."""
    digits = "".join(char for char in mac.lower() if char in "0123456789abcdef")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
