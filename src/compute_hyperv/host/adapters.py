"""Network adapters of machines, their connections to switches, and the features of the switch port.

What is set is read back, because a VLAN was seen to be missing without any error (facts: old-driver 7): a machine whose
VLAN did not take would be in the wrong network. All features of a machine's ports come in one query.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence

from compute_hyperv.cim.errors import MethodFailed
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import select
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host import port_features
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

_TRIES = 2
_ID = "InstanceID"

_Features = Mapping[str, Sequence[CimInstance]]


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
        features = self._features(machine_id)
        names = {switch.switch_id: switch.name for switch in self._switches.list()} if settings.adapters else {}
        found = []
        for adapter in settings.adapters:
            connection = settings.connection_of(adapter.text("InstanceID"))
            switch = names.get(switch_of(connection)) if connection else None
            present = features.get(connection.text("InstanceID").lower(), ()) if connection and switch else ()
            found.append(
                Nic(
                    name=adapter.text("ElementName", ""),
                    mac_address=adapter.text("Address", "").upper(),
                    switch_name=switch,
                    **port_features.as_fields(present),
                )
            )
        return found

    def connect(self, machine_id: str, nic: Nic) -> None:
        """See that the machine has this adapter, and that it is connected as asked, with all features of its port.

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
        self._settle(machine_id, {connection_id(adapter_id): nic}, self._features(machine_id))

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

    def set_features(self, machine_id: str, connections: Mapping[str, Nic]) -> None:
        """Set the features of ports that are fresh, then read them back together.

        :param connections: InstanceID of each connection to what it shall be.
        """
        known = all(port_features.fresh_is_known(nic) for nic in connections.values())
        self._settle(machine_id, connections, {} if known else self._features(machine_id))

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

    def _settle(self, machine_id: str, connections: Mapping[str, Nic], present: _Features) -> None:
        """See that ports have their features: change what differs, look, and try once more what did not take."""
        for _attempt in range(_TRIES):
            if not self._change(connections, present):
                return
            present = self._features(machine_id)
        wrong = [
            difference
            for identifier, nic in connections.items()
            for difference in port_features.differences(nic, present.get(identifier.lower(), ()))
        ]
        if wrong:
            raise _not_set(wrong)

    def _change(self, connections: Mapping[str, Nic], present: _Features) -> bool:
        """Whether anything had to be changed."""
        changed = False
        for identifier, nic in connections.items():
            changes = port_features.changes(nic, present.get(identifier.lower(), ()))
            changed = changed or bool(changes)
            if changes.remove:
                references = [reference_of(feature) for feature in changes.remove]
                self._components.remove_features(references, f"Removing features of the port of {nic.name}")
            if changes.add:
                connection = CimReference(definition.CONNECTION, {"InstanceID": identifier})
                self._components.add_features(
                    connection, changes.add, f"Adding features to the port of {nic.name}: {_names(changes.add)}"
                )
            if changes.modify:
                self._components.modify_features(
                    changes.modify, f"Changing features of the port of {nic.name}: {_names(changes.modify)}"
                )
        return changed

    def _features(self, machine_id: str) -> _Features:
        """Features of a machine's ports, by the lower-case id of the connection that has them: a feature's id begins
        with it (facts: real-instances 1.6)."""
        found: dict[str, list[CimInstance]] = {}
        for row in self._session.query(select(port_features.ANY).where(of_machine(machine_id))):
            found.setdefault(_connection_of_feature(row.text("InstanceID")), []).append(row)
        return found


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


def _names(features: Sequence[CimInstance]) -> str:
    return ", ".join(f"{name}={value!r}" for feature in features for name, value in feature.items() if name != _ID)


def _not_set(wrong: Sequence[str]) -> MethodFailed:
    return MethodFailed(
        f"The host did not take the features of a port: {'; '.join(wrong)}.",
        remedy="Look at the switch's extensions and at the Hyper-V-VmSwitch event log.",
    )
