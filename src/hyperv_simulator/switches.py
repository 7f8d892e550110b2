r"""The virtual switches of a host and what they are wired to.

A switch is a system of its own: ``Msvm_VirtualEthernetSwitch`` with settings ``Microsoft:<switch>`` and, per port of
its own (to physical adapters, to the host), settings ``Microsoft:<switch>\<port>`` and an
``Msvm_EthernetSwitchPort`` (real-instances 1.6, 3.4). Ports of machines are not stored here: they follow from the
machines' connections.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import CONNECTION, DeviceKinds
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching.extensions import Extensions
from hyperv_simulator.switching.mac_addresses import MacAddresses
from hyperv_simulator.switching.ports import (
    INTERNAL_PORT,
    SWITCH,
    SWITCH_PORT,
    internal_device_id,
    internal_port,
    switch_port,
)
from hyperv_simulator.switching.wires import EXTERNAL_PORT, Wire, Wiring

SWITCH_SETTINGS = "Msvm_VirtualEthernetSwitchSettingData"
TEAMING = "Msvm_VirtualEthernetSwitchNicTeamingSettingData"
_MAC = re.compile(r"[0-9A-Fa-f]{12}")
_SWITCH_INDEPENDENT, _HYPERV_PORT, _DYNAMIC = 1, 4, 5
_LONGEST_NAME = 256  # MaxElementNameLen of the capabilities
# What can only be said when a switch is made (Microsoft's documentation of Set-VMSwitch)
_FIXED = ("BandwidthReservationMode", "IOVPreferred", "TeamingEnabled")


class Switches:
    """The registry of a host's switches. Safe for threads."""

    def __init__(self, repository: Repository, host_name: str, kinds: DeviceKinds) -> None:
        self._repository = repository
        self._host_name = host_name
        self._kinds = kinds
        self._lock = threading.RLock()
        self._wiring = Wiring(repository, host_name)
        self.addresses = MacAddresses(repository, host_name)
        self.extensions = Extensions(repository, host_name)
        for name in (SWITCH, SWITCH_SETTINGS, SWITCH_PORT, EXTERNAL_PORT, INTERNAL_PORT):
            repository.serve(name)

    # Finding

    def find(self, name: str) -> CimInstance | None:
        """The first switch with this ElementName."""
        wanted = name.lower()
        switches = self._repository.instances(SWITCH)
        return next((item for item in switches if item.text("ElementName", "").lower() == wanted), None)

    def by_id(self, switch_id: str) -> CimInstance | None:
        return next(iter(self._repository.owned(SWITCH, switch_id)), None)

    def settings(self, switch_id: str) -> CimInstance:
        return self._repository.get(CimReference(SWITCH_SETTINGS, {"InstanceID": ids.settings_id(switch_id)}))

    def reference(self, switch_id: str) -> CimReference:
        return CimReference(SWITCH, {"CreationClassName": SWITCH, "Name": switch_id})

    def team_of(self, switch_id: str) -> list[str]:
        """The names of the adapters that a switch teams."""
        if not self._teams(switch_id):
            return []
        wires = [self.wire_of(port) for port in self.ports(switch_id)]
        return [adapter.text("ElementName", "") for wire in wires for adapter in self._wiring.adapters(wire)]

    def ports(self, switch_id: str) -> list[CimInstance]:
        """The allocations of a switch's own ports."""
        return self._repository.owned(CONNECTION, switch_id)

    # Switches

    def define(
        self,
        given: CimInstance,
        wires: Iterable[CimInstance],
        *,
        switch_id: str = "",
        extensions: Mapping[str, bool] | None = None,
    ) -> CimInstance:
        """Makes a switch.

        :param given: Msvm_VirtualEthernetSwitchSettingData with what the caller sets.
        :param wires: port allocations with a HostResource; none for a private switch.
        :param switch_id: of one that comes back after a restart, with
        :param extensions: which of them were on.
        :raises Refused: 32773: an adapter that is not there or already has a switch, a setting that there is not.
        """
        with self._lock:
            wires = list(wires)
            self.check(given, wires)
            switch_id = switch_id or ids.new_guid()
            name = given.text("ElementName", "New Virtual Switch")
            switch = self._switch(switch_id, name)
            values: dict[str, CimValue] = {
                "InstanceID": ids.settings_id(switch_id),
                "VirtualSystemIdentifier": switch_id,
                "ElementName": name,
                "Notes": [""],
            }
            values |= {n: v for n, v in given.items() if v is not None and n.lower() != "instanceid"}
            order = self.extensions.bind(switch_id, extensions or {})
            values["ExtensionOrder"] = given.get("ExtensionOrder") or order
            self._repository.add(new_instance(self._repository.catalogue, SWITCH_SETTINGS, values))
            self._repository.add(switch)
            if given.get("TeamingEnabled") is True:
                self._repository.add(self._teaming(switch_id))
            for settings in wires:
                self.add_port(switch_id, settings)
            return switch

    def check(self, given: CimInstance, wires: Iterable[CimInstance]) -> None:
        """:raises Refused: as ``define``, without making anything."""
        self._check_settings(given)
        read = [self._wiring.read(item, teaming=given.get("TeamingEnabled") is True) for item in wires]
        if sum(wire.is_external for wire in read) > 1:
            raise Refused(INVALID_PARAMETER, "a switch has one external port")

    def check_changes(self, switch_id: str, given: CimInstance) -> None:
        """:raises Refused: 32773 for what is fixed when a switch is made, or is no setting."""
        current = self.settings(switch_id)
        self._check_settings(given)
        for name in _FIXED:
            if given.get(name) is not None and given.get(name) != current.get(name):
                raise Refused(INVALID_PARAMETER, f"{name} can't be changed")

    def modify(self, switch_id: str, given: CimInstance) -> None:
        """Changes a switch's settings."""
        current = self.settings(switch_id)
        changes = {name: value for name, value in given.items() if name.lower() != "instanceid" and value is not None}
        with self._lock:
            self._repository.change(self._repository.reference_of(current), changes)
            switch = self.by_id(switch_id)
            if given.get("ElementName") and switch is not None:
                self._repository.change(
                    self._repository.reference_of(switch), {"ElementName": given.text("ElementName")}
                )

    def destroy(self, switch_id: str) -> None:
        """Takes a switch away with its ports; adapters of machines keep a cable that leads nowhere."""
        with self._lock, self._repository.lock:  # nobody reads half a switch
            for settings in self.ports(switch_id):
                self.remove_port(settings)
            for class_name in ("CIM_SettingData", "CIM_EnabledLogicalElement"):
                for instance in self._repository.owned(class_name, switch_id):
                    self._repository.remove(self._repository.reference_of(instance))

    # A switch's own ports

    def check_ports(self, switch_id: str, wires: Iterable[CimInstance]) -> None:
        """:raises Refused: 32773: adapters that can't be had, or a second external port."""
        read = [self._wiring.read(item, teaming=self._teams(switch_id)) for item in wires]
        there = [self.wire_of(port) for port in self.ports(switch_id)]
        if sum(wire.is_external for wire in (*read, *there)) > 1:
            raise Refused(INVALID_PARAMETER, "a switch has one external port")

    def add_port(self, switch_id: str, settings: CimInstance) -> CimReference:
        """Adds a port for physical adapters or for the host; the address of its allocation.

        :raises Refused: as ``define``.
        """
        with self._lock:
            self.check_ports(switch_id, [settings])
            wire = self._wiring.read(settings, teaming=self._teams(switch_id))
            switch_name = self.settings(switch_id).text("ElementName")
            kind = "External" if wire.is_external else "Internal"
            name = str(settings.get("ElementName") or f"{switch_name}_{kind}")
            port_id = self._port_id(switch_id, settings, name, wire)
            values: dict[str, CimValue] = {
                **self._kinds["Ethernet Connection"].settings(),
                "InstanceID": ids.settings_id(switch_id, port_id),
                "ElementName": name,
                "HostResource": list(wire.paths),
            }
            if not wire.is_external:
                address = values["Address"] = self._address(switch_id, settings)
                # a port read from a file has the name that was made up for it
                shown = switch_name if name == f"{switch_name}_{kind}" else name
                self._repository.add(internal_port(self._repository, self._host_name, port_id, shown, address))
            self._repository.add(switch_port(self._repository, switch_id, port_id, name))
            self._wiring.bind(wire, bound=True)
            return self._repository.add(new_instance(self._repository.catalogue, CONNECTION, values))

    def check_port_changes(self, current: CimInstance, given: CimInstance) -> Wire:
        """What the port is wired to with the changes.

        :raises Refused: as ``define``; an external port stays external, the host's stays the host's.
        """
        before = self.wire_of(current)
        if given.get("Address") and not before.is_external:
            _checked_mac(given.text("Address"))
        if not given.texts("HostResource"):
            return before
        teaming = self._teams(ids.system_of(current.text("InstanceID")))
        after = self._wiring.read(given, teaming=teaming, own=before.paths if before.is_external else ())
        if after.is_external is not before.is_external:
            raise Refused(INVALID_PARAMETER, "a port can't become one of another kind")
        return after

    def modify_port(self, current: CimInstance, given: CimInstance) -> None:
        """Changes what a port is wired to, its name, or the host adapter's address."""
        changes: dict[str, CimValue] = {}
        with self._lock:
            switch_id = ids.system_of(current.text("InstanceID"))
            before, after = self.wire_of(current), self.check_port_changes(current, given)
            if after != before:
                self._wiring.bind(before, bound=False)
                self._wiring.bind(after, bound=True)
                changes["HostResource"] = list(after.paths)
            port_id = ids.tail_of(current.text("InstanceID"))
            at_adapter: dict[str, CimValue] = {}
            if given.get("Address") and not before.is_external:
                address = self._address(switch_id, given)
                changes["Address"] = address
                at_adapter |= {"PermanentAddress": address, "NetworkAddresses": [address]}
            if given.get("ElementName"):
                changes["ElementName"] = given.text("ElementName")
                at_adapter |= {"ElementName": given.text("ElementName"), "Name": given.text("ElementName")}
                port = switch_port(self._repository, switch_id, port_id, given.text("ElementName"))
                self._repository.add(port)
            self._repository.change(self._repository.reference_of(current), changes)
            adapter = self._internal_port(port_id)
            if adapter is not None and at_adapter:
                self._repository.change(self._repository.reference_of(adapter), at_adapter)

    def remove_port(self, settings: CimInstance) -> None:
        """Takes a port away with its features; the host loses the adapter that it had there."""
        with self._lock:
            instance_id = settings.text("InstanceID")
            switch_id, port_id = ids.system_of(instance_id), ids.tail_of(instance_id)
            self._wiring.bind(self.wire_of(settings), bound=False)
            port = switch_port(self._repository, switch_id, port_id, "")
            gone = [port, settings]
            gone += [
                item
                for item in self._repository.owned("Msvm_EthernetSwitchPortFeatureSettingData", switch_id)
                if item.text("InstanceID").lower().startswith(f"{instance_id.lower()}\\")
            ]
            adapter = self._internal_port(port_id)
            for instance in [*gone, *([adapter] if adapter is not None else [])]:
                self._repository.remove(self._repository.reference_of(instance))

    @staticmethod
    def wire_of(settings: CimInstance) -> Wire:
        """What a port of a switch is wired to."""
        paths = tuple(settings.texts("HostResource"))
        return Wire(paths, is_external=any(EXTERNAL_PORT.lower() in path.lower() for path in paths))

    def adapters_of(self, settings: CimInstance) -> list[CimInstance]:
        """What is plugged into a port of a switch: physical adapters, or the host's own."""
        physical = self._wiring.adapters(self.wire_of(settings))
        own = self._internal_port(ids.tail_of(settings.text("InstanceID")))
        return physical or ([own] if own is not None else [])

    # Inside

    def _check_settings(self, given: CimInstance) -> None:
        if given.get("BandwidthReservationMode", 0) not in (0, 1, 2, 3):
            raise Refused(INVALID_PARAMETER, f"BandwidthReservationMode {given.get('BandwidthReservationMode')!r}")
        if len(given.text("ElementName", "x")) not in range(1, _LONGEST_NAME + 1):
            raise Refused(INVALID_PARAMETER, "the name is empty or too long")

    def _switch(self, switch_id: str, name: str) -> CimInstance:
        return new_instance(
            self._repository.catalogue,
            SWITCH,
            {
                "Name": switch_id,
                "CreationClassName": SWITCH,
                "ElementName": name,
                "Dedicated": [38],
                "EnabledDefault": 2,
                "EnabledState": 5,
                "IdentifyingDescriptions": ["Virtual Switch Extension Miniport Adapter Id"],
                "OtherIdentifyingInfo": ["{" + ids.stable_guid("switch", switch_id) + "}"],
                "MaxIOVOffloads": 0,
                "MaxVMQOffloads": 0,
                "OperationalStatus": [2],
                "RequestedState": 12,
                "Status": "OK",
                "StatusDescriptions": ["OK"],
            },
        )

    def _teaming(self, switch_id: str) -> CimInstance:
        """Switch-embedded teaming is switch independent; Hyper-V Port is its default since 2019 (Microsoft's page)."""
        release = self._repository.catalogue.version.release
        tail = f"{ids.SWITCH_FEATURE_IDS[TEAMING]}\\{ids.stable_guid('teaming', switch_id)}"
        return new_instance(
            self._repository.catalogue,
            TEAMING,
            {
                "InstanceID": ids.settings_id(switch_id, tail),
                "TeamingMode": _SWITCH_INDEPENDENT,
                "LoadBalancingAlgorithm": _HYPERV_PORT if release >= 2019 else _DYNAMIC,
            },
        )

    def _teams(self, switch_id: str) -> bool:
        return self.settings(switch_id).get("TeamingEnabled") is True

    def _port_id(self, switch_id: str, settings: CimInstance, name: str, wire: Wire) -> str:
        """That of the last run, or one that no port of this switch has."""
        stated = settings.get("InstanceID")
        prefix = ids.settings_id(switch_id) + "\\"
        if isinstance(stated, str) and stated.startswith(prefix):
            return stated.removeprefix(prefix)
        return ids.stable_guid("port", switch_id, name, *wire.paths, str(len(self.ports(switch_id))))

    def _address(self, switch_id: str, settings: CimInstance) -> str:
        """The MAC of the host's adapter: the stated one, that of the physical adapter below (its first one takes it
        over: Microsoft's documentation of management operating system adapters), or a dynamic one.

        :raises Refused: 32773 for anything but 12 hexadecimal digits.
        """
        stated = settings.get("Address")
        if isinstance(stated, str) and stated:
            self.addresses.note(_checked_mac(stated))
            return stated.upper()
        wires = [self.wire_of(port) for port in self.ports(switch_id)]
        below = [adapter for wire in wires for adapter in self._wiring.adapters(wire)]
        if below and all(wire.is_external for wire in wires):
            return below[0].text("PermanentAddress")
        return self.addresses.next()

    def _internal_port(self, port_id: str) -> CimInstance | None:
        wanted = internal_device_id(port_id)
        return next((i for i in self._repository.instances(INTERNAL_PORT) if i.get("DeviceID") == wanted), None)


def _checked_mac(address: str) -> str:
    """:raises Refused: 32773 for anything but 12 hexadecimal digits."""
    if not _MAC.fullmatch(address):
        raise Refused(INVALID_PARAMETER, f"MAC {address!r}")
    return address
