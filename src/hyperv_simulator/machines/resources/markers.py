"""Devices without settings of their own, which a machine has or has not: a battery, controllers of persistent memory.

Both can be added as their templates are (HVWMI ``battery_setting``, ``pmem_controller``); that the machine must be off,
and that it has one battery at most, are assumptions.
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.rules import ResourceHost, changes_of, must_be_off, own_values
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused


class MarkerRules:
    """
    :param kind: the sub type.
    :param suffix: what its id ends with, after its GUID.
    :param most: how many a machine can have.
    """

    def __init__(self, host: ResourceHost, kind: str, suffix: str = "", most: int = 4) -> None:
        self._host = host
        self._kind = kind
        self._suffix = suffix
        self._most = most

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        must_be_off(machine, self._kind)
        fresh = self._host.factory.device(
            machine.machine_id, self._kind.lower(), ids.new_guid() + self._suffix, own_values(given)
        )
        existing = [
            item
            for item in machine.reader.all(fresh.class_name)
            if item.get("ResourceSubType") == fresh.get("ResourceSubType")
        ]
        if len(existing) >= self._most:
            raise Refused(INVALID_PARAMETER, f"no more than {self._most} of {self._kind}")
        self._host.repository.add(fresh)
        return fresh

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        self._host.repository.change(self._host.repository.reference_of(current), changes_of(given))

    def remove(self, machine: Machine, current: CimInstance) -> None:
        must_be_off(machine, self._kind)
        self._host.repository.remove(self._host.repository.reference_of(current))
