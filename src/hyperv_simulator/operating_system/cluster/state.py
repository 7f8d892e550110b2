"""What a cluster knows: nodes, groups, resources. One object for all nodes, so that they can't disagree.

Rule 1: a change is told to every member at once, with the lock released.
Rule 2: groups and resources survive the simulator in ``<state>/clusters/<name>.json``.
States: hyperv-ops 16, real-instances 5.5.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.cluster import ClusterConfig, NodeState, QuorumType

VIRTUAL_MACHINE, MACHINE_CONFIGURATION = "Virtual Machine", "Virtual Machine Configuration"
VIRTUAL_MACHINE_GROUP = 111
SHARED_VOLUME_GROUP = 5
PENDING_GROUP = 4
ONLINE, OFFLINE, FAILED = 2, 3, 4  # resource states
UP, DOWN = 0, 1
_WITNESSES = ("File Share Witness", "Cloud Witness")


@dataclass(frozen=True, slots=True)
class Group:
    """:param settings: what clients have set by Put: FailoverThreshold and so on."""

    name: str
    id: str
    kind: int
    owner: str
    is_core: bool = False
    pending: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource.

    :param machine_id: of the machine that a resource of such a type stands for.
    :param shared_volume: where the volume on a disk is mounted on every node.
    :param fault: FaultState of that volume: 1 redirected, 4 in maintenance.
    """

    name: str
    id: str
    kind: str
    group: str
    state: int = ONLINE
    is_core: bool = False
    machine_id: str = ""
    shared_volume: str = ""
    fault: int = 0


class NodeMember(Protocol):
    """What the cluster asks of a node."""

    @property
    def node_name(self) -> str: ...

    @property
    def node_state(self) -> NodeState: ...

    @property
    def address(self) -> str: ...

    def cluster_changed(self) -> None: ...

    def raise_event(self, class_name: str, **values: Any) -> None: ...


