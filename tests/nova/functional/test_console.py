"""What a guest writes to its serial port, as ``openstack console log show`` shows it."""

from __future__ import annotations

import pytest

from tests.nova.functional.cloud import eventually


@pytest.fixture
def server(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    return cloud.boot(image_id, flavor_id)


def output(cloud, server) -> str:
    return cloud.api.api_post(f"/servers/{server['id']}/action", {"os-getConsoleOutput": {}}).body["output"]


def test_a_guest_that_wrote_nothing_has_an_empty_log(cloud, server):
    assert output(cloud, server) == ""


def test_what_a_guest_writes_is_shown(cloud, host1, server):
    host1.guest_writes(server, b"Hello from the guest\r\n")

    eventually(lambda: "Hello from the guest" in output(cloud, server))


def test_the_log_goes_on_after_a_stop_and_start(cloud, host1, server):
    host1.guest_writes(server, b"first life\n")
    eventually(lambda: "first life" in output(cloud, server))

    cloud.act(server, "SHUTOFF", os_stop=None)
    cloud.act(server, "ACTIVE", os_start=None)
    host1.guest_writes(server, b"second life\n")

    eventually(lambda: "second life" in output(cloud, server))
    assert "first life" in output(cloud, server)


def test_the_log_goes_on_after_a_restart_of_nova_compute(cloud, host1, server):
    host1.guest_writes(server, b"before\n")
    eventually(lambda: "before" in output(cloud, server))

    cloud.restart_compute(host1)
    host1.guest_writes(server, b"after\n")

    eventually(lambda: "after" in output(cloud, server))
    assert "before" in output(cloud, server)
