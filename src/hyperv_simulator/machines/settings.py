r"""The settings of a machine as they come into the world, before anybody changes them.

Which objects a fresh machine has, and their values: real-instances 2.1 to 2.6. A settings object's id is
``Microsoft:<machine>\<tail>``; ``settings`` here makes one from its kind and tail.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import DeviceKinds
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.windows import WindowsVersion

VSSD = "Msvm_VirtualSystemSettingData"
GENERATION_1 = "Microsoft:Hyper-V:SubType:1"
GENERATION_2 = "Microsoft:Hyper-V:SubType:2"
REALIZED = "Microsoft:Hyper-V:System:Realized"
PLANNED = "Microsoft:Hyper-V:System:Planned"
DATA_ROOT = r"C:\ProgramData\Microsoft\Windows\Hyper-V"

_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("Msvm_GuestServiceInterfaceComponentSettingData", ids.GUEST_SERVICE_INTERFACE),
    ("Msvm_HeartbeatComponentSettingData", ids.HEARTBEAT),
    ("Msvm_KvpExchangeComponentSettingData", ids.KVP_EXCHANGE),
    ("Msvm_ShutdownComponentSettingData", ids.SHUTDOWN),
    ("Msvm_TimeSyncComponentSettingData", ids.TIME_SYNC),
    ("Msvm_VssComponentSettingData", ids.VSS),
    ("Msvm_RdvComponentSettingData", ids.RDV),
)


class SettingsFactory:
    """Makes the settings objects of one Windows version's machines.

    :param processors_per_node: logical processors of a NUMA node of this host, and
    :param memory_per_node_mb: its memory: the host's topology is what a machine's virtual NUMA starts from.
    """

    def __init__(
        self,
        catalogue: HostCatalogue,
        device_kinds: DeviceKinds,
        *,
        processors_per_node: int,
        memory_per_node_mb: int,
    ) -> None:
        self._catalogue = catalogue
        self._kinds = device_kinds
        self._version: WindowsVersion = catalogue.version
        self._processors_per_node = processors_per_node
        self._memory_per_node_mb = memory_per_node_mb

    def system(self, machine_id: str, given: CimInstance, now: dt.datetime) -> CimInstance:
        """The machine's own settings: what DefineSystem was given over the host's defaults."""
        values = self.system_defaults(generation_2=self.is_generation_2(given))
        serial = _serial_number()
        values |= {
            "InstanceID": ids.settings_id(machine_id),
            "Caption": "Virtual Machine Settings",
            "Description": "Active settings for the virtual machine.",
            "ConfigurationID": machine_id,
            "VirtualSystemIdentifier": machine_id,
            "VirtualSystemType": REALIZED,
            "CreationTime": now,
            "ConfigurationFile": f"Virtual Machines\\{machine_id}.{'vmcx' if self._version.release >= 2016 else 'xml'}",
            "SuspendDataRoot": f"Virtual Machines\\{machine_id}",
            "GuestStateFile": f"Virtual Machines\\{machine_id}.vmgs" if self._version.release >= 2019 else None,
            "BIOSGUID": "{" + ids.new_guid() + "}",
            "BIOSSerialNumber": serial,
            "BaseBoardSerialNumber": serial,
            "ChassisSerialNumber": serial,
            "ChassisAssetTag": serial,
            "ElementName": "New Virtual Machine",
        }
        # A configuration root without the others takes them along (assumption; the console shows them as one folder).
        root = given.get("ConfigurationDataRoot")
        if isinstance(root, str) and root:
            values |= {"SnapshotDataRoot": root, "SwapFileDataRoot": root, "GuestStateDataRoot": root}
        values |= {name: value for name, value in given.items() if value is not None and name not in ("InstanceID",)}
        return new_instance(self._catalogue, VSSD, values)

    @staticmethod
    def is_generation_2(system: CimInstance) -> bool:
        return system.get("VirtualSystemSubType") == GENERATION_2

    def system_defaults(self, *, generation_2: bool) -> dict[str, CimValue]:
        """What every fresh machine of a generation has; also the template of DefineSystem."""
        values: dict[str, CimValue] = {
            "AllowFullSCSICommandSet": False,
            "AllowReducedFcRedundancy": False,
            "AutomaticRecoveryAction": 3,
            "AutomaticShutdownAction": 3,
            "AutomaticStartupAction": 3,
            "AutomaticStartupActionDelay": dt.timedelta(0),
            "AutomaticCriticalErrorAction": 1,
            "AutomaticCriticalErrorActionTimeout": dt.timedelta(minutes=30),
            "AutomaticSnapshotsEnabled": False,
            "BIOSNumLock": False,
            "BootOrder": [1, 2, 3, 0],
            "BootSourceOrder": [],
            "ConfigurationDataRoot": DATA_ROOT,
            "ConsoleMode": 0,
            "EnableHibernation": False,
            "EnhancedSessionTransportType": 0,
            "GuestControlledCacheTypes": False,
            "GuestStateDataRoot": DATA_ROOT,
            "GuestStateIsolationEnabled": False,
            "GuestStateIsolationType": 0,
            "HighMmioGapSize": 512,
            "IncrementalBackupEnabled": False,
            "IsAutomaticSnapshot": False,
            "IsSaved": False,
            "LockOnDisconnect": False,
            "LowMmioGapSize": 128,
            "NetworkBootPreferredProtocol": 4096,
            "Notes": [""],
            "PauseAfterBootFailure": False,
            "SecureBootEnabled": generation_2,
            "SecureBootTemplateId": ids.MICROSOFT_WINDOWS_TEMPLATE if generation_2 else None,
            "SnapshotDataRoot": DATA_ROOT,
            "SwapFileDataRoot": DATA_ROOT,
            "TurnOffOnGuestRestart": False,
            "UserSnapshotType": 3,
            "Version": self._version.configuration_version,
            "VirtualNumaEnabled": True,
            "VirtualSystemSubType": GENERATION_2 if generation_2 else GENERATION_1,
        }
        return values

    def device(
        self, machine_id: str, sub_type: str, tail: str, values: Mapping[str, CimValue] | None = None
    ) -> CimInstance:
        """One device's settings, of a kind, under the machine."""
        kind = self._kinds[sub_type]
        own: dict[str, CimValue] = {**kind.settings(), "InstanceID": ids.settings_id(machine_id, tail)}
        return new_instance(self._catalogue, kind.class_name, {**own, **(values or {})})

    def fresh_devices(self, machine_id: str, *, generation_2: bool) -> list[CimInstance]:
        """What a machine has before anything is added, in the order in which a host enumerates it."""
        devices = [
            self.device(
                machine_id,
                "Memory",
                ids.MEMORY,
                {"MaxMemoryBlocksPerNumaNode": self._memory_per_node_mb // 2 * 2},
            ),
            self.device(
                machine_id,
                "Processor",
                ids.PROCESSOR,
                {"MaxProcessorsPerNumaNode": self._processors_per_node},
            ),
        ]
        if generation_2:
            devices.append(self.device(machine_id, "Synthetic Keyboard", ids.SYNTHETIC_KEYBOARD))
        else:
            devices += [
                self._ide_controller(machine_id, 0),
                self._ide_controller(machine_id, 1),
                self.device(machine_id, "Keyboard", ids.KEYBOARD),
                self.device(machine_id, "PS2 Mouse", ids.PS2_MOUSE),
                self.device(machine_id, "S3 Display Controller", ids.S3_DISPLAY),
                self.device(machine_id, "Diskette Controller", ids.DISKETTE_CONTROLLER),
                self.device(
                    machine_id,
                    "Synthetic Diskette Drive",
                    ids.DISKETTE_DRIVE,
                    {"AddressOnParent": "0", "Parent": None},
                ),
                self.device(machine_id, "Serial Controller", ids.SERIAL_CONTROLLER),
            ]
        # Generation 2 hides them in the console, but they are there to be set (hyperv-ops 11).
        devices += [
            self.device(
                machine_id, "Serial Port", f"{ids.SERIAL_CONTROLLER}\\{number}", {"ElementName": f"COM {number + 1}"}
            )
            for number in (0, 1)
        ]
        devices += [
            self.device(machine_id, "Synthetic Mouse", ids.SYNTHETIC_MOUSE),
            self.device(machine_id, "Synthetic Display Controller", ids.SYNTHETIC_DISPLAY),
        ]
        devices += [self._component(machine_id, class_name, guid) for class_name, guid in _COMPONENTS]
        if self._version.release >= 2016:
            devices.append(self._security(machine_id))
        return devices

    def _ide_controller(self, machine_id: str, number: int) -> CimInstance:
        return self.device(
            machine_id,
            "Emulated IDE Controller",
            f"{ids.IDE_CONTROLLER}\\{number}",
            {"Address": str(number), "ElementName": f"IDE Controller {number}"},
        )

    def _security(self, machine_id: str) -> CimInstance:
        """Nothing is protected until somebody asks for it (hyperv-ops 12)."""
        values: dict[str, CimValue] = {
            "InstanceID": ids.settings_id(machine_id, ids.SECURITY),
            "BindToHostTpm": False,
            "DataProtectionRequested": False,
            "EncryptStateAndVmMigrationTraffic": False,
            "KsdEnabled": False,
            "ShieldingRequested": False,
            "TpmEnabled": False,
            "VirtualizationBasedSecurityOptOut": False,
        }
        return new_instance(self._catalogue, "Msvm_SecuritySettingData", values)

    def _component(self, machine_id: str, class_name: str, guid: str) -> CimInstance:
        values: dict[str, CimValue] = {"InstanceID": ids.settings_id(machine_id, guid), "PoolID": ""}
        if guid == ids.GUEST_SERVICE_INTERFACE:
            values["EnabledState"] = 3  # off until somebody wants files copied into the guest (real-instances 1.3)
        if guid == ids.KVP_EXCHANGE:
            values |= {"HostExchangeItems": [], "HostOnlyItems": []}
        return new_instance(self._catalogue, class_name, values)


def _serial_number() -> str:
    """Decimal groups of 4-4-4-4-4-4-2 digits (real-instances 2.2)."""
    digits = f"{random.getrandbits(96) % 10**26:026d}"  # an asset tag, no secret
    return "-".join((*(digits[start : start + 4] for start in range(0, 24, 4)), digits[24:]))
