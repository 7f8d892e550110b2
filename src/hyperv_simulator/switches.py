r"""The virtual switches of a host and what they are wired to.

A switch is a system of its own: ``Msvm_VirtualEthernetSwitch`` with settings ``Microsoft:<switch>`` and, per port of
its own (to a physical adapter, to the host), settings ``Microsoft:<switch>\<port>`` and an
``Msvm_EthernetSwitchPort`` (real-instances 1.6, 3.4). Ports of machines are not stored here: they follow from the
machines' connections.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import CONNECTION, DeviceKinds
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SWITCH = "Msvm_VirtualEthernetSwitch"
SWITCH_SETTINGS = "Msvm_VirtualEthernetSwitchSettingData"
SWITCH_PORT = "Msvm_EthernetSwitchPort"
EXTERNAL_PORT = "Msvm_ExternalEthernetPort"
INTERNAL_PORT = "Msvm_InternalEthernetPort"


@dataclass(frozen=True, slots=True)
class Wire:
    """One thing that a switch is wired to.

    :param path: of the Msvm_ExternalEthernetPort, or of the host's Msvm_ComputerSystem for a port of the host's own.
    """

    path: str
    is_external: bool


class Switches:
    """The registry of a host's switches, and the giver of MAC addresses. Safe for threads."""

    def __init__(self, repository: Repository, host_name: str, kinds: DeviceKinds) -> None:
        self._repository = repository
        self._host_name = host_name
        self._kinds = kinds
        self._lock = threading.RLock()
        self._mac_prefix = f"00155D{zlib.crc32(host_name.lower().encode()) & 0xFF:02X}"
        self._next_mac = 0
        for name in (SWITCH, SWITCH_SETTINGS, SWITCH_PORT, EXTERNAL_PORT, INTERNAL_PORT):
            repository.serve(name)

    # MAC addresses

    @property
    def mac_range(self) -> tuple[str, str]:
        """MinimumMacAddress and MaximumMacAddress of the host."""
        return f"{self._mac_prefix}0000", f"{self._mac_prefix}FFFF"

    def next_mac(self) -> str:
        """A dynamic address that no adapter of this host has had."""
        with self._lock:
            address = f"{self._mac_prefix}{self._next_mac & 0xFFFF:04X}"
            self._next_mac += 1
            return address

    def note_mac(self, address: str) -> None:
        """An adapter has this address already (it was read from a file)."""
        if address.upper().startswith(self._mac_prefix):
            with self._lock:
                self._next_mac = max(self._next_mac, int(address[8:12], 16) + 1)

    # Switches

    def find(self, name: str) -> CimInstance | None:
        """The first switch with this ElementName."""
        wanted = name.lower()
        switches = self._repository.instances(SWITCH)
        return next((item for item in switches if item.text("ElementName", "").lower() == wanted), None)

    def define(self, given: CimInstance, wires: Iterable[CimInstance], *, switch_id: str = "") -> CimInstance:
        """Makes a switch.

        :param given: Msvm_VirtualEthernetSwitchSettingData with what the caller sets.
        :param wires: port allocations with a HostResource; none for a private switch.
        :raises Refused: 32773: an adapter that is not there or already has a switch.
        """
        with self._lock:
            checked = [(item, self._wire(item)) for item in wires]
            switch_id = switch_id or ids.new_guid()
            name = given.text("ElementName", "New Virtual Switch")
            catalogue = self._repository.catalogue
            switch = new_instance(
                catalogue,
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
            values: dict[str, CimValue] = {
                "InstanceID": ids.settings_id(switch_id),
                "VirtualSystemIdentifier": switch_id,
                "ElementName": name,
                "Notes": [""],
                "ExtensionOrder": [],
            }
            values |= {n: v for n, v in given.items() if v is not None and n.lower() != "instanceid"}
            self._repository.add(new_instance(catalogue, SWITCH_SETTINGS, values))
            self._repository.add(switch)
            for settings, wire in checked:
                self._add_port(switch_id, name, settings, wire)
            return switch

    def check_wires(self, wires: Iterable[CimInstance]) -> None:
        """:raises Refused: as ``define``, without making anything."""
        for item in wires:
            self._wire(item)

    def rename(self, switch: CimInstance, name: str) -> None:
        self._repository.change(self._repository.reference_of(switch), {"ElementName": name})

    def destroy(self, switch: CimInstance) -> None:
        """Takes a switch away with its ports; adapters of machines keep a cable that leads nowhere."""
        switch_id = switch.text("Name")
        with self._lock:
            for port in self._repository.owned(CONNECTION, switch_id):
                self._set_bound(host_resource(port), bound=False)
            for class_name in ("CIM_SettingData", SWITCH_PORT, INTERNAL_PORT):
                for instance in self._repository.owned(class_name, switch_id):
                    self._repository.remove(self._repository.reference_of(instance))
            for port in self._internal_ports(switch_id):
                self._repository.remove(self._repository.reference_of(port))
            self._repository.remove(self._repository.reference_of(switch))

    # Inside

    def _wire(self, settings: CimInstance) -> Wire:
        path = host_resource(settings)
        found = self._repository.find(_parsed(path)) if path else None
        if found is None:
            raise Refused(INVALID_PARAMETER, f"HostResource {path!r}")
        if found.class_name == EXTERNAL_PORT:
            if found.get("IsBound") is True:
                raise Refused(INVALID_PARAMETER, "the adapter has a switch")
            return Wire(format_path(self._repository.reference_of(found), self._host_name), is_external=True)
        if found.class_name == "Msvm_ComputerSystem" and found.get("Name") == self._host_name:
            return Wire(format_path(self._repository.reference_of(found), self._host_name), is_external=False)
        raise Refused(INVALID_PARAMETER, f"a switch can't be wired to {found.class_name}")

    def _add_port(self, switch_id: str, switch_name: str, settings: CimInstance, wire: Wire) -> None:
        catalogue = self._repository.catalogue
        name = str(settings.get("ElementName") or f"{switch_name}_{'External' if wire.is_external else 'Internal'}")
        port_id = ids.stable_guid("port", switch_id, name, wire.path)  # the same after a restart
        values: dict[str, CimValue] = {
            **self._kinds["Ethernet Connection"].settings(),
            "InstanceID": ids.settings_id(switch_id, port_id),
            "ElementName": name,
            "HostResource": [wire.path],
        }
        self._repository.add(new_instance(catalogue, CONNECTION, values))
        self._repository.add(switch_port(self._repository, switch_id, port_id, name))
        if wire.is_external:
            self._set_bound(wire.path, bound=True)
        else:
            self._repository.add(self._internal_port(switch_id, switch_name))

    def _internal_port(self, switch_id: str, switch_name: str) -> CimInstance:
        """The host's own adapter on a switch ("vEthernet (...)")."""
        guid = ids.stable_guid("internal port", self._host_name, switch_id)
        return new_instance(
            self._repository.catalogue,
            INTERNAL_PORT,
            {
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": self._host_name,
                "CreationClassName": INTERNAL_PORT,
                "DeviceID": f"Microsoft:{{{guid}}}",
                "Name": switch_name,
                "ElementName": switch_name,
                "PermanentAddress": self.next_mac(),
                "EnabledState": 2,
                "OperationalStatus": [2],
            },
        )

    def _internal_ports(self, switch_id: str) -> list[CimInstance]:
        guid = ids.stable_guid("internal port", self._host_name, switch_id)
        return [item for item in self._repository.instances(INTERNAL_PORT) if guid in item.text("DeviceID")]

    def _set_bound(self, path: str, *, bound: bool) -> None:
        port = self._repository.find(_parsed(path)) if EXTERNAL_PORT in path else None
        if port is not None:
            self._repository.change(self._repository.reference_of(port), {"IsBound": bound})


def switch_port(repository: Repository, switch_id: str, port_id: str, name: str) -> CimInstance:
    """A port of a switch, as it is while something is plugged into it."""
    return new_instance(
        repository.catalogue,
        SWITCH_PORT,
        {
            "SystemCreationClassName": SWITCH,
            "SystemName": switch_id,
            "CreationClassName": SWITCH_PORT,
            "DeviceID": ids.settings_id(port_id),
            "ElementName": name,
            "Name": name,
            "EnabledState": 2,
            "MaxDataSize": 1500,
            "OperationalStatus": [2],
            "Status": "OK",
            "UsageRestriction": 4,
        },
    )


def _parsed(path: str) -> CimReference:
    try:
        return parse_path(path)
    except InvalidRequest as error:
        raise Refused(INVALID_PARAMETER, error.message) from None
