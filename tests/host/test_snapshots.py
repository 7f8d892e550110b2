"""Checkpoints of a simulated host's machines."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.errors import CimError, MethodFailed
from compute_hyperv.host import jobs
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.snapshots import Consistency
from hyperv_simulator.fault_rules import Effect, FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.conftest import client_of, put_disks
from tests.host.specs import CONFIG_DRIVE, ROOT, generation_2
from tests.simulated import Simulate

BEST = (Consistency.APPLICATION, Consistency.CRASH)


@pytest.fixture
def machine_id(host: HyperVHost) -> str:
    """A running one."""
    made = host.machines.create(generation_2())
    host.machines.start(made)
    return made


def files_in_use(host: HyperVHost, machine_id: str) -> tuple[str, ...]:
    return host.snapshots.disks(machine_id)


def test_a_checkpoint_keeps_the_disks_while_the_machine_goes_on(host: HyperVHost, machine_id: str) -> None:
    taken = host.snapshots.create(machine_id, "image 1", BEST, known=())

    assert host.snapshots.list(machine_id) == [taken]
    assert taken.name == "image 1"
    assert host.snapshots.disks(taken.checkpoint_id) == (ROOT, CONFIG_DRIVE)
    assert ROOT not in files_in_use(host, machine_id)


def test_a_removed_checkpoint_leaves_the_disks_as_they_were(host: HyperVHost, machine_id: str) -> None:
    taken = host.snapshots.create(machine_id, "image 1", BEST, known=())

    host.snapshots.remove(machine_id, taken.checkpoint_id)

    assert host.snapshots.list(machine_id) == []
    assert files_in_use(host, machine_id) == (ROOT, CONFIG_DRIVE)
    host.snapshots.remove(machine_id, taken.checkpoint_id)


def test_other_peoples_checkpoints_stay(host: HyperVHost, machine_id: str) -> None:
    theirs = host.snapshots.create(machine_id, "before the update", BEST, known=())
    in_use = files_in_use(host, machine_id)

    ours = host.snapshots.create(machine_id, "image 1", BEST, known={theirs.checkpoint_id})
    assert host.snapshots.disks(ours.checkpoint_id) == in_use
    host.snapshots.remove(machine_id, ours.checkpoint_id)

    assert host.snapshots.list(machine_id) == [theirs]
    assert files_in_use(host, machine_id) == in_use


@pytest.fixture
def guest_without_services(simulator: SimulatedHost, machine_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = simulator.inside.machines.find(machine_id)
    monkeypatch.setattr(type(machine), "integration_ready", property(lambda _: False))


@pytest.mark.usefixtures("guest_without_services")
def test_a_guest_that_takes_no_part_is_taken_as_it_is(host: HyperVHost, machine_id: str) -> None:
    assert host.snapshots.create(machine_id, "image 1", BEST, known=())


@pytest.mark.usefixtures("guest_without_services")
def test_a_guest_that_must_take_part_and_does_not_is_told(host: HyperVHost, machine_id: str) -> None:
    with pytest.raises(MethodFailed, match="Production checkpoints cannot be created"):
        host.snapshots.create(machine_id, "image 1", BEST[:1], known=())
    assert host.snapshots.list(machine_id) == []


@pytest.mark.parametrize("effect", ["drop-before", "drop-after"])
@pytest.mark.parametrize("request_number", range(1, 6))
def test_one_cut_leaves_a_checkpoint_or_none(
    host: HyperVHost,
    simulator: SimulatedHost,
    machine_id: str,
    request_number: int,
    effect: Effect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_BLIND_S", 0.5)
    simulator.faults.add(FaultRule(effect, nth=request_number))
    try:
        host.snapshots.create(machine_id, "image 1", BEST, known=())
    except CimError:
        host.snapshots.settle(machine_id)

    simulator.faults.clear()
    simulator.requests.clear()
    simulator.faults.add(FaultRule(effect, nth=request_number + 2))
    for taken in host.snapshots.list(machine_id):
        try:
            host.snapshots.remove(machine_id, taken.checkpoint_id)
        except CimError:
            host.snapshots.remove(machine_id, taken.checkpoint_id)

    assert host.snapshots.list(machine_id) == []
    assert files_in_use(host, machine_id) == (ROOT, CONFIG_DRIVE)


def test_windows_server_2012_r2_has_no_choice(simulate_here: Simulate) -> None:
    simulator = simulate_here(version="2012r2")
    put_disks(simulator)
    with client_of(simulator) as host:
        machine_id = host.machines.create(generation_2(secure_boot=None, nics=()))
        host.machines.start(machine_id)
        taken = host.snapshots.create(machine_id, "image 1", BEST, known=())
        host.snapshots.remove(machine_id, taken.checkpoint_id)
        assert files_in_use(host, machine_id) == (ROOT, CONFIG_DRIVE)
