"""Shares of a graphics card.

A partition is added without quantities; what share it is, is said by a modification (HVWMI ``gpu_partition``,
``gpu_partition_vram``, ``gpu_vram_fraction``: with quantities the job fails with 32773; all of the video memory can't
be asked for as "all ones", of encoding nothing but the whole can). Without HostResource the host chooses the card.
"""

from __future__ import annotations

from compute_hyperv.cim.paths import format_path
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.resources.rules import ResourceHost, changes_of, modify_failed, must_be_off, own_values
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed
from hyperv_simulator.pci.gpus import QUANTITIES, WHOLE_ENCODE, Gpus

_NAME = "GPU Partition"
_ALL_ONES = 2**64 - 1
_BOUNDS = ("Min", "Max", "Optimal")


class GpuPartitionRules:
    def __init__(self, host: ResourceHost, gpus: Gpus) -> None:
        self._host = host
        self._gpus = gpus

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        must_be_off(machine, _NAME)
        if not self._gpus.any() or any(
            given.get(f"{bound}Partition{quantity}") is not None for bound in _BOUNDS for quantity in QUANTITIES
        ):
            raise self._failed(machine)
        values = {**own_values(given), **self._card(machine, given)}
        settings = self._host.factory.device(machine.machine_id, _NAME.lower(), ids.new_guid(), values)
        self._host.repository.add(settings)
        return settings

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        must_be_off(machine, _NAME)
        changes = changes_of(given)
        for bound in ("Max", "Optimal"):
            if changes.get(f"{bound}PartitionVRAM") == _ALL_ONES:
                raise modify_failed(machine, _NAME, f"{bound}PartitionVRAM is out of range.")
            if changes.get(f"{bound}PartitionEncode", WHOLE_ENCODE) != WHOLE_ENCODE:
                raise modify_failed(machine, _NAME, f"{bound}PartitionEncode is out of range.")
        if host_resource(given):
            changes |= self._card(machine, given)
        self._host.repository.change(self._host.repository.reference_of(current), changes)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        must_be_off(machine, _NAME)
        self._host.repository.remove(self._host.repository.reference_of(current))

    def _card(self, machine: Machine, given: CimInstance) -> dict[str, CimValue]:
        path = host_resource(given)
        if not path:
            return {"HostResource": []}
        card = self._gpus.card_at(path)
        if card is None:
            raise self._failed(machine)
        return {"HostResource": [format_path(card, self._host.host_name)]}

    @staticmethod
    def _failed(machine: Machine) -> OperationFailed:
        """The text names no reason (users of hosts complain about that)."""
        return OperationFailed(
            f"'{machine.reader.name}' failed to add device '{_NAME}'.",
            code=INVALID_PARAMETER,
            machine_id=machine.machine_id,
        )
