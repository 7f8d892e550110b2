"""The kinds of virtual devices: what their settings look like fresh from the host, and which pool they come from.

One row per ResourceSubType. Sources: hyperv-ops 0 (types, sub types), real-instances 1.7 (pools), 2.5 to 2.7 (values).
Where no dump of a host gives a text, it follows the pattern of those that were seen: "Settings for the Microsoft <X>.".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.windows import WindowsVersion

RASD = "Msvm_ResourceAllocationSettingData"
SASD = "Msvm_StorageAllocationSettingData"
NIC = "Msvm_SyntheticEthernetPortSettingData"
LEGACY_NIC = "Msvm_EmulatedEthernetPortSettingData"
CONNECTION = "Msvm_EthernetPortAllocationSettingData"
PROCESSOR = "Msvm_ProcessorSettingData"
MEMORY = "Msvm_MemorySettingData"
SERIAL_PORT = "Msvm_SerialPortSettingData"
DISPLAY = "Msvm_SyntheticDisplayControllerSettingData"
PREFIX = "Microsoft:Hyper-V:"


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """One ResourceSubType.

    :param sub_type: without ``Microsoft:Hyper-V:``.
    :param name: what the device is called on an English host; ElementName and Caption of its settings.
    :param pool_id: GUID of the primordial pool as a host writes it; empty where there is no pool, hence no template.
    :param values: what differs from the common values below.
    :param system_name: the ElementName, where it differs from ``name``.
    """

    sub_type: str
    class_name: str
    resource_type: int
    name: str
    description: str
    pool_id: str = ""
    values: Mapping[str, CimValue] = field(default_factory=dict)
    element_name: str = ""
    pool_class: str = "Msvm_ResourcePool"

    def settings(self) -> dict[str, CimValue]:
        """The properties of a fresh device of this kind; ids and relations are the caller's."""
        return {
            "AllocationUnits": "count",
            "AutomaticAllocation": True,
            "AutomaticDeallocation": True,
            "Caption": self.name,
            "ConsumerVisibility": 3,
            "Description": self.description,
            "ElementName": self.element_name or self.name,
            "Limit": 1,
            "PoolID": "",
            "Reservation": 1,
            "ResourceSubType": PREFIX + self.sub_type,
            "ResourceType": self.resource_type,
            "VirtualQuantity": 1,
            "VirtualQuantityUnits": "count",
            "Weight": 0,
            **self.values,
        }


