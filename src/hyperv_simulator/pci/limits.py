"""What a machine with devices of the host can't do: be saved, and start without room for their memory.

That it can't be saved: hyperv-ops 13. The room is its two MMIO gaps; that a start without it fails as one without other
resources does is an assumption.
"""

from __future__ import annotations

from hyperv_simulator.machines.reader import MachineReader
from hyperv_simulator.outcomes import START_FAILED, OperationFailed
from hyperv_simulator.pci.assignable import AssignableDevices
from hyperv_simulator.pci.gpus import GPU_SETTINGS

_NO_RESOURCES = "'Insufficient system resources exist to complete the requested service.' (0x800705AA)"


class DeviceLimits:
    def __init__(self, devices: AssignableDevices) -> None:
        self._devices = devices

    def check(self, machine: MachineReader, action: str) -> None:
        """:raises OperationFailed: a change of state can't be done with the devices that the machine has."""
        if action == "save":
            self._check_saving(machine)
        elif action == "start":
            self._check_start(machine)

    def _check_saving(self, machine: MachineReader) -> None:
        if self._devices.of_machine(machine.machine_id) or machine.all(GPU_SETTINGS):
            name = machine.name
            raise OperationFailed(
                f"'{name}' failed to save.",
                f"'{name}': A device of the host that is assigned to the virtual machine can't be saved.",
                machine_id=machine.machine_id,
            )

    def _check_start(self, machine: MachineReader) -> None:
        system = machine.system
        room_mb = system.integer("LowMmioGapSize", 0) + system.integer("HighMmioGapSize", 0)
        if sum(device.memory_mb for device in self._devices.of_machine(machine.machine_id)) > room_mb:
            name = machine.name
            raise OperationFailed(
                f"'{name}' failed to start.",
                f"'{name}' Virtual Pci Express Port: Failed to Power on with Error {_NO_RESOURCES}.",
                code=START_FAILED,
                machine_id=machine.machine_id,
            )
