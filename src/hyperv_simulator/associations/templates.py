"""Capabilities and the templates that say what they allow."""

from __future__ import annotations

from collections.abc import Iterator

from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.instances.templates import Templates
from hyperv_simulator.repository.associations import Association


class TemplateAssociations:
    """Capabilities and the templates that say what they allow."""

    def __init__(self, walks: Walks, templates: Templates) -> None:
        self._walks = walks
        self._repository = walks.repository
        self._templates = templates

    def rows(self) -> Iterator[Association]:
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
