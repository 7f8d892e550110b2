"""The associations of root/virtualization/v2 that a manager follows, as rows for ``associations``.

Which rows exist between which instances, and their properties: real-instances 1.2 to 1.7, 3.3 and 3.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.templates import Templates
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.device_kinds import CONNECTION, NIC
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, Machines
from hyperv_simulator.machines.resources.boot_sources import BOOT_SOURCE
from hyperv_simulator.machines.resources.rules import instance_at
from hyperv_simulator.machines.runtime_devices import RuntimeDevices
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import SWITCH, SWITCH_PORT, SWITCH_SETTINGS

_RASD = "CIM_ResourceAllocationSettingData"
_FEATURE = "Msvm_EthernetSwitchPortFeatureSettingData"
# The services that every machine is related to (real-instances 3.3).
_SERVICES_OF_MACHINES = (
    "Msvm_VirtualSystemMigrationService",
    "Msvm_ReplicationService",
    "Msvm_VirtualSystemManagementService",
    "Msvm_VirtualSystemSnapshotService",
)


class AssociationRules:
    """Walks between the instances of one host."""

    def __init__(
        self,
        repository: Repository,
        machines: Machines,
        devices: RuntimeDevices,
        templates: Templates,
        jobs: Jobs,
        host_name: str,
    ) -> None:
        self._repository = repository
        self._machines = machines
        self._devices = devices
        self._templates = templates
        self._jobs = jobs
        self._host_name = host_name

    def all(self) -> tuple[Association, ...]:
        return (*self._machine_rows(), *self._network_rows(), *self._host_rows(), *self._template_rows())

    # Machines

    def _machine_rows(self) -> Iterator[Association]:
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
            lambda device: _some(self._devices.settings_of(device)) if self._is_machines(device) else (),
            self._device_of,
        )
        yield Association(
            "Msvm_VirtualSystemSettingDataComponent",
            "GroupComponent",
            VSSD,
            "PartComponent",
            _RASD,
            lambda system: self._repository.owned(_RASD, ids.system_of(system.text("InstanceID"))),
            self._settings_system,
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
            "Msvm_SystemExportSettingData",
            "ManagedElement",
            COMPUTER_SYSTEM,
            "SettingData",
            "Msvm_VirtualSystemExportSettingData",
            lambda system: self._repository.owned("Msvm_VirtualSystemExportSettingData", system.text("Name")),
            lambda settings: self._machine_system(ids.system_of(settings.text("InstanceID"))),
        )
        yield Association(
            "Msvm_ParentChildSettingData",
            "Antecedent",
            _RASD,
            "Dependent",
            _RASD,
            self._children,
            lambda child: _some(instance_at(self._repository, child.text("Parent", ""))),
        )
        yield Association(
            "Msvm_LogicalIdentity",
            "SystemElement",
            _RASD,
            "SameElement",
            BOOT_SOURCE,
            lambda device: self._by_id(BOOT_SOURCE, device.text("InstanceID") + "\\B"),
            lambda entry: self._by_id(_RASD, entry.text("InstanceID").removesuffix("\\B")),
        )
        yield Association(
            "Msvm_BootSourceComponent",
            "GroupComponent",
            VSSD,
            "PartComponent",
            BOOT_SOURCE,
            lambda system: self._repository.owned(BOOT_SOURCE, ids.system_of(system.text("InstanceID"))),
            self._settings_system,
        )
        yield Association(
            "Msvm_SettingDataComponent",
            "GroupComponent",
            NIC,
            "PartComponent",
            "Msvm_GuestNetworkAdapterConfiguration",
            lambda nic: self._by_id(
                "Msvm_GuestNetworkAdapterConfiguration",
                "Microsoft:GuestNetwork\\" + nic.text("InstanceID").removeprefix("Microsoft:"),
            ),
            lambda found: self._by_id(NIC, found.text("InstanceID").replace("GuestNetwork\\", "")),
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
            lambda _left, _right: {"IsCurrent": 1, "IsDefault": 1, "IsNext": 0},
        )

    # Switches, adapters, ports

    def _network_rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_SettingsDefineState",
            "ManagedElement",
            SWITCH,
            "SettingData",
            SWITCH_SETTINGS,
            lambda switch: self._by_id(SWITCH_SETTINGS, ids.settings_id(switch.text("Name"))),
            lambda settings: self._switch(ids.system_of(settings.text("InstanceID"))),
        )
        yield Association(
            "Msvm_SystemDevice",
            "GroupComponent",
            SWITCH,
            "PartComponent",
            SWITCH_PORT,
            lambda switch: self._repository.owned(SWITCH_PORT, switch.text("Name")),
            lambda port: self._switch(port.text("SystemName")),
        )
        yield Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            SWITCH_PORT,
            "SettingData",
            CONNECTION,
            self._port_settings,
            self._settings_port,
        )
        yield Association(
            "Msvm_VirtualEthernetSwitchSettingDataComponent",
            "GroupComponent",
            SWITCH_SETTINGS,
            "PartComponent",
            CONNECTION,
            lambda settings: self._repository.owned(CONNECTION, ids.system_of(settings.text("InstanceID"))),
            lambda port: self._by_id(SWITCH_SETTINGS, ids.settings_id(ids.system_of(port.text("InstanceID")))),
        )
        yield Association(
            "Msvm_EthernetPortSettingDataComponent",
            "GroupComponent",
            CONNECTION,
            "PartComponent",
            _FEATURE,
            self._features,
            lambda feature: self._by_id(CONNECTION, feature.text("InstanceID").rsplit("\\", 2)[0]),
        )

    # The host

    def _host_rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_HostedDependency",
            "Antecedent",
            "Msvm_NumaNode",
            "Dependent",
            "CIM_LogicalDevice",
            self._node_devices,
            self._device_node,
        )
        yield Association(
            "Msvm_HostedService",
            "Antecedent",
            COMPUTER_SYSTEM,
            "Dependent",
            "CIM_Service",
            lambda system: self._repository.instances("CIM_Service") if system.get("Name") == self._host_name else (),
            lambda _service: self._machine_system(self._host_name),
        )
        for class_name in _SERVICES_OF_MACHINES:
            yield Association(
                "Msvm_ServiceAffectsElement",
                "AffectingElement",
                class_name,
                "AffectedElement",
                COMPUTER_SYSTEM,
                lambda _service: [
                    item for item in self._repository.instances(COMPUTER_SYSTEM) if item.get("Name") != self._host_name
                ],
                lambda system, class_name=class_name: (  # type: ignore[misc]  # bound at definition
                    self._repository.instances(class_name) if system.get("Name") != self._host_name else ()
                ),
                lambda _left, _right: {"ElementEffects": [5], "OtherElementEffectsDescriptions": []},
            )
        yield Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            "Msvm_VirtualSystemManagementService",
            "SettingData",
            "Msvm_VirtualSystemManagementServiceSettingData",
            lambda _service: self._repository.instances("Msvm_VirtualSystemManagementServiceSettingData"),
            lambda _settings: self._repository.instances("Msvm_VirtualSystemManagementService"),
        )
        yield Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            "Msvm_VirtualSystemMigrationService",
            "SettingData",
            "Msvm_VirtualSystemMigrationServiceSettingData",
            lambda _service: self._repository.instances("Msvm_VirtualSystemMigrationServiceSettingData"),
            lambda _settings: self._repository.instances("Msvm_VirtualSystemMigrationService"),
        )

    # Templates and capabilities

    def _template_rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_ElementCapabilities",
            "ManagedElement",
            "CIM_ManagedElement",
            "Capabilities",
            "CIM_Capabilities",
            self._templates.capabilities_of,
            self._templates.element_of,
            all_lefts=self._templates.elements,
        )
        yield Association(
            "Msvm_SettingsDefineCapabilities",
            "GroupComponent",
            "CIM_Capabilities",
            "PartComponent",
            "CIM_SettingData",
            self._templates.settings_of,
            self._templates.capabilities_for,
            self._templates.role,
        )
        yield Association(
            "Msvm_FeatureSettingsDefineCapabilities",
            "GroupComponent",
            "Msvm_EthernetSwitchFeatureCapabilities",
            "PartComponent",
            "Msvm_FeatureSettingData",
            self._templates.feature_templates_of,
            self._templates.feature_capabilities_for,
            lambda _left, _right: {"PropertyPolicy": 0, "ValueRole": 0, "ValueRange": 0},
        )

    # Walks

    def _by_id(self, class_name: str, instance_id: str) -> Iterable[CimInstance]:
        return _some(self._repository.find(CimReference(class_name, {"InstanceID": instance_id})))

    def _is_machines(self, device: CimInstance) -> bool:
        return self._machines.find(device.text("SystemName", "")) is not None

    def _machine_system(self, name: str) -> Iterable[CimInstance]:
        keys = {"CreationClassName": COMPUTER_SYSTEM, "Name": name}
        return _some(self._repository.find(CimReference(COMPUTER_SYSTEM, keys)))

    def _switch(self, switch_id: str) -> Iterable[CimInstance]:
        return _some(self._repository.find(CimReference(SWITCH, {"CreationClassName": SWITCH, "Name": switch_id})))

    def _system_at(self, class_name: str, device: CimInstance) -> Iterable[CimInstance]:
        if device.get("SystemCreationClassName") != class_name:
            return ()
        return self._machine_system(device.text("SystemName"))

    def _system_settings(self, system: CimInstance) -> Iterable[CimInstance]:
        return self._by_id(VSSD, ids.settings_id(system.text("Name")))

    def _computer_system(self, settings: CimInstance) -> Iterable[CimInstance]:
        identifier = settings.get("VirtualSystemIdentifier")
        return self._machine_system(identifier) if isinstance(identifier, str) else ()

    def _settings_system(self, part: CimInstance) -> Iterable[CimInstance]:
        return self._by_id(VSSD, ids.settings_id(ids.system_of(part.text("InstanceID"))))

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

    def _features(self, connection: CimInstance) -> Iterable[CimInstance]:
        prefix = connection.text("InstanceID").lower() + "\\"
        owner = ids.system_of(connection.text("InstanceID"))
        for feature in self._repository.owned(_FEATURE, owner):
            if feature.text("InstanceID").lower().startswith(prefix):
                yield feature

    def _port_settings(self, port: CimInstance) -> Iterable[CimInstance]:
        port_id = port.text("DeviceID").removeprefix("Microsoft:")
        own = [*self._by_id(CONNECTION, ids.settings_id(port.text("SystemName"), port_id))]
        if own:
            return own
        return [
            item
            for item in self._repository.instances(CONNECTION)
            if ids.stable_guid("switch port", item.text("InstanceID")) == port_id
        ]

    def _settings_port(self, settings: CimInstance) -> Iterable[CimInstance]:
        instance_id = settings.text("InstanceID")
        if instance_id.endswith("\\C"):
            switch = instance_at(self._repository, host_resource(settings))
            wanted = ids.settings_id(ids.stable_guid("switch port", instance_id))
            owner = switch.text("Name", "") if switch is not None else ""
        else:
            owner, wanted = ids.system_of(instance_id), ids.settings_id(ids.tail_of(instance_id))
        if not owner:
            return ()
        return [item for item in self._repository.owned(SWITCH_PORT, owner) if item.get("DeviceID") == wanted]

    def _node_devices(self, node: CimInstance) -> Iterable[CimInstance]:
        number = node.text("NodeID").rpartition("\\")[2]
        for device in self._repository.owned("CIM_LogicalDevice", self._host_name):
            parts = device.text("DeviceID").removeprefix("Microsoft:").split("\\")
            is_processor = parts[0] == ids.HOST_PROCESSOR and parts[1] == number
            is_memory = parts[0] == ids.HOST_MEMORY and parts[1] == number
            if is_processor or is_memory:
                yield device

    def _device_node(self, device: CimInstance) -> Iterable[CimInstance]:
        parts = device.text("DeviceID", "").removeprefix("Microsoft:").split("\\")
        if parts[0] not in (ids.HOST_PROCESSOR, ids.HOST_MEMORY) or not parts[-1].isdigit():
            return []
        nodes = self._repository.instances("Msvm_NumaNode")
        return [node for node in nodes if node.text("NodeID").rpartition("\\")[2] == parts[1]]

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


def _some(instance: CimInstance | None) -> tuple[CimInstance, ...]:
    return () if instance is None else (instance,)
