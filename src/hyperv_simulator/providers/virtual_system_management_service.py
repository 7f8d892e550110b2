"""Msvm_VirtualSystemManagementService: machines come, change and go.

Which answers come at once and which in a job (real-instances 3.5, 3.6, hyperv-ops 0): DefineSystem and the adding
methods answer with their results, as clients in the field rely on; modifying, removing and destroying is done in a
job. What an adding method can't do after it has been checked fails in a job as well, for its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.checkpoints.settings import checkpoint_changes
from hyperv_simulator.machines.device_kinds import MEMORY, PROCESSOR, SERIAL_PORT
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.storage import sub_type_of
from hyperv_simulator.machines.resources.table import ResourceTable
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.export import ExportMethods
from hyperv_simulator.providers.features import FeatureSettings
from hyperv_simulator.providers.guest_network import GuestNetwork
from hyperv_simulator.providers.guest_services import GuestServices
from hyperv_simulator.providers.planned_systems import PlannedSystems
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.summary_information import SummaryInformation
from hyperv_simulator.providers.system_settings import SystemSettings
from hyperv_simulator.providers.thumbnails import Thumbnails
from hyperv_simulator.repository.instances import Repository

_SETTINGS = "CIM_ResourceAllocationSettingData"
_DEFINING = JobKind("Defining", "Defining Virtual Machine", 1)
_DESTROYING = JobKind("Destroying", "Destroying Virtual Machine", 3)
_MODIFYING_SYSTEM = JobKind("Modifying", "Modifying Virtual Machine", 2)
_ADDING = JobKind("Adding Resources", "Adding Virtual Machine Resources", 30)
_MODIFYING = JobKind("Modifying Resources", "Modifying Virtual Machine Resources", 31)
_REMOVING = JobKind("Removing Resources", "Removing Virtual Machine Resources", 32)


class VirtualSystemManagementProvider(Provider):
    class_name = "Msvm_VirtualSystemManagementService"

    def __init__(
        self,
        repository: Repository,
        machines: Machines,
        jobs: Jobs,
        resources: ResourceTable,
        *,
        system_settings: SystemSettings,
        features: FeatureSettings,
        summaries: SummaryInformation,
        guest_services: GuestServices,
        thumbnails: Thumbnails,
        service_settings: ServiceSettings,
        planned_systems: PlannedSystems,
        exports: ExportMethods,
        guest_network: GuestNetwork,
        checkpoints: Checkpoints,
        further: Iterable[Mapping[str, Method]] = (),
    ) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs
        self._resources = resources
        self._system_settings = system_settings
        self._features = features
        self._summaries = summaries
        self._guest_services = guest_services
        self._thumbnails = thumbnails
        self._service_settings = service_settings
        self._planned_systems = planned_systems
        self._exports = exports
        self._guest_network = guest_network
        self._checkpoints = checkpoints
        self._further = {name: method for methods in further for name, method in methods.items()}

    def methods(self) -> Mapping[str, Method]:
        return {
            **self._further,
            "DefineSystem": self._define,
            "DefinePlannedSystem": self._define,
            "DestroySystem": self._destroy,
            "ModifySystemSettings": self._modify_system,
            "AddResourceSettings": self._add_resources,
            "ModifyResourceSettings": self._modify_resources,
            "RemoveResourceSettings": self._remove_resources,
            **self._features.methods(),
            **self._summaries.methods(),
            **self._guest_services.methods(),
            **self._thumbnails.methods(),
            **self._service_settings.methods(),
            **self._planned_systems.methods(),
            **self._exports.methods(),
            **self._guest_network.methods(),
        }

    # Machines

    def _define(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SystemSettings", VSSD) if call.given("SystemSettings") else CimInstance(VSSD)
            resources = call.all_embedded("ResourceSettings", _SETTINGS)
            reference = call.given("ReferenceConfiguration")
            if isinstance(reference, CimReference):
                given = self._cloned(self._repository.get(reference), given)
            self._system_settings.check_definition(given)
            machine = self._machines.define(
                given,
                is_planned=call.method.lower() == "defineplannedsystem",
                and_then=lambda machine: self._equip(machine, resources),
            )
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_DEFINING, failure, user=call.caller.user))
        return done(ResultingSystem=machine.reference)

    def _destroy(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("AffectedSystem"))
        machine.claim()  # documented precondition: off or saved (hyperv-ops 1)

        def destroy(_: JobControl) -> None:
            self._checkpoints.delete_all(machine)
            self._machines.destroy(machine)

        return self._start(call, _DESTROYING, destroy, machine, on_failure=machine.unclaim)

    def _modify_system(self, call: Call) -> Outputs:
        machine: Machine | None = None
        try:
            given = call.embedded("SystemSettings", VSSD)
            reference = CimReference(VSSD, {"InstanceID": self._id_in(given)})
            checkpoint = self._checkpoints.tree.find(reference)
            if checkpoint is not None:
                return self._modify_checkpoint(checkpoint, given)
            machine = self._machines.of(reference)
            changes = self._system_settings.checked(machine, given)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING_SYSTEM, failure, user=call.caller.user))
        changed = machine

        def modify(_: JobControl) -> None:
            with changed.lock:
                self._system_settings.apply(changed, changes)

        return self._start(call, _MODIFYING_SYSTEM, modify, machine)

    def _modify_checkpoint(self, checkpoint: CimInstance, given: CimInstance) -> Outputs:
        """Done at once (HVWMI snapshot_rename)."""
        changes = checkpoint_changes(checkpoint, given)
        self._repository.change(self._repository.reference_of(checkpoint), changes)
        return done()

    # Resources

    def _add_resources(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("AffectedConfiguration"))
        added: list[CimInstance] = []
        try:
            resources = call.all_embedded("ResourceSettings", _SETTINGS)
            if not resources:
                raise Refused(INVALID_PARAMETER, "nothing to add")
            with machine.lock:
                self._must_rest(machine)
                self._all_or_none(machine, resources, added)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_ADDING, failure, user=call.caller.user, affected=machine.reference))
        self._touch(machine)
        results: list[CimScalar] = [self._repository.reference_of(item) for item in added]
        return done(ResultingResourceSettings=results)

    def _modify_resources(self, call: Call) -> Outputs:
        try:
            resources = call.all_embedded("ResourceSettings", _SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        if not resources:
            raise Refused(INVALID_PARAMETER, "nothing to modify")
        for given in resources:
            self._resources.of(self._current(given))
        machine = self._machines.of(self._repository.reference_of(self._current(resources[0])))

        def modify(_: JobControl) -> None:
            with machine.lock, _refusal_as_failure(machine):
                self._must_rest(machine)
                for given in resources:
                    current = self._current(given)
                    self._resources.of(current).modify(machine, current, given)
            self._touch(machine)

        return self._start(call, _MODIFYING, modify, machine)

    def _remove_resources(self, call: Call) -> Outputs:
        found = [self._repository.find(reference) for reference in call.targets_of("ResourceSettings")]
        current = [item for item in found if item is not None]
        if not current or len(current) < len(found):
            raise Refused(INVALID_PARAMETER, "no such settings")
        machine = self._machines.of(self._repository.reference_of(current[0]))

        def remove(_: JobControl) -> None:
            with machine.lock, _refusal_as_failure(machine):
                self._must_rest(machine)
                for resource in current:
                    self._resources.of(resource).remove(machine, resource)
            self._touch(machine)

        return self._start(call, _REMOVING, remove, machine)

    # Inside

    def _start(
        self,
        call: Call,
        kind: JobKind,
        work: Callable[[JobControl], None],
        machine: Machine,
        on_failure: Callable[[], None] = lambda: None,
    ) -> Outputs:
        return job_started(
            self._jobs.start(
                kind,
                work,
                user=call.caller.user,
                affected=machine.reference,
                origin=(self.class_name, call.method),
                on_failure=on_failure,
            )
        )

    def _equip(self, machine: Machine, resources: list[CimInstance]) -> None:
        """Resources of a definition: memory, processors and ports replace the fresh ones, the rest is added."""
        ports = iter(machine.reader.of_kind("Serial Port"))
        for given in resources:
            current: CimInstance | None = None
            if given.class_name == MEMORY:
                current = machine.reader.memory
            elif given.class_name == PROCESSOR:
                current = machine.reader.processor
            elif given.class_name == SERIAL_PORT or sub_type_of(given) == "serial port":
                current = next(ports, None)
            if current is not None:
                self._resources.of(current).modify(machine, current, given)
            else:
                self._resources.of(given).add(machine, given)

    def _all_or_none(self, machine: Machine, resources: list[CimInstance], added: list[CimInstance]) -> None:
        try:
            for given in resources:
                added.append(self._resources.of(given).add(machine, given))
        except (Refused, OperationFailed):
            for item in reversed(added):
                current = self._repository.find(self._repository.reference_of(item))
                if current is not None:
                    self._resources.of(item).remove(machine, current)
            raise

    def _must_rest(self, machine: Machine) -> None:
        if machine.is_changing:
            raise Refused(INVALID_STATE, "a change of state is under way")

    def _touch(self, machine: Machine) -> None:
        self._system_settings.touch(machine)

    def _current(self, given: CimInstance) -> CimInstance:
        """The settings object that a modification means: the one with its InstanceID."""
        current = self._repository.find(CimReference(given.class_name, {"InstanceID": self._id_in(given)}))
        if current is None:
            raise Refused(INVALID_PARAMETER, f"no settings {given.get('InstanceID')!r}")
        return current

    @staticmethod
    def _id_in(given: CimInstance) -> str:
        value = given.get("InstanceID")
        if not isinstance(value, str) or not value:
            raise Refused(INVALID_PARAMETER, "no InstanceID")
        return value

    @staticmethod
    def _cloned(source: CimInstance, given: CimInstance) -> CimInstance:
        """ReferenceConfiguration: what the caller does not say is taken from there, identity excepted."""
        own = (
            "InstanceID", "VirtualSystemIdentifier", "VirtualSystemType", "ConfigurationID", "ConfigurationFile",
            "CreationTime", "BIOSGUID", "SuspendDataRoot", "GuestStateFile", "BootSourceOrder", "Caption",
            "Description", "Parent", "IsSaved", "IsAutomaticSnapshot",
        )  # fmt: skip
        values: dict[str, CimValue] = {name: value for name, value in source.items() if name not in own}
        values |= dict(given.items())
        return CimInstance(VSSD, values)


@contextmanager
def _refusal_as_failure(machine: Machine) -> Iterator[None]:
    """A refusal inside a job is the job's failure, with the same code."""
    try:
        yield
    except Refused as refusal:
        name = machine.reader.name
        raise OperationFailed(
            f"Modifying the properties of '{name}' failed.",
            f"'{name}': The operation failed with error code '{refusal.code}'.",
            code=refusal.code,
            machine_id=machine.machine_id,
        ) from None
