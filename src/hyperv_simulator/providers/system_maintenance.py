"""What the management service does around a machine's life: versions, the size of its files, merges, error texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.checkpoints.merging import Merging
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done, job_started
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

DISK_MERGE = "Msvm_DiskMergeSettingData"
_UPGRADE_SETTINGS = "Msvm_VirtualSystemUpgradeSettingData"
_SERVICE = "Msvm_VirtualSystemManagementService"
_DISABLED, _ENABLED = 0, 1
_UPGRADING = JobKind("Upgrading", "Upgrading Virtual Machine", 2)
_MERGE_SETTINGS = JobKind("Modifying", "Modifying Virtual Machine", 2)


class SystemMaintenance:
    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs, merging: Merging) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs
        self._merging = merging
        repository.add_source(DISK_MERGE, self._merge_settings)

    def methods(self) -> Mapping[str, Method]:
        return {
            "UpgradeSystemVersion": self._upgrade,
            "GetSizeOfSystemFiles": self._size,
            "ModifyDiskMergeSettings": self._modify_merging,
            "FormatError": self._format,
        }

    # Versions

    def _upgrade(self, call: Call) -> Outputs:
        """To the newest configuration version of the host, or to one that the settings name; never back."""
        machine = self._machines.of(call.target_of("ComputerSystem"))
        version = self._wanted_version(call)
        if _order(version) < _order(machine.reader.system.text("Version")):
            raise Refused(INVALID_PARAMETER, f"{version} is older than the machine's version")
        if machine.state is not State.OFF or machine.is_changing:
            raise Refused(INVALID_STATE, "the machine is not off")

        def upgrade(_: JobControl) -> None:
            reference = CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)})
            self._repository.change(reference, {"Version": version})

        return self._start(call, _UPGRADING, machine, upgrade)

    def _wanted_version(self, call: Call) -> str:
        windows = self._repository.catalogue.version
        if not call.given("UpgradeSettingData"):
            return windows.configuration_version
        given = call.embedded("UpgradeSettingData", "CIM_SettingData")
        version = given.get("TargetVersion") or windows.configuration_version
        if version not in windows.supported_versions:
            raise Refused(INVALID_PARAMETER, f"configuration version {version!r}")
        return str(version)

    # Files

    def _size(self, call: Call) -> Outputs:
        """The configuration file and what is saved of its memory."""
        machine = self._machines.of(call.target_of("Vssd"))
        files = (self._machines.configuration_file(machine), machine.saved_file)
        return done(Size=sum(file.stat().st_size for file in files if file.exists()))

    # Merges

    def _merge_settings(self, owner: str) -> Iterator[CimInstance]:
        found: Iterable[Machine | None] = self._machines.all() if not owner else [self._machines.find(owner)]
        for machine in found:
            if machine is not None:
                state = _DISABLED if self._merging.is_suspended(machine) else _ENABLED
                yield new_instance(
                    self._repository.catalogue,
                    DISK_MERGE,
                    {"InstanceID": ids.settings_id(machine.machine_id), "EnabledState": state},
                )

    def _modify_merging(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SettingData", DISK_MERGE)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MERGE_SETTINGS, failure, user=call.caller.user))
        machine = self._machines.of(CimReference(DISK_MERGE, {"InstanceID": given.text("InstanceID", "")}))
        state = given.integer("EnabledState", _ENABLED)
        if state not in (_DISABLED, _ENABLED):
            raise Refused(INVALID_PARAMETER, f"EnabledState {state}")

        def modify(_: JobControl) -> None:
            self._merging.suspend(machine, state == _DISABLED)
            self._merging.start(machine, call.caller.user)

        return self._start(call, _MERGE_SETTINGS, machine, modify)

    # Errors

    @staticmethod
    def _format(call: Call) -> Outputs:
        """The texts of errors, one below the other."""
        errors = call.all_embedded("Errors", "Msvm_Error")
        return done(ErrorMessage="\n".join(error.text("Message", "") for error in errors))

    def _start(self, call: Call, kind: JobKind, machine: Machine, work: Callable[[JobControl], None]) -> Outputs:
        job = self._jobs.start(
            kind, work, user=call.caller.user, affected=machine.reference, origin=(_SERVICE, call.method)
        )
        return job_started(job)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
