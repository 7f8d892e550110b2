"""Predefined rules of Windows' firewall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.readiness.changes.base import HYPERV, Change, State
from compute_hyperv.readiness.readings import Readings

_OF_HYPERV = "VIRT-"


@dataclass(frozen=True)
class FirewallRule(Change):
    """Stands for ``Enable-NetFirewallRule -Name``. Rules go by their ids: display names and groups are translated.

    :param rule: its id, ``VIRT-MIGL-In-TCP-NoScope``.
    """

    kind: ClassVar[str] = "firewall rule"

    rule: str

    @property
    def title(self) -> str:
        return f"firewall rule {self.rule} is on"

    @property
    def command(self) -> str:
        return f"Enable-NetFirewallRule -Name {self.rule}"

    @property
    def needs(self) -> str:
        return HYPERV if self.rule.upper().startswith(_OF_HYPERV) else ""

    def state(self, host: Readings) -> State:
        found = host.host.firewall.is_enabled(self.rule)
        if found is None:
            raise NotFound(f"The host's firewall has no rule {self.rule}.", remedy="Install the role that brings it.")
        return found

    def is_done(self, state: State) -> bool:
        return bool(state)

    def tell(self, state: State) -> str:
        return "on" if state else "off"

    def apply(self, host: Readings) -> None:
        host.host.firewall.enable(self.rule)

    def restore(self, host: Readings, previous: State) -> None:
        (host.host.firewall.enable if previous else host.host.firewall.disable)(self.rule)
