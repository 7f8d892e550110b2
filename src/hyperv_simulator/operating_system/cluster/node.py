"""A host's part in its cluster, put together; a host in none has no part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.operating_system.cluster.associations import ClusterAssociations
from hyperv_simulator.operating_system.cluster.hyperv_view import HyperVCluster
from hyperv_simulator.operating_system.cluster.instances import ClusterInstances
from hyperv_simulator.operating_system.cluster.member import ClusterHost, Member
from hyperv_simulator.operating_system.cluster.node_providers import NodeProvider, SharedVolumeProvider
from hyperv_simulator.operating_system.cluster.providers import ClusterProvider, GroupProvider, ResourceProvider
from hyperv_simulator.operating_system.storage.volumes import Volume
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.repository.associations import Association


class ClusterNode:
    """One node.

    :param folder: of the simulator; what the cluster keeps is below it.
    """

    def __init__(self, host: ClusterHost, neighbours: Neighbours, folder: Path, volumes: tuple[Volume, ...]) -> None:
        config = host.config.cluster
        self.cluster = neighbours.clusters.of(config, folder / "clusters" / f"{config.name.lower()}.json")
        self.member = Member(host, self.cluster, neighbours)
        self._host = host
        self._volumes = [volume for volume in volumes if volume.config.kind != "local"]
        HyperVCluster(host.repository, self.cluster, neighbours)
        ClusterInstances(host.repository, host.facts, self.cluster, volumes, host.disks.folder)

    @classmethod
    def of(
        cls, host: ClusterHost, neighbours: Neighbours, folder: Path, volumes: tuple[Volume, ...]
    ) -> ClusterNode | None:
        """The part of a host that is in a cluster."""
        return cls(host, neighbours, folder, volumes) if host.config.cluster.name else None

    def join(self) -> None:
        """The host is up."""
        self.cluster.join(self.member)
        for number, volume in enumerate(self._volumes, start=1):
            label = volume.config.label or f"Volume{number}"
            disk = f"Cluster Virtual Disk ({label})" if volume.config.kind == "s2d" else f"Cluster Disk {number}"
            self.cluster.share(volume.mount.rstrip("\\"), disk, self.member.node_name)
        self.cluster.told()

    def leave(self) -> None:
        """The host goes down."""
        self.cluster.leave(self.member)

    def providers(self) -> Iterator[Provider]:
        yield ClusterProvider(self.member)
        yield GroupProvider(self.member)
        yield ResourceProvider(self.member)
        yield NodeProvider(self.member)
        yield SharedVolumeProvider(self.member)

    def associations(self) -> Iterator[Association]:
        yield from ClusterAssociations(self._host.repository, self.cluster).rows()
