"""From Neutron's port to the machine's adapter."""

from __future__ import annotations

import dataclasses

import pytest
from nova import exception

from compute_hyperv.host.model import Nic
from compute_hyperv.nova import vifs
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.settings import BuildSettings
from tests.nova.making import PORT_ID, make_flavor, make_instance, make_vif


def nic(vif, switches=(("physnet1", "external"),), default=None):
    settings = BuildSettings(instances_path=r"D:\i", switches=switches, default_switch=default)
    return vifs.nic(make_instance(), vif, settings)


def test_an_adapter_has_the_ports_id_address_switch_and_vlan():
    assert nic(make_vif()) == Nic(PORT_ID, "FA163E4C2C30", "external", 100)


@pytest.mark.parametrize("vlan", [{}, {"vlan": None}, {"vlan": ""}])
def test_a_flat_network_has_no_vlan(vlan):
    assert nic(make_vif(details={"physical_network": "physnet1", **vlan})).vlan_id is None


# entries of the binding details, what the adapter gets
WISHES = [
    ({}, {}),
    ({"mac_spoofing": True}, {"mac_spoofing": True}),
    ({"trunk_vlans": "102,101"}, {"trunk_vlans": (101, 102)}),
    ({"limit_kbps": "2000"}, {"limit_kbps": 2000}),
]


@pytest.mark.parametrize(("details", "expected"), WISHES)
def test_what_the_port_asks_for_is_what_the_adapter_gets(details, expected):
    bound = {"physical_network": "physnet1", "vlan": "100"}

    adapter = nic(make_vif(details={**bound, **details}))

    assert adapter == dataclasses.replace(Nic(PORT_ID, "FA163E4C2C30", "external", 100), **expected)


@pytest.mark.parametrize("details", [{"trunk_vlans": "101,0"}, {"limit_kbps": "fast"}])
def test_details_that_nobody_understands_are_not_plugged(details):
    with pytest.raises(exception.VirtualInterfacePlugException):
        nic(make_vif(details={"physical_network": "physnet1", **details}))


@pytest.mark.parametrize(("spec", "there"), [({}, False), ({"hyperv:sriov": "true"}, True)])
def test_the_flavor_decides_on_sriov(spec, there):
    instance = make_instance(flavor=make_flavor(extra_specs=spec))
    settings = BuildSettings(instances_path=r"D:\i", switches=(("physnet1", "external"),))

    assert vifs.nic(instance, make_vif(), settings).sriov is there


# physical network, mappings, vswitch_name, switch
SWITCHES = [
    ("physnet1", (("physnet1", "one"), ("physnet2", "two")), None, "one"),
    ("physnet2", (("physnet1", "one"), ("physnet2", "two")), None, "two"),
    ("physnet2", (("phys*", "any"), ("physnet2", "two")), None, "any"),
    ("physnet2", (("physnet2", "two"), ("*", "any")), None, "two"),
    ("other", (("physnet2", "two"), ("*", "any")), None, "any"),
    ("other", (("physnet2", "two"),), "default", "default"),
    ("a.b", (("a.*", "dotted"),), None, "dotted"),
]


@pytest.mark.parametrize(("network", "mappings", "default", "switch"), SWITCHES)
def test_the_first_mapping_that_matches_names_the_switch(network, mappings, default, switch):
    assert nic(make_vif(details={"physical_network": network}), mappings, default).switch_name == switch


@pytest.mark.parametrize(("network", "pattern"), [("axb", "a.b"), ("physnet10", "physnet1"), ("xphysnet", "physnet*")])
def test_a_switch_is_never_guessed(network, pattern):
    with pytest.raises(exception.VirtualInterfacePlugException, match="physical_network_vswitch_mappings"):
        nic(make_vif(details={"physical_network": network}), ((pattern, "external"),))


def test_a_port_without_a_physical_network_is_not_plugged():
    with pytest.raises(exception.VirtualInterfacePlugException, match="mechanism driver"):
        nic(make_vif(details={"vlan": "100"}), default="external")


@pytest.mark.parametrize("vlan", ["0", "4095", "-1", "x", 5000])
def test_a_vlan_that_there_is_not_is_not_plugged(vlan):
    with pytest.raises(exception.VirtualInterfacePlugException, match="VLAN"):
        nic(make_vif(details={"physical_network": "physnet1", "vlan": vlan}))


def test_a_port_that_is_bound_for_another_hypervisor_is_not_plugged():
    with pytest.raises(exception.VirtualInterfacePlugException, match="bound as ovs"):
        nic(make_vif(kind="ovs"))


def test_a_port_of_another_vnic_type_is_refused():
    with pytest.raises(InstanceRefused, match="direct"):
        nic(make_vif(vnic_type="direct"))
