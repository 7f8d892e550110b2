"""Groups of machines, and groups of groups. Which kinds of members go where was tried on a host (HVWMI ``vm_groups``,
``collection_refpoint``: both kinds take machines)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, Machines
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.repository.records import instance_of, record_of

GROUP, MANAGEMENT_GROUP = "Msvm_VirtualSystemCollection", "Msvm_ManagementCollection"
COLLECTION = "CIM_CollectionOfMSEs"
_MEMBERS = "_Members"  # beside the properties: no class has it
_SECTION = "collections"


class Collections:
    """The collections of one host."""

    def __init__(self, repository: Repository, machines: Machines, kept: KeptState) -> None:
        self._repository = repository
        self._machines = machines
        self._kept = kept
        if repository.catalogue.version.release < 2016:
            return
        repository.serve(GROUP)
        repository.serve(MANAGEMENT_GROUP)
        for record in kept.section(_SECTION) or ():
            repository.add(instance_of(record))

    def define(self, name: str, collection_id: str, class_name: str) -> CimReference:
        collection = new_instance(
            self._repository.catalogue,
            class_name,
            {"CollectionID": collection_id or ids.new_guid(), "ElementName": name},
        )
        reference = self._repository.add(collection)
        self._keep()
        return reference

    def rename(self, collection: CimInstance, name: str) -> None:
        self._repository.change(self._repository.reference_of(collection), {"ElementName": name})
        self._keep()

    def destroy(self, collection: CimInstance) -> None:
        self._repository.remove(self._repository.reference_of(collection))
        self._keep()

    def find(self, collection_id: str) -> CimInstance | None:
        for collection in self._repository.instances(COLLECTION):
            if collection.text("CollectionID", "").lower() == collection_id.lower():
                return collection
        return None

    # Members

    def members(self, collection: CimInstance) -> Iterator[CimInstance]:
        """Those that still exist, in the order in which they came."""
        for member_id in collection.texts(_MEMBERS):
            machine = self._machines.find(member_id)
            found = self._repository.find(machine.reference) if machine is not None else self.find(member_id)
            if found is not None:
                yield found

    def of(self, member: CimInstance) -> list[CimInstance]:
        """The collections that something is a member of."""
        wanted = member_id(member)
        return [item for item in self._repository.instances(COLLECTION) if wanted in item.texts(_MEMBERS)]

    def set_members(self, collection: CimInstance, members: list[str]) -> None:
        items: list[CimScalar] = list(members)
        self._repository.change(self._repository.reference_of(collection), {_MEMBERS: items})
        self._keep()

    def _keep(self) -> None:
        records: list[Any] = [record_of(item) for item in self._repository.instances(COLLECTION)]
        self._kept.keep(_SECTION, records)


def member_id(member: CimInstance) -> str:
    """What a member is remembered by."""
    return member.text("Name" if member.class_name == COMPUTER_SYSTEM else "CollectionID")
