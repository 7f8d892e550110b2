"""Msvm_VirtualSystemMigrationService: machines and their files move.

A request that is wrong in itself is refused with its code; everything that speaks against a move fails in the job, in
the frame that a real host gives (real-instances 3.5, 3.7). To a system object (MigrateVirtualSystemToSystem) nothing
moves: the capabilities do not name these methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimScalar, CimValue
from hyperv_simulator.jobs import JobControl, Jobs, error_text
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration import local_move
from hyperv_simulator.migration import request as requests
from hyperv_simulator.migration.mirror import mirrored
from hyperv_simulator.migration.neighbours import MigrationHost, Neighbours, SlotKind
from hyperv_simulator.migration.permission import failed, find_destination
from hyperv_simulator.migration.processors import ProcessorNeeds, host_offer, needs_of
from hyperv_simulator.migration.request import CHECKING, MIGRATING, MOVING, MigrationRequest, MigrationType
from hyperv_simulator.migration.transfer import Transfer
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.migration_settings import MigrationSettings
from hyperv_simulator.providers.unsupported import moves_into_systems, service_control

_NOT_COMPATIBLE = 32784  # R15 of hyperv-ops
_HARDWARE = "The hardware on this computer is not compatible with the hardware requirements of the virtual machine."


class VirtualSystemMigrationProvider(Provider):
    class_name = "Msvm_VirtualSystemMigrationService"

    def __init__(self, host: MigrationHost, jobs: Jobs, neighbours: Neighbours, kept: KeptState) -> None:
        self._host = host
        self._jobs = jobs
        self._neighbours = neighbours
        self._settings = MigrationSettings(host, jobs, kept)

    def methods(self) -> Mapping[str, Method]:
        return {
            "MigrateVirtualSystemToHost": self._migrate,
            "CheckVirtualSystemIsMigratable": self._check,
            "CheckVirtualSystemIsMigratableToHost": self._is_migratable,
            "GetSystemCompatibilityInfo": self._compatibility_info,
            "CheckSystemCompatibilityInfo": self._check_compatibility_info,
            "GetSystemCompatibilityVectors": self._compatibility_vectors,
            **self._settings.methods(),
            **moves_into_systems(),
            **service_control(),
        }

    # Moving

    def _migrate(self, call: Call) -> Outputs:
        machine = self._machine(call)
        try:
            request = requests.read(call)
        except OperationFailed as failure:
            kind = MOVING[MigrationType.MACHINE]
            return job_started(self._jobs.failed(kind, failure, user=call.caller.user, affected=machine.reference))
        values = self._job_values(machine, request, call)
        machine.occupy(MIGRATING, "Migrating virtual machine")

        def work(control: JobControl) -> None:
            try:
                self._move(machine, request, control, values, call.caller.user)
            finally:
                machine.vacate()

        job = self._jobs.start(
            MOVING[request.kind],
            work,
            user=call.caller.user,
            affected=machine.reference,
            origin=(self.class_name, call.method),
            on_failure=machine.vacate,
            values=values,
        )
        return job_started(job)

    def _move(
        self,
        machine: Machine,
        request: MigrationRequest,
        control: JobControl,
        values: Mapping[str, CimValue],
        user: str,
    ) -> None:
        def checked() -> None:
            if control.cancelled.is_set():
                raise failed(machine, self._host.host_name, "The operation was cancelled.")

        kind: SlotKind = "Storage" if request.is_local else "VirtualSystem"
        if request.is_local:
            with self._neighbours.slots((self._host,), kind, checked):
                if request.kind is MigrationType.STORAGE_DEEP_CHECK:
                    local_move.check(machine, self._host, request)
                else:
                    local_move.run(machine, self._host, request, checked)
            return
        destination = find_destination(machine, self._host, request, self._neighbours)
        moving = MOVING[request.kind]
        with (
            self._neighbours.slots((self._host, destination), kind, checked),
            mirrored(destination, moving, user, values) as there,
        ):

            def report(percent: int) -> None:
                control.progress(percent)
                destination.jobs.report(there, percent)

            progress = _Progress(report, checked)
            transfer = Transfer(machine, self._host, destination, request, progress.told)
            progress.expect(transfer)
            if request.kind is MigrationType.STAGED:
                transfer.stage()
            else:
                transfer.run()
            arrived = destination.machines.of(machine.reference)
            destination.jobs.add_result(there, arrived.reference)

    # Checking

    def _check(self, call: Call) -> Outputs:
        machine = self._machine(call)
        try:
            request = requests.read(call)
        except OperationFailed as failure:
            kind = CHECKING[MigrationType.MACHINE]
            return job_started(self._jobs.failed(kind, failure, user=call.caller.user, affected=machine.reference))
        job = self._jobs.start(
            CHECKING[request.kind],
            lambda _: self._verify(machine, request),
            user=call.caller.user,
            affected=machine.reference,
            origin=(self.class_name, call.method),
            values=self._job_values(machine, request, call),
        )
        return job_started(job)

    def _is_migratable(self, call: Call) -> Outputs:
        machine = self._machine(call)
        try:
            self._verify(machine, requests.read(call))
        except OperationFailed:
            return done(IsMigratable=False)
        return done(IsMigratable=True)

    def _verify(self, machine: Machine, request: MigrationRequest) -> None:
        if request.is_local:
            local_move.check(machine, self._host, request)
            return
        destination = find_destination(machine, self._host, request, self._neighbours)
        Transfer(machine, self._host, destination, request).check()

    # Processors

    def _compatibility_info(self, call: Call) -> Outputs:
        return done(CompatibilityInfo=self._needs(call).to_bytes())

    def _compatibility_vectors(self, call: Call) -> Outputs:
        vectors: list[CimScalar] = list(self._needs(call).vectors())
        return done(CompatibilityVectors=vectors)

    def _check_compatibility_info(self, call: Call) -> Outputs:
        try:
            info = call.given("CompatibilityInfo")
            needs = ProcessorNeeds.from_bytes(info if isinstance(info, bytes) else b"")
        except ValueError:
            raise Refused(INVALID_PARAMETER, "this host did not make this CompatibilityInfo") from None
        if needs.met_by(self._host.config):
            return done()
        reason = error_text(self._host.repository, OperationFailed(_HARDWARE, code=_NOT_COMPATIBLE))
        return {"ReturnValue": _NOT_COMPATIBLE, "Reasons": [reason]}

    def _needs(self, call: Call) -> ProcessorNeeds:
        """What the machine sees, or would see if it started now."""
        machine = self._machine(call)
        return needs_of(machine, self._host.config) or host_offer(self._host.config)

    # Inside

    def _machine(self, call: Call) -> Machine:
        machine = self._host.machines.of(call.target_of("ComputerSystem"))
        if machine.is_planned:
            raise Refused(INVALID_STATE, "a planned machine does not move")
        return machine

    @staticmethod
    def _job_values(machine: Machine, request: MigrationRequest, call: Call) -> dict[str, CimValue]:
        """What Msvm_MigrationJob tells of its request."""
        system = call.given("NewSystemSettingData")
        return {
            "VirtualSystemName": machine.reader.name,
            "DestinationHost": request.destination or None,
            "MigrationType": int(request.kind),
            "NewSystemSettingData": system if isinstance(system, str) else None,
            "NewResourceSettingData": [instance_to_text(item) for item in request.resources] or None,
        }


class _Progress:
    """Bytes copied, as the job's percentage; 100 is the job's own when it ends."""

    def __init__(self, report: Callable[[int], None], checked: Callable[[], None]) -> None:
        self._report = report
        self._checked = checked
        self._total = self._copied = 0

    def expect(self, transfer: Transfer) -> None:
        self._total = transfer.total_bytes()

    def told(self, size: int) -> None:
        self._checked()
        before = self._percent
        self._copied += size
        if self._percent != before:
            self._report(self._percent)

    @property
    def _percent(self) -> int:
        return min(99, self._copied * 99 // self._total) if self._total else 0
