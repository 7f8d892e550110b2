"""Msvm_VirtualSystemSnapshotService: checkpoints.

Every method answers with a job where the request is right; what it made is linked to the job when it has ended
(real-instances 3.5). Return codes: R5, R11 and R12 of hyperv-ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.instances.reference_points import ReferencePoints
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.checkpoints.operations import Checkpoints, Wish
from hyperv_simulator.machines.checkpoints.tree import REALIZED, RECOVERY
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import (
    INVALID_PARAMETER,
    INVALID_STATE,
    INVALID_TYPE,
    OperationFailed,
    Refused,
)
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, job_started
from hyperv_simulator.providers.unsupported import service_control

_SETTINGS = "Msvm_VirtualSystemSnapshotSettingData"
_FULL, _DISK, _RECOVERY = 2, 3, 32768
_APPLICATION_CONSISTENT = 1
# Names and descriptions of the first two: real-instances 3.5; types: value map of JobType.
_TAKING = JobKind("Taking Snapshot", "Taking Virtual Machine Snapshot", 70)
_DELETING = JobKind("Deleting Snapshot", "Deleting Snapshot", 72)
_APPLYING = JobKind("Applying Snapshot", "Applying Virtual Machine Snapshot", 71)
_CONVERTING = JobKind("Converting Snapshot", "Converting Snapshot to Reference Point", 200)
_CLEARING = JobKind("Clearing Snapshot State", "Clearing Virtual Machine Snapshot State", 73)
# OperationalStatus[1] of the machine meanwhile, hyperv-ops 6.
_CREATING_STATUS = (32768, "Creating checkpoint")
_APPLYING_STATUS = (32769, "Applying checkpoint")
_DELETING_STATUS = (32770, "Deleting checkpoint")


class VirtualSystemSnapshotProvider(Provider):
    class_name = "Msvm_VirtualSystemSnapshotService"

    def __init__(
        self, machines: Machines, checkpoints: Checkpoints, reference_points: ReferencePoints, jobs: Jobs
    ) -> None:
        self._machines = machines
        self._checkpoints = checkpoints
        self._reference_points = reference_points
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "CreateSnapshot": self._create,
            "ApplySnapshot": self._apply,
            "DestroySnapshot": self._destroy,
            "DestroySnapshotTree": self._destroy_tree,
            "ClearSnapshotState": self._clear,
            "ConvertToReferencePoint": self._convert,
            **service_control(),
        }

    def _create(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("AffectedSystem"))
        try:
            wish = self._wish(call)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_TAKING, failure, user=call.caller.user, affected=machine.reference))

        def take(control: JobControl) -> None:
            self._jobs.add_result(control.reference, self._checkpoints.take(machine, wish))

        return self._start(call, _TAKING, machine, _CREATING_STATUS, take)

    @staticmethod
    def _wish(call: Call) -> Wish:
        text = call.given("SnapshotSettings")
        given = call.embedded("SnapshotSettings", _SETTINGS) if text else CimInstance(_SETTINGS)
        kind = call.integer("SnapshotType")
        if kind not in (_FULL, _DISK, _RECOVERY):
            raise Refused(INVALID_TYPE, f"SnapshotType {kind}")
        level, backup = given.integer("ConsistencyLevel", 0), given.integer("GuestBackupType", 0)
        if level not in (0, 1, 2) or backup not in (0, 1, 2):
            raise Refused(INVALID_PARAMETER, f"ConsistencyLevel {level}, GuestBackupType {backup}")
        return Wish(
            kind=RECOVERY if kind == _RECOVERY else REALIZED,
            with_memory=kind == _FULL and level == 0,
            consistent=level == _APPLICATION_CONSISTENT,
            ignore_other_disks=given.boolean("IgnoreNonSnapshottableDisks", False),
        )

    def _apply(self, call: Call) -> Outputs:
        checkpoint = self._checkpoints.tree.of(call.target_of("Snapshot"))
        machine = self._machine_of(checkpoint)
        if machine.state not in (State.OFF, State.SAVED):
            raise Refused(INVALID_STATE, "the machine is on")

        def apply(_: JobControl) -> None:
            self._checkpoints.apply(machine, checkpoint)

        return self._start(call, _APPLYING, machine, _APPLYING_STATUS, apply)

    def _destroy(self, call: Call) -> Outputs:
        checkpoint = self._checkpoints.tree.of(call.target_of("AffectedSnapshot"))
        return self._delete(call, checkpoint, [checkpoint])

    def _destroy_tree(self, call: Call) -> Outputs:
        checkpoint = self._checkpoints.tree.of(call.target_of("SnapshotSettingData"))
        return self._delete(call, checkpoint, self._checkpoints.tree.subtree(checkpoint))

    def _delete(self, call: Call, checkpoint: CimInstance, doomed: list[CimInstance]) -> Outputs:
        machine = self._machine_of(checkpoint)

        def delete(_: JobControl) -> None:
            self._checkpoints.delete(machine, doomed)

        def merge() -> None:
            self._checkpoints.merging.start(machine, call.caller.user)

        return self._start(call, _DELETING, machine, _DELETING_STATUS, delete, merge)

    def _clear(self, call: Call) -> Outputs:
        checkpoint = self._checkpoints.tree.of(call.target_of("SnapshotSettingData"))
        if checkpoint.get("IsSaved") is not True:
            raise Refused(INVALID_STATE, "the checkpoint holds no memory")

        def clear(_: JobControl) -> None:
            self._checkpoints.clear_state(checkpoint)

        return self._start(call, _CLEARING, self._machine_of(checkpoint), _DELETING_STATUS, clear)

    def _convert(self, call: Call) -> Outputs:
        """Only recovery checkpoints become reference points, and are gone then (the service's class page)."""
        checkpoint = self._checkpoints.tree.of(call.target_of("AffectedSnapshot"))
        if checkpoint.get("VirtualSystemType") != RECOVERY:
            raise Refused(INVALID_TYPE, "no recovery checkpoint")
        machine = self._machine_of(checkpoint)

        def convert(control: JobControl) -> None:
            self._jobs.add_result(control.reference, self._reference_points.create(machine))
            self._checkpoints.delete(machine, [checkpoint])

        def merge() -> None:
            self._checkpoints.merging.start(machine, call.caller.user)

        return self._start(call, _CONVERTING, machine, _DELETING_STATUS, convert, merge)

    def _machine_of(self, checkpoint: CimInstance) -> Machine:
        machine = self._machines.find(checkpoint.text("VirtualSystemIdentifier", ""))
        if machine is None:
            raise Refused(INVALID_PARAMETER, "the machine of the checkpoint is gone")
        return machine

    def _start(
        self,
        call: Call,
        kind: JobKind,
        machine: Machine,
        status: tuple[int, str],
        work: Callable[[JobControl], None],
        then: Callable[[], None] = lambda: None,
    ) -> Outputs:
        machine.occupy(*status)

        def occupied(control: JobControl) -> None:
            work(control)
            machine.vacate()
            then()

        return job_started(
            self._jobs.start(
                kind,
                occupied,
                user=call.caller.user,
                affected=machine.reference,
                origin=(self.class_name, call.method),
                on_failure=machine.vacate,
            )
        )