def kinds(version: WindowsVersion) -> tuple[DeviceKind, ...]:
    """All kinds that a release has."""
    recent = version.release >= 2016
    memory: dict[str, CimValue] = {
        "AllocationUnits": "byte * 2^20",
        "VirtualQuantityUnits": "byte * 2^20",
        "IsVirtualized": True,
        "Weight": 5000,
        "TargetMemoryBuffer": 20,
        "Limit": 1048576,
        "Reservation": 512,
        "VirtualQuantity": 1024 if recent else 512,
        # real-instances 2.5: true on a 24H2 host, false on 2012; the releases between are an assumption
        "DynamicMemoryEnabled": version.release >= 2025,
        "HugePagesEnabled": False,
        "SwapFilesInUse": False,
        "SgxEnabled": False,
        "SgxSize": 0,
        "MaxMemoryBlocksPerNumaNode": 0,
    }
    processor: dict[str, CimValue] = {
        "AllocationUnits": "percent / 1000",
        "Limit": 100000,
        "Reservation": 0,
        "Weight": 100,
        "VirtualQuantity": 1,
        "MaxNumaNodesPerSocket": 1,
        "CpuGroupId": "00000000-0000-0000-0000-000000000000",
        "HwThreadsPerCore": 0,
        "EnablePageShattering": 0,
        "AllowACountMCount": True,
        **dict.fromkeys(
            (
                "DisableSpeculationControls",
                "EnableHostResourceProtection",
                "EnableLegacyApicMode",
                "EnablePerfmonIpt",
                "EnablePerfmonLbr",
                "EnablePerfmonPebs",
                "EnablePerfmonPmu",
                "ExposeVirtualizationExtensions",
                "HideHypervisorPresent",
                "LimitCPUID",
                "LimitProcessorFeatures",
            ),
            False,
        ),
    }
    storage: dict[str, CimValue] = {
        "VirtualQuantityUnits": "count(fixed size block)",
        "Access": 3,
        "CachingMode": 0,
        "IOPSAllocationUnits": "count(8192)" if recent else None,
        "IOPSLimit": 0,
        "IOPSReservation": 0,
        "IgnoreFlushes": False,
        "PersistentReservationsSupported": False,
        "SnapshotId": "",
        "StorageQoSPolicyID": "",
        "WriteHardeningMethod": 0,
    }
    nic: dict[str, CimValue] = {
        "ClusterMonitored": True,
        "Connection": [""],
        "StaticMacAddress": False,
        "DeviceNamingEnabled": False,
        "AllowPacketDirect": False,
        "InterruptModeration": True,
        "NumaAwarePlacement": False,
        "MediaType": 0,
    }
    serial_class = SERIAL_PORT if version.has_serial_port_settings else RASD
    display_class = DISPLAY if version.has_serial_port_settings else RASD
    display: dict[str, CimValue] = (
        {"HorizontalResolution": 1920, "VerticalResolution": 1080, "ResolutionType": 3}
        if version.has_serial_port_settings
        else {}
    )
    return (
        DeviceKind(
            "Memory",
            MEMORY,
            4,
            "Memory",
            "Settings for Microsoft Virtual Machine Memory.",
            "4764334E-E001-4176-82EE-5594EC9B530E",
            memory,
        ),
        DeviceKind(
            "Processor",
            PROCESSOR,
            3,
            "Processor",
            "Settings for Microsoft Virtual Processor.",
            "B637F347-6A0E-4DEC-AF52-BD70CB80A21D",
            processor,
            pool_class="Msvm_ProcessorPool",
        ),
        DeviceKind(
            "Emulated IDE Controller", RASD, 5, "IDE Controller", "Settings for the Microsoft Emulated IDE Controller."
        ),
        DeviceKind(
            "Synthetic SCSI Controller",
            RASD,
            6,
            "SCSI Controller",
            "Settings for the Microsoft Synthetic SCSI Controller.",
            "bde5d4d6-e450-46d2-b925-976ca3e989b4",
        ),
        DeviceKind(
            "Synthetic Disk Drive",
            RASD,
            17,
            "Hard Drive",
            "Settings for the Microsoft Synthetic Disk Drive.",
            "118C3BE5-0D31-4804-85F0-5C6074ABEA8F",
        ),
        DeviceKind(
            "Physical Disk Drive",
            RASD,
            17,
            "Physical Disk Drive",
            "Settings for the Microsoft Physical Disk Drive.",
            "353B3BE8-310C-4cf4-839E-4E1B14616136",
        ),
        DeviceKind(
            "Synthetic DVD Drive",
            RASD,
            16,
            "DVD Drive",
            "Settings for the Microsoft Synthetic DVD Drive.",
            "7951A5ED-8DC5-42d7-AA8C-9F14C54CEB84",
        ),
        DeviceKind(
            "Synthetic Diskette Drive",
            RASD,
            14,
            "Diskette Drive",
            "Settings for the Microsoft Synthetic Diskette Drive.",
            "DACDCF3F-6F67-4eb8-A4D0-5D93B48A2468",
        ),
        DeviceKind("Diskette Controller", RASD, 5, "Diskette Controller", "Settings for the Diskette Controller."),
        DeviceKind(
            "Virtual Hard Disk",
            SASD,
            31,
            "Hard Disk Image",
            "Settings for the Microsoft Hard Disk Image.",
            "70BB60D2-A9D3-46AA-B654-3DE53004B4F8",
            storage,
        ),
        DeviceKind(
            "Virtual CD/DVD Disk",
            SASD,
            31,
            "ISO Disk Image",
            "Settings for the Microsoft ISO Disk Image.",
            "D92D268E-9AA8-49DD-8C7D-821CEFB5F597",
            {**storage, "Access": 1},
        ),
        # Whether this or the legacy NIC has the pool 4EA4F71F no dump tells (real-instances 1.7).
        DeviceKind(
            "Virtual Floppy Disk",
            SASD,
            31,
            "Floppy Disk Image",
            "Settings for the Microsoft Floppy Disk Image.",
            "78AA0C27-B2BD-45BA-83D1-5F2A8C4C6656",
            storage,
        ),
        DeviceKind(
            "Synthetic Ethernet Port",
            NIC,
            10,
            "Ethernet Port",
            "Settings for the Microsoft Synthetic Ethernet Port.",
            "6A45335D-4C3A-44b7-B61F-C9808BBDF8ED",
            nic,
            element_name="Network Adapter",
        ),
        DeviceKind(
            "Emulated Ethernet Port",
            LEGACY_NIC,
            10,
            "Ethernet Port",
            "Settings for the Microsoft Emulated Ethernet Port.",
            "4EA4F71F-16E6-4250-99A8-A2315332CC64",
            {"ClusterMonitored": True, "Connection": [""], "StaticMacAddress": False},
            element_name="Legacy Network Adapter",
        ),
        DeviceKind(
            "Ethernet Connection",
            CONNECTION,
            33,
            "Ethernet Connection",
            "Settings for the Ethernet connection.",
            "72027ECE-E44A-446E-AF2B-8D8C4B8A2279",
            {"DesiredVLANEndpointMode": 2, "EnabledState": 2, "LastKnownSwitchName": "", "TestReplicaPoolID": ""},
        ),
        DeviceKind("Keyboard", RASD, 13, "Keyboard", "Settings for the Microsoft Keyboard."),
        DeviceKind("PS2 Mouse", RASD, 13, "PS2 Mouse", "Settings for the Microsoft PS2 Mouse."),
        DeviceKind(
            "Synthetic Keyboard", RASD, 13, "Synthetic Keyboard", "Settings for the Microsoft Synthetic Keyboard."
        ),
        DeviceKind(
            "Synthetic Mouse",
            RASD,
            13,
            "Synthetic Mouse",
            "Settings for the Microsoft Synthetic Mouse.",
            "F6293891-F32F-4930-B2DB-1A8961D9CB75",
        ),
        DeviceKind(
            "S3 Display Controller",
            RASD,
            24,
            "S3 Display Controller",
            "Settings for the Microsoft S3 Display Controller.",
            values={"Address": "5353,00000000,00"},  # old-driver 8
        ),
        DeviceKind(
            "Synthetic Display Controller",
            display_class,
            24,
            "Display Controller",
            "Settings for the Microsoft Synthetic Display Controller.",
            "D45268DA-37C5-44da-B827-B0C55CCB3BDC",
            display,
        ),
        DeviceKind("Serial Controller", RASD, 21, "Serial Controller", "Settings for the Microsoft Serial Controller."),
        DeviceKind(
            "Serial Port",
            serial_class,
            21,
            "COM",
            "Settings for the Microsoft Virtual Serial Port.",
            values={"Connection": [""], **({"DebuggerMode": False} if version.has_serial_port_settings else {})},
        ),
    )


class DeviceKinds:
    """The kinds of one release, found by sub type with or without its prefix, in any letter case.

    :param more: kinds that are listed elsewhere.
    """

    def __init__(self, version: WindowsVersion, more: tuple[DeviceKind, ...] = ()) -> None:
        self.all = (*kinds(version), *more)
        self._by_sub_type = {kind.sub_type.lower(): kind for kind in self.all}

    def find(self, sub_type: str) -> DeviceKind | None:
        return self._by_sub_type.get(sub_type.lower().removeprefix(PREFIX.lower()))

    def __getitem__(self, sub_type: str) -> DeviceKind:
        return self._by_sub_type[sub_type.lower()]
