"""What a client reads of the migration service: its capabilities, its settings, the settings to begin a request with.

Ids: real-instances 1.7 and 3.8 (``Microsoft:VirtualSystemAndStorage``; its siblings follow the value map, assumption).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.migration.neighbours import MigrationHost, Neighbours
from hyperv_simulator.migration.permission import NETWORK_SETTINGS, listener_addresses
from hyperv_simulator.migration.request import SETTINGS
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SERVICE = "Msvm_VirtualSystemMigrationService"
CAPABILITIES = "Msvm_VirtualSystemMigrationCapabilities"
_CAPABILITIES_ID = "Microsoft:MigrationCapabilities"
_TYPES = {
    "VirtualSystem": 32768,
    "Storage": 32769,
    "Staged": 32770,
    "VirtualSystemAndStorage": 32771,
    "StorageDeepCheck": 32772,
}
_TCP = 5


def populate(host: MigrationHost, neighbours: Neighbours) -> None:
    """Puts them in; the counters and addresses of the service are computed at every read."""
    repository = host.repository
    for name, number in _TYPES.items():
        repository.add(
            new_instance(
                repository.catalogue,
                SETTINGS,
                {
                    "InstanceID": f"Microsoft:{name}",
                    "ElementName": name,
                    "MigrationType": number,
                    "TransportType": _TCP,
                    "RetainVhdCopiesOnSource": False,
                    "AvoidRemovingVHDs": False,
                    "AllowOverwriteExistingFile": False,
                    "RemoveSourceUnmanagedVhds": False,
                },
            )
        )
    repository.add(
        new_instance(
            repository.catalogue,
            CAPABILITIES,
            {
                "InstanceID": _CAPABILITIES_ID,
                "AsynchronousMethodsSupported": [2, 32768],
                "SynchronousMethodsSupported": [4],
                "DestinationHostFormatsSupported": [2, 3, 4],
            },
        )
    )
    repository.serve(NETWORK_SETTINGS)
    for network in host.config.migration.networks:
        repository.add(network_settings(host, {"SubnetNumber": network.partition("/")[0],
                                               "PrefixLength": ipaddress.ip_network(network).prefixlen}))  # fmt: skip

    def computed(_service: CimInstance) -> Mapping[str, CimValue]:
        return {
            "ActiveVirtualSystemMigrationCount": neighbours.active(host.host_name, "VirtualSystem"),
            "ActiveStorageMigrationCount": neighbours.active(host.host_name, "Storage"),
            "MigrationServiceListenerIPAddressList": list(listener_addresses(host)),
        }

    names = (
        "ActiveVirtualSystemMigrationCount",
        "ActiveStorageMigrationCount",
        "MigrationServiceListenerIPAddressList",
    )
    repository.add_dynamic(SERVICE, names, computed)


def network_settings(host: MigrationHost, values: Mapping[str, CimValue]) -> CimInstance:
    """One subnet that migrations may use; its id is an assumption."""
    own: dict[str, CimValue] = {
        "InstanceID": f"Microsoft:{host.host_name}\\{ids.new_guid()}",
        "ElementName": "",
        "Metric": 0,
        **values,
    }
    return new_instance(host.repository.catalogue, NETWORK_SETTINGS, own)


def rows(repository: Repository) -> Iterable[Association]:
    """The service, its capabilities, and what can be asked of it."""
    yield Association(
        "Msvm_ElementCapabilities",
        "ManagedElement",
        SERVICE,
        "Capabilities",
        CAPABILITIES,
        lambda _service: repository.instances(CAPABILITIES),
        lambda _capabilities: repository.instances(SERVICE),
    )
    yield Association(
        "Msvm_SettingsDefineCapabilities",
        "GroupComponent",
        CAPABILITIES,
        "PartComponent",
        SETTINGS,
        lambda _capabilities: repository.instances(SETTINGS),
        lambda _settings: repository.instances(CAPABILITIES),
        lambda _left, _right: {"PropertyPolicy": 0, "ValueRole": 0, "ValueRange": 0},
    )
    yield Association(
        "Msvm_ElementSettingData",
        "ManagedElement",
        SERVICE,
        "SettingData",
        NETWORK_SETTINGS,
        lambda _service: repository.instances(NETWORK_SETTINGS),
        lambda _settings: repository.instances(SERVICE),
    )
