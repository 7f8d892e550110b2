"""The connection dies before, during or after any request: making and removing a machine end right all the same.

"Right" is one of two: the machine as asked, or an error and no machine. After either, doing it again works.
"""

from __future__ import annotations

import threading

import pytest

from compute_hyperv.cim.errors import CimError, JobFailed, MethodFailed, Unreachable
from compute_hyperv.host import jobs, machines
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineSpec, MachineState
from hyperv_simulator.fault_rules import Effect, FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.specs import generation_1, generation_2

MANAGEMENT = "Msvm_VirtualSystemManagementService"
# Requests of create() for a generation 2 machine, the look included; see test_machines.
# With the boot order corrected they are two more.
REQUESTS = 10

CUTS = pytest.mark.parametrize("effect", ["drop-before", "drop-after", "http-status"])


@pytest.fixture(autouse=True)
def _no_long_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated host does at once what it does; waiting for it would only take time."""
    monkeypatch.setattr(machines, "LOOK_AGAIN_AFTER_S", (0.0, 0.01))
    monkeypatch.setattr(jobs, "_BLIND_S", 0.5)


def whole(host: HyperVHost, machine_id: str, spec: MachineSpec) -> bool:
    """Whether the machine can be started and is connected as asked."""
    host.machines.start(machine_id)
    return host.machines.nics(machine_id) == list(spec.nics)


@CUTS
@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
@pytest.mark.parametrize("spec", [generation_1(), generation_2()], ids=["generation 1", "generation 2"])
@pytest.mark.usefixtures("newest_device_boots_first")
def test_making_a_machine_with_one_cut_ends_right(
    host: HyperVHost, simulator: SimulatedHost, spec: MachineSpec, request_number: int, effect: Effect
) -> None:
    simulator.faults.add(FaultRule(effect, nth=request_number))
    try:
        machine_id = host.machines.create(spec)
    except CimError:
        assert host.machines.list() == []
        machine_id = host.machines.create(spec)
    assert [machine.machine_id for machine in host.machines.list()] == [machine_id]
    assert whole(host, machine_id, spec)


@CUTS
@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
@pytest.mark.usefixtures("newest_device_boots_first")
def test_a_host_that_stays_away_leaves_what_the_next_removal_finds(
    host: HyperVHost, simulator: SimulatedHost, request_number: int, effect: Effect
) -> None:
    spec = generation_2()
    simulator.faults.add(FaultRule(effect, nth=request_number, times=0))
    with pytest.raises(CimError):
        host.machines.create(spec)
    simulator.faults.clear()
    host.machines.destroy(spec.name)
    assert host.machines.list() == []
    assert whole(host, host.machines.create(spec), spec)


@CUTS
@pytest.mark.parametrize("request_number", range(1, 6))  # state, turn off, its job, destroy, its job
def test_removing_a_machine_with_one_cut_ends_right(
    host: HyperVHost, simulator: SimulatedHost, request_number: int, effect: Effect
) -> None:
    machine_id = host.machines.create(generation_2())
    host.machines.start(machine_id)
    simulator.faults.add(FaultRule(effect, nth=request_number))
    try:
        host.machines.destroy(machine_id)
    except CimError:
        host.machines.destroy(machine_id)
    assert host.machines.list() == []


@CUTS
@pytest.mark.parametrize("request_number", [1, 2])  # the request, its job
@pytest.mark.parametrize("operation", ["start", "turn_off", "pause", "save"])
def test_changing_state_with_one_cut_ends_in_the_state(
    host: HyperVHost, simulator: SimulatedHost, operation: str, request_number: int, effect: Effect
) -> None:
    spec = generation_2(drives=(), nics=(), boot_order=())
    machine_id = host.machines.create(spec)
    if operation != "start":
        host.machines.start(machine_id)
    simulator.faults.add(FaultRule(effect, nth=request_number))
    wanted = {
        "start": MachineState.RUNNING,
        "turn_off": MachineState.OFF,
        "pause": MachineState.PAUSED,
        "save": MachineState.SAVED,
    }[operation]
    try:
        getattr(host.machines, operation)(machine_id)
    except CimError:
        getattr(host.machines, operation)(machine_id)
    assert host.machines.state(machine_id) is wanted


def test_a_job_outlives_a_broken_connection(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    simulator.faults.add(FaultRule("drop-before", action="get", class_name="Msvm_ConcreteJob", times=3))
    host.machines.start(machine_id)
    assert host.machines.state(machine_id) is MachineState.RUNNING


def test_a_host_that_stays_away_while_a_job_runs_is_unreachable(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    simulator.faults.add(FaultRule("drop-before", action="get", times=0))
    with pytest.raises(Unreachable):
        host.machines.start(machine_id)


@pytest.mark.usefixtures("newest_device_boots_first")
@pytest.mark.parametrize(
    "method", ["AddResourceSettings", "AddFeatureSettings", "ModifySystemSettings", "ModifyResourceSettings"]
)
def test_a_step_that_fails_in_its_job_is_told_in_the_hosts_words_and_undone(
    host: HyperVHost, simulator: SimulatedHost, method: str
) -> None:
    spec = generation_2(boot_order=(("nic", 0),))
    if method == "ModifyResourceSettings":  # only a host that defines machines without resources needs it
        simulator.faults.add(FaultRule("fault", class_name=MANAGEMENT, method="DefineSystem", code=0x80041008))
    if method in ("AddResourceSettings", "AddFeatureSettings"):  # these answer at once here: let them be refused
        simulator.faults.add(
            FaultRule("fault", class_name=MANAGEMENT, method=method, code=0x80041001, message="The disk is on fire.")
        )
    else:
        simulator.faults.add(
            FaultRule("job-error", class_name=MANAGEMENT, method=method, code=32768, message="The disk is on fire.")
        )
    with pytest.raises(CimError, match="The disk is on fire"):
        host.machines.create(spec)
    assert host.machines.list() == []


def test_undoing_does_not_hide_why(
    host: HyperVHost, simulator: SimulatedHost, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.faults.add(FaultRule("fault", method="AddResourceSettings", code=0x80041001, message="First reason."))
    simulator.faults.add(FaultRule("fault", method="DestroySystem", code=0x80041001, message="Second.", times=0))
    with pytest.raises(CimError, match="First reason"):
        host.machines.create(generation_2())
    assert "may be left on the host" in caplog.text


def test_what_the_caller_is_stopped_by_is_undone_as_well(host: HyperVHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host.machines._construction, "_fill_devices", stopped)
    with pytest.raises(KeyboardInterrupt):
        host.machines.create(generation_2())
    assert host.machines.list() == []


def test_a_machine_of_the_same_name_that_is_not_ours_survives_our_undoing(
    host: HyperVHost, simulator: SimulatedHost
) -> None:
    """DefineSystem's answer is lost, and meanwhile somebody else made a machine of that name."""
    host.machines.create(generation_2(notes=("somebody else",), drives=(), nics=(), boot_order=()))
    simulator.faults.add(FaultRule("drop-before", method="DefineSystem"))
    with pytest.raises(Unreachable):
        host.machines.create(generation_2(), known_absent=True)
    (left,) = host.machines.list(with_notes=True)
    assert left.notes == ("somebody else",)


def test_removing_ends_the_job_that_holds_the_machine(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    simulator.faults.add(FaultRule("job-error", method="DestroySystem", code=32774, message="In use."))
    host.machines.destroy(machine_id)
    assert host.machines.list() == []


def test_a_removal_that_the_host_keeps_refusing_is_told(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    simulator.faults.add(FaultRule("job-error", method="DestroySystem", code=32774, message="In use.", times=0))
    with pytest.raises(JobFailed, match="In use"):
        host.machines.destroy(machine_id)


def test_two_that_remove_the_same_machine_both_succeed(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2())
    host.machines.start(machine_id)
    failures: list[BaseException] = []

    def remove() -> None:
        try:
            host.machines.destroy(machine_id)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=remove) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert host.machines.list() == []


def test_a_start_that_fails_says_why_in_the_hosts_words(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    simulator.faults.add(
        FaultRule("job-error", method="RequestStateChange", code=32788, message="Not enough memory in the system.")
    )
    with pytest.raises(MethodFailed, match="Not enough memory in the system") as failed:
        host.machines.start(machine_id)
    assert failed.value.code == 32788
    assert host.machines.state(machine_id) is MachineState.OFF
