"""Ports that come and go while a server exists."""

from __future__ import annotations

import dataclasses

import pytest
from nova.tests.functional.api.client import OpenStackApiException

from compute_hyperv.host.model import Nic
from hyperv_simulator.fault_rules import FaultRule
from tests.nova.functional.cloud import SWITCH, VLAN, eventually


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def gen2_image_id(cloud, disk_image):
    return cloud.add_image(disk_image.__class__(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))


@pytest.fixture
def port(cloud):
    """One that no server has."""
    return cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"]


def attach(cloud, server, port):
    return cloud.api.attach_interface(server["id"], {"interfaceAttachment": {"port_id": port["id"]}})


def nic_of(port):
    return Nic(port["id"], port["mac_address"].replace(":", "").upper(), SWITCH, VLAN)


def test_a_running_gen2_server_gets_an_adapter_on_the_ports_switch_and_vlan(
    cloud, compute, host1, gen2_image_id, flavor_id, port
):
    server = cloud.boot(gen2_image_id, flavor_id)

    attach(cloud, server, port)

    assert host1.nics(server) == [nic_of(port)]


def test_a_detached_port_has_no_adapter(cloud, compute, host1, gen2_image_id, flavor_id, port):
    server = cloud.boot(gen2_image_id, flavor_id)
    attach(cloud, server, port)

    cloud.api.detach_interface(server["id"], port["id"])

    eventually(lambda: host1.nics(server) == [])


def test_a_running_gen1_server_takes_no_adapter_and_the_log_says_why(cloud, compute, host1, image_id, flavor_id, port):
    server = cloud.boot(image_id, flavor_id)

    with pytest.raises(OpenStackApiException):
        attach(cloud, server, port)

    assert host1.nics(server) == []
    assert "generation 1 and not off" in cloud.stdlog.logger.output
    assert cloud.api.get_port_interfaces(server["id"]) == []


def test_a_stopped_gen1_server_gets_an_adapter(cloud, compute, host1, image_id, flavor_id, port):
    server = cloud.act(cloud.boot(image_id, flavor_id), "SHUTOFF", os_stop=None)

    attach(cloud, server, port)

    assert host1.nics(server) == [nic_of(port)]


def test_a_failed_attachment_leaves_no_adapter(cloud, compute, host1, gen2_image_id, flavor_id, port):
    server = cloud.boot(gen2_image_id, flavor_id)
    host1.simulated.faults.add(FaultRule("drop-before", method="AddFeatureSettings", times=0))

    with pytest.raises(OpenStackApiException):
        attach(cloud, server, port)

    host1.simulated.faults.clear()
    assert host1.nics(server) == []


def change_binding(cloud, port, **details):
    """As our mechanism driver does when a port or its network is another."""
    cloud.neutron._ports[port["id"]]["binding:vif_details"].update(details)


def test_a_server_has_an_adapter_for_each_port_and_what_the_port_asks_for(cloud, compute, host1, image_id, flavor_id):
    ports = [cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"] for _ in range(2)]
    change_binding(cloud, ports[1], vlan="200", trunk_vlans="201,202", limit_kbps="2000", mac_spoofing=True)

    server = cloud.boot(image_id, flavor_id, networks=[{"port": port["id"]} for port in ports])

    trunk = dataclasses.replace(
        nic_of(ports[1]), vlan_id=200, trunk_vlans=(201, 202), limit_kbps=2000, mac_spoofing=True
    )
    assert host1.nics(server) == [nic_of(ports[0]), trunk]


def test_a_port_that_has_changed_is_repaired_with_the_next_reboot(
    cloud, compute, host1, gen2_image_id, flavor_id, port
):
    server = cloud.boot(gen2_image_id, flavor_id, networks=[{"port": port["id"]}])
    change_binding(cloud, port, mac_spoofing=True)

    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})

    assert host1.nics(server) == [dataclasses.replace(nic_of(port), mac_spoofing=True)]
