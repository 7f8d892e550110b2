"""Machines and what protects them."""

from __future__ import annotations

from collections.abc import Iterator

from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks, in_force
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.machines.security import ELEMENT, SECURITY, TPM
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.associations import Association


class SecurityAssociations:
    """Machines and what protects them. That VSSD and security settings are related: HVWMI; by which class: assumed."""

    def __init__(self, walks: Walks) -> None:
        self._walks = walks
        self._repository = walks.repository

    def rows(self) -> Iterator[Association]:
        if self._repository.catalogue.version.release < 2016:
            return
        yield Association(
            "Msvm_VirtualSystemSettingDataComponent",
            "GroupComponent",
            VSSD,
            "PartComponent",
            SECURITY,
            lambda system: self._repository.owned(SECURITY, ids.system_of(system.text("InstanceID"))),
            self._walks.settings_system,
        )
        yield Association(
            "Msvm_SystemComponent",
            "GroupComponent",
            COMPUTER_SYSTEM,
            "PartComponent",
            ELEMENT,
            lambda system: self._repository.owned(ELEMENT, system.text("Name")),
            lambda element: self._walks.machine_system(element.text("SystemName")),
        )
        for element_class in (ELEMENT, TPM):
            yield Association(
                "Msvm_ElementSettingData",
                "ManagedElement",
                element_class,
                "SettingData",
                SECURITY,
                lambda element: self._repository.owned(SECURITY, element.text("SystemName")),
                lambda settings, wanted=element_class: self._repository.owned(  # type: ignore[misc]  # bound at definition
                    wanted, ids.system_of(settings.text("InstanceID"))
                ),
                in_force,
            )
