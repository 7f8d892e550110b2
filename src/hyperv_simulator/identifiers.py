r"""The identifiers that every Hyper-V host uses: GUIDs of devices, components and features, and how ids are built.

Source: real-instances 1.2, 1.3, 1.5, 1.7, 1.8 and 3.13 (read from dumps of real hosts). Letter case is kept as seen
there, because some clients compare texts; ids of memory and processor settings are lower case, most others upper case.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

# Devices that a machine has once, under the same GUID on every host.
KEYBOARD = r"DE6CDC86-E1FB-4940-801B-C3C1A26C4DA4\Keyboard"
PS2_MOUSE = r"655BC5C5-A784-46B7-81BC-E26328F7EB0E\Mouse"
SYNTHETIC_KEYBOARD = "197F74E3-B84B-46DE-8AE6-82F1CD181CDC"
SYNTHETIC_MOUSE = "58F75A6D-D949-4320-99E1-A2A2576D581C"
S3_DISPLAY = "7D80D3DB-61EE-4879-8879-5609F1100AD0"
SYNTHETIC_DISPLAY = "F3CF6965-E8D3-44A9-9B7D-A04245EA7525"
DISKETTE_CONTROLLER = r"8F0D2762-0B00-4E04-AF4F-19010527CB93\0"
DISKETTE_DRIVE = r"8F0D2762-0B00-4E04-AF4F-19010527CB93\0\0\D"
SERIAL_CONTROLLER = "8E3A359F-559A-4B6A-98A9-1690A6100ED7"
IDE_CONTROLLER = "83F8638B-8DCA-4152-9EDA-2CA8B33039B4"
MEMORY = "4764334d-e001-4176-82ee-5594ec9b530e"
MEMORY_DEVICE = r"4764334D-E001-4176-82EE-5594EC9B530E\0"
PROCESSOR = r"b637f346-6a0e-4dec-af52-bd70cb80a21d\0"
PROCESSOR_DEVICE = "b637f346-6a0e-4dec-af52-bd70cb80a21d"
PCI_EXPRESS_PORT = "2FCC454E-A36A-4C77-BB5E-A2D75A51F02C"
TPM_DEVICE = "736E6AA9-A3F8-49C0-9550-A963214D259A"
# The first block was read on a host (HVWMI vtpm_security); the rest is made up.
SECURITY = "EA6302BF-0000-4000-8000-000000000001"

# The host's own devices.
HOST_PROCESSOR = "B637F347-6A0E-4DEC-AF52-BD70CB80A21D"
HOST_MEMORY = "4764334E-E001-4176-82EE-5594EC9B530E"

# Integration components, in the order in which a host enumerates them (real-instances 1.3).
GUEST_SERVICE_INTERFACE = "6C09BB55-D683-4DA0-8931-C9BF705F6480"
HEARTBEAT = "84EAAE65-2F2E-45F5-9BB5-0E857DC8EB47"
KVP_EXCHANGE = "2A34B1C2-FD73-4043-8A5B-DD2159BC743F"
SHUTDOWN = "9F8233AC-BE49-4C79-8EE3-E7E1985B2077"
TIME_SYNC = "2497F4DE-E9FA-4204-80E4-4B75C46419C0"
VSS = "5CED1297-4598-4915-A5FC-AD21BB4D02A4"
RDV = "6C5ADDB9-A11A-4E8E-84CB-E6208201DB63"

# Switch features: the qualifier UUID of the class is the FeatureId (real-instances 3.13).
FEATURE_IDS: Mapping[str, str] = {
    "Msvm_EthernetSwitchPortVlanSettingData": "952C5004-4465-451C-8CB8-FA9AB382B773",
    "Msvm_EthernetSwitchPortAclSettingData": "998BEF4A-5D55-492A-9C43-8B2F5EAE9F2B",
    "Msvm_EthernetSwitchPortExtendedAclSettingData": "CD168FF0-A16D-4514-B7B5-8BBBA791A928",
    "Msvm_EthernetSwitchPortSecuritySettingData": "776E0BA7-94A1-41C8-8F28-951F524251B5",
    "Msvm_EthernetSwitchPortBandwidthSettingData": "24AD3CE1-69BD-4978-B2AC-DAAD389D699C",
    "Msvm_EthernetSwitchPortOffloadSettingData": "C885BFD1-ABB7-418F-8163-9F379C9F7166",
    "Msvm_EthernetSwitchPortProfileSettingData": "9940CD46-8B06-43BB-B9D5-93D50381FD56",
    "Msvm_EthernetSwitchPortIsolationSettingData": "83AF2CCB-72C9-4479-A285-94E58A98CAA6",
    "Msvm_EthernetSwitchPortRoutingDomainSettingData": "BF874DF0-F729-4312-A0FA-194271B88990",
    "Msvm_EthernetSwitchPortRdmaSettingData": "7A498FC4-8572-4FDC-92AB-7A6FC7042D53",
    "Msvm_EthernetSwitchPortTeamMappingSettingData": "8D45D4BD-8C18-435C-98A7-D632A7C618FF",
}
SWITCH_FEATURE_IDS: Mapping[str, str] = {
    "Msvm_VirtualEthernetSwitchBandwidthSettingData": "3EB2B8E8-4ABF-4DBF-9071-16DD47481FBE",
    "Msvm_EthernetSwitchHardwareOffloadSettingData": "1550E863-4337-4917-A040-5A27DBC58B59",
    "Msvm_VirtualEthernetSwitchNicTeamingSettingData": "17AD26F1-DD6F-4ED9-BD2F-3750ADE6B68B",
}
FEATURE_VERSIONS: Mapping[str, str] = {
    "Msvm_EthernetSwitchPortSecuritySettingData": "3.0",
    "Msvm_EthernetSwitchPortOffloadSettingData": "4.0",
    "Msvm_EthernetSwitchHardwareOffloadSettingData": "2.0",
}

# Names of the services (real-instances 3.3). Those at the end are not known from a host: assumptions.
SERVICE_NAMES: Mapping[str, str] = {
    "Msvm_VirtualSystemManagementService": "vmms",
    "Msvm_VirtualSystemMigrationService": "migrationwmi",
    "Msvm_ReplicationService": "replicasvc",
    "Msvm_MetricService": "metricsvc",
    "Msvm_TerminalService": "termsvc",
    "Msvm_ResourcePoolConfigurationService": "poolcfgsvc",
    "Msvm_VirtualEthernetSwitchManagementService": "nvspwmi",
    "Msvm_VirtualSystemSnapshotService": "vssnapsvc",
    "Msvm_ImageManagementService": "vhdsvc",
    "Msvm_Synthetic3DService": "synth3d",
    # not seen on a host
    "Msvm_SecurityService": "securitysvc",
    "Msvm_AssignableDeviceService": "assignabledevicesvc",
    "Msvm_CollectionManagementService": "collectionsvc",
    "Msvm_CollectionSnapshotService": "collectionsnapsvc",
    "Msvm_CollectionReferencePointService": "collectionrefpointsvc",
    "Msvm_VirtualSystemReferencePointService": "refpointsvc",
    # a GUID, seen on one host (HVWMI transparent_bridge)
    "Msvm_TransparentBridgingService": "ED26F337-99A1-4278-AF48-CCA45C91C200",
}

SECURE_BOOT_TEMPLATES: Mapping[str, str] = {
    "1734C6E8-3154-4DDA-BA5F-A874CC483422": "Microsoft Windows",
    "272E7447-90A4-4563-A4B9-8E4AB00526CE": "Microsoft UEFI Certificate Authority",
    "4292AE2B-EE2C-42B5-A969-DD8F8689F6F3": "Open Source Shielded VM",
}
MICROSOFT_WINDOWS_TEMPLATE = "1734C6E8-3154-4DDA-BA5F-A874CC483422"


def new_guid() -> str:
    """A fresh GUID as machines, NICs and controllers are named: upper case, no braces."""
    return str(uuid.uuid4()).upper()


def stable_guid(*parts: str) -> str:
    """The same GUID for the same texts: hardware of a simulated host keeps its ids over restarts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "hyperv-simulator/" + "/".join(parts))).upper()


def settings_id(system_id: str, tail: str = "") -> str:
    r"""``Microsoft:<GUID>`` or ``Microsoft:<GUID>\<tail>``."""
    return f"Microsoft:{system_id}\\{tail}" if tail else f"Microsoft:{system_id}"


def definition_id(kind: str, role: str) -> str:
    r"""The id of a template: ``Microsoft:Definition\<pool GUID or feature id>\Default``."""
    return f"Microsoft:Definition\\{kind.upper()}\\{role}"


def system_of(instance_id: str) -> str:
    r"""The GUID of the machine (checkpoint, switch) that a settings id belongs to, as it stands there."""
    return instance_id.removeprefix("Microsoft:").partition("\\")[0]


def tail_of(instance_id: str) -> str:
    r"""What follows the system's GUID in a settings id; empty for the system's own settings."""
    return instance_id.partition("\\")[2]
