"""Passwords of guests that run, and interrupts that make them write a crash dump."""

from __future__ import annotations

import pytest
from nova.tests.functional.api.client import OpenStackApiException

from compute_hyperv.nova import passwords
from tests.nova.functional.cloud import eventually


@pytest.fixture
def server(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    return cloud.boot(image_id, flavor_id)


@pytest.fixture
def guest(host1, server):
    """What is inside the machine."""
    return host1.simulated.inside.machines.find(host1.machine(server).machine_id).guest


def change_password(cloud, server, password):
    cloud.api.post_server_action(server["id"], {"changePassword": {"adminPass": password}})


def test_a_guest_that_takes_part_gets_the_password_and_nobody_can_read_it_on_the_host(cloud, host1, server, guest):
    change_password(cloud, server, "Geheim-1!")

    assert guest.exchange.passwords == {"root": "Geheim-1!"}
    assert passwords.REQUEST not in guest.exchange.host_items
    assert cloud.wait_for(server, "ACTIVE")


def test_a_guest_that_does_not_take_part_is_named_as_the_reason(cloud, host1, server, guest, monkeypatch):
    monkeypatch.setattr(guest.exchange, "_passwords", None)

    with pytest.raises(OpenStackApiException) as failure:
        change_password(cloud, server, "Geheim-1!")

    assert failure.value.response.status_code == 409
    assert "shows no OpenStack.PasswordKey" in failure.value.response.text
    assert cloud.wait_for(server, "ACTIVE")


def test_an_interrupt_reaches_the_guest(cloud, host1, server):
    host1.simulated.requests.clear()

    cloud.api.post_server_action(server["id"], {"trigger_crash_dump": None})

    eventually(lambda: "InjectNonMaskableInterrupt" in {request.method for request in host1.simulated.requests})
