"""Two hosts whose instances are on one share of 100 GB, which a third one serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nova import context as nova_context

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.smb import SmbShareConfig
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.cloud import Cloud, Observer, running_cloud
from tests.simulated import free_address


@pytest.fixture(scope="module")
def simulator(tmp_path_factory) -> Iterator[Simulator]:
    filer = HostConfig(
        name="filer", address=free_address(), disk_gb=100, smb_share=(SmbShareConfig("vms", r"C:\Shares\vms"),)
    )
    hosts = [HostConfig(name=name, address=free_address(), disk_gb=500) for name in ("hv3", "hv4")]
    with Simulator([filer, *hosts], tmp_path_factory.mktemp("hosts")) as running:
        yield running


@pytest.fixture
def folder(simulator) -> str:
    return rf"\\{simulator.hosts[0].config.address}\vms\Instances"


@pytest.fixture
def hosts(simulator, folder) -> Iterator[tuple[Observer, ...]]:
    """The two that run machines."""
    observers = tuple(Observer(host) for host in simulator.hosts[1:])
    yield observers
    for host in observers:
        for machine in host.machines():
            host.client.machines.destroy(machine.machine_id)
    observers[0].client.files.delete_tree(folder)
    for host in observers:
        host.close()


@pytest.fixture
def cloud(hosts, folder) -> Iterator[Cloud]:
    with running_cloud() as running:
        running.flags(instances_path=folder, group="hyperv")
        yield running


@pytest.fixture
def large_flavor_id(cloud) -> str:
    return cloud.add_flavor(disk=80)


def cached_files(host: Observer, folder: str) -> set[str]:
    return {entry.name for entry in host.client.files.list(rf"{folder}\_base")}


def storage_of(cloud: Cloud) -> str:
    """The provider that has disk space: there is one."""
    providers = cloud.placement.get("/resource_providers", version="1.14").body["resource_providers"]
    (storage,) = [one["uuid"] for one in providers if "DISK_GB" in cloud._get_provider_inventory(one["uuid"])]
    return storage


@pytest.fixture
def sharing_cloud(cloud, hosts) -> Cloud:
    """With both computes."""
    cloud.flags(shared_storage_provider=True, group="hyperv")
    for host in hosts:
        cloud.start_compute(host)
    return cloud


def test_the_hosts_have_their_storage_together(sharing_cloud):
    cloud = sharing_cloud
    cloud.report_resources()

    storage = storage_of(cloud)
    inventory = cloud._get_provider_inventory(storage)["DISK_GB"]
    assert (inventory["total"], inventory["allocation_ratio"]) == (100, 1.0)
    assert cloud._get_provider_traits(storage) == ["MISC_SHARES_VIA_AGGREGATE"]
    for name in ("HV3", "HV4"):
        assert set(cloud._get_provider_inventory(cloud._get_provider_uuid_by_host(name))) == {"VCPU", "MEMORY_MB"}


def test_two_servers_of_80_gb_do_not_fit_on_100(sharing_cloud, image_id, large_flavor_id):
    cloud = sharing_cloud
    first = cloud.boot(image_id, large_flavor_id)

    second = cloud.boot(image_id, large_flavor_id, state="ERROR")
    assert "No valid host" in cloud.fault_of(second)
    cloud.delete(first)
    cloud.delete(second)

    cloud.delete(cloud.boot(image_id, large_flavor_id))
    assert cloud._get_provider_usages(storage_of(cloud)) == {"DISK_GB": 0}


def test_what_is_allocated_moves_to_the_storage_and_back(cloud, host1, image_id, large_flavor_id):
    cloud.start_compute(host1)
    server = cloud.boot(image_id, large_flavor_id)
    node = cloud._get_provider_uuid_by_host("HV3")
    assert cloud._get_provider_usages(node)["DISK_GB"] == 80

    cloud.flags(shared_storage_provider=True, group="hyperv")
    cloud.restart_compute(host1)
    assert set(cloud._get_provider_usages(node)) == {"VCPU", "MEMORY_MB"}
    storage = storage_of(cloud)
    assert cloud._get_provider_usages(storage) == {"DISK_GB": 80}

    cloud.flags(shared_storage_provider=False, group="hyperv")
    cloud.restart_compute(host1)
    assert cloud._get_provider_usages(node)["DISK_GB"] == 80
    assert cloud._get_provider_usages(storage) == {"DISK_GB": 0}
    cloud.delete(server)
    assert cloud._get_provider_usages(node)["DISK_GB"] == 0


def test_hosts_that_share_the_cache_have_an_image_once(cloud, host1, host2, folder, image_id, flavor_id):
    cloud.flags(remove_unused_original_minimum_age_seconds=0, group="image_cache")
    computes = [cloud.start_compute(host) for host in (host1, host2)]
    servers = [cloud.boot(image_id, flavor_id, host=host) for host in (host1, host2)]
    assert cached_files(host1, folder) == {f"{image_id}.vhdx"}

    cloud.delete(servers[0])
    for compute in computes:
        compute.manager._run_image_cache_manager_pass(nova_context.get_admin_context())

    assert cached_files(host1, folder) == {f"{image_id}.vhdx"}
    cloud.act(servers[1], "ACTIVE", reboot={"type": "HARD"})
    cloud.delete(servers[1])
