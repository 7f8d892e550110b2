"""Msvm_ComputerSystem: changes of a machine's state."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import ACCESS_DENIED
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, job_started


class ComputerSystemProvider(Provider):
    class_name = "Msvm_ComputerSystem"

    def __init__(self, machines: Machines, host_name: str) -> None:
        self._machines = machines
        self._host_name = host_name

    def methods(self) -> Mapping[str, Method]:
        return {"RequestStateChange": self._request_state_change}

    def _request_state_change(self, call: Call) -> Outputs:
        if call.target.get("Name") == self._host_name:
            return {"ReturnValue": ACCESS_DENIED}  # the host is not turned off this way (assumption)
        machine = self._machines.of(call.reference)
        return job_started(machine.request_state(call.integer("RequestedState"), call.caller.user))
