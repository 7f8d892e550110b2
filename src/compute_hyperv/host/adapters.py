"""Network adapters of machines, their connections to switches, and the VLAN of the switch port.

A port's VLAN cannot be modified on a real host: it is removed and added, and read back, because it was seen to be
missing without any error (facts: old-driver 7). A machine whose VLAN did not take would be in the wrong network.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence

from compute_hyperv.cim.errors import MethodFailed
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import select
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host.components import Components
from compute_hyperv.host.machine_settings import (
    MachineSettings,
    of_machine,
    path_of,
    reference_of,
    switch_of,
)
from compute_hyperv.host.model import Nic
from compute_hyperv.host.switches import Switches, switch_path

_ACCESS = 1
_TRIES = 2


class Adapters:
    """:param check_plugging: raises where a machine, in the state it is in, cannot get or lose an adapter."""

    def __init__(
        self,
        session: CimSession,
        components: Components,
        switches: Switches,
        check_plugging: Callable[[str], None],
    ) -> None:
        self._session = session
        self._components = components
        self._switches = switches
        self._check_plugging = check_plugging

    def list(self, machine_id: str) -> list[Nic]:
        """The adapters as they are now.

        :raises NotFound: there is no such machine.
        """
        settings = MachineSettings.read(self._session, machine_id)
        vlans = self._vlans(machine_id)
        names = {switch.switch_id: switch.name for switch in self._switches.list()} if settings.adapters else {}
        found = []
        for adapter in settings.adapters:
            connection = settings.connection_of(adapter.text("InstanceID"))
            switch = names.get(switch_of(connection)) if connection else None
            vlan = vlans.get(connection.text("InstanceID").lower()) if connection and switch else None
            found.append(
                Nic(
                    name=adapter.text("ElementName", ""),
                    mac_address=adapter.text("Address", "").upper(),
                    switch_name=switch,
                    vlan_id=_access_vlan(vlan) if vlan else None,
                )
            )
        return found

    def connect(self, machine_id: str, nic: Nic) -> None:
        """See that the machine has this adapter, and that it is connected as asked, VLAN included.

        :raises InvalidRequest: there is no such switch.
        :raises UnsupportedByHost: the adapter is new, the machine runs, and this Windows version cannot plug one in.
        """
        settings = MachineSettings.read(self._session, machine_id)
        adapter = settings.adapter(nic.name)
        if adapter is None:
            self._check_plugging(machine_id)
            self._components.add(machine_id, [new_adapter(nic)], f"Adding the adapter {nic.name}")
            settings = MachineSettings.read(self._session, machine_id)
            adapter = settings.adapter(nic.name)
            if adapter is None:
                raise MethodFailed(f"Adding the adapter {nic.name} failed: the host does not list it.")
        if nic.switch_name is None:
            self._disconnect(settings, adapter)
            return
        adapter_id = adapter.text("InstanceID")
        self._connect(
            machine_id, settings.connection_of(adapter_id), adapter, nic, self._switches.id_of(nic.switch_name)
        )
        self._set_vlan(machine_id, connection_id(adapter_id), nic)

    def disconnect(self, machine_id: str, name: str) -> None:
        """Disconnect an adapter from its switch; without adapter or connection nothing happens."""
        settings = MachineSettings.read(self._session, machine_id)
        if adapter := settings.adapter(name):
            self._disconnect(settings, adapter)

    def remove(self, machine_id: str, name: str) -> None:
        """Take an adapter out of the machine; without one nothing happens."""
        settings = MachineSettings.read(self._session, machine_id)
        if adapter := settings.adapter(name):
            self._check_plugging(machine_id)
            self._disconnect(settings, adapter)
            self._components.remove([reference_of(adapter)], f"Removing the adapter {name}")

    def set_vlans(self, machine_id: str, connections: Mapping[str, Nic]) -> None:
        """Set the VLANs of ports that have none yet, then read them back together.

        :param connections: InstanceID of each connection to what it shall be.
        """
        tagged = {identifier: nic for identifier, nic in connections.items() if nic.vlan_id is not None}
        for attempt in range(_TRIES):
            there = self._vlans(machine_id) if attempt else {}
            for identifier, nic in tagged.items():
                if identifier.lower() not in there and nic.vlan_id is not None:
                    self._add_vlan(identifier, nic.name, nic.vlan_id)
            if not tagged or not self._wrong(machine_id, tagged):
                return
        raise _not_set(self._wrong(machine_id, tagged))

    def _connect(
        self, machine_id: str, connection: CimInstance | None, adapter: CimInstance, nic: Nic, switch_id: str
    ) -> None:
        what = f"Connecting the adapter {nic.name} to {nic.switch_name}"
        wanted = definition.connection_settings(nic, path_of(adapter), switch_path(switch_id))
        if connection is None:
            self._components.add(machine_id, [wanted], what)
        elif switch_of(connection) != switch_id:
            # An adapter that is bound cannot be bound a second time (32773; facts: real-instances 3.4): it is moved.
            moved = {name: wanted[name] for name in ("HostResource", "EnabledState")}
            self._components.modify(
                [CimInstance(connection.class_name, {"InstanceID": connection.text("InstanceID"), **moved})], what
            )

    def _disconnect(self, settings: MachineSettings, adapter: CimInstance) -> None:
        if connection := settings.connection_of(adapter.text("InstanceID")):
            self._components.remove(
                [reference_of(connection)], f"Disconnecting the adapter {adapter.text('ElementName', '')}"
            )

    def _set_vlan(self, machine_id: str, identifier: str, nic: Nic) -> None:
        for _attempt in range(_TRIES):
            present = self._vlans(machine_id).get(identifier.lower())
            if (_access_vlan(present) if present else None) == nic.vlan_id:
                return
            if present:
                self._components.remove_features([reference_of(present)], f"Removing the VLAN of {nic.name}")
            if nic.vlan_id is not None:
                self._add_vlan(identifier, nic.name, nic.vlan_id)
        if wrong := self._wrong(machine_id, {identifier: nic}):
            raise _not_set(wrong)

    def _add_vlan(self, identifier: str, name: str, vlan_id: int) -> None:
        self._components.add_features(
            CimReference(definition.CONNECTION, {"InstanceID": identifier}),
            [definition.vlan_settings(vlan_id)],
            f"Setting VLAN {vlan_id} on the port of {name}",
        )

    def _wrong(self, machine_id: str, connections: Mapping[str, Nic]) -> Sequence[str]:
        """The ports whose VLAN is not as it shall be."""
        there = self._vlans(machine_id)
        found = []
        for identifier, nic in connections.items():
            vlan = there.get(identifier.lower())
            is_now = _access_vlan(vlan) if vlan else None
            if is_now != nic.vlan_id:
                found.append(f"{nic.name} has VLAN {is_now}, not {nic.vlan_id}")
        return found

    def _vlans(self, machine_id: str) -> dict[str, CimInstance]:
        """VLAN settings of a machine's ports, by the lower-case id of the connection that has them: a feature's id
        begins with it (facts: real-instances 1.6)."""
        rows = self._session.query(select(definition.VLAN).where(of_machine(machine_id)))
        return {_connection_of_feature(row.text("InstanceID")): row for row in rows}


def new_adapter(nic: Nic) -> CimInstance:
    return definition.adapter_settings(nic, f"{{{uuid.uuid4()}}}")


def connection_id(adapter_id: str) -> str:
    """InstanceID of an adapter's connection (facts: real-instances 1.2)."""
    return f"{adapter_id}\\C"


def connections_of(adapter_ids: Sequence[str], nics: Sequence[Nic]) -> dict[str, Nic]:
    return {
        connection_id(identifier): nic
        for identifier, nic in zip(adapter_ids, nics, strict=True)
        if nic.switch_name is not None
    }


def _connection_of_feature(feature_id: str) -> str:
    head, mark, _ = feature_id.lower().partition("\\c\\")
    return f"{head}\\c" if mark else feature_id.lower()


def _access_vlan(vlan: CimInstance) -> int | None:
    """The VLAN of an access port; None for untagged (0) and for trunks, which are not ours."""
    if vlan.integer("OperationMode", 0) != _ACCESS:
        return None
    return vlan.integer("AccessVlanId", 0) or None


def _not_set(wrong: Sequence[str]) -> MethodFailed:
    return MethodFailed(
        f"The host did not take the VLAN of a port: {'; '.join(wrong)}.",
        remedy="Look at the switch's extensions and at the Hyper-V-VmSwitch event log.",
    )
