"""``[[host.switch]]``: the network of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SwitchType = Literal["external", "internal", "private"]


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """One virtual switch that the host has from the start.

    :param name: its name; what a cloud's physical network is mapped to.
    :param type: ``external`` (on a physical NIC), ``internal`` or ``private``.
    :param adapter: the physical NIC of an external switch.
    """

    name: str
    type: SwitchType = "external"
    adapter: str = "Ethernet"
