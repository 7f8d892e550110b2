"""Msvm_ComputerSystem: changes of a machine's state."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import ACCESS_DENIED, FAILED, INVALID_STATE, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started


class ComputerSystemProvider(Provider):
    class_name = "Msvm_ComputerSystem"

    def __init__(self, machines: Machines, host_name: str) -> None:
        self._machines = machines
        self._host_name = host_name

    def methods(self) -> Mapping[str, Method]:
        return {
            "RequestStateChange": self._request_state_change,
            "InjectNonMaskableInterrupt": self._interrupt,
            "RequestReplicationStateChange": self._request_replication_state,
            "RequestReplicationStateChangeEx": self._request_replication_state,
        }

    def _interrupt(self, call: Call) -> Outputs:
        """Done at once: 0 is among the documented codes. A machine that does not run gives 32775 (assumption)."""
        if call.target.get("Name") == self._host_name:
            raise Refused(ACCESS_DENIED, "the host itself")
        machine = self._machines.of(call.reference)
        guest = machine.guest
        if guest is None or machine.state is not State.RUNNING:
            raise Refused(INVALID_STATE, "the machine does not run")
        try:
            guest.console.interrupt()
        except GuestError as error:
            raise Refused(FAILED, error.text) from None
        return done()

    def _request_state_change(self, call: Call) -> Outputs:
        if call.target.get("Name") == self._host_name:
            return {"ReturnValue": ACCESS_DENIED}  # the host is not turned off this way (assumption)
        machine = self._machines.of(call.reference)
        return job_started(machine.request_state(call.integer("RequestedState"), call.caller.user))

    def _request_replication_state(self, call: Call) -> Outputs:
        """As of Msvm_ReplicationService: what needs a relationship is an invalid state, for nothing is replicated."""
        if call.target.get("Name") == self._host_name:
            raise Refused(ACCESS_DENIED, "the host itself")
        machine = self._machines.of(call.reference)
        raise Refused(INVALID_STATE, f"{machine.machine_id} is not replicated")


class PlannedComputerSystemProvider(ComputerSystemProvider):
    """A planned machine has the method, and no state to change to (32775)."""

    class_name = "Msvm_PlannedComputerSystem"

    def methods(self) -> Mapping[str, Method]:
        return {"RequestStateChange": self._request_state_change}
