"""Waiting for what a method started: the one place that knows return codes and jobs.

A method of Hyper-V's services answers 0 (done), 4096 (a job has started) or a code that means failure; the codes come
in two families and methods mix them (facts: hyperv-ops 0), so the meaning is looked up in the schema first and then
in the union of both. A job lives in vmms: it goes on when our connection breaks, so a poll that fails is not a job
that failed. Finished jobs are removed after some minutes, some sooner.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from compute_hyperv.cim import cimxml, schema
from compute_hyperv.cim.errors import Busy, CimError, JobFailed, MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue

LOG = logging.getLogger(__name__)

Progress = Callable[[int], None]

DONE = 0
STARTED = 4096
INVALID_STATE = 32775

_COMPLETED, _COMPLETED_WITH_WARNINGS = 7, 32768
_ENDED_BADLY = {8: "was terminated", 9: "was killed", 10: "failed"}

# Both families of return codes (Msvm_VirtualSystemManagementService and Msvm_ImageManagementService pages): for what a
# method answers although its own page does not list it.
_MEANINGS: Mapping[int, str] = {
    1: "not supported",
    2: "failed",
    3: "timeout",
    4: "invalid parameter",
    5: "invalid state",
    6: "incompatible parameters",
    32768: "failed",
    32769: "access denied",
    32770: "not supported",
    32771: "status is unknown",
    32772: "timeout",
    32773: "invalid parameter",
    32774: "system is in use",
    INVALID_STATE: "invalid state for this operation",
    32776: "incorrect data type",
    32777: "system is not available",
    32778: "out of memory",
    32779: "file not found or in use",
}

# Short jobs end within the first wait or two; after that the growth keeps the number of polls low.
_FIRST_WAIT_S, _WAIT_GROWTH, _LONGEST_WAIT_S = 0.05, 3.0, 1.0
# How long polls may fail in a row before the host counts as lost.
_BLIND_S = 30.0
_TERMINATE = 4

DEFAULT_TIMEOUT_S = 600.0


def run(
    session: CimSession,
    target: CimReference,
    method: str,
    parameters: Mapping[str, CimValue],
    *,
    what: str,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress | None = None,
    finished: Callable[[], bool] | None = None,
) -> MethodResult:
    """Invoke a method and wait until what it started has ended. See :func:`complete`."""
    result = session.invoke(target, method, parameters)
    complete(
        session,
        result,
        what,
        timeout_s,
        meanings=_meanings(target, method),
        progress=progress,
        finished=finished,
    )
    return result


def complete(
    session: CimSession,
    result: MethodResult,
    what: str,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    meanings: Mapping[int, str] = _MEANINGS,
    progress: Progress | None = None,
    finished: Callable[[], bool] | None = None,
) -> None:
    """Wait until what a method started has ended well.

    :param what: what was tried, as the start of a sentence: ``"Starting machine instance-1"``.
    :param progress: called with the percentage at each poll; what it raises cancels the job.
    :param finished: looks whether the outcome is there; asked when the job's object is gone before its end was seen.
    :raises MethodFailed: the method refused; ``code`` has its return code.
    :raises JobFailed: the job ended badly; the message carries the host's own text.
    :raises TimedOut: the job was still going on at the deadline; it was asked to end.
    """
    code = result.return_value
    if code in (DONE, None):  # None: a method without a return value
        return
    if code != STARTED:
        raise MethodFailed(
            f"{what} failed: the host answered {code} ({meanings.get(code, 'no documented meaning')}).", code=code
        )
    reference = result.reference("Job")
    if reference is None:
        raise JobFailed(f"{what} failed: the host started a job and did not say which.", code=code)
    try:
        job = _wait(session, reference, what, timeout_s, progress, finished)
    except (Unreachable, JobFailed):
        raise
    except BaseException:  # a deadline, or whatever the caller's progress raised: nobody waits for this job any more
        cancel(session, reference)
        raise
    if job is not None:
        _judge(session, reference, job, what)


def cancel(session: CimSession, job: CimReference) -> bool:
    """Ask a job to end; whether the host agreed. A job that is gone needs no cancelling."""
    try:
        result = session.invoke(job, "RequestStateChange", {"RequestedState": _TERMINATE})
    except NotFound:
        return True
    except CimError as exc:
        LOG.warning("Job %s could not be cancelled: %s", dict(job.keys), exc)
        return False
    return result.return_value in (DONE, STARTED)


def has_ended(job: CimInstance) -> bool:
    state = job.integer("JobState", 0)
    return state in (_COMPLETED, _COMPLETED_WITH_WARNINGS) or state in _ENDED_BADLY


def _wait(
    session: CimSession,
    reference: CimReference,
    what: str,
    timeout_s: float,
    progress: Progress | None,
    finished: Callable[[], bool] | None,
) -> CimInstance | None:
    """The job once it has ended; None where it is gone and its outcome is there."""
    deadline = time.monotonic() + timeout_s
    seen_at = time.monotonic()
    pause_s = _FIRST_WAIT_S
    while True:
        time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
        pause_s = min(pause_s * _WAIT_GROWTH, _LONGEST_WAIT_S)
        try:
            job = session.get(reference)
        except NotFound:
            if finished is not None and finished():
                return None
            raise JobFailed(
                f"{what} did not report its end: the job's object is gone.",
                remedy="Look at the host's Hyper-V-VMMS event log, then try again.",
            ) from None
        except (Unreachable, TimedOut, Busy) as exc:
            now = time.monotonic()
            if now - seen_at > _BLIND_S or now > deadline:
                raise
            LOG.debug("%s: the job could not be polled: %s", what, exc)
            continue
        seen_at = time.monotonic()
        if has_ended(job):
            return job
        if progress:
            progress(job.integer("PercentComplete", 0))
        if seen_at >= deadline:
            raise TimedOut(
                f"{what} did not end within {timeout_s:.0f} s (job at {job.integer('PercentComplete', 0)} %)."
            )


def _judge(session: CimSession, reference: CimReference, job: CimInstance, what: str) -> None:
    state = job.integer("JobState", 0)
    code = job.integer("ErrorCode", 0)
    # A completed job with an error code has failed all the same (facts: old-driver 8).
    if state in (_COMPLETED, _COMPLETED_WITH_WARNINGS) and code == 0:
        return
    text = job.text("ErrorDescription", "") or job.text("ErrorSummaryDescription", "")
    if not text:
        with contextlib.suppress(CimError):  # the reason is a courtesy; the failure itself is known
            text = _errors_of(session, reference)
    text = " ".join(text.split()) or job.text("JobStatus", "") or "the host gave no reason"
    raise JobFailed(f"{what} {_ENDED_BADLY.get(state, 'failed')}: {text}", code=code or None)


def _errors_of(session: CimSession, reference: CimReference) -> str:
    """The messages of Msvm_Error that GetErrorEx gives as embedded text."""
    errors = session.invoke(reference, "GetErrorEx").texts("Errors")
    return " ".join(cimxml.text_to_instance(text).text("Message", "") for text in errors)


def _meanings(target: CimReference, method: str) -> Mapping[int, str]:
    try:
        described = schema.catalogue().find(target.namespace, target.class_name).method(method).return_values
    except NotFound:
        return _MEANINGS
    own = {int(code): text for code, text in described.items() if code.isdigit()}
    return {**_MEANINGS, **own}
