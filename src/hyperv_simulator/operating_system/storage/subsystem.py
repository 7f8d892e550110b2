"""MSFT_StorageSubSystem and MSFT_StorageProvider: "Windows Storage on HOST", to which everything else belongs."""

from __future__ import annotations

from hyperv_simulator.operating_system.storage.names import STORAGE, object_id, subsystem_guid
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository


def populate(repository: Repository, host_name: str, version: str) -> None:
    """Puts both in. What Windows' own subsystem supports beyond volumes is left unsaid."""
    repository.add(
        new_instance(
            repository.catalogue,
            "MSFT_StorageSubSystem",
            {
                "ObjectId": object_id(host_name, "StorageSubsystem", "SS", subsystem_guid(host_name)),
                "UniqueId": subsystem_guid(host_name),
                "FriendlyName": f"Windows Storage on {host_name}",
                "Name": host_name,
                "NameFormat": 1,
                "Manufacturer": "Microsoft Corporation",
                "Model": "Windows Storage",
                "HealthStatus": 0,
                "OperationalStatus": [2],
                "SupportsVolumeCreation": True,
                "SupportsStoragePoolCreation": True,
            },
            STORAGE,
        )
    )
    repository.add(
        new_instance(
            repository.catalogue,
            "MSFT_StorageProvider",
            {
                "ObjectId": object_id(host_name, "StorageProvider", "SP", "Windows Storage Management Provider"),
                "UniqueId": "Windows Storage Management Provider",
                "Name": "Windows Storage Management Provider",
                "Manufacturer": "Microsoft Corporation",
                "Type": 1,
                "Version": version,
            },
            STORAGE,
        )
    )
