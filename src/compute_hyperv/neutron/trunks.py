"""Trunks whose parent is on a Hyper-V host: what Neutron's trunk service tells of them.

No agent reports what it has wired. So a trunk is ACTIVE and its subports are bound, to the parent's host, while the
parent is bound; without a host they are DOWN. What passes the switch port is in the parent's binding (``port_wishes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neutron.objects import trunk as trunk_objects
from neutron.services.trunk.drivers import base
from neutron_lib import context
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.trunk import constants

from compute_hyperv.neutron import port_wishes
from compute_hyperv.neutron.errors import PortRefused

Port = Mapping[str, Any]


class HyperVTrunkDriver(base.DriverBase):
    """Trunks are made before their parent's server; subports can come and go later as well."""

    def __init__(self, vif_type: str) -> None:
        super().__init__("hyperv", (vif_type,), (constants.SEGMENTATION_TYPE_VLAN,))
        self._vif_type = vif_type
        registry.subscribe(self._check_subports, resources.SUBPORTS, events.PRECOMMIT_CREATE)
        registry.subscribe(self._subports_changed, resources.SUBPORTS, events.AFTER_CREATE)
        registry.subscribe(self._subports_changed, resources.SUBPORTS, events.AFTER_DELETE)

    @property
    def is_loaded(self) -> bool:
        return True

    def place_of(self, port: Port) -> str:
        """The Hyper-V host that a port is bound to; empty where it is not on one."""
        bound = port.get(portbindings.VIF_TYPE) == self._vif_type
        return str(port.get(portbindings.HOST_ID, "")) if bound else ""

    def follow(self, parent: Port) -> None:
        """The parent has come to a host, or left it: so do its subports."""
        details = parent.get("trunk_details")
        if not details:
            return
        host = self.place_of(parent)
        for subport in details["sub_ports"]:
            _place(subport["port_id"], host, constants.TRUNK_SUBPORT_OWNER)
        _set_status(details["trunk_id"], active=bool(host))

    def _check_subports(self, _resource: str, _event: str, _trigger: Any, payload: Any) -> None:
        """:raises neutron_lib.exceptions.BadRequest: Hyper-V cannot have them on this parent."""
        admin = payload.context.elevated()  # in the transaction that makes them
        parent = _parent(admin, payload)
        if not self.place_of(parent):
            return  # looked at when the parent is bound
        added = [
            {"port_id": subport.port_id, "segmentation_id": subport.segmentation_id}
            for subport in payload.metadata["subports"]
        ]
        segment = {api.PHYSICAL_NETWORK: parent[portbindings.VIF_DETAILS]["physical_network"]}
        try:
            port_wishes.trunk_vlans(admin, {"trunk_details": {"sub_ports": added}}, segment)
        except PortRefused as refusal:
            raise neutron_exceptions.BadRequest(resource="trunk", msg=str(refusal)) from refusal

    def _subports_changed(self, _resource: str, event: str, _trigger: Any, payload: Any) -> None:
        parent = _parent(context.get_admin_context(), payload)
        host = self.place_of(parent)
        if not host:
            return
        refresh(parent["id"])
        for subport in payload.metadata["subports"]:
            if event == events.AFTER_CREATE:
                _place(subport.port_id, host, constants.TRUNK_SUBPORT_OWNER)
            else:
                _place(subport.port_id, "", "")
        _set_status(payload.resource_id, active=True)


def refresh(port_id: str) -> None:
    """An update of a port that changes nothing: the mechanism driver looks at it anew."""
    directory.get_plugin().update_port(context.get_admin_context(), port_id, {"port": {}})


def _parent(admin: Any, payload: Any) -> Port:
    parent: Port = directory.get_plugin().get_port(admin, payload.latest_state.port_id)
    return parent


def _place(port_id: str, host: str, owner: str) -> None:
    values = {portbindings.HOST_ID: host, "device_owner": owner}
    directory.get_plugin().update_port(context.get_admin_context(), port_id, {"port": values})


def _set_status(trunk_id: str, *, active: bool) -> None:
    trunk = trunk_objects.Trunk.get_object(context.get_admin_context(), id=trunk_id)
    if trunk is not None:  # else it was deleted meanwhile
        trunk.update(status=constants.TRUNK_ACTIVE_STATUS if active else constants.TRUNK_DOWN_STATUS)
