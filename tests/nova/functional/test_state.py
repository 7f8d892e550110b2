"""What becomes of a server's state, by Nova's doing and without it."""

from __future__ import annotations

import pytest

from compute_hyperv.host.model import MachineState
from tests.nova.functional.cloud import eventually

POWER_RUNNING, POWER_PAUSED, POWER_SHUTDOWN, POWER_SUSPENDED = 1, 3, 4, 7


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def server(cloud, compute, host1, image_id, flavor_id):
    """One that has run for a while."""
    server = cloud.boot(image_id, flavor_id)
    host1.notices()
    return server


def power_state(cloud, server):
    return cloud.admin_api.get_server(server["id"])["OS-EXT-STS:power_state"]


def test_a_paused_server_is_a_paused_machine_and_goes_on(cloud, host1, server):
    cloud.act(server, "PAUSED", pause=None)
    assert host1.machine(server).state is MachineState.PAUSED
    assert power_state(cloud, server) == POWER_PAUSED

    cloud.act(server, "ACTIVE", unpause=None)
    assert host1.machine(server).state is MachineState.RUNNING
    assert power_state(cloud, server) == POWER_RUNNING


def test_a_suspended_server_is_a_saved_machine_and_goes_on(cloud, host1, server):
    cloud.act(server, "SUSPENDED", suspend=None)
    assert host1.machine(server).state is MachineState.SAVED
    assert power_state(cloud, server) == POWER_SUSPENDED

    cloud.act(server, "ACTIVE", resume=None)
    assert host1.machine(server).state is MachineState.RUNNING
    assert power_state(cloud, server) == POWER_RUNNING


def test_a_suspended_server_can_be_deleted(cloud, host1, server):
    cloud.act(server, "SUSPENDED", suspend=None)

    cloud.delete(server)

    assert host1.remains() == set()


def test_a_guest_that_shuts_itself_down_is_a_stopped_server(cloud, host1, server):
    machine = host1.machine(server)

    assert host1.client.machines.shutdown(machine.machine_id, timeout_s=10)

    cloud.wait_for(server, "SHUTOFF")
    assert power_state(cloud, server) == POWER_SHUTDOWN


def test_a_machine_that_somebody_pauses_shows_as_paused_and_is_left_alone(cloud, host1, server):
    machine = host1.machine(server)

    host1.client.machines.pause(machine.machine_id)

    eventually(lambda: power_state(cloud, server) == POWER_PAUSED)
    assert cloud.api.get_server(server["id"])["status"] == "ACTIVE"
    host1.client.machines.resume(machine.machine_id)
    eventually(lambda: power_state(cloud, server) == POWER_RUNNING)


def test_a_suspended_server_stays_so_when_its_host_is_started_anew_and_an_active_one_goes_on(
    cloud, host1, server, image_id, flavor_id
):
    suspended = cloud.act(cloud.boot(image_id, flavor_id), "SUSPENDED", suspend=None)

    host1.simulated.reboot()
    host1.simulated.join_restart()

    eventually(lambda: host1.machine(server).state is MachineState.RUNNING)
    assert host1.machine(suspended).state is MachineState.SAVED
    assert cloud.api.get_server(server["id"])["status"] == "ACTIVE"


def test_what_happens_while_the_connection_is_lost_is_noticed_afterwards(cloud, host1, server):
    machine = host1.machine(server)
    host1.simulated.drop_connections()
    host1.client.machines.turn_off(machine.machine_id)

    cloud.wait_for(server, "SHUTOFF")


def test_a_machine_that_nova_does_not_own_changes_without_a_trace(cloud, host1, server):
    foreign = host1.create_foreign_machine("foreign")
    host1.client.machines.start(foreign)
    host1.notices()
    host1.client.machines.turn_off(foreign)

    host1.client.machines.turn_off(host1.machine(server).machine_id)

    cloud.wait_for(server, "SHUTOFF")
    assert cloud.stdlog.logger.output.count("(Lifecycle Event)") == 1
