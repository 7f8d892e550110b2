"""Jobs: what Hyper-V does while the client polls.

Rule 1: a job is an instance like any other; it is New, then Running, then ended, and never changes after that.
Rule 2: five minutes after its end it is gone (TimeBeforeRemoval), and asking for it is asking for a missing instance.
Rule 3: whoever starts a job gives the work as a function; its return is the job's success, its OperationFailed the
job's exception. The work reports progress and learns of a cancellation through its ``JobControl``.
Sources: real-instances 3.5 (values of a recorded storage job), hyperv-ops 0 (states), Msvm_ConcreteJob page (types).
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.identifiers import new_guid
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_LOG = logging.getLogger(__name__)

NEW, RUNNING, COMPLETED, TERMINATED, EXCEPTION = 2, 4, 7, 8, 10
KEPT_FOR = dt.timedelta(minutes=5)
NEVER = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
_WORKERS = 64


@dataclass(frozen=True, slots=True)
class JobKind:
    """What a job is called. Names and types: real-instances 3.5 and the value map of JobType."""

    name: str
    description: str
    job_type: int
    class_name: str = "Msvm_ConcreteJob"


class FaultOfJob(Protocol):
    """What befalls a job on demand (``fault_rules.JobFault``); code 0: it may succeed."""

    @property
    def delay_s(self) -> float: ...

    @property
    def code(self) -> int: ...

    @property
    def message(self) -> str: ...


class JobControl:
    """The job as its work sees it."""

    def __init__(self, jobs: Jobs, reference: CimReference) -> None:
        self.reference = reference
        self.cancelled = threading.Event()
        self.hurried = threading.Event()  # nothing is to be waited for any more
        self._jobs = jobs

    def progress(self, percent: int) -> None:
        self._jobs.report(self.reference, percent)


@dataclass(slots=True)
class _Record:
    """What is known of a job besides its instance."""

    control: JobControl
    affected: list[tuple[CimReference, int]]
    results: list[tuple[CimReference, int]] = field(default_factory=list)
    failure: OperationFailed | None = None
    ended_at: dt.datetime | None = None


class Jobs:
    """The job engine of one host.

    :param fault: asked at each start with (class, method); a fault makes the job fail instead of doing its work.
    """

    def __init__(
        self,
        repository: Repository,
        host_name: str,
        fault: Callable[[str, str], FaultOfJob | None] = lambda _class_name, _method: None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._repository = repository
        self._host_name = host_name
        self._fault = fault
        self._now = now
        self._records: dict[CimReference, _Record] = {}
        self._ended: deque[tuple[dt.datetime, CimReference]] = deque()  # in the order of their end
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix=f"{host_name}-job")
        for class_name in ("Msvm_ConcreteJob", "Msvm_StorageJob", "Msvm_MigrationJob", "Msvm_CopyFileToGuestJob"):
            repository.serve(class_name)
            repository.add_dynamic(class_name, ("ElapsedTime",), self._elapsed)

    def close(self) -> None:
        """Waits for what is running; nothing can be started after that."""
        with self._lock:
            records = list(self._records.values())
        for record in records:
            record.control.hurried.set()
        self._pool.shutdown(wait=True)

    # Starting and ending

    def start(
        self,
        kind: JobKind,
        work: Callable[[JobControl], None],
        *,
        user: str,
        affected: CimReference | None = None,
        origin: tuple[str, str] = ("", ""),
        on_failure: Callable[[], None] = lambda: None,
        values: Mapping[str, CimValue] | None = None,
    ) -> CimReference:
        """Starts a job and gives its address.

        :param user: who asked.
        :param affected: what the job is about, with ElementEffects 0 (real-instances 3.5).
        :param origin: class and method that started it, for fault rules.
        :param on_failure: called before a failed job shows its end, to put right what the work left.
        :param values: properties that its class has besides those of every job.
        """
        self.purge()
        now = self._now()
        known = {**self._fresh(kind, user, now), **(values or {})}
        instance = new_instance(self._repository.catalogue, kind.class_name, known)
        reference = self._repository.add(instance)
        control = JobControl(self, reference)
        with self._lock:
            self._records[reference] = _Record(control, [(affected, 0)] if affected is not None else [])
        fault = self._fault(*origin) if any(origin) else None
        self._pool.submit(self._run, reference, control, work, fault, on_failure)
        return reference

    def failed(
        self, kind: JobKind, failure: OperationFailed, *, user: str, affected: CimReference | None = None
    ) -> CimReference:
        """A job for something that failed as soon as it was tried."""

        def fail(_: JobControl) -> None:
            raise failure

        return self.start(kind, fail, user=user, affected=affected)

    def add_result(self, reference: CimReference, result: CimReference, effect: int = 5) -> None:
        """Links what a job made to it; visible once the job has completed (real-instances 3.5)."""
        with self._lock:
            self._records[reference].results.append((result, effect))

    def report(self, reference: CimReference, percent: int) -> None:
        self._repository.change(reference, {"PercentComplete": percent})

    def cancel(self, reference: CimReference) -> bool:
        """Asks a running job to end; whether it could be asked."""
        with self._lock:
            record = self._records.get(reference)
        instance = self._repository.find(reference)
        if record is None or instance is None or instance.get("JobState") not in (NEW, RUNNING):
            return False
        if instance.get("Cancellable") is not True:
            return False
        record.control.cancelled.set()
        record.control.hurried.set()
        return True

    def failure_of(self, reference: CimReference) -> OperationFailed | None:
        """Why a job ended in an exception; None while it runs or where it did not."""
        with self._lock:
            record = self._records.get(reference)
        return record.failure if record is not None else None

    def effects(self, of_job: CimReference | None = None) -> list[tuple[CimReference, CimReference, int]]:
        """The (affected element, job, effect) of one job or all, as Msvm_AffectedJobElement shows them."""
        with self._lock:
            records = self._records.items() if of_job is None else [(of_job, self._records.get(of_job))]
            return [
                (element, job, effect)
                for job, record in records
                if record is not None
                for element, effect in record.affected + (record.results if record.ended_at else [])
            ]

    def purge(self) -> None:
        """Forgets jobs that ended long enough ago."""
        limit = self._now() - KEPT_FOR
        expired: list[CimReference] = []
        with self._lock:
            while self._ended and self._ended[0][0] <= limit:
                _, job = self._ended.popleft()
                del self._records[job]
                expired.append(job)
        for job in expired:
            self._repository.remove(job)

    # Inside

    def _run(
        self,
        reference: CimReference,
        control: JobControl,
        work: Callable[[JobControl], None],
        fault: FaultOfJob | None,
        on_failure: Callable[[], None],
    ) -> None:
        self._repository.change(reference, {"JobState": RUNNING, "JobStatus": "Job is running"})
        failure: OperationFailed | None = None
        try:
            if fault is not None:
                control.hurried.wait(fault.delay_s)
            if fault is not None and fault.code:
                raise OperationFailed(fault.message, code=fault.code)
            work(control)
        except OperationFailed as error:
            failure = error
        except Exception as error:  # whatever a job runs into, it must end: a client polls it
            _LOG.exception("job %s failed in an unforeseen way", reference)
            failure = OperationFailed(f"Unspecified error: {error}")
        if failure is not None:
            on_failure()
        self._end(reference, failure, cancelled=control.cancelled.is_set() and failure is not None)

    def _end(self, reference: CimReference, failure: OperationFailed | None, *, cancelled: bool) -> None:
        now = self._now()
        with self._lock:
            record = self._records.get(reference)
            if record is not None:
                record.ended_at, record.failure = now, failure
                self._ended.append((now, reference))
        changes: dict[str, CimValue] = {"TimeOfLastStateChange": now, "OperationalStatus": [17, 2]}
        if failure is None:
            changes |= {
                "JobState": COMPLETED,
                "JobStatus": "Job completed successfully.",
                "PercentComplete": 100,
                "StatusDescriptions": ["Completed", "OK"],
            }
        else:
            changes |= {
                "JobState": TERMINATED if cancelled else EXCEPTION,
                "JobStatus": "Job is completed with errors",
                "StatusDescriptions": ["Completed", "Job is completed with errors"],
                "OperationalStatus": [17, 6],
                "ErrorCode": failure.code,
                "ErrorDescription": failure.description,
                "ErrorSummaryDescription": failure.summary,
            }
            if reference.class_name == "Msvm_StorageJob":
                changes["JobCompletionStatusCode"] = failure.result
        self._repository.change(reference, changes)

    def _elapsed(self, job: CimInstance) -> Mapping[str, CimValue]:
        start, changed = job.get("StartTime"), job.get("TimeOfLastStateChange")
        ended = job.get("JobState") not in (NEW, RUNNING)
        end = changed if ended and isinstance(changed, dt.datetime) else self._now()
        return {"ElapsedTime": end - start if isinstance(start, dt.datetime) else None}

    @staticmethod
    def _fresh(kind: JobKind, user: str, now: dt.datetime) -> dict[str, CimValue]:
        values: dict[str, CimValue] = {
            "InstanceID": new_guid(),
            "Caption": kind.name,
            "ElementName": kind.name,
            "Name": kind.name,
            "Description": kind.description,
            "Cancellable": True,
            "DeleteOnCompletion": False,
            "ErrorCode": 0,
            "ErrorDescription": "",
            "ErrorSummaryDescription": "",
            "HealthState": 5,
            "InstallDate": NEVER,
            "JobRunTimes": 1,
            "JobState": NEW,
            "JobStatus": "Job is starting",
            "JobType": kind.job_type,
            "LocalOrUtcTime": 2,
            "Notify": "",
            "OperationalStatus": [2],
            "OtherRecoveryAction": "",
            "Owner": user,
            "PercentComplete": 0,
            "Priority": 0,
            "RecoveryAction": 2,
            "ScheduledStartTime": now,
            "StartTime": now,
            "Status": "OK",
            "StatusDescriptions": ["OK"],
            "TimeBeforeRemoval": KEPT_FOR,
            "TimeOfLastStateChange": now,
            "TimeSubmitted": now,
        }
        if kind.class_name == "Msvm_StorageJob":
            values["JobCompletionStatusCode"] = 0
        return values


def error_text(repository: Repository, failure: OperationFailed) -> str:
    """A failure as Msvm_Error, the way GetError and GetErrorEx give it (real-instances 3.7)."""
    error = new_instance(
        repository.catalogue,
        "Msvm_Error",
        {
            "CIMStatusCode": 1,
            "ErrorSourceFormat": 0,
            "ErrorType": 4,
            "Message": failure.description,
            "MessageArguments": [failure.machine_id] if failure.machine_id else None,
            "MessageID": failure.message_id,
            "OwningEntity": "Microsoft-Windows-Hyper-V-VMMS",
            "PerceivedSeverity": 5,
            "ProbableCause": 0,
        },
    )
    return instance_to_text(error)
