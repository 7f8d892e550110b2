"""What a port asks beside its segment reaches nova-compute in the binding details, and follows the port."""

import pytest
from neutron.objects.qos import policy as qos_policy
from neutron.objects.qos import rule as qos_rule
from neutron_lib import context
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_utils import uuidutils
from tests.neutron.test_mechanism_driver import HyperVPorts

from compute_hyperv.neutron import port_wishes, service_drivers
from compute_hyperv.neutron.errors import PortRefused

SEGMENT = {api.PHYSICAL_NETWORK: "physnet1"}


class TestAddresses(HyperVPorts):
    def setUp(self):
        cfg.CONF.set_override("extension_drivers", ["port_security"], "ml2")
        super().setUp()

    def details(self, port):
        return self._show("ports", port["id"], as_admin=True)["port"][portbindings.VIF_DETAILS]

    def change(self, port, **values):
        return self._update("ports", port["id"], {"port": values}, as_admin=True)["port"]

    def test_a_port_with_port_security_may_not_use_other_addresses(self):
        with self.bound_port(vlan=42) as port:
            assert port_wishes.MAC_SPOOFING not in port[portbindings.VIF_DETAILS]

    def test_port_security_that_goes_and_comes_back_is_followed(self):
        with self.bound_port(vlan=42) as port:
            changed = self.change(port, port_security_enabled=False, security_groups=[])
            assert changed[portbindings.VIF_DETAILS][port_wishes.MAC_SPOOFING] is True
            assert self.details(port)[port_wishes.MAC_SPOOFING] is True
            assert self.details(port)["vlan"] == "42"
            assert changed["status"] == "ACTIVE"
            self.change(port, port_security_enabled=True)
            assert port_wishes.MAC_SPOOFING not in self.details(port)

    def test_only_an_address_pair_with_another_mac_address_needs_spoofing(self):
        with self.bound_port(vlan=42) as port:
            self.change(port, allowed_address_pairs=[{"ip_address": "10.0.0.99"}])
            assert port_wishes.MAC_SPOOFING not in self.details(port)
            pair = {"ip_address": "10.0.0.99", "mac_address": "fa:16:3e:00:00:01"}
            self.change(port, allowed_address_pairs=[pair])
            assert self.details(port)[port_wishes.MAC_SPOOFING] is True

    def test_a_port_that_is_bound_without_port_security_may_from_the_start(self):
        with self.bound_port(vlan=42, port_security_enabled=False) as port:
            assert port[portbindings.VIF_DETAILS][port_wishes.MAC_SPOOFING] is True


@pytest.mark.parametrize("vnic_type", ["direct", "direct-physical", "macvtap"])
def test_a_port_that_asks_for_a_virtual_function_is_refused_with_what_to_take_instead(vnic_type):
    with pytest.raises(PortRefused, match=rf"{vnic_type}, .* hyperv:sriov=true"):
        port_wishes.details(None, {"binding:vnic_type": vnic_type}, SEGMENT, bool)


class TestTrunksAndPolicies(HyperVPorts):
    @staticmethod
    def trunk(subport, tag):
        subports = [{"port_id": subport["id"], "segmentation_id": tag, "segmentation_type": "vlan"}]
        return {"trunk_details": {"sub_ports": subports}}

    def test_a_trunk_passes_the_vlans_of_its_subports_networks(self):
        with self.bound_port(vlan=43) as subport:
            assert port_wishes.trunk_vlans(context.get_admin_context(), self.trunk(subport, 43), SEGMENT) == [43]

    def test_a_tag_that_would_have_to_be_rewritten_is_refused(self):
        with self.bound_port(vlan=43) as subport:
            with pytest.raises(PortRefused, match="inherit"):
                port_wishes.trunk_vlans(context.get_admin_context(), self.trunk(subport, 7), SEGMENT)
            with pytest.raises(PortRefused, match="physnet2"):
                port_wishes.trunk_vlans(
                    context.get_admin_context(), self.trunk(subport, 43), {api.PHYSICAL_NETWORK: "physnet2"}
                )

    def test_a_policy_limits_what_the_server_sends(self):
        admin = context.get_admin_context()
        policy = qos_policy.QosPolicy(admin, id=uuidutils.generate_uuid(), project_id="p", name="slow")
        policy.create()
        rule = qos_rule.QosBandwidthLimitRule(admin, max_kbps=2000, max_burst_kbps=0, direction="egress")
        rule.id, rule.qos_policy_id = uuidutils.generate_uuid(), policy.id
        rule.create()

        def bandwidth(port, *, supported=True):
            return port_wishes.bandwidth(admin, port, lambda _rule: supported)

        assert bandwidth({"qos_policy_id": policy.id}) == {"limit_kbps": "2000"}
        assert bandwidth({"qos_policy_id": None, "qos_network_policy_id": policy.id}) == {"limit_kbps": "2000"}
        assert bandwidth({}) == {}
        with pytest.raises(PortRefused, match=rf"{rule.id} \(bandwidth_limit\)"):
            bandwidth({"qos_policy_id": policy.id}, supported=False)

    def test_neutron_refuses_rules_that_hyper_v_cannot_keep(self):
        driver = service_drivers.HyperVQosDriver("hyperv")
        admin = context.get_admin_context()

        def supported(**values):
            return driver.is_rule_supported(qos_rule.QosBandwidthLimitRule(admin, max_kbps=2000, **values))

        assert supported(max_burst_kbps=0, direction="egress")
        assert not supported(max_burst_kbps=0, direction="ingress")
        assert not supported(max_burst_kbps=10, direction="egress")
        minimum = qos_rule.QosMinimumBandwidthRule(admin, min_kbps=500, direction="egress")
        assert not driver.is_rule_supported(minimum)
