"""Virtual Fibre Channel adapters: there is no physical one to build them on.

Adding one then fails in its job with 32773 (HVWMI ``fibre_channel``). Virtual SANs are not simulated, so it fails on a
host with ``[[host.fc_hba]]`` as well.
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused


class FibreChannelRules:
    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        raise OperationFailed(
            f"Failed to add resources to '{machine.reader.name}'.",
            f"'{machine.reader.name}' failed to add device 'Synthetic FibreChannel Port'.",
            "No virtual Fibre Channel SAN was found.",
            code=INVALID_PARAMETER,
            machine_id=machine.machine_id,
        )

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, "no machine has a Fibre Channel adapter")

    def remove(self, machine: Machine, current: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, "no machine has a Fibre Channel adapter")
