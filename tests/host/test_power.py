"""States of machines: reached from any other, seen as they are."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.errors import MethodFailed, NotFound
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.host import power
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineState
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.specs import generation_2

OFF, RUNNING, PAUSED, SAVED = MachineState.OFF, MachineState.RUNNING, MachineState.PAUSED, MachineState.SAVED

WAYS = {
    OFF: (),
    RUNNING: ("start",),
    PAUSED: ("start", "pause"),
    SAVED: ("start", "save"),
}
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def machine(host: HyperVHost) -> str:
    return host.machines.create(generation_2(drives=(), nics=(), boot_order=()))


@pytest.mark.parametrize("start_from", WAYS)
@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ("start", RUNNING),
        ("resume", RUNNING),
        ("turn_off", OFF),
        ("pause", PAUSED),
        ("save", SAVED),
        ("reset", RUNNING),
    ],
)
def test_every_state_is_reached_or_refused_in_words(
    host: HyperVHost, machine: str, start_from: MachineState, operation: str, wanted: MachineState
) -> None:
    for step in WAYS[start_from]:
        getattr(host.machines, step)(machine)
    impossible = start_from in (OFF, SAVED) and operation in ("pause", "save", "reset") and start_from is not wanted
    if impossible:
        with pytest.raises(MethodFailed, match=start_from.name.lower()):
            getattr(host.machines, operation)(machine)
        assert host.machines.state(machine) is start_from
    else:
        getattr(host.machines, operation)(machine)
        assert host.machines.state(machine) is wanted


def test_a_state_that_is_there_already_costs_no_more_than_two_requests(host: HyperVHost, machine: str) -> None:
    before = host.cim.requests
    host.machines.turn_off(machine)
    assert host.cim.requests - before == 2


def test_a_guest_that_obeys_shuts_down(host: HyperVHost, machine: str) -> None:
    host.machines.start(machine)
    assert host.machines.shutdown(machine, 10)
    assert host.machines.state(machine) is OFF


def test_a_machine_that_is_off_has_shut_down(host: HyperVHost, machine: str) -> None:
    assert host.machines.shutdown(machine, 0)


def test_a_guest_that_does_not_obey_keeps_running(host: HyperVHost, machine: str, simulator: SimulatedHost) -> None:
    host.machines.start(machine)
    simulator.faults.add(FaultRule("fault", method="InitiateShutdown", code=0x80041001, times=0))
    with pytest.raises(Exception, match="InitiateShutdown"):
        host.machines.shutdown(machine, 0.3)
    simulator.faults.clear()
    assert host.machines.state(machine) is RUNNING


def test_a_guest_without_integration_services_is_waited_for_until_the_time_is_over(
    host: HyperVHost, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.machines.start(machine)
    monkeypatch.setattr(host.cim, "query_references", lambda *_: [])
    assert not host.machines.shutdown(machine, 0.3)
    assert host.machines.state(machine) is RUNNING


@pytest.mark.parametrize("operation", ["start", "turn_off", "pause", "save", "reset"])
def test_a_machine_that_is_gone_is_not_found(host: HyperVHost, operation: str) -> None:
    with pytest.raises(NotFound):
        getattr(host.machines, operation)(NOBODY)


def test_shutting_down_a_machine_that_is_gone_is_not_found(host: HyperVHost) -> None:
    with pytest.raises(NotFound):
        host.machines.shutdown(NOBODY, 1)


@pytest.mark.parametrize(
    ("enabled", "health", "state", "healthy"),
    [
        (2, 5, RUNNING, True),
        (3, 5, OFF, True),
        (6, 5, SAVED, True),
        (9, 5, PAUSED, True),
        (1, 5, MachineState.OTHER, True),
        (10, 5, MachineState.STARTING, True),
        (32773, 5, MachineState.SAVING, True),
        (2, 20, RUNNING, False),
        (32781, 25, RUNNING, False),
        (32782, 25, OFF, False),
        (32785, 5, PAUSED, False),
        (4711, 5, MachineState.OTHER, True),
    ],
)
def test_what_the_host_says_is_understood(enabled: int, health: int, state: MachineState, healthy: bool) -> None:
    machine = CimInstance("Msvm_ComputerSystem", {"EnabledState": enabled, "HealthState": health})
    assert power.state_of(machine) is state
    assert power.is_healthy(machine) is healthy
