"""Msvm_CollectionManagementService, and the two services that would checkpoint whole collections.

The latter refuse everything on a host without a backup program that drives them: 32770, at once (HVWMI
``collection_snapshot``, ``collection_refpoint``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.instances.collections import GROUP, MANAGEMENT_GROUP, Collections, member_id
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.outcomes import INVALID_PARAMETER, METHOD_NOT_SUPPORTED, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository

_CLASSES = (GROUP, MANAGEMENT_GROUP)  # by the number of their Type
_GUID = re.compile(r"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)


class CollectionManagementProvider(Provider):
    class_name = "Msvm_CollectionManagementService"

    def __init__(self, repository: Repository, collections: Collections, host_name: str) -> None:
        self._repository = repository
        self._collections = collections
        self._host_name = host_name

    def methods(self) -> Mapping[str, Method]:
        return {
            "DefineCollection": self._define,
            "DestroyCollection": self._destroy,
            "RenameCollection": self._rename,
            "AddMember": self._add,
            "RemoveMember": lambda call: self._remove(call, self._at(call.target_of("Collection"))),
            "RemoveMemberById": lambda call: self._remove(call, self._by_id(call.text("CollectionId"))),
            **service_control(),
        }

    def _define(self, call: Call) -> Outputs:
        name, collection_id, kind = call.text("Name"), call.text("Id", ""), call.integer("Type")
        if not name or kind not in range(len(_CLASSES)):
            raise Refused(INVALID_PARAMETER, f"Name {name!r}, Type {kind}")
        if collection_id and (not _GUID.fullmatch(collection_id) or self._collections.find(collection_id.strip("{}"))):
            raise Refused(INVALID_PARAMETER, f"Id {collection_id!r}")
        return done(DefinedCollection=self._collections.define(name, collection_id.strip("{}").upper(), _CLASSES[kind]))

    def _destroy(self, call: Call) -> Outputs:
        self._collections.destroy(self._at(call.target_of("Collection")))
        return done()

    def _rename(self, call: Call) -> Outputs:
        collection, name = self._at(call.target_of("Collection")), call.text("NewName")
        if not name:
            raise Refused(INVALID_PARAMETER, "no name")
        self._collections.rename(collection, name)
        return done()

    def _add(self, call: Call) -> Outputs:
        collection, member = self._at(call.target_of("Collection")), self._member(call)
        if member.class_name != COMPUTER_SYSTEM and collection.class_name == GROUP:
            raise Refused(INVALID_PARAMETER, "a group of machines takes no groups")
        current = [member_id(item) for item in self._collections.members(collection)]
        if member_id(member) in (*current, collection.get("CollectionID")):
            raise Refused(INVALID_PARAMETER, "it is a member")
        self._collections.set_members(collection, [*current, member_id(member)])
        return done()

    def _remove(self, call: Call, collection: CimInstance) -> Outputs:
        leaving = member_id(self._member(call))
        current = [member_id(item) for item in self._collections.members(collection)]
        if leaving not in current:
            raise Refused(INVALID_PARAMETER, "it is no member")
        self._collections.set_members(collection, [item for item in current if item != leaving])
        return done()

    # Inside

    def _at(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None or found.class_name not in _CLASSES:
            raise Refused(INVALID_PARAMETER, f"no collection at {reference}")
        return found

    def _by_id(self, collection_id: str) -> CimInstance:
        found = self._collections.find(collection_id.strip("{}"))
        if found is None:
            raise Refused(INVALID_PARAMETER, f"no collection {collection_id!r}")
        return found

    def _member(self, call: Call) -> CimInstance:
        reference = call.target_of("Member")
        found = self._repository.find(reference)
        is_machine = found is not None and found.class_name == COMPUTER_SYSTEM and found.get("Name") != self._host_name
        if found is None or not (is_machine or found.class_name in _CLASSES):
            raise Refused(INVALID_PARAMETER, f"{reference} can't be a member")
        return found


class _Refusing(Provider):
    """A service whose methods all answer 32770."""

    names: tuple[str, ...]

    def methods(self) -> Mapping[str, Method]:
        def refuse(_: Call) -> Outputs:
            raise Refused(METHOD_NOT_SUPPORTED, "there is no backup of collections")

        return {**dict.fromkeys(self.names, refuse), **service_control()}


class CollectionSnapshotProvider(_Refusing):
    class_name = "Msvm_CollectionSnapshotService"
    names = ("ApplySnapshot", "ConvertToReferencePoint", "CreateSnapshot", "DestroySnapshot", "ExportSnapshot")


class CollectionReferencePointProvider(_Refusing):
    class_name = "Msvm_CollectionReferencePointService"
    names = ("CreateReferencePoint", "DestroyReferencePoint", "ExportReferencePoint", "RemoveAssociatedData")
