"""``[[host.switch]]``, ``[[host.nic]]``, ``[[host.team]]``: the network of a host."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from hyperv_simulator.config.errors import ConfigError

SwitchType = Literal["external", "internal", "private"]


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """One virtual switch that the host has from the start.

    :param name: its name; what a cloud's physical network is mapped to.
    :param type: ``external`` (on a physical NIC), ``internal`` or ``private``.
    :param adapter: the physical NIC of an external switch.
    :param teamed_with: further NICs of an external switch: switch-embedded teaming, from 2016 on.
    :param allow_management_os: whether the host itself has a port on an external switch, which takes the NIC's address.
    """

    name: str
    type: SwitchType = "external"
    adapter: str = "Ethernet"
    teamed_with: tuple[str, ...] = ()
    allow_management_os: bool = True

    @property
    def adapters(self) -> tuple[str, ...]:
        """The physical NICs that it is on."""
        return (self.adapter, *self.teamed_with) if self.type == "external" else ()


NetworkCategory = Literal["public", "private", "domain"]


@dataclass(frozen=True, slots=True)
class NicConfig:
    """One physical network adapter.

    :param name: the connection's name.
    :param description: the device's; made up where empty.
    :param mac: 12 hexadecimal digits; made up where empty.
    :param speed_gbps: speed, Gbit/s.
    :param connected: whether a cable leads somewhere.
    :param address: IPv4 address with prefix length; empty: none of its own (that of a switch's adapter has it).
    :param gateway: default gateway; empty: none.
    :param dns: DNS servers.
    :param dhcp: whether the address came from DHCP.
    :param category: what Windows takes the network for.
    :param rdma: whether it can do RDMA (SMB Direct).
    :param rdma_enabled: whether that is switched on.
    :param sriov: whether it can do single-root I/O virtualization.
    :param vmq: whether it can do virtual machine queues.
    """

    name: str
    description: str = ""
    mac: str = ""
    speed_gbps: int = 10
    connected: bool = True
    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    dhcp: bool = False
    category: NetworkCategory = "domain"
    rdma: bool = False
    rdma_enabled: bool = True
    sriov: bool = False
    vmq: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("name is ''; write the connection's name, \"Ethernet\" say")
        if self.mac and not re.fullmatch("[0-9A-Fa-f]{12}", self.mac):
            raise ConfigError(f"mac is {self.mac!r}; write 12 hexadecimal digits")
        if self.speed_gbps < 1:
            raise ConfigError(f"speed_gbps is {self.speed_gbps}; write a whole number, 1 or more")
        try:
            if self.address:
                ipaddress.IPv4Interface(self.address)
        except ValueError:
            raise ConfigError(f"address is {self.address!r}; write an IPv4 address such as 10.0.0.5/24") from None


@dataclass(frozen=True, slots=True)
class TeamConfig:
    """One team of network adapters that Windows makes (LBFO); switch-embedded teams are a switch's.

    :param name: the team's, which its own adapter is called as well.
    :param members: names of adapters.
    :param mode: how the switch on the other side takes part.
    :param balancing: how traffic is spread over the members.
    """

    name: str
    members: tuple[str, ...]
    mode: Literal["static", "switch_independent", "lacp"] = "switch_independent"
    balancing: Literal["transport_ports", "ip_addresses", "mac_addresses", "hyperv_port", "dynamic"] = "dynamic"


@dataclass(frozen=True, slots=True)
class FirewallConfig:
    """Windows' firewall (``[host.firewall]``).

    :param enable: ids of predefined rules that are on, whatever setup left: ``VIRT-MIGL-In-TCP-NoScope``.
    :param disable: ids of rules that are off.
    """

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
