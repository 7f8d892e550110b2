"""The host, its NUMA nodes and its services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.repository.associations import Association

# The services that every machine is related to (real-instances 3.3).
_SERVICES_OF_MACHINES = (
    "Msvm_VirtualSystemMigrationService",
    "Msvm_ReplicationService",
    "Msvm_VirtualSystemManagementService",
    "Msvm_VirtualSystemSnapshotService",
)


class HostAssociations:
    """The host, its NUMA nodes and its services."""

    def __init__(self, walks: Walks) -> None:
        self._walks = walks
        self._repository = walks.repository
        self._host_name = walks.host_name

    def rows(self) -> Iterator[Association]:
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
            lambda _service: self._walks.machine_system(self._host_name),
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
