"""What all devices of a machine that is on have in common."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.defaults import new_instance


def virtual_device(
    catalogue: HostCatalogue, machine: Machine, class_name: str, tail: str, values: Mapping[str, CimValue]
) -> CimInstance:
    """:param tail: of its DeviceID.  :param values: what is its own."""
    return new_instance(
        catalogue,
        class_name,
        {
            "SystemCreationClassName": "Msvm_ComputerSystem",
            "SystemName": machine.machine_id,
            "CreationClassName": class_name,
            "DeviceID": f"Microsoft:{tail}",
            "EnabledDefault": 2,
            "EnabledState": 2,
            "HealthState": 5,
            "OperationalStatus": [2],
            "RequestedState": 12,
            "Status": "OK",
            "StatusDescriptions": ["OK"],
            **values,
        },
    )
