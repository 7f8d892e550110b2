"""Teams that Windows makes of adapters (LBFO): MSFT_NetLbfoTeam, its members and its adapter."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.config.network import TeamConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.network_stack import STANDARD
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_MODES = {"static": 0, "switch_independent": 1, "lacp": 2}
_BALANCING = {"transport_ports": 0, "ip_addresses": 2, "mac_addresses": 3, "hyperv_port": 4, "dynamic": 5}
_UP, _DOWN, _DEGRADED = 0, 1, 2
_ACTIVE, _FAILED = 0, 4096
_MEDIA_DISCONNECTED = 3


def populate(repository: Repository, facts: HostFacts) -> None:
    """Puts in a host's teams; a member without a cable has failed."""
    for team in facts.config.team:
        members = [adapter for adapter in facts.adapters if adapter.name in team.members]
        alive = [adapter for adapter in members if adapter.nic.connected]
        status = _DOWN if not alive else (_UP if len(alive) == len(members) else _DEGRADED)
        _add(repository, "MSFT_NetLbfoTeam", team, team.name, _team(team, status))
        for adapter in members:
            connected = adapter.nic.connected
            values: dict[str, CimValue] = {
                "Name": adapter.name,
                "Team": team.name,
                "InterfaceDescription": adapter.description,
                "AdministrativeMode": _ACTIVE,
                "OperationalMode": _ACTIVE if connected else _FAILED,
                "FailureReason": 0 if connected else _MEDIA_DISCONNECTED,
                "TransmitLinkSpeed": adapter.speed_bps if connected else 0,
                "ReceiveLinkSpeed": adapter.speed_bps if connected else 0,
            }
            _add(repository, "MSFT_NetLbfoTeamMember", team, adapter.name, values)
        speed = sum(adapter.speed_bps for adapter in alive)
        nic: dict[str, CimValue] = {
            "Name": team.name,
            "Team": team.name,
            "InterfaceDescription": "Microsoft Network Adapter Multiplexor Driver",
            "Primary": True,
            "Default": True,
            "TransmitLinkSpeed": speed,
            "ReceiveLinkSpeed": speed,
        }
        _add(repository, "MSFT_NetLbfoTeamNic", team, team.name, nic)


def _team(team: TeamConfig, status: int) -> dict[str, CimValue]:
    return {
        "Name": team.name,
        "ElementName": team.name,
        "TeamingMode": _MODES[team.mode],
        "LoadBalancingAlgorithm": _BALANCING[team.balancing],
        "Status": status,
    }


def _add(repository: Repository, class_name: str, team: TeamConfig, name: str, values: Mapping[str, CimValue]) -> None:
    given = {"InstanceID": f"{class_name}\\{team.name}\\{name}", **values}
    repository.add(new_instance(repository.catalogue, class_name, given, STANDARD))
