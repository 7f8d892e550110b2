"""Services with their settings and capabilities."""

from __future__ import annotations

from collections.abc import Iterator

from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.instances.service_data import CAPABILITIES, SETTINGS
from hyperv_simulator.repository.associations import Association


class ServiceAssociations:
    """One settings object and one capabilities object per service."""

    def __init__(self, walks: Walks) -> None:
        self._walks = walks
        self._repository = walks.repository

    def rows(self) -> Iterator[Association]:
        for service_class, settings_class in SETTINGS.items():
            yield Association(
                "Msvm_ElementSettingData",
                "ManagedElement",
                service_class,
                "SettingData",
                settings_class,
                lambda _service, name=settings_class: self._repository.instances(name),  # type: ignore[misc]
                lambda _settings, name=service_class: self._repository.instances(name),  # type: ignore[misc]
            )
        for service_class, (capabilities_class, instance_id) in CAPABILITIES.items():
            yield Association(
                "Msvm_ElementCapabilities",
                "ManagedElement",
                service_class,
                "Capabilities",
                capabilities_class,
                lambda _service, of=(capabilities_class, instance_id): self._walks.by_id(*of),  # type: ignore[misc]
                lambda _capabilities, name=service_class: self._repository.instances(name),  # type: ignore[misc]
            )
