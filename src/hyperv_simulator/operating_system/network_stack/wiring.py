"""Which interfaces Windows has: adapters, the host's own ports on switches, teams; and which of them has an address.

An adapter that a switch has taken has no address of its own any more: the host's port on that switch has it
(``AllowManagementOS``). Where the host has no such port, the address is nowhere, as on a real host.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.network import NicConfig, TeamConfig
from hyperv_simulator.instances.facts import Adapter, HostFacts
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching.ports import INTERNAL_PORT, SWITCH, internal_guid
from hyperv_simulator.switching.wires import EXTERNAL_PORT

_FIRST_VIRTUAL_INDEX = 20
_FIRST_TEAM_INDEX = 60


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface that IP can be bound to.

    :param nic: whose address and DNS servers it has; None: it has no address.
    """

    name: str
    description: str
    guid: str
    mac: str
    index: int
    speed_bps: int
    connected: bool
    virtual: bool
    nic: NicConfig | None

    @property
    def address(self) -> ipaddress.IPv4Interface | None:
        if self.nic is None or not self.nic.address or not self.connected:
            return None
        return ipaddress.IPv4Interface(self.nic.address)


class Wiring:
    """Reads off the repository what is wired to what."""

    def __init__(self, repository: Repository, facts: HostFacts) -> None:
        self._repository = repository
        self._facts = facts

    @property
    def nics(self) -> dict[str, NicConfig]:
        """By name; where no adapter has an address, the first connected one has that of the host."""
        found = {adapter.name: adapter.nic for adapter in self._facts.adapters}
        if not any(nic.address for nic in found.values()):
            first = next((nic for nic in found.values() if nic.connected), None)
            if first is not None:
                network = ipaddress.IPv4Interface(f"{self._facts.config.address}/8")
                found[first.name] = replace(first, address=str(network))
        return found

    def team_of(self, adapter: Adapter) -> TeamConfig | None:
        return next((team for team in self._facts.config.team if adapter.name in team.members), None)

    def switch_of(self, adapter: Adapter) -> CimInstance | None:
        """The switch that has taken an adapter."""
        for switch in self._repository.instances(SWITCH):
            for settings in self._repository.owned(CONNECTION, switch.text("Name")):
                if any(EXTERNAL_PORT in path and adapter.guid in path for path in settings.texts("HostResource")):
                    return switch
        return None

    def interfaces(self) -> list[Interface]:
        """Those of Windows itself: adapters that nobody has taken, the host's ports, teams."""
        nics = self.nics
        free = [item for item in self._facts.adapters if not self.team_of(item) and self.switch_of(item) is None]
        found = [self._physical(adapter, nics[adapter.name]) for adapter in free]
        return [*found, *self._virtual(nics), *self._teams(nics)]

    def virtual_adapters(self) -> list[Interface]:
        return self._virtual(self.nics)

    @staticmethod
    def _physical(adapter: Adapter, nic: NicConfig) -> Interface:
        return Interface(
            adapter.name,
            adapter.description,
            adapter.guid,
            adapter.mac,
            adapter.index,
            adapter.speed_bps,
            nic.connected,
            virtual=False,
            nic=nic,
        )

    def _virtual(self, nics: dict[str, NicConfig]) -> list[Interface]:
        """The host's own ports; that of an external switch has what its adapter had."""
        taken: dict[str, Adapter] = {}
        for adapter in self._facts.adapters:
            switch = self.switch_of(adapter)
            if switch is not None:
                for settings in self._repository.owned(CONNECTION, switch.text("Name")):
                    if EXTERNAL_PORT not in host_resource(settings):
                        guid = internal_guid(ids.tail_of(settings.text("InstanceID")))
                        if guid not in taken or nics[adapter.name].address:  # of a team, the one that has an address
                            taken[guid] = adapter
                        break  # the host's further ports on the switch have addresses of their own
        found = []
        for number, port in enumerate(self._repository.instances(INTERNAL_PORT)):
            guid = port.text("DeviceID").removeprefix("Microsoft:").strip("{}")
            below = taken.get(guid)
            suffix = f" #{number + 1}" if number else ""
            interface = Interface(
                f"vEthernet ({port.text('ElementName')})",
                f"Hyper-V Virtual Ethernet Adapter{suffix}",
                guid,
                port.text("PermanentAddress"),
                _FIRST_VIRTUAL_INDEX + number,
                below.speed_bps if below else 10_000_000_000,
                below.nic.connected if below else True,
                virtual=True,
                nic=nics[below.name] if below else None,
            )
            found.append(interface)
        return found

    def _teams(self, nics: dict[str, NicConfig]) -> list[Interface]:
        found = []
        for number, team in enumerate(self._facts.config.team):
            members = [item for item in self._facts.adapters if item.name in team.members]
            guid = ids.stable_guid(self._facts.name, "team", team.name)
            with_address = next((nics[item.name] for item in members if nics[item.name].address), None)
            interface = Interface(
                team.name,
                "Microsoft Network Adapter Multiplexor Driver",
                guid,
                members[0].mac if members else "",
                _FIRST_TEAM_INDEX + number,
                sum(item.speed_bps for item in members),
                any(item.nic.connected for item in members),
                virtual=True,
                nic=with_address,
            )
            found.append(interface)
        return found