class Cluster:
    """Safe for threads.

    :param config: as the first node has it.
    :param path: where groups and resources are kept; None: nowhere.
    """

    def __init__(self, config: ClusterConfig, path: Path | None) -> None:
        self.config = config
        self.id = ids.stable_guid("cluster", config.name).lower()
        self._path = path
        self.lock = threading.RLock()
        self.members: dict[str, NodeMember] = {}
        self.known_nodes: list[str] = []
        self.groups: dict[str, Group] = {}
        self.resources: dict[str, Resource] = {}
        if path is not None and path.exists():
            document = json.loads(path.read_text("utf-8"))
            groups = [Group(**{**item, "preferred": tuple(item["preferred"])}) for item in document["groups"]]
            self.groups = {group.name.lower(): replace(group, pending=False) for group in groups}
            self.resources = {item["name"].lower(): Resource(**item) for item in document["resources"]}
            self.known_nodes = document["nodes"]

    # Nodes

    def join(self, member: NodeMember) -> None:
        """A node has come up."""
        with self.lock:
            self.members[member.node_name.lower()] = member
            if member.node_name not in self.known_nodes:
                self.known_nodes.append(member.node_name)
            if "cluster group" not in self.groups:
                self._add_core(member.node_name)
        self.told()

    def leave(self, member: NodeMember) -> None:
        """A node has gone down; what is the cluster's own goes to another one."""
        with self.lock:
            self.members.pop(member.node_name.lower(), None)
            heir = next(iter(self.members.values()), None)
            for group in list(self.groups.values()):
                if group.is_core and group.owner == member.node_name and heir is not None:
                    self.groups[group.name.lower()] = replace(group, owner=heir.node_name)
        self.told()

    def state_of(self, node: str) -> NodeState:
        member = self.members.get(node.lower())
        return member.node_state if member is not None else "down"

    # Groups and resources

    def put_group(self, group: Group) -> None:
        with self.lock:
            self.groups[group.name.lower()] = group
        self.told()

    def put_resource(self, resource: Resource) -> None:
        with self.lock:
            self.resources[resource.name.lower()] = resource
        self.told()

    def remove_group(self, name: str) -> None:
        """A group goes with everything in it."""
        with self.lock:
            self.groups.pop(name.lower(), None)
            for resource in self.in_group(name):
                del self.resources[resource.name.lower()]
        self.told()

    def rename_group(self, group: Group, name: str) -> None:
        with self.lock:
            del self.groups[group.name.lower()]
            self.groups[name.lower()] = replace(group, name=name)
            for resource in self.in_group(group.name):
                self.resources[resource.name.lower()] = replace(resource, group=name)
        self.told()

    def in_group(self, name: str) -> list[Resource]:
        with self.lock:
            return [item for item in self.resources.values() if item.group.lower() == name.lower()]

    def add_machine(self, name: str, machine_id: str, owner: str) -> None:
        """A machine becomes highly available: a group with two resources, named after it (hyperv-ops 16)."""
        with self.lock:
            self.groups[name.lower()] = Group(name, _new_id(), VIRTUAL_MACHINE_GROUP, owner)
            for kind in (VIRTUAL_MACHINE, MACHINE_CONFIGURATION):
                resource = Resource(f"{kind} {name}", _new_id(), kind, name, machine_id=machine_id)
                self.resources[resource.name.lower()] = resource
        self.told()

    def told(self) -> None:
        """Something has changed: it is written down, and every node shows it."""
        with self.lock:
            members = list(self.members.values())
            self._keep()
        for member in members:
            member.cluster_changed()

    def announce(self, class_name: str, **values: Any) -> None:
        """An extrinsic event at every node."""
        for member in list(self.members.values()):
            member.raise_event(class_name, **values)

    def set_quorum(self, quorum: QuorumType, witness: str) -> None:
        """What decides from now on; the witness is a resource of the core group."""
        with self.lock:
            self.config = replace(self.config, quorum=quorum, witness=witness)
            for name in [item.name for item in self.resources.values() if item.kind in _WITNESSES]:
                del self.resources[name.lower()]
            self._add_witness()
        self.told()

    def share(self, path: str, disk: str, owner: str) -> None:
        """A shared volume that hosts.toml describes: its disk, in a group of its own."""
        with self.lock:
            if any(item.shared_volume.lower() == path.lower() for item in self.resources.values()):
                return
            group = Group(_new_id(), _new_id(), SHARED_VOLUME_GROUP, owner, is_core=True)
            self.groups[group.name] = group
            self.resources[disk.lower()] = Resource(disk, _new_id(), "Physical Disk", group.name, shared_volume=path)

    def _add_core(self, owner: str) -> None:
        core = Group("Cluster Group", _new_id(), 1, owner, is_core=True)
        self.groups[core.name.lower()] = core
        self.groups["available storage"] = Group("Available Storage", _new_id(), 2, owner, is_core=True)
        resources = [Resource("Cluster Name", _new_id(), "Network Name", core.name, is_core=True)]
        resources.append(Resource("Cluster IP Address", _new_id(), "IP Address", core.name, is_core=True))
        self.resources.update({item.name.lower(): item for item in resources})
        self._add_witness()

    def _add_witness(self) -> None:
        kinds = {"file_share_witness": "File Share Witness", "cloud_witness": "Cloud Witness"}
        if self.config.quorum in kinds:
            kind = kinds[self.config.quorum]
            self.resources[kind.lower()] = Resource(kind, _new_id(), kind, "Cluster Group", is_core=True)
        if self.config.quorum == "disk_witness":
            name = self.config.witness or "Cluster Disk 1"
            disk = Resource(name, _new_id(), "Physical Disk", "Cluster Group", is_core=True)
            self.resources[name.lower()] = replace(self.resources.get(name.lower(), disk), group="Cluster Group")

    def _keep(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "nodes": self.known_nodes,
            "groups": [asdict(group) for group in self.groups.values()],
            "resources": [asdict(resource) for resource in self.resources.values()],
        }
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(document), "utf-8")
        temporary.replace(self._path)


class Clusters:
    """The clusters of one simulator, by name."""

    def __init__(self) -> None:
        self._clusters: dict[str, Cluster] = {}
        self._lock = threading.Lock()

    def of(self, config: ClusterConfig, path: Path | None) -> Cluster:
        """The cluster that a node's configuration names; made by its first node."""
        with self._lock:
            return self._clusters.setdefault(config.name.lower(), Cluster(config, path))


def _new_id() -> str:
    return ids.new_guid().lower()
