"""Ports of Hyper-V hosts in the hands of Neutron's own trunk and QoS services."""

import contextlib

import pytest
from neutron.objects import trunk as trunk_objects
from neutron.services.qos.drivers.openvswitch import driver as ovs
from neutron.services.trunk import exceptions as trunk_exceptions
from neutron_lib import context
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import exceptions as callback_exceptions
from neutron_lib.exceptions import qos as qos_exceptions
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory
from oslo_config import cfg
from tests.neutron.test_mechanism_driver import HyperVPorts

ADMIN = context.get_admin_context


class TestTrunks(HyperVPorts):
    def setUp(self):
        super().setUp()
        self.trunks = directory.get_plugin("trunk")

    def get_additional_service_plugins(self):
        return {"trunk_plugin_name": "trunk"}

    @contextlib.contextmanager
    def trunk(self, *tags, vlan=42):
        """A trunk that no server has yet: id of the parent, of the trunk, and of the subports."""
        with contextlib.ExitStack() as made:
            parent = made.enter_context(self.bound_port(host="", vlan=vlan))["id"]
            subports = [self.subport(made, tag) for tag in tags]
            request = {
                "port_id": parent,
                "project_id": "p",
                "sub_ports": [{"port_id": port, "segmentation_type": "inherit"} for port in subports],
            }
            trunk = self.trunks.create_trunk(ADMIN(), {"trunk": request})["id"]
            yield parent, trunk, subports

    def subport(self, made, tag):
        return made.enter_context(self.bound_port(host="", vlan=tag))["id"]

    def add(self, trunk, port, **how):
        self.trunks.add_subports(ADMIN(), trunk, {"sub_ports": [{"port_id": port, **how}]})

    def boot(self, parent, host="hv1"):
        return self._update("ports", parent, {"port": {portbindings.HOST_ID: host}}, as_admin=True)["port"]

    def shown(self, port):
        return self._show("ports", port, as_admin=True)["port"]

    def vlans(self, parent):
        return self.shown(parent)[portbindings.VIF_DETAILS].get("trunk_vlans")

    def status(self, trunk):
        return trunk_objects.Trunk.get_object(ADMIN(), id=trunk).status

    def on_host(self, port):
        found = self.shown(port)
        return found[portbindings.HOST_ID], found[portbindings.VIF_TYPE], found["status"], found["device_owner"]

    def test_a_trunk_comes_up_with_its_server_and_goes_down_with_it(self):
        with self.trunk(43, 44) as (parent, trunk, subports):
            assert self.status(trunk) == "DOWN"
            assert self.boot(parent)["status"] == "ACTIVE"
            assert self.vlans(parent) == "43,44"
            assert self.status(trunk) == "ACTIVE"
            assert {self.on_host(port) for port in subports} == {("hv1", "hyperv", "ACTIVE", "trunk:subport")}

            self.boot(parent, "hv2")
            assert self.status(trunk) == "ACTIVE"
            assert {self.on_host(port) for port in subports} == {("hv2", "hyperv", "ACTIVE", "trunk:subport")}

            self.boot(parent, "")
            assert self.status(trunk) == "DOWN"
            assert {self.on_host(port) for port in subports} == {("", "unbound", "DOWN", "trunk:subport")}

    def test_subports_that_come_and_go_are_in_the_binding_at_once(self):
        with self.trunk(43) as (parent, trunk, _), contextlib.ExitStack() as made:
            self.boot(parent)
            late = self.subport(made, 44)
            self.add(trunk, late, segmentation_type="inherit")
            assert self.vlans(parent) == "43,44"
            assert self.on_host(late) == ("hv1", "hyperv", "ACTIVE", "trunk:subport")
            assert self.status(trunk) == "ACTIVE"

            self.trunks.remove_subports(ADMIN(), trunk, {"sub_ports": [{"port_id": late}]})
            assert self.vlans(parent) == "43"
            assert self.on_host(late) == ("", "unbound", "DOWN", "")
            assert self.status(trunk) == "ACTIVE"

    def test_a_subport_whose_tag_would_have_to_be_rewritten_is_refused_while_the_server_is_there(self):
        with self.trunk(43) as (parent, trunk, _), contextlib.ExitStack() as made:
            self.boot(parent)
            late = self.subport(made, 44)
            with pytest.raises(callback_exceptions.CallbackFailure, match="Hyper-V does not rewrite tags") as failure:
                self.add(trunk, late, segmentation_type="vlan", segmentation_id=7)
            assert [type(error) for error in failure.value.inner_exceptions] == [neutron_exceptions.BadRequest]
            assert self.vlans(parent) == "43"

    def test_a_server_whose_trunk_cannot_be_does_not_come_up(self):
        with self.trunk() as (parent, trunk, _), contextlib.ExitStack() as made:
            self.add(trunk, self.subport(made, 44), segmentation_type="vlan", segmentation_id=7)
            assert self.boot(parent)[portbindings.VIF_TYPE] == "binding_failed"
            assert self.status(trunk) == "DOWN"

    def test_a_trunk_is_made_before_its_parents_server(self):
        with self.bound_port(vlan=42) as parent:
            request = {"trunk": {"port_id": parent["id"], "project_id": "p", "sub_ports": []}}
            with pytest.raises(trunk_exceptions.ParentPortInUse):
                self.trunks.create_trunk(ADMIN(), request)


