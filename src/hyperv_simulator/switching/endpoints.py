r"""Msvm_LANEndpoint: the two ends of every cable, and what leads from an adapter to its port on a switch.

Every Ethernet port has one: adapters of the host and of running machines, ports of switches. Nothing is stored. Classes
at the ends of the associations: their class pages; what an endpoint is named by, and which end is the antecedent of a
connection: assumptions. ::

    adapter ──EthernetDeviceSAPImplementation── endpoint ──ActiveConnection── endpoint ──(the same)── switch port
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import Switches
from hyperv_simulator.switching.ports import SWITCH, switch_port

_Ends: TypeAlias = Mapping[tuple[str, str], CimInstance]
ENDPOINT = "Msvm_LANEndpoint"
_PORT = "CIM_EthernetPort"
_ETHERNET, _ETHERNET_CSMACD = 2, 6


class Endpoints:
    """The endpoints of one host."""

    def __init__(self, repository: Repository, switches: Switches, machines: Machines) -> None:
        self._repository = repository
        self._switches = switches
        self._machines = machines
        repository.add_source(ENDPOINT, self._all)

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_EthernetDeviceSAPImplementation",
            "Antecedent",
            _PORT,
            "Dependent",
            ENDPOINT,
            lambda port: [self._of(port, self._other_ends())],
            self._port_of,
        )
        yield Association(
            "Msvm_ActiveConnection",
            "Antecedent",
            ENDPOINT,
            "Dependent",
            ENDPOINT,
            self._across,
            self._across,
            all_lefts=lambda: (item for item in self._all("") if item.get("SystemCreationClassName") == SWITCH),
        )

    def _all(self, owner: str) -> Iterable[CimInstance]:
        ports = self._repository.owned(_PORT, owner) if owner else self._repository.instances(_PORT)
        ends = self._other_ends()
        return (self._of(port, ends) for port in ports)

    def _of(self, port: CimInstance, ends: _Ends) -> CimInstance:
        return new_instance(
            self._repository.catalogue,
            ENDPOINT,
            {
                "SystemCreationClassName": port.text("SystemCreationClassName"),
                "SystemName": port.text("SystemName"),
                "CreationClassName": ENDPOINT,
                "Name": port.text("DeviceID"),
                "ElementName": port.get("ElementName"),
                "EnabledState": 2,
                "LANType": _ETHERNET,
                "ProtocolIFType": _ETHERNET_CSMACD,
                "MACAddress": port.get("PermanentAddress"),
                "MaxDataSize": 1500,
                "Connected": _key(port) in ends,
                "Status": "OK",
            },
        )

    def _port_of(self, endpoint: CimInstance) -> list[CimInstance]:
        found = self._repository.owned(_PORT, endpoint.text("SystemName"))
        return [item for item in found if item.get("DeviceID") == endpoint.get("Name")]

    def _across(self, endpoint: CimInstance) -> list[CimInstance]:
        ends = self._other_ends()
        return [self._of(ends[_key(port)], ends) for port in self._port_of(endpoint) if _key(port) in ends]

    # Cables

    def _other_ends(self) -> _Ends:
        """What is at the other end of each port's cable: of a team, all adapters lead to the port, it to the first."""
        ends: dict[tuple[str, str], CimInstance] = {}
        for adapter, port in (*self._cables_of_switches(), *self._cables_of_machines()):
            ends[_key(adapter)] = port
            ends.setdefault(_key(port), adapter)
        return ends

    def _cables_of_switches(self) -> Iterator[tuple[CimInstance, CimInstance]]:
        for switch in self._repository.instances(SWITCH):
            switch_id = switch.text("Name")
            for settings in self._switches.ports(switch_id):
                port_id = ids.tail_of(settings.text("InstanceID"))
                port = switch_port(self._repository, switch_id, port_id, settings.text("ElementName", ""))
                for adapter in self._switches.adapters_of(settings):
                    yield adapter, port

    def _cables_of_machines(self) -> Iterator[tuple[CimInstance, CimInstance]]:
        """Those of running machines: the others have no adapters, only settings."""
        for nic in self._repository.instances("Msvm_SyntheticEthernetPort"):
            machine = self._machines.find(nic.text("SystemName"))
            tail = nic.text("DeviceID").removeprefix("Microsoft:")
            settings = machine.reader.all(CONNECTION) if machine is not None else []
            for cable in settings:
                switch = machine.reader.switch_of(cable) if machine is not None else None
                if switch is not None and ids.tail_of(cable.text("InstanceID")).lower() == f"{tail}\\c".lower():
                    port_id = ids.stable_guid("switch port", cable.text("InstanceID"))
                    name = cable.text("ElementName", "")
                    yield nic, switch_port(self._repository, switch.text("Name"), port_id, name)


def _key(port: CimInstance) -> tuple[str, str]:
    return port.text("SystemName").lower(), port.text("DeviceID").lower()
