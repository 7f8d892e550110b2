"""Are several paths to one LUN one disk?"""

from __future__ import annotations

from collections import defaultdict

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.changes.features import FeatureInstalled
from compute_hyperv.readiness.changes.multipath import ISCSI as ISCSI_BUS
from compute_hyperv.readiness.changes.multipath import KEY, VALUE, MultipathClaim
from compute_hyperv.readiness.checks.iscsi import INITIATOR_PORTS
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import STORAGE, WMI, Instances, RegistryValue
from compute_hyperv.readiness.windows import FEATURES, SERVICES, has_feature, service

MPIO = Section("mpio", "Multipath IO")

FEATURE = "MultipathIo"
DRIVER = "mpio"
CLAIMED = RegistryValue(KEY, VALUE, "REG_MULTI_SZ")
LUNS = Instances(STORAGE, "MSFT_Disk", ("Number", "UniqueId", "FriendlyName", "Manufacturer", "Model", "BusType"))
POLICIES = Instances(WMI, "DSM_QueryLBPolicy_V2", ("InstanceName", "LoadBalancePolicy"), optional=True)

_FIBRE_CHANNEL_BUS, _SAS_BUS = "MSFT2015FCBusType_0x6", "MSFT2011SASBusType_0xA"  # real-instances 5.2
_BUS_CLAIMS = {6: _FIBRE_CHANNEL_BUS, 9: ISCSI_BUS, 10: _SAS_BUS}  # by MSFT_Disk.BusType
_NETWORK_BUSES = {6: "Fibre Channel", 9: "iSCSI"}
_PLACEHOLDER = "vendor 8product       16"  # what stands in the list before anybody has claimed anything
_FIBRE_CHANNEL = 1  # MSFT_InitiatorPort.ConnectionType
_FAIL_OVER_ONLY = 1
# DSM_Load_Balance_Policy_V2 (hyperv-ops 15)
_POLICY_NAMES = {
    1: "fail over only",
    2: "round robin",
    3: "round robin with subset",
    4: "least queue depth",
    5: "weighted paths",
    6: "least blocks",
    7: "vendor specific",
}
_NOT_WANTED = "use_multipath_io is off and the feature is not installed"


@check(
    MPIO,
    "feature",
    "Multipath I/O is installed",
    why="Without it every path to a LUN is a disk of its own.",
    good=f"The optional feature {FEATURE} is enabled, where use_multipath_io in nova.conf asks for several paths.",
    by_hand="Enable-WindowsOptionalFeature -Online -FeatureName MultiPathIO",
    reads=(FEATURES,),
    changes=lambda _context: (FeatureInstalled("Multipath-IO"),),
)
def feature(context: Context) -> Finding:
    if has_feature(context.host, FEATURE):
        return passed("installed")
    if not context.wanted.use_multipath_io:
        return not_applicable(_NOT_WANTED)
    return failed(
        "not installed, and use_multipath_io is on",
        "installed",
        "Enable-WindowsOptionalFeature -Online -FeatureName MultiPathIO",
    )


@check(
    MPIO,
    "service",
    "The MPIO driver runs",
    why="It is what makes one disk of several paths; after its installation Windows may have to be restarted.",
    good="The driver mpio is running.",
    by_hand="Get-Service mpio\nRestart-Computer",
    reads=(FEATURES, SERVICES),
)
def driver(context: Context) -> Finding:
    if not has_feature(context.host, FEATURE):
        return not_applicable("Multipath I/O is not installed")
    found = service(context.host, DRIVER)
    state = found.text("State", "?") if found is not None else "not there"
    if state != "Running":
        return failed(f"mpio is {state.lower()}", "running", "Restart the host, then look at it: Get-Service mpio")
    return passed("mpio is running")


@check(
    MPIO,
    "claims",
    "MPIO claims the storage's devices",
    why="MPIO takes only what it is told to; a device that nobody claims shows once per path.",
    good="Every disk over iSCSI or Fibre Channel belongs to a claimed family: by its bus, or by vendor and product.",
    by_hand="Enable-MSDSMAutomaticClaim -BusType iSCSI\nNew-MSDSMSupportedHW -VendorId VENDOR -ProductId PRODUCT\n"
    "Restart-Computer",
    reads=(FEATURES, CLAIMED, LUNS, INITIATOR_PORTS),
    changes=lambda _context: (MultipathClaim(),),
)
def claims(context: Context) -> Finding:
    if not has_feature(context.host, FEATURE):
        return not_applicable("Multipath I/O is not installed")
    value = context.host.of(CLAIMED)
    listed = [str(entry).strip() for entry in value] if isinstance(value, list) else []
    families = [entry for entry in listed if entry and entry.lower() != _PLACEHOLDER]
    told = ", ".join(families) or "nothing is claimed"
    unclaimed = [each for each in context.host.of(LUNS) if not _is_claimed(each, families)]
    if unclaimed:
        return failed(
            told,
            "every disk over iSCSI and Fibre Channel",
            "Enable-MSDSMAutomaticClaim -BusType iSCSI, or New-MSDSMSupportedHW for the vendor's devices; then restart "
            "the host.",
            details=tuple(f"not claimed: {_disk(each)}" for each in unclaimed),
        )
    if not families:
        bus = _FIBRE_CHANNEL_BUS if _has_fibre_channel(context.host) else ISCSI_BUS
        return failed(told, bus, "Enable-MSDSMAutomaticClaim -BusType iSCSI; then restart the host.")
    return passed(told)


