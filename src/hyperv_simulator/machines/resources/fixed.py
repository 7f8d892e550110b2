"""Devices that every machine has and nobody adds or removes: serial ports, IDE controllers, mouse, display.

A serial port is connected by ``Connection = [pipe]`` and disconnected by an empty text (hyperv-ops 11).
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.rules import ResourceHost, changes_of
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused

_PIPE = "\\\\"


class FixedRules:
    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        raise Refused(INVALID_PARAMETER, f"{given.get('ResourceSubType')!r} can't be added")

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        self._host.repository.change(self._host.repository.reference_of(current), changes_of(given, "address"))

    def remove(self, machine: Machine, current: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, f"{current.get('ResourceSubType')!r} can't be removed")


class SerialPortRules(FixedRules):
    """Connects a port to a named pipe, also while the machine runs (os-win does, with retries)."""

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        for pipe in given.texts("Connection"):
            if pipe and not (pipe.startswith(_PIPE) and "\\pipe\\" in pipe.lower()):
                raise Refused(INVALID_PARAMETER, f"{pipe!r} is no named pipe")
        super().modify(machine, current, given)
        machine.refresh_guest("serial")
