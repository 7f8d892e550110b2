"""What a machine has besides its settings, on or off, and nobody stores: made whenever somebody looks.

Ids: real-instances 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

GUEST_NETWORK = "Msvm_GuestNetworkAdapterConfiguration"
EXPORT_SETTINGS = "Msvm_VirtualSystemExportSettingData"


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
            for nic in machine.reader.all(NIC):
                tail = ids.tail_of(nic.text("InstanceID"))
                yield new_instance(
                    self._repository.catalogue,
                    GUEST_NETWORK,
                    {
                        "InstanceID": f"Microsoft:GuestNetwork\\{machine.machine_id}\\{tail}",
                        "DHCPEnabled": True,
                        "ProtocolIFType": 0,
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
