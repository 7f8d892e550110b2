"""Importing machines: the management service's methods for planned ones, and the preview of a definition file.

Results stand in Msvm_AffectedJobElement when the job has ended, as for every job (hyperv-ops 0, 8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.planning import Planning
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import FILE_NOT_FOUND, INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done, job_started
from hyperv_simulator.repository.instances import Repository

_IMPORTING = JobKind("Importing", "Importing Virtual Machine", 61)
_VALIDATING = JobKind("Validating", "Validating Planned Virtual Machine", 140)
_REALIZING = JobKind("Realizing", "Realizing Virtual Machine", 141)


class PlannedSystems:
    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs, planning: Planning) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs
        self._planning = planning

    def methods(self) -> Mapping[str, Method]:
        return {
            "ImportSystemDefinition": self._import,
            "ImportSnapshotDefinitions": self._import_snapshots,
            "ValidatePlannedSystem": self._validate,
            "RealizePlannedSystem": self._realize,
            "GetDefinitionFileSummaryInformation": self._summaries,
        }

    def _import(self, call: Call) -> Outputs:
        path = call.text("SystemDefinitionFile")
        folder = call.text("SnapshotFolder", "")
        new_identity = call.boolean("GenerateNewSystemIdentifier")

        def work(control: JobControl) -> None:
            machine = self._planning.bring_in(path, folder, new_identity=new_identity)
            self._jobs.add_result(control.reference, machine.reference)

        return self._start(call, _IMPORTING, work, None)

    def _import_snapshots(self, call: Call) -> Outputs:
        machine = self._planned(call)
        folder = call.text("SnapshotFolder")

        def work(control: JobControl) -> None:
            for snapshot in self._planning.bring_in_snapshots(machine, folder):
                self._jobs.add_result(control.reference, self._repository.reference_of(snapshot))

        return self._start(call, _IMPORTING, work, machine.reference)

    def _validate(self, call: Call) -> Outputs:
        machine = self._planned(call)
        return self._start(call, _VALIDATING, lambda _: self._planning.validate(machine), machine.reference)

    def _realize(self, call: Call) -> Outputs:
        machine = self._planned(call)

        def work(control: JobControl) -> None:
            self._planning.realize(machine)
            self._jobs.add_result(control.reference, machine.reference)

        return self._start(call, _REALIZING, work, machine.reference)

    def _summaries(self, call: Call) -> Outputs:
        """What the definitions say of themselves.

        :raises Refused: 32779 for a file that is none (the family's code for files; which one a host gives is an
            assumption).
        """
        found: list[CimScalar] = []
        for path in call.texts("DefinitionFiles"):
            try:
                definition = self._planning.read(path)
            except OperationFailed as failure:
                raise Refused(FILE_NOT_FOUND, failure.summary) from None
            system = definition.system
            notes = "\n".join(system.texts("Notes"))
            summary = CimInstance(
                "Msvm_SummaryInformation",
                {
                    "InstanceID": system.get("InstanceID"),
                    "Name": definition.machine_id,
                    "ElementName": definition.name,
                    "CreationTime": system.get("CreationTime"),
                    "Notes": notes,
                    "Version": system.get("Version"),
                    "VirtualSystemSubType": system.get("VirtualSystemSubType"),
                    "EnabledState": int(definition.state),
                },
            )
            found.append(self._repository.finished(summary))
        if not found:
            raise Refused(INVALID_PARAMETER, "no DefinitionFiles")
        return done(SummaryInformation=found)

    def _planned(self, call: Call) -> Machine:
        machine = self._machines.of(call.target_of("PlannedSystem"))
        if not machine.is_planned:
            raise Refused(INVALID_PARAMETER, "the machine is not planned")
        return machine

    def _start(
        self, call: Call, kind: JobKind, work: Callable[[JobControl], None], affected: CimReference | None
    ) -> Outputs:
        origin = ("Msvm_VirtualSystemManagementService", call.method)
        return job_started(self._jobs.start(kind, work, user=call.caller.user, affected=affected, origin=origin))