def _is_claimed(disk: CimInstance, families: list[str]) -> bool:
    """Whether it is local, or of a family; entries are vendor in 8 characters and product in up to 16."""
    bus = disk.integer("BusType", 0)
    if bus not in _NETWORK_BUSES:
        return True
    device = f"{disk.text('Manufacturer', '')[:8]:8}{disk.text('Model', '')[:16]}".strip().lower()
    claimed = {family.lower() for family in families}
    return _BUS_CLAIMS[bus].lower() in claimed or any(device.startswith(family) for family in claimed)


def _has_fibre_channel(host: Readings) -> bool:
    return any(each.get("ConnectionType") == _FIBRE_CHANNEL for each in host.of(INITIATOR_PORTS))


def _disk(disk: CimInstance) -> str:
    bus = _NETWORK_BUSES.get(disk.integer("BusType", 0), "")
    return f"disk {disk.integer('Number', 0)} ({disk.text('FriendlyName', '?')}{', ' + bus if bus else ''})"


@check(
    MPIO,
    "load-balance",
    "Load-balance policy",
    why='With "fail over only" one path carries everything and the others wait.',
    good="Every disk that MPIO has claimed uses more than one of its paths: round robin, least queue depth and so on.",
    by_hand="Get-MSDSMGlobalDefaultLoadBalancePolicy\nSet-MSDSMGlobalDefaultLoadBalancePolicy -Policy RR\n"
    "mpclaim -l -d DISK 2",
    reads=(FEATURES, LUNS, POLICIES),
)
def load_balance(context: Context) -> Finding:
    if not has_feature(context.host, FEATURE):
        return not_applicable("Multipath I/O is not installed")
    lies_elsewhere = any(each.integer("BusType", 0) in _BUS_CLAIMS for each in context.host.of(LUNS))
    policies = context.host.of(POLICIES) if lies_elsewhere else ()
    found = {each.text("InstanceName"): _policy(each) for each in policies}
    if not found:
        return not_applicable("MPIO has claimed no disk")
    names = [f"{name}: {_POLICY_NAMES.get(policy, policy)}" for name, policy in sorted(found.items())]
    told = ", ".join(sorted({str(_POLICY_NAMES.get(policy, policy)) for policy in found.values()}))
    if _FAIL_OVER_ONLY in found.values():
        return warned(
            told,
            "a policy that uses several paths",
            "mpclaim -l -d DISK 2, and Set-MSDSMGlobalDefaultLoadBalancePolicy -Policy RR for disks to come.",
            details=tuple(names),
        )
    return passed(told, details=tuple(names))


def _policy(instance: CimInstance) -> int:
    """The embedded DSM_Load_Balance_Policy_V2, as an instance or as its text."""
    embedded = instance.get("LoadBalancePolicy")
    if isinstance(embedded, str):
        embedded = text_to_instance(embedded, WMI)
    return embedded.integer("LoadBalancePolicy", 0) if isinstance(embedded, CimInstance) else 0


@check(
    MPIO,
    "duplicates",
    "No LUN shows as several disks",
    why="A LUN that is several disks is written to through each of them, and none knows of the others: that destroys "
    "data.",
    good="No two disks of the host have the same UniqueId.",
    by_hand="Get-Disk | Group-Object UniqueId | Where-Object Count -gt 1\n"
    "Enable-MSDSMAutomaticClaim -BusType iSCSI\nRestart-Computer",
    reads=(LUNS,),
    changes=plans.multipath,
)
def duplicates(context: Context) -> Finding:
    disks = defaultdict(list)
    for disk in context.host.of(LUNS):
        if unique_id := disk.text("UniqueId", "").strip():
            disks[unique_id.upper()].append(disk)
    several = {unique_id: found for unique_id, found in disks.items() if len(found) > 1}
    if several:
        lines = tuple(
            f"LUN {unique_id}: {', '.join(_disk(each) for each in sorted(found, key=_number))}"
            for unique_id, found in sorted(several.items())
        )
        return failed(
            f"urgent: {len(several)} LUN{'s' if len(several) > 1 else ''} visible as more than one disk",
            "one disk for each LUN",
            "At once: take these disks offline and detach what uses them, or disconnect all paths but one. Then have "
            "MPIO claim the devices (Enable-MSDSMAutomaticClaim -BusType iSCSI, or the vendor's module) and restart.",
            details=lines,
        )
    return passed(f"{len(disks)} disks, each once")


def _number(disk: CimInstance) -> int:
    return disk.integer("Number", 0)


CHECKS = (feature, driver, claims, load_balance, duplicates)
