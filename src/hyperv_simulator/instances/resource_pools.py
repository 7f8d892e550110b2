r"""Resource pools: what is in use of them, and the child pools that clients make.

Ids: ``Microsoft:<GUID>`` of a pool, ``Microsoft:Pool\<GUID>`` of its settings, ``Microsoft:Pool\<GUID>\<type GUID>`` of
what a child pool takes from its parents (real-instances 1.7). Primordial pools come from ``templates``; they are not
changed. What a machine has always comes from the primordial pool: allocation from child pools is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.device_kinds import PREFIX
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.runtime_devices import RuntimeDevices
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.repository.records import instance_of, record_of

POOL = "CIM_ResourcePool"
POOL_SETTINGS = "Msvm_ResourcePoolSettingData"
ALLOCATION = "CIM_ResourceAllocationSettingData"
_PARENTS = "_ParentPools"  # beside the properties of a child pool: no class has it
_SECTION = "pools"
_IN_USE = ("Reserved", "CurrentlyConsumedResource", "MaxConsumableResource")


class ResourcePools:
    """The pools of one host."""

    def __init__(
        self,
        repository: Repository,
        machines: Machines,
        memory: HostMemory,
        facts: HostFacts,
        devices: RuntimeDevices,
        kept: KeptState,
    ) -> None:
        self._repository = repository
        self._machines = machines
        self._memory = memory
        self._facts = facts
        self._devices = devices
        self._kept = kept
        for pool in repository.instances(POOL):
            repository.add(self._settings(pool))
        for record in kept.section(_SECTION) or ():
            repository.add(instance_of(record))
        for class_name in ("Msvm_ResourcePool", "Msvm_ProcessorPool"):
            repository.add_dynamic(class_name, _IN_USE, self._in_use)

    # Finding

    def named(self, sub_type: CimValue, pool_id: CimValue) -> CimInstance | None:
        """The pool with this name among those of its kind; the primordial one's is empty."""
        for pool in self._repository.instances(POOL):
            if pool.get("ResourceSubType") == sub_type and pool.get("PoolID") == pool_id:
                return pool
        return None

    def children(self, pool: CimInstance) -> list[CimInstance]:
        """The pools that take from a pool."""
        return [item for item in self._repository.instances(POOL) if pool.get("InstanceID") in item.texts(_PARENTS)]

    def parents(self, pool: CimInstance) -> list[CimInstance]:
        wanted = pool.texts(_PARENTS)
        return [item for item in self._repository.instances(POOL) if item.get("InstanceID") in wanted]

    def own_settings(self, pool: CimInstance) -> list[CimInstance]:
        return self._repository.owned(POOL_SETTINGS, _guid(pool))

    def allocations(self, pool: CimInstance) -> list[CimInstance]:
        """What a child pool takes from its parents."""
        return [
            item
            for item in self._repository.owned(ALLOCATION, _guid(pool))
            if item.text("InstanceID").startswith("Microsoft:Pool\\")
        ]

    def of_settings(self, settings: CimInstance) -> CimInstance | None:
        """The pool that settings (of a pool) belong to."""
        parts = settings.text("InstanceID", "").split("\\")
        if parts[0] != "Microsoft:Pool":
            return None
        found = (pool for pool in self._repository.instances(POOL) if _guid(pool) == parts[1].lower())
        return next(found, None)

    def of_resource(self, settings: CimInstance) -> CimInstance | None:
        """The pool that a machine's resource comes from."""
        if self._machines.find(ids.system_of(settings.text("InstanceID", ""))) is None:
            return None
        return self.named(settings.get("ResourceSubType"), settings.get("PoolID"))

    def resources_of(self, pool: CimInstance) -> list[CimInstance]:
        """What the machines of the host, on or off, are to have of a pool."""
        return [item for machine in self._machines.all() for item in self._resources(machine, pool)]

    def devices_of(self, pool: CimInstance) -> list[CimInstance]:
        """What running machines have of a pool."""
        return [
            device
            for machine in self._machines.all()
            for device in self._devices.devices_of(machine)
            if (settings := self._devices.settings_of(device)) is not None and _comes_from(settings, pool)
        ]

    def of_device(self, device: CimInstance) -> CimInstance | None:
        settings = self._devices.settings_of(device)
        return self.of_resource(settings) if settings is not None else None

    # Making and changing

    def create(self, settings: CimInstance, parents: list[CimInstance], allocations: list[CimInstance]) -> CimReference:
        """Makes a child pool; everything has been checked."""
        guid = ids.new_guid()
        first = parents[0]
        pool = CimInstance(first.class_name, dict(first.items()))
        paths: list[CimScalar] = [parent.text("InstanceID") for parent in parents]
        changes: dict[str, CimValue] = {
            "InstanceID": f"Microsoft:{guid}",
            "PoolID": settings.get("PoolID"),
            "ElementName": settings.get("ElementName") or settings.get("PoolID"),
            "Primordial": False,
            _PARENTS: paths,
        }
        for name, value in changes.items():
            pool[name] = value
        self._repository.add(self._settings(pool, settings))
        self._allocate(pool, allocations)
        reference = self._repository.add(pool)
        self._keep()
        return reference

    def change(self, pool: CimInstance, given: CimInstance) -> None:
        """Another name or other notes; identity and kind stay."""
        (own,) = self.own_settings(pool)
        fixed = ("instanceid", "resourcetype", "resourcesubtype", "otherresourcetype")
        changes = {name: value for name, value in given.items() if name.lower() not in fixed and value is not None}
        self._repository.change(self._repository.reference_of(own), changes)
        shared: dict[str, CimValue] = {}
        for name in ("PoolID", "ElementName"):
            if name in changes:
                shared[name] = changes[name]
        if shared:
            self._repository.change(self._repository.reference_of(pool), shared)
        self._keep()

    def reallocate(self, pool: CimInstance, parents: list[CimInstance], allocations: list[CimInstance]) -> None:
        """Other parents, or other shares of them."""
        for item in self.allocations(pool):
            self._repository.remove(self._repository.reference_of(item))
        paths: list[CimScalar] = [parent.text("InstanceID") for parent in parents]
        self._repository.change(self._repository.reference_of(pool), {_PARENTS: paths})
        self._allocate(pool, allocations)
        self._keep()

    def delete(self, pool: CimInstance) -> None:
        for item in (*self.own_settings(pool), *self.allocations(pool), pool):
            self._repository.remove(self._repository.reference_of(item))
        self._keep()

    # Inside

    def _settings(self, pool: CimInstance, given: CimInstance | None = None) -> CimInstance:
        values: dict[str, CimValue] = {
            "PoolID": pool.get("PoolID"),
            "ElementName": pool.get("ElementName"),
            "Notes": given.get("Notes") if given is not None else None,
            "ResourceType": pool.get("ResourceType"),
            "ResourceSubType": pool.get("ResourceSubType"),
            "InstanceID": f"Microsoft:Pool\\{_guid(pool).upper()}",
        }
        return new_instance(self._repository.catalogue, POOL_SETTINGS, values)

    def _allocate(self, pool: CimInstance, allocations: Iterable[CimInstance]) -> None:
        kind = self.named(pool.get("ResourceSubType"), "") or pool
        for number, given in enumerate(allocations):
            tail = _guid(kind).upper() + (f"\\{number}" if number else "")
            item = CimInstance(given.class_name, dict(given.items()))
            item["InstanceID"] = f"Microsoft:Pool\\{_guid(pool).upper()}\\{tail}"
            self._repository.add(item)

    def _keep(self) -> None:
        records: list[Any] = []
        for pool in self._repository.instances(POOL):
            if pool.get("Primordial") is not True:
                parts = (pool, *self.own_settings(pool), *self.allocations(pool))
                records += [record_of(item) for item in parts]
        self._kept.keep(_SECTION, records)

    def _in_use(self, pool: CimInstance) -> Mapping[str, CimValue]:
        """Memory and processors by what running machines hold (which values a host shows: HVWMI ``host_pools``)."""
        if pool.get("Primordial") is not True:
            return dict.fromkeys(_IN_USE, 0)
        kind = pool.text("ResourceSubType", "").removeprefix(PREFIX)
        running = [item for item in self._machines.all() if item.state in (State.RUNNING, State.PAUSED)]
        if kind == "Memory":
            held = sum(self._memory.assigned_mb(machine.machine_id) for machine in running)
            return dict(zip(_IN_USE, (held, held, self._memory.total_mb - self._memory.root_mb), strict=True))
        if kind == "Processor":
            reserved = sum(_reserved(machine) for machine in running)
            return dict(zip(_IN_USE, (reserved, reserved, self._facts.config.threads * 100000), strict=True))
        return {}

    @staticmethod
    def _resources(machine: Machine, pool: CimInstance) -> list[CimInstance]:
        return [item for item in machine.reader.all(ALLOCATION) if _comes_from(item, pool)]


def _comes_from(settings: CimInstance, pool: CimInstance) -> bool:
    return (settings.get("ResourceSubType"), settings.get("PoolID")) == (
        pool.get("ResourceSubType"),
        pool.get("PoolID"),
    )


def _reserved(machine: Machine) -> int:
    processor = machine.reader.processor
    return processor.integer("Reservation", 0) * processor.integer("VirtualQuantity", 1)


def _guid(pool: CimInstance) -> str:
    return pool.text("InstanceID").removeprefix("Microsoft:").lower()
