"""Can volumes over iSCSI and Fibre Channel reach this host?

Whether a portal answers can't be tried from here: the storage network is the host's. So the host's own view is judged:
which portals it knows, and through which of them it is connected.
"""

from __future__ import annotations

import re

from compute_hyperv.readiness.changes.services import ServiceRunning, ServiceStartMode
from compute_hyperv.readiness.changes.storage import SanPolicy
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import STORAGE, Instances, StaticMethod
from compute_hyperv.readiness.windows import SERVICES, service

ISCSI = Section("iscsi", "Cinder volumes: iSCSI and Fibre Channel")

INITIATOR_PORTS = Instances(
    STORAGE,
    "MSFT_InitiatorPort",
    ("InstanceName", "NodeAddress", "PortAddress", "ConnectionType", "OperationalStatus"),
)
PORTALS = Instances(STORAGE, "MSFT_iSCSITargetPortal", ("TargetPortalAddress", "TargetPortalPortNumber"))
CONNECTIONS = Instances(STORAGE, "MSFT_iSCSIConnection", ("TargetAddress", "TargetPortNumber"))
STORAGE_SETTING = StaticMethod(STORAGE, "MSFT_StorageSetting", "Get", "StorageSetting")

INITIATOR_SERVICE = "MSiSCSI"
_FIBRE_CHANNEL, _ISCSI = 1, 2  # MSFT_InitiatorPort.ConnectionType
_OPERATIONAL = 2
_PORT_STATES = {
    1: "unknown",
    2: "operational",
    3: "user offline",
    4: "bypassed",
    5: "in diagnostics mode",
    6: "link down",
    7: "port error",
    8: "loopback",
}
# RFC 3720, 3.2.6.3: the three forms of a name.
_NODE_NAME = re.compile(r"(iqn\.\d{4}-\d{2}\.[^\s:]+(:\S+)?|eui\.[0-9a-f]{16}|naa\.([0-9a-f]{16}|[0-9a-f]{32}))", re.I)
_POLICIES = {1: "OnlineAll", 2: "OfflineShared", 3: "OfflineAll", 4: "OfflineInternal"}
_SAFE_POLICIES = (2, 3)  # old-driver 5.5


def initiator_runs(host: Readings) -> bool:
    found = service(host, INITIATOR_SERVICE)
    return found is not None and found.text("State", "") == "Running"


@check(
    ISCSI,
    "service",
    "iSCSI initiator service",
    why="Volumes over iSCSI are attached by it; after a restart of the host it has to be there before machines start.",
    good=f"Service {INITIATOR_SERVICE} is running and starts automatically.",
    by_hand=f"Set-Service {INITIATOR_SERVICE} -StartupType Automatic\nStart-Service {INITIATOR_SERVICE}",
    reads=(SERVICES,),
    changes=lambda _context: (
        ServiceStartMode(INITIATOR_SERVICE, "Automatic"),
        ServiceRunning(INITIATOR_SERVICE),
    ),
)
def initiator_service(context: Context) -> Finding:
    found = service(context.host, INITIATOR_SERVICE)
    if found is None:
        return failed(f"there is no service {INITIATOR_SERVICE}", "it runs", "Repair Windows: sfc /scannow")
    state, mode = found.text("State", "?"), found.text("StartMode", "?")
    told = f"{INITIATOR_SERVICE} is {state.lower()}, start mode {mode}"
    if state != "Running" or mode != "Auto":
        return warned(
            told,
            "running, start mode Auto",
            f"Set-Service {INITIATOR_SERVICE} -StartupType Automatic; Start-Service {INITIATOR_SERVICE}. Volumes over "
            "iSCSI can't be attached before that.",
        )
    return passed(told)


@check(
    ISCSI,
    "initiator-name",
    "iSCSI initiator name",
    why="The storage lets hosts in by this name. Two hosts with one name are one host to it: both write to the same "
    "LUNs, which destroys data.",
    good="A name (IQN, EUI or NAA) that no other host has.",
    by_hand="Get-InitiatorPort | Where-Object ConnectionType -eq iSCSI\n"
    'Set-InitiatorPort -NodeAddress "..." -NewNodeAddress "iqn.1991-05.com.microsoft:HOST.DOMAIN"',
    reads=(SERVICES, INITIATOR_PORTS),
    compares=True,
)
def initiator_name(context: Context) -> Finding:
    if not initiator_runs(context.host):
        return not_applicable(f"service {INITIATOR_SERVICE} does not run")
    names = _initiator_names(context.host)
    told = ", ".join(names) or "no name"
    if not names or not all(_NODE_NAME.fullmatch(name) for name in names):
        return failed(told, "iqn.yyyy-mm.domain:host", "Set-InitiatorPort with -NewNodeAddress")
    twins = [other.name for other in context.others if initiator_runs(other) and set(names) & _lower(other)]
    if twins:
        return failed(
            told,
            "a name of its own",
            "Give one of the hosts another name before any volume is attached: Set-InitiatorPort -NewNodeAddress",
            details=tuple(f"{name} has the same name" for name in twins),
        )
    return passed(told)


