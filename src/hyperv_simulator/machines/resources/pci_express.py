"""Devices that a machine has to itself (discrete device assignment).

Rules: hyperv-ops 13 (off; no save, so the host's shutdown may not save it; no memory that changes), one machine per
device. Where dynamic memory is a fixed size after all it is allowed (Microsoft's planning page for device assignment).
"""

from __future__ import annotations

from compute_hyperv.cim.paths import format_path
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.resources.rules import ResourceHost, changes_of, must_be_off, own_values
from hyperv_simulator.outcomes import IN_USE, INVALID_PARAMETER, INVALID_STATE, OperationFailed
from hyperv_simulator.pci.assignable import AssignableDevices
from hyperv_simulator.pci.devices import PciDevice

_SAVE = 3
_NAME = "Virtual Pci Express Port"


class PciExpressRules:
    def __init__(self, host: ResourceHost, devices: AssignableDevices) -> None:
        self._host = host
        self._devices = devices

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        device = self._wanted(machine, given)
        values: dict[str, CimValue] = {**own_values(given), **self._assigned(device)}
        values.setdefault("VirtualFunctions", [0])
        if self._host.version.release < 2019:
            del values["VirtualFunctions"]
        settings = self._host.factory.device(machine.machine_id, _NAME.lower(), ids.new_guid(), values)
        self._host.repository.add(settings)
        return settings

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        must_be_off(machine, _NAME)
        changes = changes_of(given)
        if "hostresource" in {name.lower() for name in changes} and host_resource(given) != host_resource(current):
            changes |= self._assigned(self._wanted(machine, given))
        self._host.repository.change(self._host.repository.reference_of(current), changes)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        must_be_off(machine, _NAME)
        self._host.repository.remove(self._host.repository.reference_of(current))

    def _assigned(self, device: PciDevice) -> dict[str, CimValue]:
        return {"HostResource": [format_path(self._devices.reference_of(device), self._host.host_name)]}

    def _wanted(self, machine: Machine, given: CimInstance) -> PciDevice:
        """:raises OperationFailed: there is no such device, or this machine can't have it."""
        must_be_off(machine, _NAME)
        device = self._devices.at(host_resource(given))
        if device is None:
            raise self._failed(machine, "The device was not found among the assignable devices.", INVALID_PARAMETER)
        if self._devices.owner_of(device) is not None:
            raise self._failed(machine, "The device is assigned to a virtual machine already.", IN_USE)
        if machine.reader.system.get("AutomaticShutdownAction") == _SAVE:
            raise self._failed(machine, "The automatic stop action must not be to save the virtual machine.")
        memory = machine.reader.memory
        if memory.get("DynamicMemoryEnabled") is True and memory.get("Reservation") != memory.get("VirtualQuantity"):
            raise self._failed(machine, "The minimum memory must equal the startup memory.")
        return device

    @staticmethod
    def _failed(machine: Machine, why: str, code: int = INVALID_STATE) -> OperationFailed:
        name = machine.reader.name
        return OperationFailed(
            f"Failed to add device '{_NAME}'.",
            f"'{name}' failed to add device '{_NAME}'.",
            why,
            code=code,
            machine_id=machine.machine_id,
        )
