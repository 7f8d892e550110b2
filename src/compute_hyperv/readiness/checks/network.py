"""Network adapters and virtual switches."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import CIMV2, NETWORK, VIRTUALIZATION, Instances
from compute_hyperv.readiness.virtual_switches import PORTS, SWITCHES, Switch, switches
from compute_hyperv.readiness.windows import ADAPTERS, FEATURES, OPERATING_SYSTEM, has_feature

NETWORKS = Section("network", "Network adapters and switches")

EXTENSIONS = Instances(
    VIRTUALIZATION,
    "Msvm_EthernetSwitchExtension",
    ("ElementName", "EnabledState", "ExtensionType", "SystemName", "Vendor"),
    optional=True,
)
ADDRESSES = Instances(
    CIMV2,
    "Win32_NetworkAdapterConfiguration",
    ("InterfaceIndex", "IPEnabled", "IPAddress", "DefaultIPGateway"),
)
TEAM_MEMBERS = Instances(NETWORK, "MSFT_NetLbfoTeamMember", ("Name", "Team"), optional=True)

_ROLE = "Microsoft-Hyper-V"
_CONNECTED = 1  # MSFT_NetAdapter.MediaConnectState
_ENABLED = 2  # Msvm_EthernetSwitchExtension.EnabledState
_FORWARDING = 3  # ExtensionType
_MICROSOFT = "microsoft"
_TEAM = "Microsoft Network Adapter Multiplexor Driver"  # InterfaceDescription of a team's adapter
_NO_TEAM_ON_SWITCH_SINCE = 20348
_BY_HAND = "New-VMSwitch -Name external -NetAdapterName Ethernet -AllowManagementOS $true"


def _physical(host: Readings) -> list[CimInstance]:
    return [each for each in host.of(ADAPTERS) if each.boolean("HardwareInterface", False)]


def _guid(adapter: CimInstance) -> str:
    return adapter.text("InterfaceGuid", "").strip("{}").upper()


def _described(adapter: CimInstance) -> str:
    state = "connected" if adapter.integer("MediaConnectState", 0) == _CONNECTED else "no cable"
    speed = f", {adapter.integer('Speed', 0) / 10**9:g} Gbit/s" if adapter.integer("Speed", 0) else ""
    return f"{adapter.text('Name')}: {adapter.text('InterfaceDescription', '')}, {state}{speed}"


@check(
    NETWORKS,
    "adapters",
    "Network adapters",
    why="Guests' traffic on the adapter by which the host is managed can make the host unreachable.",
    good="Two connected adapters: one for management, one for guests. One is the least.",
    by_hand="Get-NetAdapter -Physical",
    reads=(ADAPTERS,),
)
def adapters(context: Context) -> Finding:
    physical = _physical(context.host)
    connected = [each for each in physical if each.integer("MediaConnectState", 0) == _CONNECTED]
    details = tuple(map(_described, physical))
    found = f"{len(connected)} of {len(physical)} physical adapters connected"
    if not connected:
        return failed(found, "at least one, better two", "Connect a network adapter.", details=details)
    if len(connected) == 1:
        return warned(
            found,
            "two: one for management, one for guests",
            "Connect a second adapter, or let the switch on the only one serve the management OS too.",
            details=details,
        )
    return passed(found, details=details)


@check(
    NETWORKS,
    "management",
    "Management adapter",
    why="It is by this adapter that nova-compute reaches the host; what else uses it competes with that.",
    good="The adapter that has the host's address is known, and no guest's switch is on it where there are others.",
    by_hand="Get-NetIPAddress -AddressFamily IPv4",
    reads=(ADDRESSES, ADAPTERS, SWITCHES, PORTS),
)
def management(context: Context) -> Finding:
    adapter = _management_adapter(context.host)
    if adapter is None:
        return warned(
            "none of the host's adapters has the address by which it was reached",
            "a known management adapter",
            "Nothing, where the address is translated on the way (NAT).",
        )
    name = adapter.text("Name")
    connected = [each for each in _physical(context.host) if each.integer("MediaConnectState", 0) == _CONNECTED]
    if not adapter.boolean("HardwareInterface", False) and len(connected) > 1:
        return passed(
            f"{name}: the management OS shares the adapter of a switch",
            details=("Note: another adapter is connected; it could carry one of the two.",),
        )
    return passed(name)


def _management_adapter(host: Readings) -> CimInstance | None:
    """The adapter with the address by which the host was reached; else the one with the default route."""
    rows = [row for row in host.of(ADDRESSES) if row.boolean("IPEnabled", False)]
    addresses = _addresses_of(host.name)
    chosen = next((row for row in rows if addresses & set(row.texts("IPAddress"))), None)
    chosen = chosen or next((row for row in rows if row.texts("DefaultIPGateway")), None)
    if chosen is None:
        return None
    index = chosen.integer("InterfaceIndex", -1)
    return next((each for each in host.of(ADAPTERS) if each.integer("InterfaceIndex", -2) == index), None)


def _addresses_of(name: str) -> set[str]:
    try:
        return {str(ipaddress.ip_address(name))}
    except ValueError:
        pass
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


@check(
    NETWORKS,
    "switch",
    "External switches",
    why="Guests reach the network through a virtual switch on a physical adapter; which one is never guessed.",
    good="Each switch that nova.conf names is there and external; without nova.conf, there is exactly one.",
    by_hand=_BY_HAND,
    reads=(FEATURES, SWITCHES, PORTS, ADAPTERS),
    changes=lambda context: _switches_to_make(context),
)
def switch(context: Context) -> Finding:
    if not has_feature(context.host, _ROLE):
        return failed("no virtual switch: Hyper-V is not installed", "an external switch", "Install Hyper-V first.")
    there = {each.name.lower(): each for each in switches(context.host)}
    external = [each.name for each in there.values() if each.is_external]
    details = tuple(_told(context.host, each) for each in there.values())
    missing = [name for name in context.wanted.switches if name.lower() not in there]
    if missing:
        return failed(
            f"there is no switch {', '.join(missing)}",
            f"external switches {', '.join(context.wanted.switches)}, as nova.conf says",
            _BY_HAND.replace("external", missing[0], 1) + ", or correct [hyperv] physical_network_vswitch_mappings.",
            details=details,
        )
    inner = [name for name in context.wanted.switches if not there[name.lower()].is_external]
    if inner:
        return failed(
            f"switch {', '.join(inner)} is on no physical adapter",
            "an external switch",
            f"Set-VMSwitch -Name {inner[0]} -NetAdapterName Ethernet",
            details=details,
        )
    if context.wanted.switches:
        return passed(f"{', '.join(context.wanted.switches)}: there, and external", details=details)
    if not external:
        return failed("no external switch", "an external switch", _BY_HAND, details=details)
    if len(external) > 1:
        return warned(
            f"several external switches: {', '.join(sorted(external))}",
            "one, or nova.conf says which",
            "Name them in [hyperv] physical_network_vswitch_mappings, and check with --config-file.",
            details=details,
        )
    return passed(external[0], details=details)


def _switches_to_make(context: Context) -> Sequence[Change]:
    there = switches(context.host)
    names = {each.name.lower() for each in there}
    missing = [name for name in context.wanted.switches if name.lower() not in names]
    if not missing and (context.wanted.switches or any(each.is_external for each in there)):
        return ()  # what is there, but not as it should be, may have machines plugged in
    return plans.external_switches(context, missing, {guid for each in there for guid in each.adapters})


def _told(host: Readings, switch: Switch) -> str:
    names = {_guid(each): each.text("Name") for each in host.of(ADAPTERS)}
    if not switch.is_external:
        return f"{switch.name}: {'internal' if switch.managed else 'private'}"
    on = ", ".join(names.get(guid, guid) for guid in switch.adapters)
    kind = "a team embedded in the switch, " if len(switch.adapters) > 1 else ""
    return f"{switch.name}: external, {kind}on {on}{', shared with the management OS' if switch.managed else ''}"


@check(
    NETWORKS,
    "management-os",
    "The host keeps its own connection",
    why="A switch takes its adapter from Windows. On the only one, a host without a port on that switch is unreachable "
    "from its next restart on, if not at once.",
    good="AllowManagementOS is true for the switch on the only connected adapter.",
    by_hand="Set-VMSwitch -Name external -AllowManagementOS $true",
    reads=(SWITCHES, PORTS, ADAPTERS),
)
def management_os(context: Context) -> Finding:
    external = [each for each in switches(context.host) if each.is_external]
    if not external:
        return not_applicable("no external switch")
    taken = {guid for each in external for guid in each.adapters}
    connected = {_guid(each) for each in _physical(context.host) if each.integer("MediaConnectState", 0) == _CONNECTED}
    team = {_guid(each) for each in context.host.of(ADAPTERS) if _is_team(each)}
    free = connected - taken
    if free and not taken & team:
        return passed(f"{len(free)} adapters are left to Windows")
    if any(each.managed for each in external):
        return passed("the management OS has a port on the switch")
    return failed(
        f"{external[0].name} is on the only connected adapter, without a port for the management OS",
        "AllowManagementOS is true",
        f"Set-VMSwitch -Name {external[0].name} -AllowManagementOS $true",
    )


@check(
    NETWORKS,
    "extensions",
    "Extensions of switches",
    why="A forwarding extension decides itself where frames go: VLANs that nova-compute sets may do nothing.",
    good="No forwarding extension is enabled, and none of another vendor is unknown to you.",
    by_hand="Get-VMSwitchExtension -VMSwitchName external\nDisable-VMSwitchExtension -VMSwitchName external -Name ...",
    reads=(SWITCHES, EXTENSIONS),
)
def extensions(context: Context) -> Finding:
    names = {each.text("Name").upper(): each.text("ElementName") for each in context.host.of(SWITCHES)}
    if not names:
        return not_applicable("no virtual switch")
    enabled = [each for each in context.host.of(EXTENSIONS) if each.integer("EnabledState", 0) == _ENABLED]
    details = tuple(
        f"{names.get(each.text('SystemName').upper(), 'a switch')}: {each.text('ElementName', '?')}" for each in enabled
    )
    forwarding = [each for each in enabled if each.integer("ExtensionType", 0) == _FORWARDING]
    if forwarding:
        name = forwarding[0].text("ElementName", "?")
        return warned(
            f"{name} forwards frames",
            "no forwarding extension",
            f"Disable-VMSwitchExtension -Name '{name}', unless an SDN of that vendor is what the cloud uses.",
            details=details,
        )
    foreign = [each for each in enabled if _MICROSOFT not in each.text("Vendor", _MICROSOFT).lower()]
    if foreign:
        names_of = ", ".join(sorted({each.text("ElementName", "?") for each in foreign}))
        return passed(f"of other vendors: {names_of}", details=details)
    return passed("only those of Windows", details=details)


def _is_team(adapter: CimInstance) -> bool:
    return adapter.text("InterfaceDescription", "").startswith(_TEAM)


@check(
    NETWORKS,
    "teaming",
    "Teams of adapters",
    why="Since Windows Server 2022 a switch on a team that Windows makes (LBFO) is not supported; a team embedded in "
    "the switch (SET) is.",
    good="Switches are on adapters, or have an embedded team; teams of Windows carry other traffic.",
    by_hand="New-VMSwitch -Name external -NetAdapterName 'NIC 1', 'NIC 2' -EnableEmbeddedTeaming $true",
    reads=(ADAPTERS, SWITCHES, PORTS, OPERATING_SYSTEM, TEAM_MEMBERS),
)
def teaming(context: Context) -> Finding:
    teams = {_guid(each): each.text("Name") for each in context.host.of(ADAPTERS) if _is_team(each)}
    embedded = [each.name for each in switches(context.host) if len(each.adapters) > 1]
    if not teams:
        return passed(f"embedded in {', '.join(embedded)}" if embedded else "no team")
    members = tuple(f"{row.text('Team')}: {row.text('Name')}" for row in context.host.of(TEAM_MEMBERS))
    below = [each for each in switches(context.host) if any(guid in teams for guid in each.adapters)]
    found = f"teams of Windows: {', '.join(teams.values())}"
    build = int(context.host.one(OPERATING_SYSTEM).text("BuildNumber", "0") or 0)
    if below and build >= _NO_TEAM_ON_SWITCH_SINCE:
        return failed(
            f"{found}; switch {below[0].name} is on one",
            "a team embedded in the switch",
            f"Remove the team, then: New-VMSwitch -Name {below[0].name} -NetAdapterName ... "
            "-EnableEmbeddedTeaming $true",
            details=members,
        )
    return passed(found, details=members)


CHECKS = (adapters, management, switch, management_os, extensions, teaming)