def _initiator_names(host: Readings) -> list[str]:
    ports = host.of(INITIATOR_PORTS)
    return [each.text("NodeAddress", "").lower() for each in ports if each.get("ConnectionType") == _ISCSI]


def _lower(host: Readings) -> set[str]:
    return set(_initiator_names(host))


@check(
    ISCSI,
    "portals",
    "iSCSI portals",
    why="A portal that the host knows and is not connected through is a path that is missing when the other one fails.",
    good="The host is connected through every portal that it knows (its own view: nothing is tried from here). None is "
    "fine as well: Nova adds a volume's portals when it attaches it.",
    by_hand="Test-NetConnection PORTAL -Port 3260\nUpdate-IscsiTargetPortal -TargetPortalAddress PORTAL\n"
    "Connect-IscsiTarget -NodeAddress IQN -TargetPortalAddress PORTAL",
    reads=(SERVICES, PORTALS, CONNECTIONS),
)
def portals(context: Context) -> Finding:
    if not initiator_runs(context.host):
        return not_applicable(f"service {INITIATOR_SERVICE} does not run")
    known = {
        (each.text("TargetPortalAddress"), each.integer("TargetPortalPortNumber", 0))
        for each in context.host.of(PORTALS)
    }
    if not known:
        return not_applicable("the host knows no portal")
    used = {(each.text("TargetAddress"), each.integer("TargetPortNumber", 0)) for each in context.host.of(CONNECTIONS)}
    told = f"the host knows {len(known)} and is connected through {len(known & used)} of them"
    if idle := sorted(known - used):
        return warned(
            told,
            "connected through each",
            "On the host: Test-NetConnection PORTAL -Port 3260, then Connect-IscsiTarget; or forget a portal that is "
            "gone: Remove-IscsiTargetPortal",
            details=tuple(f"not connected through {address}:{port}" for address, port in idle),
        )
    return passed(told)


@check(
    ISCSI,
    "fibre-channel",
    "Fibre Channel adapters",
    why="Volumes over Fibre Channel need a port that is connected to the fabric; its WWPN is what zones and LUN masks "
    "name.",
    good="Every Fibre Channel port is operational.",
    by_hand="Get-InitiatorPort | Where-Object ConnectionType -eq 'Fibre Channel'",
    reads=(INITIATOR_PORTS,),
)
def fibre_channel(context: Context) -> Finding:
    ports = [each for each in context.host.of(INITIATOR_PORTS) if each.get("ConnectionType") == _FIBRE_CHANNEL]
    if not ports:
        return not_applicable("no Fibre Channel adapter")
    lines = []
    down = 0
    for port in ports:
        states = port.integers("OperationalStatus")
        down += _OPERATIONAL not in states
        state = ", ".join(_PORT_STATES.get(each, str(each)) for each in states)
        lines.append(f"WWPN {port.text('PortAddress', '?')}, WWNN {port.text('NodeAddress', '?')}: {state}")
    told = f"{len(ports) - down} of {len(ports)} ports operational"
    remedy = "Check cable, switch port and zone, and that the driver of the adapter is up to date."
    if down == len(ports):
        return failed(told, "all of them", remedy, details=tuple(lines))
    if down:
        return warned(told, "all of them", remedy, details=tuple(lines))
    return passed(told, details=tuple(lines))


@check(
    ISCSI,
    "san-policy",
    "SAN policy",
    why="With another policy Windows brings a volume's disk online as soon as it appears and writes to it, while it is "
    "a machine's: that destroys data. Hyper-V passes through only disks that are offline.",
    good="NewDiskPolicy is OfflineShared or OfflineAll.",
    by_hand="Set-StorageSetting -NewDiskPolicy OfflineShared",
    reads=(STORAGE_SETTING,),
    changes=lambda _context: (SanPolicy(),),
)
def san_policy(context: Context) -> Finding:
    setting = context.host.of(STORAGE_SETTING)
    policy = setting.integer("NewDiskPolicy", 0) if setting is not None else 0
    told = _POLICIES.get(policy, f"unknown ({policy})")
    if policy not in _SAFE_POLICIES:
        return failed(told, "OfflineShared or OfflineAll", "Set-StorageSetting -NewDiskPolicy OfflineShared")
    return passed(told)


CHECKS = (initiator_service, initiator_name, portals, fibre_channel, san_policy)
