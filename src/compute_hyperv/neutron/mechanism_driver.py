"""ML2 mechanism driver ``hyperv``: binds the ports of Hyper-V hosts, on which no agent runs.

Who does what. Neutron chooses the segment of the port's network here and writes it into the binding details;
nova-compute, which holds the only connection to the Hyper-V host, connects the virtual machine's NIC to the switch of
that physical network and sets the VLAN on the switch port when it plugs. Nobody reports the port up later, so the port
is ACTIVE from the moment it is bound, and Nova does not wait for an event that would never come.

Rule: this driver must be safe in any position of ``[ml2] mechanism_drivers``. It takes a port only where no other
driver could have a better claim: no L2 agent of another kind on the host, a NIC of type ``normal``, a flat or VLAN
segment, and not a port of Neutron's own services (DHCP, router), which live on network nodes.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log
from oslo_serialization import jsonutils

from compute_hyperv.neutron import options, port_wishes, service_drivers
from compute_hyperv.neutron.errors import PortRefused

LOG = log.getLogger(__name__)

# Nova knows this type (nova.network.model.VIF_TYPE_HYPERV); neutron-lib has no constant for it.
VIF_TYPE_HYPERV = "hyperv"

# Key of the binding details under which nova-compute finds the segment's physical network. For the VLAN there is a
# constant in neutron-lib (portbindings.VIF_DETAILS_VLAN), for this there is none for normal NICs.
VIF_DETAILS_PHYSICAL_NETWORK = "physical_network"

NETWORK_TYPES = frozenset({constants.TYPE_FLAT, constants.TYPE_VLAN})

# Agents that serve addresses or routes and wire nothing, and the agent of Hyper-V hosts themselves (networking-hyperv's
# name for it). Any other agent on a host is taken for an L2 agent that wires the ports there.
AGENTS_THAT_WIRE_NOTHING = frozenset(
    {
        constants.AGENT_TYPE_DHCP,
        constants.AGENT_TYPE_L3,
        constants.AGENT_TYPE_METADATA,
        constants.AGENT_TYPE_METERING,
        "HyperV agent",
    }
)

Segment = Mapping[str, Any]


class HyperVMechanismDriver(api.MechanismDriver):
    """Loaded by neutron-server through the entry point ``neutron.ml2.mechanism_drivers``."""

    def initialize(self) -> None:
        options.register(cfg.CONF)
        self._qos, self._trunks = service_drivers.register(VIF_TYPE_HYPERV)
        settings = cfg.CONF[options.GROUP]
        LOG.info(
            "Binding ports of hosts %(hosts)s on physical networks %(networks)s",
            {"hosts": ", ".join(settings.hosts), "networks": ", ".join(settings.physical_networks)},
        )

    @property
    def connectivity(self) -> str:
        return portbindings.CONNECTIVITY_L2

    def get_supported_vif_types(self) -> list[str]:
        return [VIF_TYPE_HYPERV]

    def bind_port(self, context: api.PortContext) -> None:
        reason = self._why_not_ours(context)
        if reason:
            LOG.debug("Port %(port)s is not bound here: %(reason)s", {"port": context.current["id"], "reason": reason})
            return
        for segment in context.segments_to_bind:
            if is_reachable(segment):
                self._bind(context, segment)
                return
        LOG.debug(
            "Port %(port)s is not bound here: none of its segments is flat or VLAN on physical networks %(networks)s",
            {"port": context.current["id"], "networks": cfg.CONF[options.GROUP].physical_networks},
        )

    def _bind(self, context: api.PortContext, segment: Segment) -> None:
        try:
            details = vif_details(segment) | self._wishes(context, segment)
        except PortRefused as refusal:
            LOG.error("Port %(port)s cannot be bound: %(reason)s", {"port": context.current["id"], "reason": refusal})
            return
        context.set_binding(segment[api.ID], VIF_TYPE_HYPERV, details, status=constants.PORT_STATUS_ACTIVE)

    def _wishes(self, context: api.PortContext, segment: Segment) -> dict[str, str | bool]:
        admin = context.plugin_context.elevated()
        return port_wishes.details(admin, context.current, segment, self._qos.is_rule_supported)

    def update_port_precommit(self, context: api.PortContext) -> None:
        """Keeps the details of a bound port as the port is: nova-compute looks at them whenever it plugs.

        ML2 has no way to ask for that but to bind the port anew, which would take it down; so the row is written as ML2
        writes it itself, in the transaction of the update.
        """
        segment = context.bottom_bound_segment
        if context.vif_type != VIF_TYPE_HYPERV or segment is None or not context.host:
            return
        present = context.current[portbindings.VIF_DETAILS]
        kept = {key: value for key, value in present.items() if key not in port_wishes.ALL}
        try:
            details = kept | self._wishes(context, segment)
        except PortRefused as refusal:
            LOG.error("Port %(port)s stays as it is: %(reason)s", {"port": context.current["id"], "reason": refusal})
            return
        if details != present:
            context._binding.vif_details = jsonutils.dumps(details)
            context._binding.persist_state_to_session(context.plugin_context.session)
            context.current[portbindings.VIF_DETAILS] = details

    def update_port_postcommit(self, context: api.PortContext) -> None:
        if self._trunks.place_of(context.current) != self._trunks.place_of(context.original):
            self._trunks.follow(context.current)

    def filter_hosts_with_segment_access(
        self,
        context: Any,
        segments: Iterable[Segment],
        candidate_hosts: Iterable[str],
        agent_getter: Callable[..., list[Mapping[str, Any]]],
    ) -> set[str]:
        if not any(is_reachable(segment) for segment in segments):
            return set()
        hosts = {host for host in candidate_hosts if is_hyperv_host(host)}
        agents = agent_getter(context, filters={"host": list(hosts)})
        return hosts - {agent["host"] for agent in agents if wires(agent)}

    @staticmethod
    def _why_not_ours(context: api.PortContext) -> str | None:
        port = context.current
        vnic_type = port.get(portbindings.VNIC_TYPE, portbindings.VNIC_NORMAL)
        owner = port["device_owner"]
        if vnic_type not in {portbindings.VNIC_NORMAL, *port_wishes.SRIOV}:
            return f"NICs of type {vnic_type} are not supported"
        if owner.startswith(constants.DEVICE_OWNER_NETWORK_PREFIX):
            return f"{owner} is a service of Neutron, and those need an agent"
        if not is_hyperv_host(context.host):
            return f"host {context.host} is not in [{options.GROUP}] hosts"
        agents = directory.get_plugin().get_agents(context.plugin_context, filters={"host": [context.host]})
        wiring = sorted({agent["agent_type"] for agent in agents if wires(agent)})
        if wiring:
            return f"host {context.host} is wired by its {', '.join(wiring)}"
        return None


def is_hyperv_host(host: str) -> bool:
    return any(fnmatch(host.lower(), pattern.lower()) for pattern in cfg.CONF[options.GROUP].hosts)


def wires(agent: Mapping[str, Any]) -> bool:
    return agent["agent_type"] not in AGENTS_THAT_WIRE_NOTHING


def is_reachable(segment: Segment) -> bool:
    """Whether Hyper-V hosts can be on this segment. Physical networks are compared with case, as Neutron does."""
    network = segment[api.PHYSICAL_NETWORK]
    patterns = cfg.CONF[options.GROUP].physical_networks
    return segment[api.NETWORK_TYPE] in NETWORK_TYPES and any(fnmatch(network, pattern) for pattern in patterns)


def vif_details(segment: Segment) -> dict[str, str | bool]:
    """What nova-compute needs to know to plug a port of this segment."""
    details: dict[str, str | bool] = {
        # False: without an agent nothing filters the port's traffic, so security groups have no effect.
        portbindings.CAP_PORT_FILTER: False,
        portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
        VIF_DETAILS_PHYSICAL_NETWORK: segment[api.PHYSICAL_NETWORK],
    }
    if segment[api.NETWORK_TYPE] == constants.TYPE_VLAN:
        # A string, as the SR-IOV driver has it: details are strings or booleans for every reader.
        details[portbindings.VIF_DETAILS_VLAN] = str(segment[api.SEGMENTATION_ID])
    return details
