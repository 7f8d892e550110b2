"""Collections and their members, machines and their reference points."""

from __future__ import annotations

from collections.abc import Iterator

from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.instances.collections import GROUP, MANAGEMENT_GROUP, Collections
from hyperv_simulator.instances.reference_points import REFERENCE_POINT
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.repository.associations import Association


class CollectionAssociations:
    """Collections and their members, machines and their reference points."""

    def __init__(self, walks: Walks, collections: Collections) -> None:
        self._walks = walks
        self._repository = walks.repository
        self._collections = collections

    def rows(self) -> Iterator[Association]:
        if self._repository.catalogue.version.release < 2016:
            return
        for owner_class in (GROUP, MANAGEMENT_GROUP):
            yield Association(
                "Msvm_CollectedVirtualSystems",
                "Collection",
                owner_class,
                "Member",
                COMPUTER_SYSTEM,
                lambda collection: [
                    item for item in self._collections.members(collection) if item.class_name == COMPUTER_SYSTEM
                ],
                lambda system, wanted=owner_class: [  # type: ignore[misc]  # bound at definition
                    item for item in self._collections.of(system) if item.class_name == wanted
                ],
            )
        yield Association(
            "Msvm_CollectedCollections",
            "Collection",
            MANAGEMENT_GROUP,
            "Member",
            "CIM_CollectionOfMSEs",
            lambda collection: [
                item for item in self._collections.members(collection) if item.class_name != COMPUTER_SYSTEM
            ],
            self._collections.of,
        )
        yield Association(
            "Msvm_ReferencePointOfVirtualSystem",
            "Antecedent",
            COMPUTER_SYSTEM,
            "Dependent",
            REFERENCE_POINT,
            lambda system: self._repository.owned(REFERENCE_POINT, system.text("Name")),
            lambda point: self._walks.machine_system(point.text("VirtualSystemIdentifier")),
        )
