"""What can be done to a cluster, its groups and resources. Methods: hyperv-ops 16."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.cluster import QuorumType
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.operating_system.cluster import clusprop, errors
from hyperv_simulator.operating_system.cluster.errors import cluster_error
from hyperv_simulator.operating_system.cluster.member import GROUP, RESOURCE, Member
from hyperv_simulator.operating_system.cluster.member_provider import MemberProvider
from hyperv_simulator.operating_system.cluster.state import (
    FAILED,
    OFFLINE,
    ONLINE,
    VIRTUAL_MACHINE,
    Group,
    Resource,
)
from hyperv_simulator.outcomes import Refused
from hyperv_simulator.providers.base import Call, Method, Outputs

_START, _TURN_OFF = 2, 3
_RUNNING = 19  # GetNodeClusterState
_NON_CLUSTER = 3  # VerifyPath
_WRITABLE = (
    "AutoFailbackType",
    "FailbackWindowStart",
    "FailbackWindowEnd",
    "FailoverPeriod",
    "FailoverThreshold",
    "PersistentState",
    "Priority",
    "DefaultOwner",
    "AntiAffinityClassNames",
)
_USER = "NT AUTHORITY\\SYSTEM"


class ClusterProvider(MemberProvider):
    class_name = "MSCluster_Cluster"

    def methods(self) -> Mapping[str, Method]:
        return {
            "AddVirtualMachine": self._add_machine,
            "VerifyPath": self._verify_path,
            "AddResourceToClusterSharedVolumes": lambda call: self._share(call, shared=True),
            "RemoveResourceFromClusterSharedVolumes": lambda call: self._share(call, shared=False),
            "SetNodeMajorityQuorum": lambda _call: self._set_quorum("node_majority", ""),
            "SetMajorityQuorum": self._set_majority,
        }

    def static_methods(self) -> Mapping[str, Method]:
        return {"GetNodeClusterState": lambda _call: {"ClusterState": _RUNNING}}

    def _add_machine(self, call: Call) -> Outputs:
        wanted = call.text("VirtualMachine").lower()
        machine = self._member.find_machine(wanted)
        if machine is None:
            raise cluster_error(errors.FILE_NOT_FOUND)
        name = machine.reader.name
        if name.lower() in self._cluster.groups:
            raise cluster_error(errors.ALREADY_EXISTS)
        self._cluster.add_machine(name, machine.machine_id, self._member.node_name)
        self._member.announce(self._cluster.groups[name.lower()])
        return {}

    def _set_majority(self, call: Call) -> Outputs:
        """With the witness that a resource is: a disk, or a share."""
        name = call.text("Resource")
        resource = self._cluster.resources.get(name.lower())
        if resource is not None and resource.kind == "Physical Disk":
            return self._set_quorum("disk_witness", resource.name)
        if not call.text("QuorumPath", ""):
            raise cluster_error(errors.FILE_NOT_FOUND)
        return self._set_quorum("file_share_witness", call.text("QuorumPath"))

    def _set_quorum(self, quorum: QuorumType, witness: str) -> Outputs:
        self._cluster.set_quorum(quorum, witness)
        return {}

    def _verify_path(self, call: Call) -> Outputs:
        path = call.text("Path")
        return {"result": 0 if path.lower().startswith("c:\\clusterstorage\\") else _NON_CLUSTER}

    def _share(self, call: Call, *, shared: bool) -> Outputs:
        resource = self._cluster.resources.get(call.text("Resource").lower())
        if resource is None or resource.kind != "Physical Disk":
            raise cluster_error(errors.FILE_NOT_FOUND)
        if bool(resource.shared_volume) == shared:
            raise cluster_error(errors.INVALID_STATE)
        taken = [item for item in self._cluster.resources.values() if item.shared_volume]
        path = f"C:\\ClusterStorage\\Volume{len(taken) + 1}" if shared else ""
        self._cluster.put_resource(replace(resource, shared_volume=path))
        return {}


class GroupProvider(MemberProvider):
    class_name = GROUP

    def methods(self) -> Mapping[str, Method]:
        return {
            "BringOnline": lambda call: self._power(call, on=True),
            "TakeOffline": lambda call: self._power(call, on=False),
            "TakeOfflineParams": lambda call: self._power(call, on=False),
            "MoveToNewNode": lambda call: self._move(call, wait=True),
            "MoveToNewNodeEx": lambda call: self._move(call, wait=False),
            "MoveToNewNodeParams": self._move_with_parameters,
            "CancelOperation": self._cancel,
            "Rename": self._rename,
            "DeleteGroup": self._delete,
            "DestroyGroup": self._destroy,
            "SetPreferredOwners": self._set_preferred,
            "GetPreferredOwners": lambda call: {"NodeNames": list(self._group(call).preferred)},
            "GetGroupType": lambda call: {"ReturnValue": self._group(call).kind},
        }

    def static_methods(self) -> Mapping[str, Method]:
        return {"CreateGroup": self._create}

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        """Set-ClusterGroup, os-win: the group's common properties."""
        group = self._cluster.groups[before.text("Name").lower()]
        given = {name: changes.get(name) for name in _WRITABLE if changes.get(name) is not None}
        self._cluster.put_group(replace(group, settings={**group.settings, **given}))

    def _group(self, call: Call) -> Group:
        group = self._cluster.groups.get(call.target.text("Name").lower())
        if group is None:
            raise cluster_error(errors.GROUP_NOT_AVAILABLE)
        return group

    def _power(self, call: Call, *, on: bool) -> Outputs:
        group = self._group(call)
        for resource in self._cluster.in_group(group.name):
            set_resource(self._member, resource, on=on)
        self._member.announce(group)
        return {}

    def _move_with_parameters(self, call: Call) -> Outputs:
        blob = call.given("Parameters")
        try:
            clusprop.read(blob if isinstance(blob, bytes) else b"\0\0\0\0")
        except ValueError:
            raise cluster_error(errors.INVALID_PARAMETER) from None
        return self._move(call, wait=False)

    def _move(self, call: Call, *, wait: bool) -> Outputs:
        group = self._group(call)
        if group.pending:
            raise cluster_error(errors.INVALID_STATE)
        node = self._member.check_target(call.text("NodeName"))
        self._cluster.put_group(replace(group, pending=True))
        self._member.announce(replace(group, pending=True))
        if wait:
            self._carry(group, node)
        else:
            threading.Thread(target=self._carry, args=(group, node), daemon=True).start()
        return {}

    def _carry(self, group: Group, node: str) -> None:
        arrived = self._member.move(group, node)
        moved = replace(self._cluster.groups[group.name.lower()], pending=False, owner=node if arrived else group.owner)
        self._cluster.put_group(moved)
        self._member.announce(moved)

    def _cancel(self, call: Call) -> Outputs:
        """A move under way is too short to be caught: nothing is pending, or it goes through."""
        if not self._group(call).pending:
            raise cluster_error(errors.INVALID_STATE)
        return {}

    def _rename(self, call: Call) -> Outputs:
        self._cluster.rename_group(self._group(call), call.text("NewName"))
        return {}

    def _create(self, call: Call) -> Outputs:
        name = call.text("GroupName")
        if name.lower() in self._cluster.groups:
            raise cluster_error(errors.ALREADY_EXISTS)
        group = Group(name, ids.new_guid().lower(), call.integer("GroupType", 9999), self._member.node_name)
        self._cluster.put_group(group)
        return {"Id": group.id}

    def _delete(self, call: Call) -> Outputs:
        group = self._group(call)
        if self._cluster.in_group(group.name):
            raise cluster_error(errors.INVALID_STATE)
        return self._destroy(call)

    def _destroy(self, call: Call) -> Outputs:
        """The machine itself stays in Hyper-V (hyperv-ops 16)."""
        group = self._group(call)
        if group.is_core:
            raise cluster_error(errors.INVALID_STATE)
        self._cluster.remove_group(group.name)
        return {}

    def _set_preferred(self, call: Call) -> Outputs:
        nodes = tuple(self._member.check_target(name) for name in call.texts("NodeNames"))
        self._cluster.put_group(replace(self._group(call), preferred=nodes))
        return {}


