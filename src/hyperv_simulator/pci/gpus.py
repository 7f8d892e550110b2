r"""Graphics cards that are shared in partitions: Msvm_PartitionableGpu, and Msvm_GpuPartition of running machines.

Quantities are shares, not bytes: a whole card is 10^9, of encoding 2^64 - 1 (HVWMI ``read_gpu``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.devices import GpuConfig
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.rules import instance_at
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.pci.devices import Holder, PciDevice, PciDevices
from hyperv_simulator.providers.base import Method, Provider
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

PARTITIONABLE = "Msvm_PartitionableGpu"
PARTITION = "Msvm_GpuPartition"
GPU_SETTINGS = "Msvm_GpuPartitionSettingData"
QUANTITIES = ("VRAM", "Encode", "Decode", "Compute")
WHOLE, WHOLE_ENCODE = 10**9, 2**64 - 1
_INTERFACE = "{064092b3-625e-43bf-9eb5-dc845897dd59}"
_SECTION = "gpu"


class Gpus(Provider):
    """The cards of a host, and who has partitions of them. A card has no methods, but it can be written."""

    class_name = PARTITIONABLE

    def __init__(self, repository: Repository, machines: Machines, devices: PciDevices, kept: KeptState) -> None:
        self._repository = repository
        self._machines = machines
        self._devices = devices
        self._kept = kept
        if repository.catalogue.version.release >= 2016:
            repository.add_source(PARTITIONABLE, lambda _owner: self._cards())
            repository.add_source(PARTITION, self._partitions)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        """PartitionCount is the one property that can be written (HVWMI ``gpu_specific_assign``)."""
        count = changes.get("PartitionCount")
        if count is None or count == before.get("PartitionCount"):
            return
        if count not in before.integers("ValidPartitionCounts"):
            raise wmi_faults.invalid_value(f"PartitionCount {count!r}")
        counts: dict[str, Any] = {**self._kept.section(_SECTION), before.text("Name"): count}
        self._kept.keep(_SECTION, counts)

    def card_at(self, path: str) -> CimReference | None:
        """The card that a WMI path means."""
        found = instance_at(self._repository, path)
        is_card = found is not None and found.class_name == PARTITIONABLE
        return self._repository.reference_of(found) if found is not None and is_card else None

    def any(self) -> bool:
        """Whether the host has a card to share."""
        return next(iter(self._cards()), None) is not None

    def _cards(self) -> Iterator[CimInstance]:
        for gpu, device in self._devices.gpus:
            if self._devices.holder(device) is Holder.HOST:  # a card that a machine has to itself is not shared
                yield self._card(gpu, device)

    def _card(self, gpu: GpuConfig, device: PciDevice) -> CimInstance:
        name = _interface_path(device)
        counts: list[CimScalar] = list(gpu.valid_partition_counts)
        values: dict[str, CimValue] = {
            "CreationClassName": PARTITIONABLE,
            "Name": name,
            "Caption": "Partitionable GPU",
            "Description": "Microsoft Partitionable GPU",
            "ElementName": gpu.name,
            "EnabledState": 2,
            "HealthState": 5,
            "OperationalStatus": [2],
            "Status": "OK",
            "PartitionCount": self._kept.section(_SECTION).get(name, gpu.partition_count),
            "ValidPartitionCounts": counts,
            "SupportsIncomingLiveMigration": False,
        }
        for quantity in QUANTITIES:
            whole = WHOLE_ENCODE if quantity == "Encode" else WHOLE
            values |= {
                f"Total{quantity}": whole,
                f"Available{quantity}": whole,
                f"MinPartition{quantity}": 0,
                f"MaxPartition{quantity}": whole,
                f"OptimalPartition{quantity}": whole,
            }
        return new_instance(self._repository.catalogue, PARTITIONABLE, values)

    def _partitions(self, owner: str) -> Iterator[CimInstance]:
        for machine in [self._machines.find(owner)] if owner else self._machines.all():
            if machine is None or machine.state not in (State.RUNNING, State.PAUSED):
                continue
            for number, settings in enumerate(machine.reader.all(GPU_SETTINGS)):
                card = self.card_at(host_resource(settings))
                path = card.key("Name") if card is not None else next(self._cards()).text("Name")
                values: dict[str, CimValue] = {
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": machine.machine_id,
                    "CreationClassName": PARTITION,
                    "DeviceID": f"Microsoft:{ids.tail_of(settings.text('InstanceID'))}",
                    "ElementName": settings.get("ElementName"),
                    "DeviceInstancePath": path,
                    "PartitionId": number,
                    "EnabledState": 2,
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "Status": "OK",
                }
                for quantity in QUANTITIES:
                    values[f"Current{quantity}"] = settings.get(f"OptimalPartition{quantity}")
                yield new_instance(self._repository.catalogue, PARTITION, values)


def _interface_path(device: PciDevice) -> str:
    r"""``\\?\PCI#VEN_...#4&...#{GUID}\GPUPARAV``."""
    return "\\\\?\\PCI#" + device.tail.replace("\\", "#") + f"#{_INTERFACE}\\GPUPARAV"
