"""Storage Spaces Direct: the cluster's subsystem, its pool, and a virtual disk below each of its volumes.

Names: those that Enable-ClusterStorageSpacesDirect gives ("S2D on CLUSTER", "Clustered Windows Storage on CLUSTER").
A three-way mirror is what New-Volume makes of four servers and more; here of any number (assumption).
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.operating_system.storage.names import STORAGE, object_id
from hyperv_simulator.operating_system.storage.volumes import Volume
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_COPIES = 3
_HEALTHY: dict[str, CimValue] = {"HealthStatus": 0, "OperationalStatus": [2]}


def populate(repository: Repository, host_name: str, cluster: str, volumes: tuple[Volume, ...]) -> None:
    """Puts them in on a node of a cluster that has such volumes."""
    own = [volume for volume in volumes if volume.config.kind == "s2d"]
    if not own:
        return

    def add(class_name: str, kind: str, tag: str, name: str, values: dict[str, CimValue]) -> None:
        guid = "{" + ids.stable_guid(cluster, kind, name).lower() + "}"
        identity: dict[str, CimValue] = {
            "ObjectId": object_id(host_name, kind, tag, guid),
            "UniqueId": guid,
            "FriendlyName": name,
            **_HEALTHY,
        }
        repository.add(new_instance(repository.catalogue, class_name, {**identity, **values}, STORAGE))

    size = sum(volume.size for volume in own) * _COPIES
    subsystem: dict[str, CimValue] = {
        "Name": cluster,
        "Manufacturer": "Microsoft Corporation",
        "Model": "Clustered Windows Storage",
        "AutomaticClusteringEnabled": True,
    }
    add("MSFT_StorageSubSystem", "StorageSubsystem", "SS", f"Clustered Windows Storage on {cluster}", subsystem)
    pool: dict[str, CimValue] = {
        "IsPrimordial": False,
        "IsClustered": True,
        "IsReadOnly": False,
        "Size": size,
        "AllocatedSize": size,
        "ResiliencySettingNameDefault": "Mirror",
    }
    add("MSFT_StoragePool", "StoragePool", "SP", f"S2D on {cluster}", pool)
    for volume in own:
        disk: dict[str, CimValue] = {
            "Size": volume.size,
            "AllocatedSize": volume.size,
            "FootprintOnPool": volume.size * _COPIES,
            "ResiliencySettingName": "Mirror",
            "NumberOfDataCopies": _COPIES,
            "PhysicalDiskRedundancy": _COPIES - 1,
            "ProvisioningType": 2,
            "IsSnapshot": False,
            "Access": 3,
        }
        add("MSFT_VirtualDisk", "VirtualDisk", "VD", volume.config.label or volume.mount.rstrip("\\"), disk)
