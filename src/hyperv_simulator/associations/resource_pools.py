"""Resource pools with what they consist of, what has been allocated from them, and who looks after them.

Rows read on a host: real-instances 1.5 and 1.7 (Msvm_ConcreteComponent, Msvm_ElementAllocatedFromPool,
Msvm_SettingsDefineState, Msvm_ServiceAffectsElement).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks, some
from hyperv_simulator.instances.resource_pools import ALLOCATION, POOL, POOL_SETTINGS, ResourcePools
from hyperv_simulator.machines.device_kinds import PREFIX
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.switching.ports import SWITCH_PORT

# What a host has of a kind.
_COMPONENTS = {
    f"{PREFIX}Memory": "Msvm_Memory",
    f"{PREFIX}Processor": "Msvm_Processor",
    f"{PREFIX}Physical Disk Drive": "Msvm_DiskDrive",
    f"{PREFIX}Ethernet Connection": SWITCH_PORT,
}
_AGGREGATE = f"Microsoft:{ids.HOST_MEMORY}\\Aggregate"


class ResourcePoolAssociations:
    """See above."""

    def __init__(self, walks: Walks, pools: ResourcePools) -> None:
        self._walks = walks
        self._repository = walks.repository
        self._pools = pools

    def rows(self) -> Iterator[Association]:
        pools = self._pools
        yield Association(
            "Msvm_ElementAllocatedFromPool", "Antecedent", POOL, "Dependent", "CIM_LogicalDevice",
            pools.devices_of, lambda device: some(pools.of_device(device)),
        )  # fmt: skip
        yield Association(
            "Msvm_ElementAllocatedFromPool", "Antecedent", POOL, "Dependent", POOL, pools.children, pools.parents
        )
        yield Association(
            "Msvm_ResourceAllocationFromPool", "Antecedent", POOL, "Dependent", ALLOCATION,
            pools.resources_of, lambda settings: some(pools.of_resource(settings)),
        )  # fmt: skip
        for settings_class, settings_of in ((POOL_SETTINGS, pools.own_settings), (ALLOCATION, pools.allocations)):
            yield Association(
                "Msvm_SettingsDefineState", "ManagedElement", POOL, "SettingData", settings_class,
                settings_of, lambda settings: some(pools.of_settings(settings)),
            )  # fmt: skip
        yield Association(
            "Msvm_HostedResourcePool", "GroupComponent", COMPUTER_SYSTEM, "PartComponent", POOL,
            self._pools_of_host, lambda _pool: self._walks.machine_system(self._walks.host_name),
        )  # fmt: skip
        yield Association(
            "Msvm_ConcreteComponent", "GroupComponent", POOL, "PartComponent", "CIM_LogicalElement",
            self._components, self._pool_of_component,
        )  # fmt: skip
        yield Association(
            "Msvm_ConcreteComponent", "GroupComponent", "Msvm_Memory", "PartComponent", "Msvm_Memory",
            lambda memory: self._parts_of_memory() if memory.get("DeviceID") == _AGGREGATE else (),
            lambda memory: self._aggregates() if memory in self._parts_of_memory() else (),
        )  # fmt: skip
        yield Association(
            "Msvm_ServiceAffectsElement", "AffectingElement", "Msvm_ResourcePoolConfigurationService",
            "AffectedElement", POOL,
            lambda _service: self._repository.instances(POOL),
            lambda _pool: self._repository.instances("Msvm_ResourcePoolConfigurationService"),
            lambda _left, _right: {"ElementEffects": [5], "OtherElementEffectsDescriptions": []},
        )  # fmt: skip

    def _pools_of_host(self, system: CimInstance) -> Iterable[CimInstance]:
        return self._repository.instances(POOL) if system.get("Name") == self._walks.host_name else ()

    def _components(self, pool: CimInstance) -> list[CimInstance]:
        """The host's own devices of a kind; of memory, the nodes'."""
        component_class = _COMPONENTS.get(pool.text("ResourceSubType", ""))
        if pool.get("Primordial") is not True or component_class is None:
            return []
        if component_class == SWITCH_PORT:
            return self._repository.instances(SWITCH_PORT)
        if component_class == "Msvm_Memory":
            return self._parts_of_memory()
        return self._repository.owned(component_class, self._walks.host_name)

    def _pool_of_component(self, component: CimInstance) -> Iterable[CimInstance]:
        if component.class_name not in _COMPONENTS.values():
            return ()
        reference = self._repository.reference_of(component)
        return [
            pool
            for pool in self._repository.instances(POOL)
            if any(self._repository.reference_of(item) == reference for item in self._components(pool))
        ]

    def _parts_of_memory(self) -> list[CimInstance]:
        memory = self._repository.owned("Msvm_Memory", self._walks.host_name)
        return [item for item in memory if item.get("DeviceID") != _AGGREGATE]

    def _aggregates(self) -> list[CimInstance]:
        memory = self._repository.owned("Msvm_Memory", self._walks.host_name)
        return [item for item in memory if item.get("DeviceID") == _AGGREGATE]
