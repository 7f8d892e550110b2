"""Is the host a sound node of a failover cluster? Only for hosts that are nodes, or are to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.checks.hardware import PROCESSORS
from compute_hyperv.readiness.checks.iscsi import STORAGE_SETTING
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.locking import prove_locking
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import Instances
from compute_hyperv.readiness.windows import COMPUTER, FEATURES, OPERATING_SYSTEM, SERVICES, has_feature, service

CLUSTER = Section("cluster", "Hyper-V Cluster configuration")

MSCLUSTER = "root/MSCluster"
THE_CLUSTER = Instances(MSCLUSTER, "MSCluster_Cluster", ("Name", "QuorumTypeValue", "QuorumType", "QuorumPath"))
NODES = Instances(MSCLUSTER, "MSCluster_Node", ("Name", "State", "StatusInformation"))
NETWORKS = Instances(MSCLUSTER, "MSCluster_Network", ("Name", "Role", "State"))
SHARED_VOLUMES = Instances(MSCLUSTER, "MSCluster_ClusterSharedVolume", ("Name", "FaultState"))

SERVICE = "ClusSvc"
_NODE_MAJORITY = 1  # QuorumTypeValue
_NODE_STATES = {0: "up", 1: "down", 2: "paused", 3: "joining"}
_NODE_UP, _NODE_PAUSED = 0, 2
_NODE_TROUBLES = {1: "isolated", 2: "quarantined"}  # StatusInformation
_NETWORK_STATES = {0: "unavailable", 1: "down", 2: "partitioned", 3: "up"}
_NETWORK_UP = 3
_CLUSTER_ROLES = (1, 3)  # cluster only, cluster and client
_FAULTS = {0: "no faults", 1: "redirected access", 2: "no access", 4: "in maintenance"}
_NO_ACCESS = 2
_NO_NODE = "the host is not a node of a cluster"


def is_node(host: Readings) -> bool:
    found = service(host, SERVICE)
    return found is not None and found.text("State", "") == "Running"


@check(
    CLUSTER,
    "membership",
    "Member of a cluster",
    why="The cluster driver makes machines highly available; that takes nodes of a failover cluster in a domain.",
    good="The cluster service runs, the cluster knows the host as a node, and the host is in a domain.",
    by_hand="Install-WindowsFeature Failover-Clustering -IncludeManagementTools\n"
    "New-Cluster -Name CLUSTER -Node HOST1, HOST2\nStart-Service ClusSvc",
    reads=(SERVICES, COMPUTER, THE_CLUSTER, NODES),
)
def membership(context: Context) -> Finding:
    host = context.host
    if service(host, SERVICE) is None:
        if not context.wanted.clustered:
            return not_applicable(_NO_NODE)
        return failed(_NO_NODE, "a node", "Install-WindowsFeature Failover-Clustering; Add-ClusterNode")
    if not is_node(host):
        return failed("the cluster service does not run", "it runs", f"Start-Service {SERVICE}")
    computer = host.one(COMPUTER)
    name, nodes = computer.text("Name"), [each.text("Name") for each in host.of(NODES)]
    cluster = host.one(THE_CLUSTER).text("Name")
    if name.lower() not in (node.lower() for node in nodes):
        return failed(f"{cluster} does not know {name}", "a node", f"Add-ClusterNode -Cluster {cluster} -Name {name}")
    if not computer.boolean("PartOfDomain", False):
        return warned(f"node of {cluster}, in a workgroup", "in a domain", "Add-Computer -DomainName DOMAIN")
    return passed(f"node of {cluster}: {', '.join(sorted(nodes))}")


@check(
    CLUSTER,
    "quorum",
    "Quorum",
    why="When half of the nodes do not see the other half, the witness decides who goes on; without one, all may stop.",
    good="A witness (disk, share or cloud) where the number of nodes is even.",
    by_hand=r"Get-ClusterQuorum" + "\n" + r"Set-ClusterQuorum -FileShareWitness \\SERVER\SHARE",
    reads=(SERVICES, THE_CLUSTER, NODES),
)
def quorum(context: Context) -> Finding:
    if not is_node(context.host):
        return not_applicable(_NO_NODE)
    cluster, nodes = context.host.one(THE_CLUSTER), context.host.of(NODES)
    kind = cluster.text("QuorumType", "?")
    told = f"{kind}, {len(nodes)} node{'s' if len(nodes) != 1 else ''}"
    if cluster.get("QuorumTypeValue") == _NODE_MAJORITY and len(nodes) % 2 == 0:
        return warned(told, "a witness", r"Set-ClusterQuorum -FileShareWitness \\SERVER\SHARE, or -CloudWitness")
    witness = cluster.text("QuorumPath", "")
    return passed(f"{told}, witness {witness}" if witness else told)


@check(
    CLUSTER,
    "nodes",
    "Nodes are up",
    why="Machines fail over to nodes that are up only.",
    good="Every node is up, none isolated or quarantined.",
    by_hand="Get-ClusterNode\nStart-ClusterNode -Name NODE\nResume-ClusterNode -Name NODE",
    reads=(SERVICES, NODES),
)
def nodes(context: Context) -> Finding:
    if not is_node(context.host):
        return not_applicable(_NO_NODE)
    states = {}
    for each in context.host.of(NODES):
        trouble = _NODE_TROUBLES.get(each.integer("StatusInformation", 0))
        state = each.integer("State", -1)
        states[each.text("Name")] = (state, trouble or _NODE_STATES.get(state, "unknown"))
    lines = tuple(f"{name}: {text}" for name, (_, text) in sorted(states.items()))
    told = f"{sum(text == 'up' for _, text in states.values())} of {len(states)} up"
    bad = [(name, state) for name, (state, text) in states.items() if text != "up"]
    if any(state != _NODE_PAUSED for _, state in bad):
        names = ", ".join(sorted(name for name, state in bad if state != _NODE_PAUSED))
        return failed(told, "all of them", f"Start-ClusterNode -Name {names}", details=lines)
    if bad:
        names = ", ".join(sorted(name for name, _ in bad))
        return warned(
            told, "all of them", f"Resume-ClusterNode -Name {names}, once its maintenance is over.", details=lines
        )
    return passed(told, details=lines)


@check(
    CLUSTER,
    "volumes",
    "Cluster shared volumes",
    why="With redirected access everything goes over the network to one node; without access machines stop.",
    good="Every shared volume has no fault.",
    by_hand="Get-ClusterSharedVolumeState\nGet-ClusterSharedVolume | Resume-ClusterResource",
    reads=(SERVICES, SHARED_VOLUMES),
)
def volumes(context: Context) -> Finding:
    if not is_node(context.host):
        return not_applicable(_NO_NODE)
    faults = {each.text("Name"): each.integer("FaultState", 0) for each in context.host.of(SHARED_VOLUMES)}
    if not faults:
        return not_applicable("the cluster has no shared volumes")
    bad = {name: fault for name, fault in faults.items() if fault}
    lines = tuple(f"{name}: {_FAULTS.get(fault, fault)}" for name, fault in sorted(bad.items()))
    told = f"{len(faults) - len(bad)} of {len(faults)} without faults"
    if _NO_ACCESS in bad.values():
        return failed(told, "all of them", "Get-ClusterSharedVolumeState tells why.", details=lines)
    if bad:
        return warned(told, "all of them", "Get-ClusterSharedVolumeState tells why.", details=lines)
    return passed(told)


@check(
    CLUSTER,
    "networks",
    "Cluster networks",
    why="Nodes that do not hear each other take each other for dead.",
    good="Every network that the cluster uses is up, and at least two carry its traffic.",
    by_hand="Get-ClusterNetwork\nTest-Cluster -Include Network",
    reads=(SERVICES, NETWORKS),
)
def networks(context: Context) -> Finding:
    if not is_node(context.host):
        return not_applicable(_NO_NODE)
    used = [each for each in context.host.of(NETWORKS) if each.integer("Role", 0)]
    carrying = [each for each in used if each.integer("Role", 0) in _CLUSTER_ROLES]
    bad = [each for each in used if each.integer("State", -1) != _NETWORK_UP]
    lines = tuple(f"{each.text('Name')}: {_NETWORK_STATES.get(each.integer('State', -1), 'unknown')}" for each in used)
    told = f"{len(used) - len(bad)} of {len(used)} up"
    if bad or not carrying:
        return failed(
            told, "all of them, one at least for the cluster's own traffic", "Get-ClusterNetwork", details=lines
        )
    if len(carrying) == 1:
        return warned(
            f"{told}; only one carries the cluster's traffic",
            "two",
            "(Get-ClusterNetwork NAME).Role = 1, for a second network",
            details=lines,
        )
    return passed(told, details=lines)


# What of two nodes is compared; how each is read.
_Property: TypeAlias = Callable[[Readings], object]


def _of_processors(host: Readings) -> object:
    return ", ".join(sorted(each.text("Name", "").strip() for each in host.of(PROCESSORS)))


def _san_policy(host: Readings) -> object:
    setting = host.of(STORAGE_SETTING)
    return setting.get("NewDiskPolicy") if isinstance(setting, CimInstance) else None


_COMPARED: Mapping[str, _Property] = {
    "Windows": lambda host: host.one(OPERATING_SYSTEM).text("Caption", "").strip(),
    "build": lambda host: host.one(OPERATING_SYSTEM).text("BuildNumber", ""),
    "processors": _of_processors,
    "logical processors": lambda host: host.one(COMPUTER).get("NumberOfLogicalProcessors"),
    "memory (GiB)": lambda host: round(host.one(COMPUTER).integer("TotalPhysicalMemory", 0) / 1024**3),
    "domain": lambda host: host.one(COMPUTER).text("Domain", "").lower(),
    "SAN policy": _san_policy,
}


@check(
    CLUSTER,
    "identical",
    "Nodes are identical",
    why="A machine that fails over has to find what it had: processor, memory, Windows, features.",
    good="Windows, processors, memory, domain, SAN policy and installed features are the same on all nodes that are "
    "given.",
    by_hand="Test-Cluster -Node HOST1, HOST2",
    reads=(SERVICES, NODES, OPERATING_SYSTEM, COMPUTER, PROCESSORS, FEATURES, STORAGE_SETTING),
    compares=True,
)
def identical(context: Context) -> Finding:
    host = context.host
    if not is_node(host):
        return not_applicable(_NO_NODE)
    names = {each.text("Name").lower() for each in host.of(NODES)}
    others = [other for other in context.others if other.one(COMPUTER).text("Name").lower() in names]
    if not others:
        return not_applicable("no other node of the cluster is checked with it")
    lines = []
    for other in others:
        for name, read in _COMPARED.items():
            mine, its = read(host), read(other)
            if mine != its:
                lines.append(f"{name}: {mine} here, {its} on {other.name}")
        lines += _different_features(host, other)
    if lines:
        return failed(
            f"{len(lines)} difference{'s' if len(lines) > 1 else ''}",
            "none",
            "Make the nodes alike.",
            details=tuple(lines),
        )
    return passed(f"the same as {', '.join(other.name for other in others)}")


def _different_features(host: Readings, other: Readings) -> list[str]:
    everything = {each.text("Name") for each in (*host.of(FEATURES), *other.of(FEATURES))}
    differing = [name for name in sorted(everything) if has_feature(host, name) != has_feature(other, name)]
    return [
        f"feature {name}: {'only here' if has_feature(host, name) else f'only on {other.name}'}" for name in differing
    ]


@check(
    CLUSTER,
    "locking",
    "Distributed locks",
    why="The nodes' services must not build or fail over the same machine at the same time; a lock that does not lock "
    "is worse than none.",
    good="The backend of [coordination] backend_url answers, and of two processes that want the same lock one gets it.",
    by_hand="openstack-config --set /etc/nova/nova.conf coordination backend_url etcd3+http://ETCD:2379",
    reads=(SERVICES,),
)
def locking(context: Context) -> Finding:
    if not (context.wanted.clustered or is_node(context.host)):
        return not_applicable(_NO_NODE)
    if not context.wanted.lock_backend:
        return not_applicable("no nova.conf is given that names a backend")
    proof = prove_locking(context.wanted.lock_backend)
    remedy = "Name a backend that all nova-compute services of the cluster reach: [coordination] backend_url"
    if proof.failure:
        return failed(proof.failure, f"{proof.backend} answers", remedy)
    if not proof.excludes:
        return failed(f"{proof.backend}: both processes got the lock", "one of them", remedy)
    return passed(f"{proof.backend}: the second process had to wait")


CHECKS = (membership, quorum, nodes, identical, volumes, networks, locking)
