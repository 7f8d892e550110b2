"""What makes Neutron's QoS and trunk services accept ports of Hyper-V hosts; ``port_wishes`` does the rest."""

from __future__ import annotations

from neutron.services.trunk.drivers import base as trunk
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import constants as db_constants
from neutron_lib.services.qos import base as qos
from neutron_lib.services.qos import constants as qos_constants
from neutron_lib.services.trunk import constants as trunk_constants

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


class HyperVTrunkDriver(trunk.DriverBase):
    def __init__(self, vif_type: str) -> None:
        super().__init__("hyperv", (vif_type,), (trunk_constants.SEGMENTATION_TYPE_VLAN,))

    @property
    def is_loaded(self) -> bool:
        return True


def register(vif_type: str) -> tuple[HyperVQosDriver, HyperVTrunkDriver]:
    """They tell the services of themselves once those are there; whoever calls this keeps them alive."""
    return HyperVQosDriver(vif_type), HyperVTrunkDriver(vif_type)
