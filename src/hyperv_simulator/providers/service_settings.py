"""ModifyServiceSettings, as the services of a host have it: one settings object per service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.providers.base import Call, Method, Outputs, done, job_started
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.repository.records import instance_of, record_of

_MODIFYING = JobKind("Modifying Service Settings", "Modifying Management Service Settings", 4)


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """Whose settings, and how they are called.

    :param parameter: of ModifyServiceSettings.
    :param tail: of the settings' id, after the host's name.
    :param check: raises Refused for values that the service does not take.
    :param at_once: the service answers when it is done, without a job.
    """

    service_class: str
    settings_class: str
    parameter: str = "SettingData"
    tail: str = ""
    check: Callable[[Mapping[str, CimValue]], None] = lambda _changes: None
    at_once: bool = False


MANAGEMENT = ServiceKind(
    "Msvm_VirtualSystemManagementService", "Msvm_VirtualSystemManagementServiceSettingData"
)  # NUMA spanning, MAC range, default folders


class ServiceSettings:
    """Changes the settings of one service.

    :param kept: where changes survive a restart; without it they don't.
    """

    def __init__(
        self,
        repository: Repository,
        jobs: Jobs,
        host_name: str,
        kind: ServiceKind = MANAGEMENT,
        kept: KeptState | None = None,
    ) -> None:
        self._repository = repository
        self._jobs = jobs
        self._kind = kind
        self._kept = kept
        self._reference = CimReference(kind.settings_class, {"InstanceID": ids.settings_id(host_name, kind.tail)})
        if kept is not None and (record := kept.section(kind.settings_class)):
            repository.change(self._reference, dict(instance_of(record).items()))

    def methods(self) -> Mapping[str, Method]:
        return {"ModifyServiceSettings": self._modify}

    def _modify(self, call: Call) -> Outputs:
        try:
            given = call.embedded(self._kind.parameter, self._kind.settings_class)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        changes = {name: value for name, value in given.items() if name.lower() != "instanceid" and value is not None}
        self._kind.check(changes)

        def modify(_: JobControl | None = None) -> None:
            after = self._repository.change(self._reference, changes)
            if self._kept is not None:
                self._kept.keep(self._kind.settings_class, record_of(after))

        if self._kind.at_once:
            modify()
            return done()
        origin = (self._kind.service_class, call.method)
        return job_started(self._jobs.start(_MODIFYING, modify, user=call.caller.user, origin=origin))
