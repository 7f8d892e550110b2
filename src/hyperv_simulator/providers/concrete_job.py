"""Jobs' own methods: why one failed, and asking one to end. The same for every class of job.

RequestStateChange takes 4 (terminate) and 5 (kill) of a cancellable job that runs; its codes are R21 of hyperv-ops.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.jobs import Jobs, error_text
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.instances import Repository

_TERMINATE, _KILL = 4, 5
_INVALID_PARAMETER = 5
_INVALID_TRANSITION = 4097


class JobProvider(Provider):
    class_name = "CIM_ConcreteJob"

    def __init__(self, jobs: Jobs, repository: Repository) -> None:
        self._jobs = jobs
        self._repository = repository

    def methods(self) -> Mapping[str, Method]:
        return {
            "GetError": self._get_error,
            "GetErrorEx": self._get_errors,
            "RequestStateChange": self._request_state_change,
        }

    def _get_error(self, call: Call) -> Outputs:
        failure = self._jobs.failure_of(call.reference)
        return done(Error=error_text(self._repository, failure) if failure is not None else None)

    def _get_errors(self, call: Call) -> Outputs:
        failure = self._jobs.failure_of(call.reference)
        if failure is None:
            return done(Errors=None)
        return done(Errors=[error_text(self._repository, item) for item in (failure, *failure.reasons)])

    def _request_state_change(self, call: Call) -> Outputs:
        if call.integer("RequestedState") not in (_TERMINATE, _KILL):
            return {"ReturnValue": _INVALID_PARAMETER}
        return done() if self._jobs.cancel(call.reference) else {"ReturnValue": _INVALID_TRANSITION}
