"""The nodes of the cluster that a host belongs to, by addresses that we can reach."""

from __future__ import annotations

import ipaddress

from compute_hyperv.cim.errors import CimError
from compute_hyperv.readiness.checks.cluster import MSCLUSTER, NODES
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import Instances
from compute_hyperv.readiness.windows import COMPUTER

INTERFACES = Instances(MSCLUSTER, "MSCluster_NetworkInterface", ("Node", "Network", "Address"))


class NotClustered(Exception):
    """The host is no node of a cluster that runs; the message says which host, and what it answered."""


def addresses_of_nodes(host: Readings) -> tuple[str, ...]:
    """All nodes of the host's cluster, the host itself first and by the name that it was given by.

    Named as the host was: by address where it was given by one, else by name, with the same domain behind it.

    :raises NotClustered: it is no node, or does not answer.
    """
    try:
        nodes = [each.text("Name") for each in host.of(NODES)]
        mine = host.one(COMPUTER).text("Name").lower()
        others = [node for node in nodes if node.lower() != mine]
        if not _is_address(host.name):
            domain = host.name.partition(".")[2]
            return (host.name, *(f"{node.lower()}.{domain}" if domain else node.lower() for node in others))
        interfaces = host.of(INTERFACES)
    except CimError as error:
        raise NotClustered(f"{host.name} is no node of a cluster: {error.message}") from None
    ours = [each.text("Network", "") for each in interfaces if each.text("Address", "") == host.name]
    # of several networks the one over which this host was reached counts
    ranked = sorted(interfaces, key=lambda each: each.text("Network", "") in ours)
    addresses = {each.text("Node").lower(): each.text("Address", "") for each in ranked}
    return (host.name, *(addresses.get(node.lower()) or node.lower() for node in others))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
