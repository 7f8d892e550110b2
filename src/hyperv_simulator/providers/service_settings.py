"""ModifyServiceSettings of the management service: NUMA spanning, MAC range, default folders."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.providers.base import Call, Method, Outputs, job_started
from hyperv_simulator.repository.instances import Repository

_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"
_MODIFYING = JobKind("Modifying Service Settings", "Modifying Management Service Settings", 4)


class ServiceSettings:
    def __init__(self, repository: Repository, jobs: Jobs, host_name: str) -> None:
        self._repository = repository
        self._jobs = jobs
        self._host_name = host_name

    def methods(self) -> Mapping[str, Method]:
        return {"ModifyServiceSettings": self._modify}

    def _modify(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SettingData", _SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        reference = CimReference(_SETTINGS, {"InstanceID": ids.settings_id(self._host_name)})
        changes = {name: value for name, value in given.items() if name.lower() != "instanceid" and value is not None}

        def modify(_: JobControl) -> None:
            self._repository.change(reference, changes)

        origin = ("Msvm_VirtualSystemManagementService", call.method)
        return job_started(self._jobs.start(_MODIFYING, modify, user=call.caller.user, origin=origin))
