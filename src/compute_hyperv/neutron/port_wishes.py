"""What a port asks of the switch port, beside its segment: in the binding details, where nova-compute reads it.

* ``mac_spoofing``: True where port security is off, or where allowed address pairs name another MAC address. Hyper-V
  knows no list of addresses: whoever may use one other may use any.
* ``trunk_vlans``: ``"101,102"``, the VLANs of a trunk's subports. Hyper-V does not rewrite tags, so the guest's tag of
  a subport must be the VLAN of its network (``--segmentation-type inherit``).
* ``limit_kbps``: of the QoS policy, for what the server sends; a Hyper-V switch shapes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neutron.objects.qos import policy as qos_policy
from neutron_lib import constants, context
from neutron_lib.api.definitions import provider_net
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import constants as qos

from compute_hyperv.neutron.errors import PortRefused

MAC_SPOOFING = "mac_spoofing"
TRUNK_VLANS = "trunk_vlans"
LIMIT_KBPS = "limit_kbps"
ALL = (MAC_SPOOFING, TRUNK_VLANS, LIMIT_KBPS)

Port = Mapping[str, Any]


def details(port: Port, segment: Mapping[str, Any]) -> dict[str, str | bool]:
    """The entries that the port needs; details are strings or booleans for every reader.

    :raises PortRefused: Hyper-V cannot have such a port.
    """
    found: dict[str, str | bool] = {}
    if needs_mac_spoofing(port):
        found[MAC_SPOOFING] = True
    if vlans := trunk_vlans(port, segment):
        found[TRUNK_VLANS] = ",".join(map(str, vlans))
    return found | bandwidth(port)


def needs_mac_spoofing(port: Port) -> bool:
    if port.get("port_security_enabled") is False:
        return True
    own = port["mac_address"].lower()
    return any(pair.get("mac_address", own).lower() != own for pair in port.get("allowed_address_pairs") or ())


def trunk_vlans(port: Port, segment: Mapping[str, Any]) -> list[int]:
    subports = (port.get("trunk_details") or {}).get("sub_ports") or ()
    admin = context.get_admin_context()
    for subport in subports:
        network_id = directory.get_plugin().get_port(admin, subport["port_id"])["network_id"]
        network = directory.get_plugin().get_network(admin, network_id)
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


def bandwidth(port: Port) -> dict[str, str | bool]:
    policy_id = port.get(qos.QOS_POLICY_ID) or port.get(qos.QOS_NETWORK_POLICY_ID)
    policy = qos_policy.QosPolicy.get_object(context.get_admin_context(), id=policy_id) if policy_id else None
    found: dict[str, str | bool] = {}
    for rule in policy.rules if policy else ():
        if rule.rule_type == qos.RULE_TYPE_BANDWIDTH_LIMIT and rule.direction == constants.EGRESS_DIRECTION:
            found[LIMIT_KBPS] = str(rule.max_kbps)
    return found
