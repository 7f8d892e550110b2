"""Return codes and jobs, against a simulated host."""

from __future__ import annotations

import threading
import time

import pytest

from compute_hyperv.cim.errors import JobFailed, MethodFailed, TimedOut
from compute_hyperv.cim.session import MethodResult
from compute_hyperv.cim.values import CimReference
from compute_hyperv.host import jobs
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.services import IMAGES, MANAGEMENT
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.jobs import JobControl, JobKind
from hyperv_simulator.outcomes import OperationFailed
from tests.host.specs import generation_2

SLOW = JobKind("Slow", "Slowly doing something", 1)


@pytest.fixture
def slow_job(simulator: SimulatedHost) -> SlowJob:
    return SlowJob(simulator)


class SlowJob:
    """A job of the simulated host that runs until it is told to end, or cancelled."""

    def __init__(self, simulator: SimulatedHost) -> None:
        self.may_end = threading.Event()
        self.cancelled = False
        self.reference: CimReference = simulator.inside.jobs.start(SLOW, self._work, user="tests")

    def _work(self, control: JobControl) -> None:
        control.progress(42)
        while not self.may_end.wait(0.01):
            if control.cancelled.is_set():
                self.cancelled = True
                raise OperationFailed("The operation was cancelled.")

    @property
    def result(self) -> MethodResult:
        return MethodResult(jobs.STARTED, {"Job": self.reference})


@pytest.mark.parametrize("code", [0, None])
def test_done_is_done(host: HyperVHost, code: int | None) -> None:
    before = host.cim.requests
    jobs.complete(host.cim, MethodResult(code, {}), "Doing it")
    assert host.cim.requests == before


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(32769, "access denied"), (32775, "invalid state"), (5, "invalid state"), (99, "no documented")],
)
def test_every_other_code_is_a_failure_in_words(host: HyperVHost, code: int, meaning: str) -> None:
    with pytest.raises(MethodFailed, match=f"Doing it failed: .*{code}.*{meaning}") as failed:
        jobs.complete(host.cim, MethodResult(code, {}), "Doing it")
    assert failed.value.code == code


def test_the_words_are_the_methods_own_where_the_schema_has_them(host: HyperVHost, simulator: SimulatedHost) -> None:
    with pytest.raises(MethodFailed, match=r"\(Invalid Parameter\)|invalid parameter") as failed:
        jobs.run(host.cim, MANAGEMENT, "RemoveResourceSettings", {"ResourceSettings": []}, what="Removing nothing")
    assert failed.value.code is not None


def test_a_job_that_is_done_takes_one_poll(host: HyperVHost, slow_job: SlowJob) -> None:
    slow_job.may_end.set()
    _until(lambda: jobs.has_ended(host.cim.get(slow_job.reference)))
    before = host.cim.requests
    jobs.complete(host.cim, slow_job.result, "Doing it")
    assert host.cim.requests - before == 1


def test_a_long_job_is_polled_less_and_less_often_with_its_progress(host: HyperVHost, slow_job: SlowJob) -> None:
    seen: list[int] = []
    threading.Timer(1.0, slow_job.may_end.set).start()
    before = host.cim.requests
    jobs.complete(host.cim, slow_job.result, "Doing it", progress=seen.append)
    assert host.cim.requests - before <= 6
    assert set(seen) <= {0, 42}


def test_a_job_that_takes_too_long_is_cancelled(host: HyperVHost, slow_job: SlowJob) -> None:
    with pytest.raises(TimedOut, match="did not end within 0 s"):
        jobs.complete(host.cim, slow_job.result, "Doing it", timeout_s=0.2)
    _until(lambda: slow_job.cancelled)


def test_what_the_progress_raises_cancels_the_job(host: HyperVHost, slow_job: SlowJob) -> None:
    def enough(_percent: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        jobs.complete(host.cim, slow_job.result, "Doing it", progress=enough)
    _until(lambda: slow_job.cancelled)


def test_a_cancelled_job_is_a_failed_one(host: HyperVHost, slow_job: SlowJob) -> None:
    assert jobs.cancel(host.cim, slow_job.reference)
    with pytest.raises(JobFailed, match="Doing it was terminated"):
        jobs.complete(host.cim, slow_job.result, "Doing it")


def test_a_failed_job_has_the_hosts_text_and_code(host: HyperVHost, simulator: SimulatedHost) -> None:
    simulator.faults.add(FaultRule("job-error", method="CreateVirtualHardDisk", code=32778, message="Out of luck."))
    with pytest.raises(JobFailed, match=r"Creating the disk .* failed: Out of luck\.") as failed:
        host.disks.create_dynamic(r"C:\OpenStack\luck.vhdx", 1024**2 * 8)
    assert failed.value.code == 32778


GONE = MethodResult(jobs.STARTED, {"Job": CimReference("Msvm_ConcreteJob", {"InstanceID": "no such job"})})


def test_a_job_that_is_gone_is_judged_by_its_outcome(host: HyperVHost) -> None:
    jobs.complete(host.cim, GONE, "Doing it", finished=lambda: True)
    with pytest.raises(JobFailed, match="did not report its end"):
        jobs.complete(host.cim, GONE, "Doing it", finished=lambda: False)
    with pytest.raises(JobFailed, match="did not report its end"):
        jobs.complete(host.cim, GONE, "Doing it")


def test_cancelling_a_job_that_is_gone_is_fine(host: HyperVHost) -> None:
    reference = GONE.reference("Job")
    assert reference is not None
    assert jobs.cancel(host.cim, reference)


def test_a_job_without_a_name_is_a_failure(host: HyperVHost) -> None:
    with pytest.raises(JobFailed, match="did not say which"):
        jobs.complete(host.cim, MethodResult(jobs.STARTED, {"Job": None}), "Doing it")


def test_a_removal_ends_jobs_that_hold_the_machine(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    reference = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": machine_id})
    holding = SlowJob.__new__(SlowJob)
    holding.may_end, holding.cancelled = threading.Event(), False
    holding.reference = simulator.inside.jobs.start(SLOW, holding._work, user="tests", affected=reference)
    simulator.faults.add(FaultRule("job-error", method="DestroySystem", code=32774, message="In use."))
    host.machines.destroy(machine_id)
    _until(lambda: holding.cancelled)
    assert host.machines.list() == []


def test_reading_a_disk_that_answers_in_a_job_still_reads_it(host: HyperVHost, slow_job: SlowJob) -> None:
    """Both answers are documented for GetVirtualHardDiskSettingData; the text then comes with a second call."""
    host.disks.create_dynamic(r"C:\OpenStack\read.vhdx", 1024**2 * 8)
    slow_job.may_end.set()
    real = host.cim.invoke
    answers = [slow_job.result]

    def first_in_a_job(target: CimReference, method: str, *arguments: object) -> MethodResult:
        if target == IMAGES and answers:
            return answers.pop()
        return real(target, method, *arguments)  # type: ignore[arg-type]

    host.cim.invoke = first_in_a_job  # type: ignore[method-assign,assignment]
    assert host.disks.info(r"C:\OpenStack\read.vhdx").kind == "dynamic"


def _until(condition: object) -> None:
    deadline = time.monotonic() + 5
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
