"""Msvm_VirtualSystemReferencePointService.

What a host said (HVWMI ``reference_point``): a machine with a VHDX gets one in a job, one without any fails in its job
with 32770; those of Hyper-V Replica's log are refused with 32773.
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.instances.reference_points import REFERENCE_POINT, ReferencePoints
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import INVALID_PARAMETER, METHOD_NOT_SUPPORTED, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, job_started
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository

_CREATING = JobKind("Creating Reference Point", "Creating Virtual Machine Reference Point", 70)
_DESTROYING = JobKind("Destroying Reference Point", "Destroying Virtual Machine Reference Point", 71)
_CHANGE_TRACKING = (1, 2)  # the numbers that mean resilient change tracking


class ReferencePointProvider(Provider):
    class_name = "Msvm_VirtualSystemReferencePointService"

    def __init__(self, repository: Repository, machines: Machines, points: ReferencePoints, jobs: Jobs) -> None:
        self._repository = repository
        self._machines = machines
        self._points = points
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "CreateReferencePoint": self._create,
            "DestroyReferencePoint": self._destroy,
            "ExportReferencePoint": self._refuse,
            "ImportReferencePointMetadata": self._refuse,
            "RemoveAssociatedData": self._refuse,
            **service_control(),
        }

    def _create(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("AffectedSystem"))
        if call.integer("ReferencePointType") not in _CHANGE_TRACKING:
            raise Refused(INVALID_PARAMETER, "reference points of a replication log")

        def create(control: JobControl) -> None:
            if not _has_a_vhdx(machine):
                name = machine.reader.name
                raise OperationFailed(
                    f"Failed to create a reference point of '{name}'.",
                    code=METHOD_NOT_SUPPORTED,
                    machine_id=machine.machine_id,
                )
            self._jobs.add_result(control.reference, self._points.create(machine))

        origin = (self.class_name, call.method)
        return job_started(
            self._jobs.start(_CREATING, create, user=call.caller.user, affected=machine.reference, origin=origin)
        )

    def _destroy(self, call: Call) -> Outputs:
        point = self._repository.find(call.target_of("AffectedReferencePoint"))
        if point is None or point.class_name != REFERENCE_POINT:
            raise Refused(INVALID_PARAMETER, "no such reference point")
        found: CimInstance = point

        def destroy(_: JobControl) -> None:
            self._points.destroy(found)

        origin = (self.class_name, call.method)
        return job_started(self._jobs.start(_DESTROYING, destroy, user=call.caller.user, origin=origin))

    @staticmethod
    def _refuse(_: Call) -> Outputs:
        raise Refused(METHOD_NOT_SUPPORTED, "changes of disks are not tracked")


def _has_a_vhdx(machine: Machine) -> bool:
    return any(drive.path.lower().endswith((".vhdx", ".avhdx")) for drive in machine.reader.drives())
