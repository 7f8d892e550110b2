"""Virtual switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.host.windows.network import NetworkAdapter
from compute_hyperv.readiness.changes.base import HYPERV, Change, Effects, Stage, State
from compute_hyperv.readiness.readings import Readings


@dataclass(frozen=True)
class ExternalSwitch(Change):
    """Stands for ``New-VMSwitch -NetAdapterName``. Never cuts off whoever manages the host: a switch on the adapter
    through which that happens is made together with the host's own port, or not at all.

    :param adapter: Windows' name of the physical adapter, ``Ethernet 2``.
    :param for_host: whether the host goes on using that adapter (``-AllowManagementOS``).
    """

    kind: ClassVar[str] = "external switch"
    stage: ClassVar[Stage] = Stage.NETWORK

    name: str
    adapter: str
    for_host: bool

    @property
    def title(self) -> str:
        shared = ", shared with the host" if self.for_host else ""
        return f"external switch {self.name} on {self.adapter}{shared}"

    @property
    def command(self) -> str:
        shared = "$true" if self.for_host else "$false"
        return f"New-VMSwitch '{self.name}' -NetAdapterName '{self.adapter}' -AllowManagementOS {shared}"

    @property
    def effects(self) -> Effects:
        return Effects(machines=True)

    @property
    def needs(self) -> str:
        return HYPERV

    def state(self, host: Readings) -> State:
        found = host.host.switches.find(self.name)
        if found is None:
            return None
        return "external" if found.external else "internal or private"

    def is_done(self, state: State) -> bool:
        return bool(state == "external")

    def tell(self, state: State) -> str:
        return "no such switch" if state is None else str(state)

    def apply(self, host: Readings) -> None:
        state = self.state(host)
        if self.is_done(state):
            return
        if state is not None:
            raise InvalidRequest(
                f"The switch {self.name} is there, but it is {state}; machines may be plugged into it.",
                remedy=f"Set-VMSwitch '{self.name}' -NetAdapterName '{self.adapter}', or name another switch.",
            )
        adapter = self._adapter(host)
        if adapter.manages and not self.for_host:
            raise InvalidRequest(
                f"A switch on {self.adapter} without a port for the host would cut off its management.",
                remedy="Name another adapter, or share this one with the host.",
            )
        host.host.switches.create_external(self.name, adapter.guid, for_host=self.for_host)

    def restore(self, host: Readings, previous: State) -> None:
        if previous is None:
            host.host.switches.remove(self.name)

    def _adapter(self, host: Readings) -> NetworkAdapter:
        adapters = host.host.network.adapters()
        for adapter in adapters:
            if adapter.name.lower() == self.adapter.lower():
                return adapter
        known = ", ".join(adapter.name for adapter in adapters if adapter.physical)
        raise NotFound(f"The host has no network adapter {self.adapter!r}.", remedy=f"Name one of: {known}.")
