"""What a guest writes to its serial port, as ``openstack console log show`` shows it."""

from __future__ import annotations

import pytest

from tests.nova.functional.cloud import eventually


@pytest.fixture
def server(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    return cloud.boot(image_id, flavor_id)


def shows(cloud, host, server, text: str) -> bool:
    """Lets the guest say it, and looks: a guest that nobody listens to is not heard, so it says it again and again."""
    host.guest_writes(server, text.encode() + b"\n")
    return text in cloud.console_log(server)


def test_a_guest_that_wrote_nothing_has_an_empty_log(cloud, server):
    assert cloud.console_log(server) == ""


def test_what_a_guest_writes_is_shown(cloud, host1, server):
    eventually(lambda: shows(cloud, host1, server, "Hello from the guest"))


def test_the_log_goes_on_after_a_stop_and_start(cloud, host1, server):
    eventually(lambda: shows(cloud, host1, server, "first life"))

    cloud.act(server, "SHUTOFF", os_stop=None)
    cloud.act(server, "ACTIVE", os_start=None)

    eventually(lambda: shows(cloud, host1, server, "second life"))
    assert "first life" in cloud.console_log(server)


def test_the_log_goes_on_after_a_restart_of_nova_compute(cloud, host1, server):
    eventually(lambda: shows(cloud, host1, server, "before"))

    cloud.restart_compute(host1)

    eventually(lambda: shows(cloud, host1, server, "after"))
    assert "before" in cloud.console_log(server)


def test_a_machine_that_was_started_behind_novas_back_is_listened_to(cloud, host1, server):
    machine_id = host1.machine(server).machine_id
    host1.client.machines.turn_off(machine_id)
    host1.client.machines.start(machine_id)

    cloud.console_log(server)

    eventually(lambda: shows(cloud, host1, server, "third party"))
