"""The rest of root/MSCluster: the cluster, its resource types, networks, shared volumes and their disks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.cluster import ClusterNetworkConfig, NetworkRole, NetworkState, QuorumType
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.cluster import MSCLUSTER
from hyperv_simulator.operating_system.cluster.state import Cluster, Resource
from hyperv_simulator.operating_system.storage.volumes import Volume
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder

CLUSTER, NETWORK, NETWORK_INTERFACE = "MSCluster_Cluster", "MSCluster_Network", "MSCluster_NetworkInterface"
SHARED_VOLUME, PARTITION, DISK = "MSCluster_ClusterSharedVolume", "MSCluster_DiskPartition", "MSCluster_Disk"
RESOURCE_TYPE = "MSCluster_ResourceType"
_MIB = 1024**2
# QuorumTypeValue, QuorumType (a majority of nodes, with or without a witness)
_QUORUMS: dict[QuorumType, tuple[int, str]] = {
    "node_majority": (1, "Node Majority"),
    "file_share_witness": (2, "Node and File Share Majority"),
    "disk_witness": (3, "Node and Disk Majority"),
    "cloud_witness": (2, "Node and File Share Majority"),
}
_ROLES: dict[NetworkRole, int] = {"none": 0, "cluster": 1, "client": 2, "both": 3}
_NETWORK_STATES: dict[NetworkState, int] = {"unavailable": 0, "down": 1, "partitioned": 2, "up": 3}
_INTERFACE_UP, _INTERFACE_UNREACHABLE = 3, 2
_FUNCTIONAL_LEVELS = {2012: 8, 2016: 9, 2019: 10, 2022: 11, 2025: 12}
# Name, DLL, resource class
_TYPES = (
    ("Virtual Machine", "vmclusres.dll", 0),
    ("Virtual Machine Configuration", "vmclusres.dll", 0),
    ("Physical Disk", "clusres.dll", 1),
    ("Network Name", "clusres.dll", 2),
    ("IP Address", "clusres.dll", 2),
    ("File Share Witness", "clusres2.dll", 0),
    ("Cloud Witness", "clusres.dll", 0),
    ("Virtual Machine Replication Broker", "vmclusres.dll", 0),
)


class ClusterInstances:
    """The sources of these classes, on one node."""

    def __init__(
        self,
        repository: Repository,
        facts: HostFacts,
        cluster: Cluster,
        volumes: tuple[Volume, ...],
        folder: HostFolder,
    ) -> None:
        self._repository = repository
        self._facts = facts
        self._cluster = cluster
        self._folder = folder
        self._volumes = {volume.mount.rstrip("\\").lower(): volume for volume in volumes}
        sources: dict[str, Callable[[], Iterable[CimInstance]]] = {
            CLUSTER: lambda: [self._the_cluster()],
            RESOURCE_TYPE: self._types,
            NETWORK: lambda: map(self._network, cluster.config.network),
            NETWORK_INTERFACE: self._interfaces,
            SHARED_VOLUME: lambda: [self._volume(item) for item in self._shared()],
            PARTITION: lambda: [self._partition(item) for item in self._shared()],
            DISK: lambda: [self._disk(item) for item in self._shared()],
            "MSCluster_Service": lambda: map(self._service, cluster.known_nodes),
            "MSCluster_ClusterUtilities": lambda: [self._new("MSCluster_ClusterUtilities", HasSystemAccess=True)],
        }
        for class_name, source in sources.items():
            repository.add_source(class_name, lambda _owner, source=source: source(), MSCLUSTER)  # type: ignore[misc]  # bound at definition

    def volume_of(self, resource: Resource) -> Volume | None:
        return self._volumes.get(resource.shared_volume.lower())

    def _shared(self) -> list[Resource]:
        return [item for item in self._cluster.resources.values() if item.shared_volume]

    def _new(self, class_name: str, **values: CimValue) -> CimInstance:
        return new_instance(self._repository.catalogue, class_name, values, MSCLUSTER)

    def _the_cluster(self) -> CimInstance:
        config = self._cluster.config
        quorum, name = _QUORUMS[config.quorum]
        domain = f".{self._facts.config.domain}" if self._facts.config.domain else ""
        level = _FUNCTIONAL_LEVELS[self._facts.version.release]
        spaces_direct = any(volume.config.kind == "s2d" for volume in self._volumes.values())
        return self._new(
            CLUSTER,
            Name=config.name,
            Caption=config.name,
            Fqdn=f"{config.name}{domain}",
            QuorumType=name,
            QuorumTypeValue=quorum,
            QuorumPath=config.witness,
            ClusterFunctionalLevel=level,
            ClusterUpgradeVersion=1,
            SharedVolumesRoot="C:\\ClusterStorage",
            EnableSharedVolumes=1,
            DynamicQuorumEnabled=1,
            WitnessDynamicWeight=0 if config.quorum == "node_majority" else 1,
            AdminAccessPoint=1,
            MaxNumberOfNodes=64,
            S2DEnabled=int(spaces_direct),
            SameSubnetDelay=1000,
            SameSubnetThreshold=20 if level >= 9 else 5,
            BlockCacheSize=1024,
            CreationClassName=CLUSTER,
            Status="OK",
        )

    def _types(self) -> Iterator[CimInstance]:
        for name, library, resource_class in _TYPES:
            yield self._new(
                RESOURCE_TYPE, Name=name, DisplayName=name, DllName=library, ResourceClass=resource_class, Status="OK"
            )

    def _network(self, network: ClusterNetworkConfig) -> CimInstance:
        return self._new(
            NETWORK,
            Name=network.name,
            Caption=network.name,
            Id=self._network_id(network),
            Address=network.address,
            AddressMask=network.mask,
            IPv4Addresses=[network.address],
            IPv4PrefixLengths=[str(ipaddress.IPv4Network(f"{network.address}/{network.mask}", strict=False).prefixlen)],
            Role=_ROLES[network.role],
            State=_NETWORK_STATES[network.state],
            AutoMetric=True,
            Metric=39840,
            Status="OK" if network.state == "up" else "Degraded",
        )

    def _network_id(self, network: ClusterNetworkConfig) -> str:
        return ids.stable_guid(self._cluster.id, network.name).lower()

    def _interfaces(self) -> Iterator[CimInstance]:
        for node in self._cluster.known_nodes:
            member = self._cluster.members.get(node.lower())
            for number, network in enumerate(self._cluster.config.network):
                # a simulated host has one address: that is on the first network
                address = member.address if member is not None and not number else ""
                up = self._cluster.state_of(node) != "down" and network.state == "up"
                name = f"{node} - {network.name}"
                yield self._new(
                    NETWORK_INTERFACE,
                    Name=name,
                    DeviceID=name,
                    SystemName=node,
                    Node=node,
                    Network=network.name,
                    Adapter="Ethernet",
                    Address=address,
                    IPv4Addresses=[address] if address else [],
                    State=_INTERFACE_UP if up else _INTERFACE_UNREACHABLE,
                    DhcpEnabled=False,
                    Status="OK" if up else "Degraded",
                )

    def _volume(self, item: Resource) -> CimInstance:
        volume = self.volume_of(item)
        return self._new(
            SHARED_VOLUME,
            Name=item.shared_volume,
            Caption=item.shared_volume,
            VolumeName=volume.path if volume is not None else "",
            FaultState=item.fault,
            BackupState=0,
            VolumeOffset=_MIB,
            Status="OK",
        )

    def _partition(self, item: Resource) -> CimInstance:
        volume = self.volume_of(item)
        size = volume.size if volume is not None else 0
        free = self._folder.free_in(volume.folder, volume.size) if volume is not None else 0
        return self._new(
            PARTITION,
            Path=volume.path if volume is not None else item.shared_volume,
            Name=item.shared_volume,
            MountPoints=[item.shared_volume],
            VolumeLabel=volume.config.label if volume is not None else "",
            VolumeGuid=volume.guid if volume is not None else "",
            FileSystem="CSVFS",
            TotalSize=size // _MIB,
            FreeSpace=free // _MIB,
            PartitionNumber=2,
        )

    def _disk(self, item: Resource) -> CimInstance:
        volume = self.volume_of(item)
        return self._new(
            DISK,
            Id=item.id,
            Name=item.name,
            Number=volume.disk if volume is not None else None,
            Size=volume.size if volume is not None else None,
            GptGuid=f"{{{item.id}}}",
        )

    def _service(self, node: str) -> CimInstance:
        up = self._cluster.state_of(node) != "down"
        return self._new(
            "MSCluster_Service",
            Name="ClusSvc",
            SystemName=node,
            Started=up,
            State="Running" if up else "Stopped",
            Status="OK",
        )
