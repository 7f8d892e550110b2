"""What makes Neutron's QoS and trunk services accept ports of Hyper-V hosts; ``port_wishes`` does the rest."""

from __future__ import annotations

from typing import Any

from neutron_lib import constants, context
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import constants as db_constants
from neutron_lib.plugins import directory
from neutron_lib.services.qos import base as qos
from neutron_lib.services.qos import constants as qos_constants

from compute_hyperv.neutron.trunks import HyperVTrunkDriver, refresh

_ANY_KBPS = {"type:range": [0, db_constants.DB_INTEGER_MAX_VALUE]}
_WHAT_SERVERS_SEND = {"type:values": [constants.EGRESS_DIRECTION]}

# The size of bursts is the host's to choose: a rule that asks for one is refused. A minimum is refused as well: Nova
# would look for hosts that tell Placement of their bandwidth, and these do not.
SUPPORTED_RULES = {
    qos_constants.RULE_TYPE_BANDWIDTH_LIMIT: {
        qos_constants.MAX_KBPS: _ANY_KBPS,
        qos_constants.MAX_BURST: {"type:range": [0, 0]},
        qos_constants.DIRECTION: _WHAT_SERVERS_SEND,
    },
}


class HyperVQosDriver(qos.DriverBase):
    def __init__(self, vif_type: str) -> None:
        super().__init__("hyperv", [vif_type], [portbindings.VNIC_NORMAL], SUPPORTED_RULES)

    def update_policy(self, _context: Any, policy: Any) -> None:
        """Neutron calls it when the policy's rules have changed."""
        admin = context.get_admin_context()
        find = directory.get_plugin().get_ports
        by_port, networks = policy.get_bound_ports(), policy.get_bound_networks()
        ports = find(admin, filters={"id": by_port}) if by_port else []
        ports += find(admin, filters={"network_id": networks}) if networks else []
        for port in ports:
            if port[portbindings.VIF_TYPE] in self.vif_types:
                refresh(port["id"])


def register(vif_type: str) -> tuple[HyperVQosDriver, HyperVTrunkDriver]:
    """They tell the services of themselves once those are there; whoever calls this keeps them alive."""
    return HyperVQosDriver(vif_type), HyperVTrunkDriver(vif_type)
