"""Ports of Hyper-V hosts through Neutron's own ML2 plugin, API and database (SQLite in memory).

The base classes are Neutron's: what is asserted is what Nova reads from the port.
"""

import contextlib

from neutron.tests.common import helpers
from neutron.tests.unit.plugins.ml2 import test_plugin
from neutron_lib import constants, context
from neutron_lib.api.definitions import portbindings, provider_net
from neutron_lib.plugins import directory
from oslo_config import cfg

from compute_hyperv.neutron import options


class HyperVPorts(test_plugin.Ml2PluginV2TestCase):
    _mechanism_drivers = ("hyperv", "openvswitch")  # the order in which the driver could do most harm

    def setUp(self):
        super().setUp()
        options.register(cfg.CONF)

    def configure(self, **settings):
        for name, value in settings.items():
            cfg.CONF.set_override(name, value, options.GROUP)

    @contextlib.contextmanager
    def bound_port(self, host="hv1", network_type="vlan", vlan=None, physical_network="physnet1", **port):
        network = {
            provider_net.NETWORK_TYPE: network_type,
            provider_net.PHYSICAL_NETWORK: physical_network,
            provider_net.SEGMENTATION_ID: vlan,
        }
        network = {key: value for key, value in network.items() if value is not None}
        with (
            self.network(as_admin=True, arg_list=tuple(network), **network) as made,
            self.subnet(network=made) as subnet,
            self.port(
                subnet=subnet,
                is_admin=True,
                arg_list=(portbindings.HOST_ID, *port),
                **{portbindings.HOST_ID: host, **port},
            ) as answer,
        ):
            yield answer["port"]

    def assert_not_ours(self, port):
        assert port[portbindings.VIF_TYPE] != "hyperv"


class TestBinding(HyperVPorts):
    def test_a_vlan_port_carries_its_vlan_and_physical_network_to_nova(self):
        with self.bound_port(vlan=42) as port:
            assert port[portbindings.VIF_TYPE] == "hyperv"
            expected = {"port_filter": False, "connectivity": "l2", "physical_network": "physnet1", "vlan": "42"}
            assert expected.items() <= port[portbindings.VIF_DETAILS].items()

    def test_a_flat_port_has_no_vlan(self):
        with self.bound_port(network_type="flat") as port:
            assert port[portbindings.VIF_TYPE] == "hyperv"
            assert "vlan" not in port[portbindings.VIF_DETAILS]

    def test_a_bound_port_is_active_at_once_because_no_agent_will_report_it(self):
        with self.bound_port() as port:
            assert port["status"] == constants.PORT_STATUS_ACTIVE

    def test_a_port_without_a_host_stays_unbound(self):
        with self.bound_port(host="") as port:
            assert port[portbindings.VIF_TYPE] == "unbound"
            assert port["status"] == constants.PORT_STATUS_DOWN

    def test_a_server_that_leaves_its_host_takes_the_port_down(self):
        with self.bound_port() as port:
            left = self._update("ports", port["id"], {"port": {portbindings.HOST_ID: ""}}, as_admin=True)
            assert left["port"][portbindings.VIF_TYPE] == "unbound"
            assert left["port"]["status"] == constants.PORT_STATUS_DOWN

    def test_a_port_moves_to_another_host(self):
        with self.bound_port(vlan=42) as port:
            moved = self._update("ports", port["id"], {"port": {portbindings.HOST_ID: "hv2"}}, as_admin=True)
            assert moved["port"][portbindings.VIF_TYPE] == "hyperv"
            assert moved["port"]["status"] == constants.PORT_STATUS_ACTIVE

    def test_the_vlan_of_a_network_with_bound_ports_cannot_be_changed_under_them(self):
        with self.bound_port(vlan=42) as port:
            change = {"network": {provider_net.SEGMENTATION_ID: 43}}
            self._update("networks", port["network_id"], change, expected_code=400, as_admin=True)


class TestWhatIsLeftToOthers(HyperVPorts):
    def test_a_host_with_another_l2_agent(self):
        helpers.register_ovs_agent(host="linux1", bridge_mappings={"physnet1": "br-ex"})
        with self.bound_port(host="linux1") as port:
            assert port[portbindings.VIF_TYPE] == "ovs"

    def test_a_host_whose_l2_agent_is_down_is_not_taken_over(self):
        agent = helpers.register_ovs_agent(host="linux1", bridge_mappings={"physnet1": "br-ex"})
        helpers.kill_agent(agent.id)
        with self.bound_port(host="linux1") as port:
            assert port[portbindings.VIF_TYPE] == "binding_failed"

    def test_an_agent_that_wires_nothing_does_not_keep_the_host_from_us(self):
        helpers.register_dhcp_agent(host="hv1")
        with self.bound_port() as port:
            assert port[portbindings.VIF_TYPE] == "hyperv"

    def test_ports_of_neutrons_own_services(self):
        with self.bound_port(device_owner=constants.DEVICE_OWNER_DHCP) as port:
            self.assert_not_ours(port)

    def test_nics_that_are_not_normal(self):
        for vnic_type in (portbindings.VNIC_DIRECT, portbindings.VNIC_BAREMETAL):
            with self.subTest(vnic_type), self.bound_port(**{portbindings.VNIC_TYPE: vnic_type}) as port:
                self.assert_not_ours(port)

    def test_hosts_outside_the_configured_patterns(self):
        self.configure(hosts=["hv*"])
        with self.bound_port(host="kvm1") as port:
            self.assert_not_ours(port)
        with self.bound_port(host="HV1", physical_network="physnet2") as port:
            assert port[portbindings.VIF_TYPE] == "hyperv"

    def test_physical_networks_outside_the_configured_patterns(self):
        self.configure(physical_networks=["physnet1"])
        with self.bound_port(physical_network="physnet2") as port:
            self.assert_not_ours(port)

    def test_overlay_networks(self):
        with self.bound_port(network_type="local", physical_network=None) as port:
            self.assert_not_ours(port)


VLAN = {"network_type": "vlan", "physical_network": "physnet1"}


class TestHostsWithAccessToASegment(HyperVPorts):
    def hosts(self, segments, candidates):
        driver = directory.get_plugin().mechanism_manager.mech_drivers["hyperv"].obj
        return driver.filter_hosts_with_segment_access(
            context.get_admin_context(), segments, candidates, directory.get_plugin().get_agents
        )

    def test_are_the_hyperv_hosts_among_the_candidates(self):
        helpers.register_ovs_agent(host="linux1")
        self.configure(hosts=["hv*", "linux*"])
        assert self.hosts([VLAN], {"hv1", "linux1", "kvm1"}) == {"hv1"}

    def test_are_none_for_an_overlay(self):
        assert self.hosts([{"network_type": "vxlan", "physical_network": None}], {"hv1"}) == set()
