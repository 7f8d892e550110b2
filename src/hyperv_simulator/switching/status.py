"""What a switch tells of itself: bandwidth, offloads, switching mode, and the addresses it has learnt.

Made whenever somebody looks. Which class hangs on what: the pages of Msvm_EthernetSwitchInfo, Msvm_EthernetPortInfo and
Msvm_TransparentBridgingDynamicForwarding. No dump of these classes is known: their names (keys) and numbers are
assumptions; a simulated switch offloads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import Switches
from hyperv_simulator.switching.feature_rules import BANDWIDTH
from hyperv_simulator.switching.ports import SWITCH, SWITCH_PORT
from hyperv_simulator.switching.wires import EXTERNAL_PORT

_SWITCH_DATA, _PORT_DATA = "Msvm_EthernetSwitchData", "Msvm_EthernetPortData"
_BRIDGING, _ENTRY = "Msvm_TransparentBridgingService", "Msvm_DynamicForwardingEntry"
_LEARNED = 3


class SwitchStatus:
    """The sources of these classes."""

    def __init__(self, repository: Repository, switches: Switches, machines: Machines) -> None:
        self._repository = repository
        self._switches = switches
        self._machines = machines
        per_switch: Mapping[str, Callable[[CimInstance], Mapping[str, CimValue]]] = {
            "Msvm_EthernetSwitchBandwidthData": self._bandwidth,
            "Msvm_EthernetSwitchHardwareOffloadData": lambda _: {},
            "Msvm_EthernetSwitchOperationalData": lambda _: {},
        }
        for class_name, values in per_switch.items():
            repository.add_source(class_name, self._source_per_switch(class_name, values))
        for class_name in ("Msvm_EthernetSwitchPortBandwidthData", "Msvm_EthernetSwitchPortOffloadData"):
            repository.add_source(class_name, self._source_per_port(class_name))
        repository.add_source(_ENTRY, self._entries)

    def rows(self) -> Iterator[Association]:
        owned = self._repository.owned
        yield Association(
            "Msvm_EthernetSwitchInfo",
            "Antecedent",
            SWITCH,
            "Dependent",
            _SWITCH_DATA,
            lambda switch: owned(_SWITCH_DATA, switch.text("Name")),
            lambda data: owned(SWITCH, data.text("SystemName")),
        )
        yield Association(
            "Msvm_EthernetPortInfo",
            "Antecedent",
            SWITCH_PORT,
            "Dependent",
            _PORT_DATA,
            lambda port: _at(port, owned(_PORT_DATA, port.text("SystemName"))),
            lambda data: _at(data, owned(SWITCH_PORT, data.text("SystemName"))),
        )
        yield Association(
            "Msvm_TransparentBridgingDynamicForwarding",
            "Antecedent",
            _BRIDGING,
            "Dependent",
            _ENTRY,
            lambda service: owned(_ENTRY, service.text("SystemName")),
            lambda entry: owned(_BRIDGING, entry.text("SystemName")),  # a service of the host (class page)
        )

    # Switches

    def _of(self, owner: str) -> list[CimInstance]:
        return self._repository.owned(SWITCH, owner) if owner else self._repository.instances(SWITCH)

    def _source_per_switch(
        self, class_name: str, values: Callable[[CimInstance], Mapping[str, CimValue]]
    ) -> Callable[[str], Iterable[CimInstance]]:
        def source(owner: str) -> Iterable[CimInstance]:
            for switch in self._of(owner):
                keys: dict[str, CimValue] = {
                    "SystemCreationClassName": SWITCH,
                    "SystemName": switch.text("Name"),
                    "CreationClassName": class_name,
                    "Name": switch.text("Name"),
                }
                yield new_instance(self._repository.catalogue, class_name, {**keys, **values(switch)})

        return source

    def _bandwidth(self, switch: CimInstance) -> Mapping[str, CimValue]:
        """What the adapters below have, and what ports have reserved of it."""
        switch_id = switch.text("Name")
        plugged = [item for port in self._switches.ports(switch_id) for item in self._switches.adapters_of(port)]
        adapters = [item for item in plugged if item.class_name == EXTERNAL_PORT]
        capacity = sum(adapter.integer("Speed", 0) for adapter in adapters)
        own = self._repository.owned(BANDWIDTH, switch_id)
        reserved = sum(feature.integer("Reservation", 0) for feature in own)
        defaults = self._repository.owned("Msvm_VirtualEthernetSwitchBandwidthSettingData", switch_id)
        flow = defaults[0] if defaults else CimInstance("Msvm_VirtualEthernetSwitchBandwidthSettingData")
        reservation = flow.integer("DefaultFlowReservation", 0)
        return {
            "Capacity": capacity,
            "Reservation": reserved,
            "DefaultFlowReservation": reservation,
            "DefaultFlowReservationPercentage": reservation * 100 // capacity if capacity else 0,
            "DefaultFlowWeight": flow.integer("DefaultFlowWeight", 0),
        }

    # Ports

    def _source_per_port(self, class_name: str) -> Callable[[str], Iterable[CimInstance]]:
        def source(owner: str) -> Iterable[CimInstance]:
            ports = self._repository.owned(SWITCH_PORT, owner) if owner else self._repository.instances(SWITCH_PORT)
            for port in ports:
                values: dict[str, CimValue] = {
                    "SystemCreationClassName": SWITCH,
                    "SystemName": port.text("SystemName"),
                    "DeviceCreationClassName": SWITCH_PORT,
                    "DeviceID": port.text("DeviceID"),
                    "CreationClassName": class_name,
                    "Name": port.text("DeviceID"),
                }
                yield new_instance(self._repository.catalogue, class_name, values)

        return source

    # Learnt addresses

    def _entries(self, owner: str) -> Iterator[CimInstance]:
        """The addresses of the adapters that are plugged in and alive."""
        bridging = self._repository.owned(_BRIDGING, owner) if owner else self._repository.instances(_BRIDGING)
        for service in bridging:
            for switch in self._repository.instances(SWITCH):
                for settings in self._switches.ports(switch.text("Name")):
                    for adapter in self._switches.adapters_of(settings):
                        yield self._entry(service, adapter.text("PermanentAddress", ""))
            for machine in self._machines.all():
                if machine.state in (State.RUNNING, State.PAUSED):
                    yield from self._entries_of(machine, service)

    def _entries_of(self, machine: Machine, service: CimInstance) -> Iterator[CimInstance]:
        for nic in machine.reader.nics():
            cable = machine.reader.connection_of(nic)
            if cable is None or machine.reader.switch_of(cable) is None:
                continue
            vlans = machine.reader.features_of(cable, "Msvm_EthernetSwitchPortVlanSettingData")
            vlan = vlans[0].integer("AccessVlanId", 0) if vlans else 0
            yield self._entry(service, nic.text("Address", ""), vlan)

    def _entry(self, service: CimInstance, address: str, vlan: int = 0) -> CimInstance:
        values: dict[str, CimValue] = {
            "SystemCreationClassName": service.text("SystemCreationClassName"),
            "SystemName": service.text("SystemName"),
            "ServiceCreationClassName": _BRIDGING,
            "ServiceName": service.text("Name"),
            "CreationClassName": _ENTRY,
            "MACAddress": address,
            "DynamicStatus": _LEARNED,
            "VlanId": vlan,
        }
        return new_instance(self._repository.catalogue, _ENTRY, values)


def _at(one: CimInstance, others: Iterable[CimInstance]) -> list[CimInstance]:
    """Those of the same device."""
    return [item for item in others if item.get("DeviceID") == one.get("DeviceID")]
