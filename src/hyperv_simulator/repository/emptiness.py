"""Classes of the catalogue that nobody looks after: which of them can be empty on a real host.

A client must be able to tell "there is none" from "the simulator does not do that". So a class without a provider
enumerates empty only if a host may have no instance of it (a tape drive, a printer, an IPsec association); every other
one answers that its provider is not capable (0x80041024). The table says which is which, per namespace, by patterns on
the class's name; the first that fits decides.

Sources: the class pages, for what a class stands for; that a host can be without it is common knowledge of Windows, not
read off a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from compute_hyperv.cim import schema
from compute_hyperv.cim.schema import CimClass

# Of every namespace: events, errors and status objects come into being one by one and are never stored.
_NEVER_STORED = ("__Event", "CIM_Indication", "__ExtendedStatus", "CIM_Error", "WMIEvent", "EventTrace")

# Bases in root/virtualization/v2 whose instances every host has; of anything else there may be none (devices, jobs).
_HYPER_V_ALWAYS = ("CIM_Service", "CIM_Capabilities", "CIM_OperatingSystem", "CIM_ComputerSystem")

_MAY_BE_EMPTY: Mapping[str, tuple[str, ...]] = {
    "root/cimv2": (
        "Win32_1394*",
        "Win32_*Battery*",
        "Win32_*Probe",
        "Win32_*Printer*",
        "Win32_CDROMDrive",
        "Win32_DfsNode*",
        "Win32_DfsTarget",
        "Win32_DiskQuota",
        "Win32_Fan",
        "Win32_Floppy*",
        "Win32_HeatPipe",
        "Win32_InfraredDevice",
        "Win32_IP4PersistedRouteTable",
        "Win32_MappedLogicalDisk",
        "Win32_NetworkConnection",
        "Win32_PCMCIAController",
        "Win32_POTSModem*",
        "Win32_PrintJob",
        "Win32_Product*",
        "Win32_QuickFixEngineering",
        "Win32_Refrigeration",
        "Win32_ScheduledJob",
        "Win32_SerialPort*",
        "Win32_ParallelPort",
        "Win32_Shadow*",
        "Win32_SoundDevice",
        "Win32_StartupCommand",
        "Win32_TapeDrive",
        "Win32_TCPIPPrinterPort",
        "Win32_UninterruptiblePowerSupply",
        "Win32_VolumeQuota*",
    ),
    "root/wmi": (
        "MSFC_*",
        "MS_SM*",
        "MSiSCSI*",
        "MSTape*",
        "MSChanger*",
        "MSParallel*",
        "MSSerial*",
        "MSNdis_80211_*",
        "MSNdis_TokenRing*",
        "MSNdis_Atm*",
        "MPIO_*",
        "DSM_*",
        "WT_*",
        "WmiMonitor*",
        "MSMCA*",
    ),
    "root/standardcimv2": (
        "MSFT_*Printer*",
        "MSFT_PrintJob",
        "MSFT_Net*SA",
        "MSFT_NetConSecRule*",
        "MSFT_NetMainModeRule*",
        "MSFT_NetIPsec*",
        "MSFT_NetIKE*",
        "MSFT_NetEvent*",
        "MSFT_NetNat*",
        "MSFT_NetLbfo*",
        "MSFT_NetSwitchTeam*",
        "MSFT_NetImPlat*",
        "MSFT_NetLldp*",
        "MSFT_NetVirtualization*",
        "MSFT_NetQosPolicy*",
        "MSFT_NetQosTrafficClass*",
        "MSFT_NetDnsTransition*",
        "MSFT_DA*",
        "MSFT_NetAdapterSriovVf*",
        "MSFT_NetAdapterVPort*",
        "MSFT_NetAdapterVmqQueue*",
        "MSFT_NetFirewallDynamicKeyword*",
        "MSFT_NetBranchCache*",
        "MSFT_NetGPO",
    ),
    "root/microsoft/windows/storage": (
        "MSFT_StoragePool*",
        "MSFT_VirtualDisk*",
        "MSFT_StorageTier*",
        "MSFT_StorageJob*",
        "MSFT_StorageEnclosure*",
        "MSFT_StorageChassis",
        "MSFT_StorageRack",
        "MSFT_StorageSite",
        "MSFT_StorageScaleUnit",
        "MSFT_StorageQoS*",
        "MSFT_Replica*",
        "MSFT_ReplicationGroup*",
        "MSFT_MaskingSet*",
        "MSFT_TargetPort*",
        "MSFT_InitiatorId*",
        "MSFT_FileShare*",
        "MSFT_FileServer*",
        "MSFT_DiskImage*",
        "MSFT_Health*",
        "MSFT_iSCSI*",
        "MSFT_SBL*",
        "MSFT_Dedup*",
    ),
    "root/microsoft/windows/smb": (
        "MSFT_SmbOpenFile",
        "MSFT_SmbSession",
        "MSFT_SmbBandwidthLimit",
        "MSFT_SmbGlobalMapping",
        "MSFT_Smb*CertificateMapping*",
        "MSFT_Smb*AccessControlEntry",
    ),
    "root/microsoft/windows/hgs": ("MSFT_HgsGuardian", "MSFT_HgsKeyProtector"),
    "root/microsoft/windows/smbwitness": ("MSFT_SmbWitnessClient",),
    "root/microsoft/windows/taskscheduler": ("MSFT_*Trigger*", "MSFT_*Action*"),
    "root/mscluster": (
        "MSCluster_Available*",
        "MSCluster_ClusterToAvailableDisk",
        "MSCluster_AffinityRule",
        "MSCluster_GroupSet",
        "MSCluster_Health*",
        "MSCluster_Metric*",
        "MSCluster_HCSVM",
        "MSCluster_FaultDomain",
        "MSCluster_Scaleout*",
        "MSCluster_*ToDependentResource",
        "MSCluster_ClusterSharedVolume*",
        "MSCluster_*Disk*",
    ),
    "root/hypervcluster/v2": ("Msvm_*", "CIM_*"),
    "root/interop": ("MSFTSM_*",),
}


def may_be_empty(cls: CimClass) -> bool:
    """Whether a real host can have no instance of a class."""
    if cls.abstract or cls.name.startswith("__") or any(cls.is_a(name) for name in _NEVER_STORED):
        return True
    namespace = schema.normalize_namespace(cls.namespace)
    if namespace == "root/virtualization/v2":
        return not any(cls.is_a(name) for name in _HYPER_V_ALWAYS)
    return any(fnmatchcase(cls.name, pattern) for pattern in _MAY_BE_EMPTY.get(namespace, ()))
