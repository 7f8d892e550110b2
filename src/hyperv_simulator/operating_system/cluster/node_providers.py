"""What can be done to a cluster's nodes and shared volumes. Methods and values: the class pages, hyperv-ops 16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hyperv_simulator.operating_system.cluster import errors
from hyperv_simulator.operating_system.cluster.errors import cluster_error
from hyperv_simulator.operating_system.cluster.instances import SHARED_VOLUME
from hyperv_simulator.operating_system.cluster.member import NODE, Member
from hyperv_simulator.operating_system.cluster.member_provider import MemberProvider
from hyperv_simulator.operating_system.cluster.state import Resource
from hyperv_simulator.providers.base import Call, Method, Outputs

_NO_DRAIN = 0  # DrainType
_REDIRECTED, _IN_MAINTENANCE = 1, 4  # FaultState


class NodeProvider(MemberProvider):
    """Pausing a node and letting it go on; a drain moves the groups of machines away."""

    class_name = NODE

    def methods(self) -> Mapping[str, Method]:
        return {"Pause": self._pause, "Resume": self._resume}

    def _node(self, call: Call) -> Member:
        node = self._cluster.members.get(call.target.text("Name").lower())
        if not isinstance(node, Member):
            raise cluster_error(errors.NODE_DOWN)
        return node

    def _pause(self, call: Call) -> Outputs:
        node = self._node(call)
        node.set_node_state("paused")
        if call.integer("DrainType", _NO_DRAIN) != _NO_DRAIN:
            node.drain(call.text("TargetNode", ""))
        return {}

    def _resume(self, call: Call) -> Outputs:
        self._node(call).set_node_state("up")
        return {}


class SharedVolumeProvider(MemberProvider):
    """Maintenance and redirected access of a shared volume, and which node coordinates it."""

    class_name = SHARED_VOLUME

    def methods(self) -> Mapping[str, Method]:
        return {
            "TurnOnMaintenance": lambda call: self._set(call, _IN_MAINTENANCE),
            "TurnOffMaintenance": lambda call: self._set(call, 0),
            "TurnOnRedirectedAccess": lambda call: self._set(call, _REDIRECTED),
            "TurnOffRedirectedAccess": lambda call: self._set(call, 0),
            "MoveToNewHost": self._move,
        }

    def _resource(self, call: Call) -> Resource:
        name = call.target.get("Name")
        return next(item for item in self._cluster.resources.values() if item.shared_volume == name)

    def _set(self, call: Call, fault: int) -> Outputs:
        self._cluster.put_resource(replace(self._resource(call), fault=fault))
        return {}

    def _move(self, call: Call) -> Outputs:
        group = self._cluster.groups[self._resource(call).group.lower()]
        self._cluster.put_group(replace(group, owner=self._member.check_target(call.text("HostName"))))
        return {}
