"""nova-compute and its host: starting, losing it, finding it again."""

from __future__ import annotations

import pytest
from nova import context as nova_context
from nova import exception

from compute_hyperv.host.model import MachineState
from compute_hyperv.nova.errors import HostUnusable
from tests.nova.functional.cloud import eventually


def test_a_service_does_not_start_without_its_host(cloud, host1):
    host1.simulated.stop()

    try:
        with pytest.raises(HostUnusable, match=host1.name.replace(".", r"\.")):
            cloud.start_compute(host1)
    finally:
        host1.simulated.start()


def test_a_service_does_not_start_with_a_wrong_password(cloud, host1):
    cloud.flags(password="wrong", group="hyperv")

    with pytest.raises(HostUnusable, match=r"(?i)credentials|password|denied"):
        cloud.start_compute(host1)


def test_a_service_does_not_start_with_a_wrong_instances_path(cloud, host1):
    cloud.flags(instances_path="/srv/instances", group="hyperv")

    with pytest.raises(HostUnusable, match="instances_path"):
        cloud.start_compute(host1)


def test_a_host_is_a_node_with_its_resources(cloud, host1):
    cloud.start_compute(host1)

    (node,) = cloud.admin_api.api_get("/os-hypervisors/detail").body["hypervisors"]
    assert node["hypervisor_type"] == "hyperv"
    assert node["hypervisor_hostname"] == "HV1"
    assert node["hypervisor_version"] == 10020348
    provider = cloud._get_provider_uuid_by_host("HV1")
    totals = {name: entry["total"] for name, entry in cloud._get_provider_inventory(provider).items()}
    assert totals["VCPU"] == 16
    assert totals["MEMORY_MB"] == 65536
    assert totals["DISK_GB"] == host1.client.inventory.volume_space("C:\\").total_bytes // 1024**3
    traits = set(cloud._get_provider_traits(provider))
    assert {"COMPUTE_IMAGE_TYPE_VHDX", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_ISO"} <= traits
    assert {"COMPUTE_FIRMWARE_UEFI", "HW_ARCH_X86_64", "HW_CPU_X86_SSE2", "HW_CPU_X86_VMX"} <= traits


def test_a_host_has_an_address_and_an_uptime(cloud, host1):
    driver = cloud.start_compute(host1).manager.driver

    assert driver.get_host_ip_addr() == host1.name
    assert " up " in driver.get_host_uptime()


def test_a_new_service_ignores_machines_that_are_not_novas_but_knows_what_they_take(cloud, host1):
    foreign = host1.create_foreign_machine("File server")

    compute = cloud.start_compute(host1)

    assert compute.manager.driver.list_instance_uuids() == []
    assert [machine.machine_id for machine in host1.machines()] == [foreign]
    before = reserved(cloud)
    host1.client.machines.start(foreign)
    cloud.report_resources()
    assert reserved(cloud) == {**before, "VCPU": 1, "MEMORY_MB": before["MEMORY_MB"] + 512}


def reserved(cloud):
    inventory = cloud._get_provider_inventory(cloud._get_provider_uuid_by_host("HV1"))
    return {name: entry["reserved"] for name, entry in inventory.items()}


def test_instances_go_on_when_nova_compute_restarts(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id, networks="auto")
    machine = host1.machine(server)

    compute = cloud.restart_compute(host1)

    assert compute.manager.driver.list_instance_uuids() == [server["id"]]
    assert host1.machine(server) == machine
    cloud.act(server, "SHUTOFF", os_stop=None)
    cloud.delete(server)
    assert host1.remains() == set()


def test_a_host_that_comes_back_is_used_again(cloud, host1, image_id, flavor_id):
    compute = cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id)

    host1.simulated.stop()
    with pytest.raises(exception.HypervisorUnavailable):
        compute.manager.driver.list_instance_uuids()
    host1.simulated.start()

    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})
    assert host1.machine(server).state is MachineState.RUNNING
    cloud.delete(cloud.boot(image_id, flavor_id))


def test_a_host_that_vanishes_in_the_middle_of_a_build_is_cleaned_when_it_is_back(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    cloud.delete(cloud.boot(image_id, flavor_id))
    host1.simulated.requests.clear()
    cloud.delete(cloud.boot(image_id, flavor_id))
    host1.vanish_at("RequestStateChange")

    server = cloud.boot(image_id, flavor_id, state="ERROR")
    host1.come_back()
    assert host1.remains() != set()
    cloud.report_resources()

    assert host1.remains() == set()
    cloud.delete(server)


def test_what_could_not_be_cleaned_is_cleaned_after_a_restart(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    cloud.delete(cloud.boot(image_id, flavor_id))
    host1.simulated.requests.clear()
    cloud.delete(cloud.boot(image_id, flavor_id))
    host1.vanish_at("RequestStateChange")
    cloud.boot(image_id, flavor_id, state="ERROR")
    host1.come_back()

    cloud.restart_compute(host1)

    eventually(lambda: host1.remains() == set())


def test_an_image_can_be_cached_before_it_is_needed(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    aggregate = cloud.admin_api.post_aggregate({"aggregate": {"name": "warm"}})
    cloud.admin_api.add_host_to_aggregate(aggregate["id"], host1.name)
    assert f"{image_id}.vhdx" not in host1.files("_base")

    for _ in ("first", "again"):
        cloud.admin_api.api_post(f"/os-aggregates/{aggregate['id']}/images", {"cache": [{"id": image_id}]})
        eventually(lambda: f"{image_id}.vhdx" in host1.files("_base"))

    cloud.delete(cloud.boot(image_id, flavor_id))
    assert {name for name in host1.files("_base") if name.startswith(image_id)} == {f"{image_id}.vhdx"}


def test_unused_images_leave_the_cache(cloud, host1, image_id, flavor_id):
    cloud.flags(remove_unused_original_minimum_age_seconds=0, group="image_cache")
    compute = cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id)

    compute.manager._run_image_cache_manager_pass(nova_context.get_admin_context())
    assert f"{image_id}.vhdx" in host1.files("_base")

    cloud.delete(server)
    compute.manager._run_image_cache_manager_pass(nova_context.get_admin_context())
    assert f"{image_id}.vhdx" not in host1.files("_base")


def test_a_server_that_cannot_be_deleted_while_its_host_is_away_can_when_it_is_back(cloud, host1, image_id, flavor_id):
    cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id)

    host1.simulated.stop()
    cloud.api.delete_server(server["id"])
    cloud.wait_for(server, "ERROR")
    host1.simulated.start()

    cloud.delete(server)
    assert host1.remains() == set()


def test_servers_that_were_deleted_while_nova_compute_was_down_are_removed(cloud, host1, image_id, flavor_id):
    compute = cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id)
    compute.stop()
    cloud.admin_api.put_service_force_down(cloud.admin_api.get_services(host=host1.name)[0]["id"], True)
    cloud.delete(server)
    assert host1.remains() != set()

    compute = cloud.restart_compute(host1)
    cloud.flags(running_deleted_instance_timeout=0)
    compute.manager._cleanup_running_deleted_instances(nova_context.get_admin_context())

    assert host1.remains() == set()
