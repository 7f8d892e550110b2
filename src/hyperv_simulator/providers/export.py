"""ExportSystemDefinition: the request read and checked; ``machines.exporting`` does it."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.companions import EXPORT_SETTINGS
from hyperv_simulator.machines.exporting import (
    ALL_SNAPSHOTS,
    NO_SNAPSHOTS,
    ONE_SNAPSHOT,
    Export,
    ExportingHost,
    ExportRequest,
)
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import INVALID_PARAMETER, METHOD_NOT_SUPPORTED, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, job_started

_EXPORTING = JobKind("Exporting", "Exporting Virtual Machine", 62)
_STATUS = 32773  # hyperv-ops 6
_CRASH_CONSISTENT = 0


class ExportMethods:
    def __init__(self, host: ExportingHost, machines: Machines, jobs: Jobs) -> None:
        self._host = host
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {"ExportSystemDefinition": self._export}

    def _export(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("ComputerSystem"))
        folder = call.text("ExportDirectory").rstrip("\\")
        try:
            text = call.given("ExportSettingData")
            given = call.embedded("ExportSettingData", EXPORT_SETTINGS) if text else CimInstance(EXPORT_SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_EXPORTING, failure, user=call.caller.user))
        request = self._request(machine, folder, given)
        machine.occupy(_STATUS, "Exporting virtual machine")

        def work(control: JobControl) -> None:
            def told(_bytes: int) -> None:
                if control.cancelled.is_set():
                    raise OperationFailed("The operation was cancelled.", machine_id=machine.machine_id)

            try:
                Export(self._host, machine, request).run(told)
            finally:
                machine.vacate()

        job = self._jobs.start(
            _EXPORTING,
            work,
            user=call.caller.user,
            affected=machine.reference,
            origin=("Msvm_VirtualSystemManagementService", call.method),
            on_failure=machine.vacate,
        )
        return job_started(job)

    @staticmethod
    def _request(machine: Machine, folder: str, given: CimInstance) -> ExportRequest:
        """What nobody says is as in the machine's own Msvm_VirtualSystemExportSettingData.

        :raises Refused: 32773, or 32770 for what the simulator has not: saved and application-consistent states of a
            running machine, exports for backup.
        """
        snapshots = given.integer("CopySnapshotConfiguration", ALL_SNAPSHOTS)
        if machine.is_on and given.integer("CaptureLiveState", _CRASH_CONSISTENT) != _CRASH_CONSISTENT:
            raise Refused(METHOD_NOT_SUPPORTED, "only the crash-consistent state of a running machine is exported")
        if snapshots not in (ALL_SNAPSHOTS, NO_SNAPSHOTS, ONE_SNAPSHOT) or given.get("DifferentialBackupBase"):
            raise Refused(METHOD_NOT_SUPPORTED, "exports for backup")
        snapshot = ""
        if snapshots == ONE_SNAPSHOT:
            try:
                snapshot = ids.system_of(parse_path(given.text("SnapshotVirtualSystem", "")).key("InstanceID"))
            except (CimError, KeyError):
                raise Refused(INVALID_PARAMETER, "SnapshotVirtualSystem is no checkpoint") from None
        if given.boolean("CreateVmExportSubdirectory", False):
            folder = f"{folder}\\{machine.reader.name}"
        return ExportRequest(
            folder,
            copy_storage=given.boolean("CopyVmStorage", True),
            copy_runtime=given.boolean("CopyVmRuntimeInformation", True),
            snapshots=snapshots,
            snapshot_id=snapshot,
            excluded=frozenset(path.lower() for path in given.texts("ExcludedVirtualHardDisks")),
        )
