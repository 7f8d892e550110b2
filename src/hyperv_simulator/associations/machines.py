"""Machines, their settings, devices, boot entries and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks, in_force, some
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.checkpoints.tree import is_checkpoint
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.machines.resources.boot_sources import BOOT_SOURCE
from hyperv_simulator.machines.resources.rules import instance_at
from hyperv_simulator.machines.runtime_devices import RuntimeDevices
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.associations import Association

_RASD = "CIM_ResourceAllocationSettingData"


class MachineAssociations:
    """Machines, their settings, devices, boot entries and jobs."""

    def __init__(self, walks: Walks, devices: RuntimeDevices, jobs: Jobs) -> None:
        self._walks = walks
        self._repository = walks.repository
        self._machines = walks.machines
        self._devices = devices
        self._jobs = jobs

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_SettingsDefineState",
            "ManagedElement",
            COMPUTER_SYSTEM,
            "SettingData",
            VSSD,
            self._system_settings,
            self._computer_system,
        )
        yield Association(
            "Msvm_SettingsDefineState",
            "ManagedElement",
            "CIM_LogicalDevice",
            "SettingData",
            _RASD,
            lambda device: some(self._devices.settings_of(device)) if self._is_machines(device) else (),
            self._device_of,
        )
        yield Association(
            "Msvm_VirtualSystemSettingDataComponent",
            "GroupComponent",
            VSSD,
            "PartComponent",
            _RASD,
            lambda system: self._repository.owned(_RASD, ids.system_of(system.text("InstanceID"))),
            self._walks.settings_system,
        )
        yield Association(
            "Msvm_SystemDevice",
            "GroupComponent",
            COMPUTER_SYSTEM,
            "PartComponent",
            "CIM_LogicalDevice",
            lambda system: self._repository.owned("CIM_LogicalDevice", system.text("Name")),
            lambda device: self._system_at(COMPUTER_SYSTEM, device),
        )
        # Every settings object points to itself; the system's row says "not current" (real-instances 1.4).
        yield Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            VSSD,
            "SettingData",
            VSSD,
            lambda system: (system,) if system.get("VirtualSystemIdentifier") else (),
            lambda _system: (),
            lambda _left, _right: {"IsCurrent": 2, "IsDefault": 1, "IsNext": 0},
        )
        for class_name in (
            "Msvm_HeartbeatComponent",
            "Msvm_KvpExchangeComponent",
            "Msvm_ShutdownComponent",
            "Msvm_TimeSyncComponent",
            "Msvm_VssComponent",
            "Msvm_GuestServiceInterfaceComponent",
        ):
            yield self._component_row(class_name)
        yield Association(
            "Msvm_RegisteredGuestService",
            "Antecedent",
            "Msvm_GuestServiceInterfaceComponent",
            "Dependent",
            "Msvm_GuestFileService",
            lambda component: self._repository.owned("Msvm_GuestFileService", component.text("SystemName")),
            lambda service: self._repository.owned("Msvm_GuestServiceInterfaceComponent", service.text("SystemName")),
        )
        yield Association(
            "Msvm_SystemExportSettingData",
            "ManagedElement",
            COMPUTER_SYSTEM,
            "SettingData",
            "Msvm_VirtualSystemExportSettingData",
            lambda system: self._repository.owned("Msvm_VirtualSystemExportSettingData", system.text("Name")),
            lambda settings: self._walks.machine_system(ids.system_of(settings.text("InstanceID"))),
        )
        yield Association(
            "Msvm_ParentChildSettingData",
            "Antecedent",
            _RASD,
            "Dependent",
            _RASD,
            self._children,
            lambda child: some(instance_at(self._repository, child.text("Parent", ""))),
        )
        yield Association(
            "Msvm_LogicalIdentity",
            "SystemElement",
            _RASD,
            "SameElement",
            BOOT_SOURCE,
            lambda device: self._walks.by_id(BOOT_SOURCE, device.text("InstanceID") + "\\B"),
            lambda entry: self._walks.by_id(_RASD, entry.text("InstanceID").removesuffix("\\B")),
        )
        yield Association(
            "Msvm_BootSourceComponent",
            "GroupComponent",
            VSSD,
            "PartComponent",
            BOOT_SOURCE,
            lambda system: self._repository.owned(BOOT_SOURCE, ids.system_of(system.text("InstanceID"))),
            self._walks.settings_system,
        )
        yield Association(
            "Msvm_SettingDataComponent",
            "GroupComponent",
            NIC,
            "PartComponent",
            "Msvm_GuestNetworkAdapterConfiguration",
            lambda nic: self._walks.by_id(
                "Msvm_GuestNetworkAdapterConfiguration",
                "Microsoft:GuestNetwork\\" + nic.text("InstanceID").removeprefix("Microsoft:"),
            ),
            lambda found: self._walks.by_id(NIC, found.text("InstanceID").replace("GuestNetwork\\", "")),
        )
        yield Association(
            "Msvm_AffectedJobElement",
            "AffectedElement",
            "CIM_ManagedElement",
            "AffectingElement",
            "CIM_ConcreteJob",
            lambda element: [job for _, job, _ in self._effects(element=self._repository.reference_of(element))],
            lambda job: [element for element, _, _ in self._effects(job=self._repository.reference_of(job))],
            self._effect_properties,
            all_lefts=self._affected,
        )

    def _component_row(self, class_name: str) -> Association:
        return Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            class_name,
            "SettingData",
            class_name + "SettingData",
            lambda component: self._repository.owned(class_name + "SettingData", component.text("SystemName")),
            lambda settings: self._repository.owned(class_name, ids.system_of(settings.text("InstanceID"))),
            in_force,
        )

    def _is_machines(self, device: CimInstance) -> bool:
        return self._machines.find(device.text("SystemName", "")) is not None

    def _system_at(self, class_name: str, device: CimInstance) -> Iterable[CimInstance]:
        if device.get("SystemCreationClassName") != class_name:
            return ()
        return self._walks.machine_system(device.text("SystemName"))

    def _system_settings(self, system: CimInstance) -> Iterable[CimInstance]:
        return self._walks.by_id(VSSD, ids.settings_id(system.text("Name")))

    def _computer_system(self, settings: CimInstance) -> Iterable[CimInstance]:
        if is_checkpoint(settings):
            return ()  # Msvm_SnapshotOfVirtualSystem leads there
        identifier = settings.get("VirtualSystemIdentifier")
        return self._walks.machine_system(identifier) if isinstance(identifier, str) else ()

    def _device_of(self, settings: CimInstance) -> Iterable[CimInstance]:
        machine = self._machines.find(ids.system_of(settings.text("InstanceID")))
        if machine is None:
            return
        wanted = settings.get("InstanceID")
        for device in self._devices.devices_of(machine):
            found = self._devices.settings_of(device)
            if found is not None and found.get("InstanceID") == wanted:
                yield device

    def _children(self, parent: CimInstance) -> Iterable[CimInstance]:
        owner = ids.system_of(parent.text("InstanceID"))
        for child in self._repository.owned(_RASD, owner):
            path = child.get("Parent")
            if isinstance(path, str) and path:
                found = instance_at(self._repository, path)
                if found is not None and found.get("InstanceID") == parent.get("InstanceID"):
                    yield child

    def _effects(
        self, *, element: CimReference | None = None, job: CimReference | None = None
    ) -> Iterator[tuple[CimInstance, CimInstance, int]]:
        for affected, affecting, effect in self._jobs.effects(job):
            if element is not None and affected != element:
                continue
            left, right = self._repository.find(affected), self._repository.find(affecting)
            if left is not None and right is not None:
                yield left, right, effect

    def _affected(self) -> Iterable[CimInstance]:
        references = dict.fromkeys(affected for affected, _, _ in self._jobs.effects())
        found = (self._repository.find(reference) for reference in references)
        return [item for item in found if item is not None]

    def _effect_properties(self, left: CimInstance, right: CimInstance) -> Mapping[str, CimValue]:
        element = self._repository.reference_of(left)
        for affected, _, effect in self._jobs.effects(self._repository.reference_of(right)):
            if affected == element:
                return {"ElementEffects": [effect], "OtherElementEffectsDescriptions": []}
        return {}
