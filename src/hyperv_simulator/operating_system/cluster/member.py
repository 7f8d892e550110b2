"""One host as a node: shows the cluster in its own repository, and moves its machines when the cluster says so.

Nodes, groups and resources are stored, so that a change of owner is an event on every node; whether a machine's
resource is online follows from the machine at every read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.cluster import NodeState
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.checkpoints.disks import file_of, hard_disks
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.migration.neighbours import MigrationHost, Neighbours
from hyperv_simulator.migration.request import MIGRATING, MigrationRequest, MigrationType
from hyperv_simulator.migration.transfer import Transfer
from hyperv_simulator.operating_system.cluster import MSCLUSTER, errors
from hyperv_simulator.operating_system.cluster.errors import cluster_error
from hyperv_simulator.operating_system.cluster.state import (
    FAILED,
    OFFLINE,
    ONLINE,
    PENDING_GROUP,
    UP,
    VIRTUAL_MACHINE,
    Cluster,
    Group,
    Resource,
)
from hyperv_simulator.outcomes import OperationFailed, Refused
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.vhd import DiskStore

GROUP, RESOURCE, NODE = "MSCluster_ResourceGroup", "MSCluster_Resource", "MSCluster_Node"
_NODE_STATES: Mapping[NodeState, int] = {"up": UP, "down": 1, "paused": 2, "joining": 3}
_GROUP_ONLINE, _GROUP_OFFLINE, _GROUP_FAILED, _GROUP_PARTIAL = 0, 1, 2, 3
_GROUP_OBJECT = 3  # EventObjectType
_DEFAULTS: Mapping[str, CimValue] = {
    "AutoFailbackType": 0,
    "FailbackWindowStart": -1,
    "FailbackWindowEnd": -1,
    "FailoverPeriod": 6,
    "FailoverThreshold": 4294967295,
    "PersistentState": True,
    "Priority": 2000,
    "AntiAffinityClassNames": [],
    "DefaultOwner": 4294967295,
}


class ClusterHost(Protocol):
    """What a node needs of its host."""

    @property
    def config(self) -> HostConfig: ...

    @property
    def facts(self) -> HostFacts: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def disks(self) -> DiskStore: ...


class Member:
    """A node of a cluster. Safe for threads."""

    def __init__(self, host: ClusterHost, cluster: Cluster, neighbours: Neighbours) -> None:
        self._host = host
        self.cluster = cluster
        self._neighbours = neighbours
        self._repository = host.repository
        self._lock = threading.Lock()
        self._node_state: NodeState = host.config.cluster.node_state
        self.on_event: Callable[[CimInstance], None] = lambda _event: None
        for class_name in (GROUP, RESOURCE, NODE):
            self._repository.serve(class_name, MSCLUSTER)
        self._repository.add_dynamic(RESOURCE, ("State",), lambda item: {"State": self._state(item)}, MSCLUSTER)
        self._repository.add_dynamic(GROUP, ("State",), lambda item: {"State": self._group_state(item)}, MSCLUSTER)

    @property
    def node_name(self) -> str:
        return self._host.facts.name

    @property
    def address(self) -> str:
        """Where its WinRM listens."""
        return self._host.config.address

    @property
    def node_state(self) -> NodeState:
        return self._node_state

    def set_node_state(self, state: NodeState) -> None:
        """Paused, or up again."""
        self._node_state = state
        self.cluster.told()

    # What the cluster tells

    def cluster_changed(self) -> None:
        with self._lock:
            with self.cluster.lock:
                nodes = dict(self._nodes())
                groups = {group.name: self._group(group) for group in self.cluster.groups.values()}
                resources = {item.name: self._resource(item) for item in self.cluster.resources.values()}
            self._show(NODE, nodes)
            self._show(GROUP, groups)
            self._show(RESOURCE, resources)

    def raise_event(self, class_name: str, **values: Any) -> None:
        self.on_event(new_instance(self._repository.catalogue, class_name, values, MSCLUSTER))

    # Moving machines

    def machine_of(self, resource: Resource) -> tuple[MigrationHost, Machine] | None:
        """The machine behind a resource, at whichever node it is."""
        for node in self.cluster.known_nodes:
            host = self._neighbours.find(node)
            machine = host.machines.find(resource.machine_id) if host is not None else None
            if host is not None and machine is not None and not machine.is_planned:
                return host, machine
        return None

    def find_machine(self, name_or_id: str) -> Machine | None:
        """One of this node's machines."""
        wanted = name_or_id.lower()
        machines = (machine for machine in self._host.machines.all() if not machine.is_planned)
        return next((item for item in machines if wanted in (item.machine_id.lower(), item.reader.name.lower())), None)

    def check_target(self, node: str) -> str:
        """The node's name as the cluster spells it.

        :raises SoapFault: there is no such node, or it is not up.
        """
        name = next((known for known in self.cluster.known_nodes if known.lower() == node.lower()), None)
        if name is None:
            raise cluster_error(errors.NODE_NOT_FOUND)
        if self.cluster.state_of(name) != "up":
            raise cluster_error(errors.NODE_DOWN)
        return name

    def move(self, group: Group, node: str) -> bool:
        """Moves a group with its machines; whether it is at the node now. What fails stays where it was."""
        target = self._neighbours.find(node)
        try:
            for resource in self.cluster.in_group(group.name):
                found = self.machine_of(resource) if resource.kind == VIRTUAL_MACHINE else None
                if found is not None and target is not None and found[0] is not target:
                    kind = MigrationType.MACHINE if _is_shared(found[1]) else MigrationType.MACHINE_AND_STORAGE
                    request = MigrationRequest(kind=kind, destination=node)
                    self._transfer(found[1], found[0], target, request)
        except (OperationFailed, Refused):
            return False
        return True

    @staticmethod
    def _transfer(machine: Machine, source: MigrationHost, target: MigrationHost, request: MigrationRequest) -> None:
        """:raises Refused: another change of the machine is under way."""
        machine.occupy(MIGRATING, "Migrating virtual machine")
        try:
            Transfer(machine, source, target, request).run()
        finally:
            machine.vacate()

    def drain(self, target: str = "") -> None:
        """Moves everything that is here to another node, as far as there is one."""
        others = (name for name in self.cluster.known_nodes if name != self.node_name)
        up = [name for name in others if self.cluster.state_of(name) == "up"]
        node = self.check_target(target) if target else next(iter(up), "")
        for group in list(self.cluster.groups.values()) if node else ():
            if group.owner == self.node_name and self.move(group, node):
                moved = replace(group, owner=node)
                self.cluster.put_group(moved)
                self.announce(moved)

    # Inside: instances

    def _show(self, class_name: str, wanted: Mapping[str, Mapping[str, CimValue]]) -> None:
        """Makes the stored instances of a class be these."""
        stored = {item.text("Name"): item for item in self._repository.instances(class_name, MSCLUSTER)}
        for name in stored.keys() - wanted.keys():
            self._repository.remove(self._repository.reference_of(stored[name]))
        for name, values in wanted.items():
            instance = new_instance(self._repository.catalogue, class_name, values, MSCLUSTER)
            before = stored.get(name)
            if before is None or dict(before.items()) != dict(instance.items()):
                self._repository.add(instance)

    def _nodes(self) -> Iterator[tuple[str, dict[str, CimValue]]]:
        version = self._host.facts.version
        major, minor = version.version.split(".")[:2]
        for number, name in enumerate(self.cluster.known_nodes, start=1):
            state = self.cluster.state_of(name)
            yield (
                name,
                {
                    "Name": name,
                    "Caption": name,
                    "Id": str(number),
                    "NodeInstanceID": f"00000000-0000-0000-0000-{number:012}",
                    "State": _NODE_STATES[state],
                    "StatusInformation": 0,
                    "NodeWeight": 1,
                    "DynamicWeight": int(state != "down"),
                    "NodeDrainStatus": 2 if state == "paused" else 0,
                    "MajorVersion": int(major),
                    "MinorVersion": int(minor),
                    "BuildNumber": int(version.build),
                    "CreationClassName": NODE,
                    "Status": "OK" if state == "up" else "Degraded",
                },
            )

    def _group(self, group: Group) -> dict[str, CimValue]:
        return {
            **_DEFAULTS,
            **group.settings,
            "Name": group.name,
            "Caption": group.name,
            "Id": group.id,
            "GroupType": group.kind,
            "OwnerNode": group.owner,
            "IsCore": group.is_core,
            "StatusInformation": 0,
            "Status": "OK",
        }

    def _resource(self, item: Resource) -> dict[str, CimValue]:
        group = self.cluster.groups[item.group.lower()]
        values: dict[str, CimValue] = {
            "Name": item.name,
            "Caption": item.name,
            "Id": item.id,
            "Type": item.kind,
            "OwnerGroup": group.name,
            "OwnerNode": group.owner,
            "CoreResource": item.is_core,
            "PersistentState": True,
            "ResourceClass": 1 if item.kind == "Physical Disk" else 0,
            "IsClusterSharedVolume": bool(item.shared_volume),
            "StatusInformation": 0,
            "Status": "OK",
        }
        if item.machine_id:
            values["PrivateProperties"] = CimInstance("MSCluster_Property", {"VmID": item.machine_id}, MSCLUSTER)
        return values

    def _state(self, instance: CimInstance) -> int:
        item = self.cluster.resources[instance.text("Name").lower()]
        return self.state_of(item)

    def state_of(self, item: Resource) -> int:
        """Running and paused machines are online (real-instances 5.5)."""
        if item.kind != VIRTUAL_MACHINE or item.state == FAILED:
            return item.state
        found = self.machine_of(item)
        return ONLINE if found is not None and found[1].state in (State.RUNNING, State.PAUSED) else OFFLINE

    def _group_state(self, instance: CimInstance) -> int:
        return self.group_state(self.cluster.groups[instance.text("Name").lower()])

    def group_state(self, group: Group) -> int:
        if group.pending:
            return PENDING_GROUP
        states = {self.state_of(item) for item in self.cluster.in_group(group.name)}
        if FAILED in states:
            return _GROUP_FAILED
        if states <= {ONLINE}:
            return _GROUP_ONLINE
        return _GROUP_PARTIAL if ONLINE in states else _GROUP_OFFLINE

    def announce(self, group: Group) -> None:
        """MSCluster_EventGroupStateChange at every node."""
        self.cluster.announce(
            "MSCluster_EventGroupStateChange",
            EventTypeMajor=2,
            EventTypeMinor=1,
            EventObjectType=_GROUP_OBJECT,
            EventObjectName=group.name,
            EventObjectPath=f'{GROUP}.Name="{group.name}"',
            EventNewState=self.group_state(group),
            EventNode=group.owner,
        )


def _is_shared(machine: Machine) -> bool:
    """Whether the machine's disks are where every node sees them; what is not goes along, to the same path."""
    disks = hard_disks(machine.reader.all("CIM_SettingData"))
    return all(file_of(disk).lower().startswith(("c:\\clusterstorage\\", "\\\\")) for disk in disks)
