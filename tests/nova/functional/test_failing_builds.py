"""A build that the host breaks off, at each request of it and in each way: afterwards nothing is left, and the next one
succeeds."""

from __future__ import annotations

import pytest

from hyperv_simulator.fault_rules import FaultRule

WBEM_E_FAILED = 0x80041001


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def boot(cloud, compute, image_id, flavor_id):
    def boot(state="ACTIVE"):
        return cloud.boot(image_id, flavor_id, networks="auto", config_drive=True, state=state)

    cloud.delete(boot())  # the image is in the cache and the host's facts are known from here on
    return boot


def requests_of_a_build(cloud, host1, boot, action=None) -> int:
    host1.simulated.requests.clear()
    server = boot()
    number = host1.simulated.requests.count(action=action)
    cloud.delete(server)
    return number


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "effect",
    [
        pytest.param({"effect": "fault", "code": WBEM_E_FAILED}, id="the host refuses"),
        # What only reads is asked again then, and the build goes on.
        pytest.param({"effect": "drop-after", "action": "invoke"}, id="the answer is lost"),
        pytest.param({"effect": "http-status", "action": "invoke"}, id="WinRM fails"),
    ],
)
def test_a_build_that_breaks_at_any_request_leaves_nothing(cloud, host1, boot, effect):
    failed = []
    for number in range(1, requests_of_a_build(cloud, host1, boot, effect.get("action")) + 1):
        host1.simulated.faults.add(FaultRule(**effect, nth=number))
        server = boot(state=None)
        host1.simulated.faults.clear()
        if server["status"] == "ERROR":
            failed.append(server)
        else:  # what broke could safely be asked again
            assert host1.machine(server) is not None
            cloud.delete(server)
        assert host1.remains() == set(), f"after a fault at request {number}"
    assert failed

    cloud.delete(boot())
    for server in failed:
        cloud.delete(server)


@pytest.mark.parametrize("method", ["CreateVirtualHardDisk", "ResizeVirtualHardDisk", "RequestStateChange"])
def test_a_job_that_fails_is_told_to_the_user_and_leaves_nothing(cloud, host1, boot, method):
    host1.simulated.faults.add(FaultRule("job-error", method=method, code=32768, message="The disk is on fire."))

    server = boot(state="ERROR")

    host1.simulated.faults.clear()
    assert host1.remains() == set()
    cloud.delete(server)
    cloud.delete(boot())


def test_a_build_needs_at_most_20_requests(cloud, host1, boot):
    assert requests_of_a_build(cloud, host1, boot) <= 20


def test_a_build_that_fails_on_one_host_is_done_by_the_other(cloud, compute, host1, host2, image_id, flavor_id):
    cloud.start_compute(host2)
    cloud.boot(image_id, flavor_id, host=host2)  # the scheduler prefers the emptier one from here on
    host1.simulated.requests.clear()
    host1.simulated.faults.add(FaultRule("fault", method="DefineSystem", code=WBEM_E_FAILED, times=0))

    server = cloud.boot(image_id, flavor_id)

    assert host1.simulated.requests.count(method="DefineSystem") > 0
    assert host1.remains() == set()
    assert host2.machine(server) is not None


def test_a_build_waits_for_neutron_to_report_the_port_up(cloud, host1, boot):
    cloud.flags(vif_plugging_timeout=1, vif_plugging_is_fatal=True)
    cloud.neutron.default_port = {**cloud.neutron.default_port, "status": "DOWN"}

    server = boot(state="ERROR")

    assert "network" in cloud.fault_of(server)
    assert host1.remains() == set()


def test_a_build_goes_on_without_the_report_where_that_is_not_fatal(cloud, host1, boot):
    cloud.flags(vif_plugging_timeout=1, vif_plugging_is_fatal=False)
    cloud.neutron.default_port = {**cloud.neutron.default_port, "status": "DOWN"}

    assert host1.machine(boot()) is not None


def test_a_build_that_fails_between_two_requests_leaves_nothing(cloud, host1, boot):
    cloud.flags(config_drive_format="vfat")  # found out when the root disk is there already

    boot(state="ERROR")

    assert host1.remains() == set()
