"""What Nova is told of a machine, and how its state is called there."""

from __future__ import annotations

import pytest
from nova.compute import power_state
from nova.virt import event as virt_event

from compute_hyperv.host.model import MachineState, MachineSummary
from compute_hyperv.nova.instances import nova_power_state
from compute_hyperv.nova.lifecycle import transition

STOPPING_STATES = (power_state.SHUTDOWN, power_state.SUSPENDED, power_state.CRASHED)  # Nova stops what is in these
PASSING = (
    MachineState.OTHER,
    MachineState.SHUTTING_DOWN,
    MachineState.STARTING,
    MachineState.SAVING,
    MachineState.PAUSING,
    MachineState.RESUMING,
    MachineState.FAST_SAVING,
)


def machine(state: MachineState, *, healthy: bool = True) -> MachineSummary:
    return MachineSummary("A", "a", state, healthy, ())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (MachineState.OFF, MachineState.RUNNING, virt_event.EVENT_LIFECYCLE_STARTED),
        (MachineState.SAVED, MachineState.RUNNING, virt_event.EVENT_LIFECYCLE_STARTED),
        (MachineState.PAUSED, MachineState.RUNNING, virt_event.EVENT_LIFECYCLE_RESUMED),
        (MachineState.RESUMING, MachineState.RUNNING, virt_event.EVENT_LIFECYCLE_RESUMED),
        (MachineState.RUNNING, MachineState.OFF, virt_event.EVENT_LIFECYCLE_STOPPED),
        (MachineState.RUNNING, MachineState.PAUSED, virt_event.EVENT_LIFECYCLE_PAUSED),
        (MachineState.RUNNING, MachineState.SAVED, virt_event.EVENT_LIFECYCLE_SUSPENDED),
    ],
)
def test_what_nova_is_told(before, after, told):
    assert transition(before, machine(after)) == told


@pytest.mark.parametrize("state", PASSING)
def test_a_state_on_the_way_is_not_told_and_never_makes_nova_stop_a_machine(state):
    assert transition(MachineState.RUNNING, machine(state)) is None
    assert nova_power_state(state) == power_state.NOSTATE


@pytest.mark.parametrize("state", MachineState)
def test_a_machine_without_its_storage_is_never_reported_as_one_that_nova_stops(state):
    assert nova_power_state(state, healthy=False) not in STOPPING_STATES
    assert transition(MachineState.RUNNING, machine(state, healthy=False)) in (None, virt_event.EVENT_LIFECYCLE_STARTED)


@pytest.mark.parametrize(
    ("state", "called"),
    [(MachineState.RUNNING, power_state.RUNNING), (MachineState.PAUSED, power_state.PAUSED)],
)
def test_a_machine_that_waits_for_its_storage_is_called_what_it_is(state, called):
    assert nova_power_state(state, healthy=False) == called
