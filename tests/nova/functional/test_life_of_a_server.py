"""What a user does with a server, and what is then on the host."""

from __future__ import annotations

import pytest
from nova import context as nova_context

from compute_hyperv.host.model import MachineState, Nic
from tests.nova.functional.cloud import SWITCH, VLAN


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def server(cloud, compute, image_id, flavor_id):
    return cloud.boot(image_id, flavor_id)


def test_a_server_is_a_running_machine_with_novas_name_and_uuid(cloud, host1, server):
    machine = host1.machine(server)

    assert machine.state is MachineState.RUNNING
    assert machine.name == cloud.admin_api.get_server(server["id"])["OS-EXT-SRV-ATTR:instance_name"]


def test_its_root_disk_is_a_child_of_the_cached_image_with_the_flavors_size(host1, server, image_id):
    name = host1.machine(server).name

    root = host1.client.disks.info(rf"C:\OpenStack\Instances\{name}\root.vhdx")

    assert root.kind == "differencing"
    assert root.parent_path.lower().endswith(rf"\_base\{image_id}.vhdx")
    assert root.virtual_size_bytes == 1024**3


def test_without_copy_on_write_its_root_disk_stands_alone(cloud, compute, host1, image_id, flavor_id):
    cloud.flags(use_cow_images=False)

    server = cloud.boot(image_id, flavor_id)

    name = host1.machine(server).name
    root = host1.client.disks.info(rf"C:\OpenStack\Instances\{name}\root.vhdx")
    assert (root.kind, root.parent_path, root.virtual_size_bytes) == ("dynamic", None, 1024**3)


def test_its_adapter_is_on_the_networks_switch_and_vlan(cloud, compute, host1, image_id, flavor_id):
    server = cloud.boot(image_id, flavor_id, networks="auto")

    (port,) = cloud.neutron.list_ports(is_admin=True, device_id=server["id"])["ports"]
    address = port["mac_address"].replace(":", "").upper()
    assert host1.nics(server) == [Nic(port["id"], address, SWITCH, VLAN)]


@pytest.mark.parametrize(("cdrom", "file"), [(False, "configdrive.vhd"), (True, "configdrive.iso")])
def test_its_config_drive_is_a_disk_or_a_dvd(cloud, compute, host1, image_id, flavor_id, cdrom, file):
    cloud.flags(config_drive_cdrom=cdrom, group="hyperv")
    cloud.restart_compute(host1)

    server = cloud.boot(image_id, flavor_id, config_drive=True)

    assert file in host1.files(host1.machine(server).name)


def test_a_gen2_server_boots(cloud, compute, host1, disk_image, flavor_id):
    image_id = cloud.add_image(disk_image.__class__(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))

    server = cloud.boot(image_id, flavor_id, config_drive=True)

    assert host1.machine(server).state is MachineState.RUNNING


def test_a_deleted_server_leaves_nothing_but_the_cached_image(cloud, compute, host1, image_id, flavor_id):
    server = cloud.boot(image_id, flavor_id, networks="auto", config_drive=True)

    cloud.delete(server)

    assert host1.remains() == set()
    assert f"{image_id}.vhdx" in host1.files("_base")
    assert cloud._get_allocations_by_server_uuid(server["id"]) == {}


def test_a_server_whose_machine_somebody_removed_can_be_deleted(cloud, host1, server):
    host1.client.machines.destroy(host1.machine(server).machine_id)

    cloud.delete(server)

    assert host1.remains() == set()


def test_stop_and_start(cloud, host1, server):
    cloud.act(server, "SHUTOFF", os_stop=None)
    assert host1.machine(server).state is MachineState.OFF

    cloud.act(server, "ACTIVE", os_start=None)
    assert host1.machine(server).state is MachineState.RUNNING


def test_a_guest_that_does_not_obey_is_turned_off(cloud, host1, server):
    host1.client.machines.pause(host1.machine(server).machine_id)

    cloud.act(server, "SHUTOFF", os_stop=None)

    assert host1.machine(server).state is MachineState.OFF


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_reboot(cloud, host1, server, kind):
    cloud.act(server, "ACTIVE", reboot={"type": kind})

    assert host1.machine(server).state is MachineState.RUNNING


def test_a_hard_reboot_starts_a_server_that_is_off(cloud, host1, server):
    host1.client.machines.turn_off(host1.machine(server).machine_id)

    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})

    assert host1.machine(server).state is MachineState.RUNNING


def test_a_start_connects_adapters_that_somebody_has_unplugged(cloud, compute, host1, image_id, flavor_id):
    server = cloud.boot(image_id, flavor_id, networks="auto")
    (adapter,) = host1.nics(server)
    cloud.act(server, "SHUTOFF", os_stop=None)
    host1.client.machines.disconnect_nic(host1.machine(server).machine_id, adapter.name)

    cloud.act(server, "ACTIVE", os_start=None)

    assert host1.nics(server) == [adapter]


def test_nova_follows_a_machine_that_stops_by_itself(cloud, compute, host1, server):
    host1.client.machines.turn_off(host1.machine(server).machine_id)
    compute.manager.driver._rooms.instances._seen_at = float("-inf")

    compute.manager._sync_power_states(nova_context.get_admin_context())

    cloud.wait_for(server, "SHUTOFF")


def test_a_machine_that_nova_did_not_make_is_left_alone(cloud, compute, host1, server, image_id, flavor_id):
    name = host1.machine(server).name
    cloud.delete(server)
    number = int(name.rsplit("-", 1)[1], 16) + 1
    foreign = host1.create_foreign_machine(f"instance-{number:08x}")

    refused = cloud.boot(image_id, flavor_id, state="ERROR")
    cloud.delete(refused)

    assert [machine.machine_id for machine in host1.machines()] == [foreign]


def test_two_computes_manage_two_hosts(cloud, host1, host2, image_id, flavor_id):
    cloud.start_compute(host1)
    cloud.start_compute(host2)

    first = cloud.boot(image_id, flavor_id, host=host1)
    second = cloud.boot(image_id, flavor_id, host=host2)

    assert (host1.machine(first) is not None, host2.machine(first)) == (True, None)
    assert (host1.machine(second), host2.machine(second) is not None) == (None, True)
    nodes = {node["hypervisor_hostname"] for node in cloud.admin_api.api_get("/os-hypervisors").body["hypervisors"]}
    assert nodes == {"HV1", "HV2"}