class TestPolicies(HyperVPorts):
    def setUp(self):
        cfg.CONF.set_override("extension_drivers", ["qos"], "ml2")
        ovs.DRIVER = None  # it tells the QoS service of itself once in a process
        super().setUp()
        self.qos = directory.get_plugin(plugin_constants.QOS)
        self.policy = self.qos.create_policy(ADMIN(), {"policy": {"name": "slow", "project_id": "p"}})["id"]

    def get_additional_service_plugins(self):
        return {"qos_plugin_name": "qos"}

    def limit(self, **values):
        rule = {"bandwidth_limit_rule": {"max_kbps": 2000, "max_burst_kbps": 0, "direction": "egress", **values}}
        return self.qos.create_policy_bandwidth_limit_rule(ADMIN(), self.policy, rule)["id"]

    def at_least(self):
        rule = {"minimum_bandwidth_rule": {"min_kbps": 500, "direction": "egress"}}
        self.qos.create_policy_minimum_bandwidth_rule(ADMIN(), self.policy, rule)

    @contextlib.contextmanager
    def server(self, **port):
        """The port of one, that Nova has bound after it was made."""
        with self.bound_port(vlan=42, host="", **port) as made:
            change = {"port": {portbindings.HOST_ID: "hv1"}}
            yield self._update("ports", made["id"], change, as_admin=True)["port"]

    def details(self, port):
        return self._show("ports", port["id"], as_admin=True)["port"][portbindings.VIF_DETAILS]

    def test_neutron_says_that_there_are_limits(self):
        found = self.qos.get_rule_type(ADMIN().elevated(), "bandwidth_limit")
        (ours,) = (driver for driver in found["drivers"] if driver["name"] == "hyperv")
        values = {entry["parameter_name"]: entry["parameter_values"] for entry in ours["supported_parameters"]}
        assert values["direction"] == ["egress"]
        assert values["max_burst_kbps"] == {"start": 0, "end": 0}

    def test_a_rule_is_in_the_binding_of_each_port_with_its_policy_and_follows_it(self):
        with self.server(qos_policy_id=self.policy) as port:
            rule = self.limit()
            assert self.details(port)["limit_kbps"] == "2000"
            self.qos.update_policy_bandwidth_limit_rule(
                ADMIN(), rule, self.policy, {"bandwidth_limit_rule": {"max_kbps": 3000}}
            )
            assert self.details(port)["limit_kbps"] == "3000"
            self.qos.delete_policy_bandwidth_limit_rule(ADMIN(), rule, self.policy)
            assert "limit_kbps" not in self.details(port)

    def test_a_networks_policy_is_its_ports(self):
        with self.server() as port:
            change = {"network": {"qos_policy_id": self.policy}}
            self._update("networks", port["network_id"], change, as_admin=True)
            self.limit()
            assert self.details(port)["limit_kbps"] == "2000"

    def test_rules_that_hyper_v_cannot_keep_are_refused_for_ports_on_its_hosts(self):
        with self.server(qos_policy_id=self.policy):
            for refused in (lambda: self.limit(direction="ingress"), lambda: self.limit(max_burst_kbps=10)):
                with pytest.raises(qos_exceptions.QosRuleNotSupported):
                    refused()
            with pytest.raises(qos_exceptions.QosRuleNotSupported, match="minimum_bandwidth"):
                self.at_least()

    def test_a_port_that_may_have_such_a_rule_elsewhere_is_not_bound_here(self):
        self.limit(direction="ingress")  # Open vSwitch can
        with self.server(qos_policy_id=self.policy) as port:
            assert port[portbindings.VIF_TYPE] == "binding_failed"