class ResourceProvider(MemberProvider):
    class_name = RESOURCE

    def methods(self) -> Mapping[str, Method]:
        return {
            "BringOnline": lambda call: self._power(call, on=True),
            "TakeOffline": lambda call: self._power(call, on=False),
            "TakeOfflineParams": lambda call: self._power(call, on=False),
            "FailResource": self._fail,
            "MoveToNewGroup": self._move,
            "DeleteResource": self._delete,
            "UpdateVirtualMachine": lambda _call: {},
            "GetPossibleOwners": lambda _call: {"NodeNames": list(self._cluster.known_nodes)},
        }

    def _resource(self, call: Call) -> Resource:
        return self._cluster.resources[call.target.text("Name").lower()]

    def _power(self, call: Call, *, on: bool) -> Outputs:
        resource = self._resource(call)
        set_resource(self._member, resource, on=on)
        self._member.announce(self._cluster.groups[resource.group.lower()])
        return {}

    def _fail(self, call: Call) -> Outputs:
        self._cluster.put_resource(replace(self._resource(call), state=FAILED))
        return {}

    def _move(self, call: Call) -> Outputs:
        group = self._cluster.groups.get(call.text("Group").lower())
        if group is None:
            raise cluster_error(errors.GROUP_NOT_AVAILABLE)
        self._cluster.put_resource(replace(self._resource(call), group=group.name))
        return {}

    def _delete(self, call: Call) -> Outputs:
        resource = self._resource(call)
        if resource.is_core:
            raise cluster_error(errors.INVALID_STATE)
        with self._cluster.lock:
            del self._cluster.resources[resource.name.lower()]
        self._cluster.told()
        return {}


def set_resource(member: Member, resource: Resource, *, on: bool) -> None:
    """Online or offline; a machine's resource starts the machine, or turns it off (OfflineAction is not simulated)."""
    found = member.machine_of(resource) if resource.kind == VIRTUAL_MACHINE else None
    if found is not None:
        machine = found[1]
        running = machine.state in (State.RUNNING, State.PAUSED)
        if running != on:
            try:
                machine.request_state(_START if on else _TURN_OFF, _USER)
            except Refused:
                raise cluster_error(errors.INVALID_STATE) from None
    member.cluster.put_resource(replace(resource, state=ONLINE if on else OFFLINE))
