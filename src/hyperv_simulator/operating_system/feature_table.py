"""The roles and features that a Hyper-V host's manager looks at.

Ids: Win32_ServerFeature of Microsoft's WMI reference; where it has none, 0 and no instance of that class. The names of
optional features (DISM) that a feature deploys: CustomProperties of Get-WindowsOptionalFeature for Hyper-V, else
Microsoft's documentation; that only Hyper-V asks for a restart on installation and Hyper-V, Multipath-IO and clustering
on removal is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLE, ROLE_SERVICE, FEATURE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """One feature.

    :param name: UniqueName, as Get-WindowsFeature has it.
    :param parent: UniqueName of the feature above it.
    :param deploys: optional features (DISM).
    :param services: what Server Manager watches of it.
    :param restart_to_install: its installation is complete after a restart only.
    """

    name: str
    display_name: str
    feature_id: int = 0
    kind: int = FEATURE
    parent: str = ""
    deploys: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    restart_to_install: bool = False
    restart_to_remove: bool = False
    since: int = 0

    @property
    def descriptor_class(self) -> str:
        """The class by which ServerManager's methods name it."""
        special = {"Hyper-V": "HyperV", "Hyper-V-PowerShell": "Hyper_V_PowerShell", "Hyper-V-Tools": "Hyper_V_Tools"}
        return "ServerComponent_" + special.get(self.name, self.name.replace("-", "_"))


FEATURES: tuple[FeatureEntry, ...] = (
    FeatureEntry("FileAndStorage-Services", "File and Storage Services", 481, ROLE),
    FeatureEntry("Storage-Services", "Storage Services", 482, ROLE_SERVICE, "FileAndStorage-Services"),
    FeatureEntry("File-Services", "File and iSCSI Services", 6, ROLE_SERVICE, "FileAndStorage-Services"),
    FeatureEntry(
        "FS-FileServer", "File Server", 255, ROLE_SERVICE, "File-Services", ("File-Services",), ("LanmanServer",)
    ),
    FeatureEntry("FS-Data-Deduplication", "Data Deduplication", 436, ROLE_SERVICE, "File-Services", ("Dedup-Core",)),
    FeatureEntry(
        "FS-iSCSITarget-Server", "iSCSI Target Server", 435, ROLE_SERVICE, "File-Services", ("iSCSITargetServer",)
    ),
    FeatureEntry(
        "Hyper-V",
        "Hyper-V",
        20,
        ROLE,
        "",
        ("Microsoft-Hyper-V", "Microsoft-Hyper-V-Offline", "Microsoft-Hyper-V-Online"),
        ("vmms",),
        True,
        True,
    ),
    FeatureEntry(
        "HostGuardianServiceRole",
        "Host Guardian Service",
        0,
        ROLE,
        "",
        ("HostGuardianService-Package",),
        (),
        True,
        True,
        2016,
    ),
    FeatureEntry("BitLocker", "BitLocker Drive Encryption", 61, FEATURE, "", ("BitLocker",), (), True, True),
    FeatureEntry("Containers", "Containers", 0, FEATURE, "", ("Containers",), (), True, True, 2016),
    FeatureEntry("Data-Center-Bridging", "Data Center Bridging", 0, FEATURE, "", ("DataCenterBridging",)),
    FeatureEntry(
        "Failover-Clustering",
        "Failover Clustering",
        33,
        FEATURE,
        "",
        ("FailoverCluster-FullServer",),
        ("ClusSvc",),
        False,
        True,
    ),
    FeatureEntry(
        "HostGuardian",
        "Host Guardian Hyper-V Support",
        0,
        FEATURE,
        "",
        ("HostGuardian",),
        ("HgClientService",),
        True,
        True,
        2016,
    ),
    FeatureEntry("Multipath-IO", "Multipath I/O", 57, FEATURE, "", ("MultipathIo",), (), False, True),
    FeatureEntry("NetworkATC", "Network ATC", 0, FEATURE, "", ("NetworkATC",), (), False, False, 2025),
    FeatureEntry(
        "NetworkVirtualization",
        "Network Virtualization",
        0,
        FEATURE,
        "",
        ("NetworkVirtualization",),
        (),
        True,
        True,
        2016,
    ),
    FeatureEntry("RSAT", "Remote Server Administration Tools", 67),
    FeatureEntry("RSAT-Feature-Tools", "Feature Administration Tools", 265, FEATURE, "RSAT"),
    FeatureEntry("RSAT-Clustering", "Failover Clustering Tools", 268, FEATURE, "RSAT-Feature-Tools"),
    FeatureEntry(
        "RSAT-Clustering-PowerShell",
        "Failover Cluster Module for Windows PowerShell",
        0,
        FEATURE,
        "RSAT-Clustering",
        ("FailoverCluster-PowerShell",),
    ),
    FeatureEntry("RSAT-Role-Tools", "Role Administration Tools", 256, FEATURE, "RSAT"),
    FeatureEntry(
        "Hyper-V-Tools",
        "Hyper-V GUI Management Tools",
        301,
        FEATURE,
        "RSAT-Role-Tools",
        ("Microsoft-Hyper-V-Management-Clients",),
    ),
    FeatureEntry(
        "Hyper-V-PowerShell",
        "Hyper-V Module for Windows PowerShell",
        450,
        FEATURE,
        "RSAT-Role-Tools",
        ("Microsoft-Hyper-V-Management-PowerShell",),
    ),
    FeatureEntry("Storage-Replica", "Storage Replica", 0, FEATURE, "", ("Storage-Replica",), (), True, True, 2016),
    FeatureEntry(
        "FabricShieldedTools",
        "VM Shielding Tools for Fabric Management",
        0,
        FEATURE,
        "",
        ("FabricShieldedTools",),
        (),
        True,
        True,
        2016,
    ),
    FeatureEntry(
        "Windows-Defender",
        "Windows Defender Antivirus",
        0,
        FEATURE,
        "",
        ("Windows-Defender",),
        ("WinDefend",),
        True,
        True,
        2016,
    ),
)

BY_NAME = {entry.name.lower(): entry for entry in FEATURES}
