"""What several sections read of Windows: one request each, whoever asks first.

Every host has these classes; those of Hyper-V are ``optional``, so that a host without the role is one without
instances, and the role's own check says so.
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import CIMV2, NETWORK, SMB, VIRTUALIZATION, Instances

OPERATING_SYSTEM = Instances(
    CIMV2,
    "Win32_OperatingSystem",
    (
        "Caption",
        "Version",
        "BuildNumber",
        "OperatingSystemSKU",
        "ProductType",
        "OSArchitecture",
        "SystemDrive",
        "DataExecutionPrevention_Available",
    ),
)
COMPUTER = Instances(
    CIMV2,
    "Win32_ComputerSystem",
    ("Name", "PartOfDomain", "Domain", "HypervisorPresent", "TotalPhysicalMemory", "NumberOfLogicalProcessors"),
)
# services and drivers: the class above Win32_Service and Win32_SystemDriver
SERVICES = Instances(CIMV2, "Win32_BaseService", ("Name", "State", "StartMode", "StartName"))
FEATURES = Instances(CIMV2, "Win32_OptionalFeature", ("Name", "InstallState"))
VOLUMES = Instances(
    CIMV2, "Win32_Volume", ("Name", "DeviceID", "DriveLetter", "FileSystem", "Label", "Capacity", "FreeSpace")
)
ADAPTERS = Instances(
    NETWORK,
    "MSFT_NetAdapter",
    (
        "Name",
        "InterfaceDescription",
        "InterfaceGuid",
        "InterfaceIndex",
        "HardwareInterface",
        "MediaConnectState",
        "Speed",
        "State",
    ),
)
FIREWALL_RULES = Instances(NETWORK, "MSFT_NetFirewallRule", ("InstanceID", "DisplayName", "Enabled"))
SHARE_CONNECTIONS = Instances(
    SMB,
    "MSFT_SmbConnection",
    ("ServerName", "ShareName", "Dialect", "Encrypted", "Signed", "ContinuouslyAvailable"),
    optional=True,
)
HYPERV_SETTINGS = Instances(
    VIRTUALIZATION,
    "Msvm_VirtualSystemManagementServiceSettingData",
    ("InstanceID", "NumaSpanningEnabled"),
    optional=True,
)

_FEATURE_ENABLED = 1  # Win32_OptionalFeature.InstallState
_RULE_ENABLED = 1  # MSFT_NetFirewallRule.Enabled


def service(host: Readings, name: str) -> CimInstance | None:
    """A Windows service or driver by its name; None where there is none."""
    return next((each for each in host.of(SERVICES) if each.text("Name").lower() == name.lower()), None)


def has_feature(host: Readings, name: str) -> bool:
    """Whether an optional feature (as ``dism`` names it) is enabled."""
    return any(
        each.text("Name").lower() == name.lower() and each.integer("InstallState", 0) == _FEATURE_ENABLED
        for each in host.of(FEATURES)
    )


def firewall_lets_in(host: Readings, rule_id: str) -> bool | None:
    """Whether a predefined rule is on; None where Windows has no such rule."""
    found = [each for each in host.of(FIREWALL_RULES) if each.text("InstanceID").lower() == rule_id.lower()]
    return any(each.integer("Enabled", 0) == _RULE_ENABLED for each in found) if found else None


def is_in_domain(host: Readings) -> bool:
    return host.one(COMPUTER).boolean("PartOfDomain", False)
