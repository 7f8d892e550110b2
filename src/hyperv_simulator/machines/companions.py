"""What a machine has besides its settings, on or off, and nobody stores: made whenever somebody looks.

Ids: real-instances 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.exchange import Addresses
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_STATIC = 2  # IPAddressOrigins
GUEST_NETWORK = "Msvm_GuestNetworkAdapterConfiguration"
EXPORT_SETTINGS = "Msvm_VirtualSystemExportSettingData"


def guest_network_id(nic: CimInstance) -> str:
    """The id of what the guest has on an adapter."""
    return "Microsoft:GuestNetwork\\" + nic.text("InstanceID").removeprefix("Microsoft:")


def _protocol(addresses: tuple[str, ...]) -> int:
    """ProtocolIFType: 0 unknown, 4096 IPv4, 4097 IPv6, 4098 both."""
    kinds = {":" in address for address in addresses}
    return 0 if not kinds else 4098 if len(kinds) == 2 else 4097 if True in kinds else 4096


class MachineCompanions:
    """The sources of these classes."""

    def __init__(self, repository: Repository, machines: Machines) -> None:
        self._repository = repository
        self._machines = machines
        repository.add_source(GUEST_NETWORK, self._guest_networks)
        repository.add_source(EXPORT_SETTINGS, self._export_settings)

    def _owners(self, owner: str) -> list[Machine]:
        found = self._machines.all() if not owner else [self._machines.find(owner)]
        return [machine for machine in found if machine is not None]

    def _guest_networks(self, owner: str) -> Iterator[CimInstance]:
        """There for every adapter, though the guest reports nothing."""
        for machine in self._owners(owner):
            guest = machine.guest
            for nic in machine.reader.all(NIC):
                known = guest.exchange.addresses(nic.text("Address", "")) if guest is not None else Addresses()
                yield new_instance(
                    self._repository.catalogue,
                    GUEST_NETWORK,
                    {
                        "InstanceID": guest_network_id(nic),
                        "DHCPEnabled": known.dhcp,
                        "ProtocolIFType": _protocol(known.addresses),
                        "IPAddresses": list(known.addresses) or None,
                        "Subnets": list(known.subnets) or None,
                        "DefaultGateways": list(known.gateways) or None,
                        "DNSServers": list(known.dns_servers) or None,
                        "IPAddressOrigins": [_STATIC] * len(known.addresses) or None,
                    },
                )

    def _export_settings(self, owner: str) -> Iterator[CimInstance]:
        """The settings with which an export of the machine would begin."""
        for machine in self._owners(owner):
            yield new_instance(
                self._repository.catalogue,
                EXPORT_SETTINGS,
                {
                    "InstanceID": ids.settings_id(machine.machine_id),
                    "ElementName": machine.reader.name,
                    "CopySnapshotConfiguration": 0,
                    "CopyVmRuntimeInformation": True,
                    "CopyVmStorage": True,
                    "CreateVmExportSubdirectory": False,
                },
            )
