"""What a port asks of the switch port, beside its segment: in the binding details, where nova-compute reads it.

* ``mac_spoofing``: True where port security is off, or where allowed address pairs name another MAC address. Hyper-V
  knows no list of addresses: whoever may use one other may use any.
* ``trunk_vlans``: ``"101,102"``, the VLANs of a trunk's subports. Hyper-V does not rewrite tags, so the guest's tag of
  a subport must be the VLAN of its network (``--segmentation-type inherit``).
* ``limit_kbps``: of the QoS policy, for what the server sends; a Hyper-V switch shapes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from neutron.objects.qos import policy as qos_policy
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings, provider_net
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import constants as qos

from compute_hyperv.neutron.errors import PortRefused

MAC_SPOOFING = "mac_spoofing"
TRUNK_VLANS = "trunk_vlans"
LIMIT_KBPS = "limit_kbps"
ALL = (MAC_SPOOFING, TRUNK_VLANS, LIMIT_KBPS)

#: VNIC types that ask for a virtual function, or for all of an adapter.
SRIOV = frozenset({portbindings.VNIC_DIRECT, portbindings.VNIC_MACVTAP, portbindings.VNIC_DIRECT_PHYSICAL})

Port = Mapping[str, Any]


def details(
    context: Any, port: Port, segment: Mapping[str, Any], is_rule_supported: Callable[[Any], bool]
) -> dict[str, str | bool]:
    """The entries that the port needs; details are strings or booleans for every reader.

    :param context: Neutron's, elevated: what is read is read in its transaction.
    :param is_rule_supported: whether Hyper-V can keep a rule of a QoS policy.
    :raises PortRefused: Hyper-V cannot have such a port.
    """
    if port.get(portbindings.VNIC_TYPE) in SRIOV:
        raise PortRefused(
            f"its VNIC type is {port[portbindings.VNIC_TYPE]}, and no SR-IOV agent runs on Hyper-V hosts. Take a "
            "normal port, and a flavor with hyperv:sriov=true"
        )
    found: dict[str, str | bool] = {}
    if needs_mac_spoofing(port):
        found[MAC_SPOOFING] = True
    if vlans := trunk_vlans(context, port, segment):
        found[TRUNK_VLANS] = ",".join(map(str, vlans))
    return found | bandwidth(context, port, is_rule_supported)


def needs_mac_spoofing(port: Port) -> bool:
    if port.get("port_security_enabled") is False:
        return True
    own = port["mac_address"].lower()
    return any(pair.get("mac_address", own).lower() != own for pair in port.get("allowed_address_pairs") or ())


def trunk_vlans(context: Any, port: Port, segment: Mapping[str, Any]) -> list[int]:
    subports = (port.get("trunk_details") or {}).get("sub_ports") or ()
    for subport in subports:
        network_id = directory.get_plugin().get_port(context, subport["port_id"])["network_id"]
        network = directory.get_plugin().get_network(context, network_id)
        there = tuple(
            network.get(key)
            for key in (provider_net.NETWORK_TYPE, provider_net.PHYSICAL_NETWORK, provider_net.SEGMENTATION_ID)
        )
        if there != (constants.TYPE_VLAN, segment[api.PHYSICAL_NETWORK], subport["segmentation_id"]):
            raise PortRefused(
                f"subport {subport['port_id']} has the tag {subport['segmentation_id']}, and its network is "
                f"{'/'.join(map(str, there))}: Hyper-V does not rewrite tags. Use a VLAN network on "
                f"{segment[api.PHYSICAL_NETWORK]} and the segmentation type inherit"
            )
    return sorted(subport["segmentation_id"] for subport in subports)


def bandwidth(context: Any, port: Port, is_rule_supported: Callable[[Any], bool]) -> dict[str, str | bool]:
    """:raises PortRefused: the policy has a rule that Hyper-V cannot keep. Neutron's QoS service refuses it for ports
    that are bound already; here it is met for those that got it before."""
    policy_id = port.get(qos.QOS_POLICY_ID) or port.get(qos.QOS_NETWORK_POLICY_ID)
    policy = qos_policy.QosPolicy.get_object(context, id=policy_id) if policy_id else None
    found: dict[str, str | bool] = {}
    for rule in policy.rules if policy else ():
        if not is_rule_supported(rule):
            raise PortRefused(
                f"its QoS policy {policy_id} has the rule {rule.id} ({rule.rule_type}): Hyper-V keeps bandwidth_limit "
                "of what servers send (egress), without a size of bursts. Remove the rule, or take another policy"
            )
        found[LIMIT_KBPS] = str(rule.max_kbps)
    return found
