"""How a cluster's parts hang together: what is in it, who owns what, which disk is behind a shared volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.operating_system.cluster import MSCLUSTER
from hyperv_simulator.operating_system.cluster.instances import (
    CLUSTER,
    DISK,
    NETWORK,
    NETWORK_INTERFACE,
    PARTITION,
    RESOURCE_TYPE,
    SHARED_VOLUME,
)
from hyperv_simulator.operating_system.cluster.member import GROUP, NODE, RESOURCE
from hyperv_simulator.operating_system.cluster.state import Cluster
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository

Test: TypeAlias = Callable[[CimInstance, CimInstance], bool]


class ClusterAssociations:
    """Rows from a table: class, what is at its ends, and when two instances are linked."""

    def __init__(self, repository: Repository, cluster: Cluster) -> None:
        self._repository = repository
        self._cluster = cluster

    def rows(self) -> Iterator[Association]:
        always: Test = lambda _left, _right: True  # noqa: E731
        for part, right in (
            ("ResourceGroup", GROUP),
            ("Resource", RESOURCE),
            ("ResourceType", RESOURCE_TYPE),
            ("Network", NETWORK),
            ("NetworkInterface", NETWORK_INTERFACE),
            ("ClusterSharedVolume", SHARED_VOLUME),
        ):
            yield self._row(f"MSCluster_ClusterTo{part}", CLUSTER, right, always)
        yield self._row("MSCluster_ClusterToNode", CLUSTER, NODE, always, roles=("Antecedent", "Dependent"))
        yield self._row("MSCluster_ClusterToQuorumResource", CLUSTER, RESOURCE, self._is_witness)
        yield self._row("MSCluster_NodeToActiveGroup", NODE, GROUP, _same("Name", "OwnerNode"))
        yield self._row("MSCluster_NodeToActiveResource", NODE, RESOURCE, _same("Name", "OwnerNode"))
        yield self._row("MSCluster_NodeToNetworkInterface", NODE, NETWORK_INTERFACE, _same("Name", "Node"))
        yield self._row("MSCluster_NetworkToNetworkInterface", NETWORK, NETWORK_INTERFACE, _same("Name", "Network"))
        yield self._row("MSCluster_ResourceGroupToResource", GROUP, RESOURCE, _same("Name", "OwnerGroup"))
        yield self._row("MSCluster_ResourceGroupToPreferredNode", GROUP, NODE, self._prefers)
        yield self._row("MSCluster_ResourceTypeToResource", RESOURCE_TYPE, RESOURCE, _same("Name", "Type"))
        yield self._row("MSCluster_ResourceToPossibleOwner", RESOURCE, NODE, always)
        yield self._row("MSCluster_ClusterSharedVolumeToResource", SHARED_VOLUME, RESOURCE, self._is_volume_of)
        yield self._row("MSCluster_ClusterSharedVolumeToPartition", SHARED_VOLUME, PARTITION, _same("Name", "Name"))
        yield self._row("MSCluster_ClusterSharedVolumeToNode", SHARED_VOLUME, NODE, self._is_at)
        yield self._row("MSCluster_ResourceToDisk", RESOURCE, DISK, _same("Name", "Name"))

    def _row(
        self,
        class_name: str,
        left: str,
        right: str,
        test: Test,
        roles: tuple[str, str] = ("GroupComponent", "PartComponent"),
    ) -> Association:
        def rights(item: CimInstance) -> list[CimInstance]:
            return [other for other in self._repository.instances(right, MSCLUSTER) if test(item, other)]

        def lefts(item: CimInstance) -> list[CimInstance]:
            return [other for other in self._repository.instances(left, MSCLUSTER) if test(other, item)]

        return Association(class_name, roles[0], left, roles[1], right, rights, lefts, namespace=MSCLUSTER)

    def _is_witness(self, _cluster: CimInstance, resource: CimInstance) -> bool:
        kinds = {"file_share_witness": "File Share Witness", "cloud_witness": "Cloud Witness"}
        quorum = self._cluster.config.quorum
        if quorum == "disk_witness":
            return resource.get("Type") == "Physical Disk" and resource.get("OwnerGroup") == "Cluster Group"
        return resource.get("Type") == kinds.get(quorum)

    def _prefers(self, group: CimInstance, node: CimInstance) -> bool:
        return node.text("Name") in self._cluster.groups[group.text("Name").lower()].preferred

    def _is_volume_of(self, volume: CimInstance, resource: CimInstance) -> bool:
        return self._cluster.resources[resource.text("Name").lower()].shared_volume == volume.get("Name")

    def _is_at(self, volume: CimInstance, node: CimInstance) -> bool:
        for item in self._cluster.resources.values():
            if item.shared_volume == volume.get("Name"):
                return self._cluster.groups[item.group.lower()].owner == node.get("Name")
        return False


def _same(left_name: str, right_name: str) -> Test:
    return lambda left, right: left.get(left_name) == right.get(right_name)
