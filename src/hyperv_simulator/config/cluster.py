"""``[host.cluster]``: the failover cluster that a host is a node of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

QuorumType = Literal["node_majority", "file_share_witness", "disk_witness", "cloud_witness"]
NodeState = Literal["up", "down", "paused", "joining"]
NetworkRole = Literal["none", "cluster", "client", "both"]
NetworkState = Literal["unavailable", "down", "partitioned", "up"]


@dataclass(frozen=True, slots=True)
class ClusterNetworkConfig:
    """One cluster network (``[[host.cluster.network]]``).

    :param role: what it carries: nothing of the cluster's, its own traffic, clients, or both.
    :param name: the network's.
    :param address: its IPv4 address.
    :param mask: its mask.
    :param state: state of the network.
    """

    name: str = "Cluster Network 1"
    address: str = "127.0.0.0"
    mask: str = "255.0.0.0"
    role: NetworkRole = "both"
    state: NetworkState = "up"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The cluster (``[host.cluster]``). Hosts of one simulator that name the same cluster are its nodes.

    What the cluster as a whole is like (all keys but ``node_state``) is taken from its first host.

    :param name: the cluster's name; empty: the host is in none.
    :param quorum: what decides when nodes don't see each other.
    :param witness: path or name of the witness.
    :param node_state: state of this host as a node.
    :param network: its networks.
    """

    name: str = ""
    quorum: QuorumType = "node_majority"
    witness: str = ""
    node_state: NodeState = "up"
    network: tuple[ClusterNetworkConfig, ...] = (ClusterNetworkConfig(),)
