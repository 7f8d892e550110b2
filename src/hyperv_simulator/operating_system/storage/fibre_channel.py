"""Fibre Channel ports: root/wmi's MSFC_* classes, and MSFT_InitiatorPort, which iSCSI's initiator has as well.

Classes and methods: hyperv-ops 15; port types, states and speeds: the FC-HBA API (hbaapi.h), which the classes mirror.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.storage import FcHbaConfig, PortState
from hyperv_simulator.operating_system.storage.iscsi import INITIATOR_INSTANCE, Initiator
from hyperv_simulator.operating_system.storage.names import STORAGE, subsystem_guid
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

WMI = "root/wmi"
_N_PORT = 5  # HBA_PORTTYPE_NPORT
_STATES: Mapping[PortState, tuple[int, int]] = {  # HBA_PORTSTATE, MSFT_InitiatorPort.OperationalStatus
    "online": (2, 2),
    "offline": (3, 3),
    "linkdown": (6, 6),
}
_SPEEDS: Mapping[int, int] = {1: 1, 2: 2, 10: 4, 4: 8, 8: 16, 16: 32, 32: 64}  # HBA_PORTSPEED bits by Gbit/s
_FIBRE_CHANNEL, _ISCSI = 1, 2  # MSFT_InitiatorPort.ConnectionType (real-instances 5.2)


class FibreChannel:
    """Puts in a host's ports."""

    def __init__(self, repository: Repository, ports: tuple[FcHbaConfig, ...]) -> None:
        self._repository = repository
        for number, port in enumerate(ports):
            for class_name, values in self._rows(number, port):
                names: dict[str, CimValue] = {"InstanceName": instance_name(number), "Active": True}
                repository.add(new_instance(repository.catalogue, class_name, {**names, **values}, WMI))

    def _rows(self, number: int, port: FcHbaConfig) -> Iterable[tuple[str, dict[str, CimValue]]]:
        yield "MSFC_FCAdapterHBAAttributes", self._adapter(number, port)
        yield (
            "MSFC_FibrePortHBAAttributes",
            {
                "UniquePortId": number + 1,
                "HBAStatus": 0,
                "Attributes": self._attributes(port),
            },
        )
        if port.npiv_ports:
            yield (
                "MSFC_FibrePortNPIVAttributes",
                {
                    "WWPN": bytes.fromhex(port.wwpn),
                    "WWNN": bytes.fromhex(port.wwnn),
                    "NumberVirtualPorts": 0,
                    "VirtualPorts": [],
                },
            )
            yield (
                "MSFC_NPIVCapabilities",
                {
                    "DhChapAvailableOnPhysicalPort": False,
                    "DhChapAvailableOnVirtualPorts": False,
                    "MaxVirtualPortCount": port.npiv_ports,
                },
            )
        yield "MSFC_HBAAdapterMethods", {}
        yield "MSFC_HBAFCPInfo", {}

    @staticmethod
    def _adapter(number: int, port: FcHbaConfig) -> dict[str, CimValue]:
        return {
            "UniqueAdapterId": number + 1,
            "HBAStatus": 0,
            "NodeWWN": bytes.fromhex(port.wwnn),
            "VendorSpecificID": 0,
            "NumberOfPorts": 1,
            "Manufacturer": port.manufacturer,
            "SerialNumber": port.serial,
            "Model": port.model,
            "ModelDescription": f"{port.manufacturer} {port.model}",
            "NodeSymbolicName": port.model,
            "HardwareVersion": "1",
            "DriverVersion": port.driver_version,
            "OptionROMVersion": "",
            "FirmwareVersion": port.firmware_version,
            "DriverName": "fchba.sys",
            "MfgDomain": "",
        }

    def _attributes(self, port: FcHbaConfig) -> CimInstance:
        values: dict[str, CimValue] = {
            "NodeWWN": bytes.fromhex(port.wwnn),
            "PortWWN": bytes.fromhex(port.wwpn),
            "FabricName": bytes.fromhex(port.fabric_wwn) if port.state == "online" else bytes(8),
            "PortFcId": 0x010100 if port.state == "online" else 0,
            "PortType": _N_PORT if port.state == "online" else 1,
            "PortState": _STATES[port.state][0],
            "PortSupportedClassofService": 8,  # class 3
            "PortSupportedSpeed": _SPEEDS[port.speed_gbps],
            "PortSpeed": _SPEEDS[port.speed_gbps] if port.state == "online" else 0,
            "PortMaxFrameSize": 2048,
            "NumberofDiscoveredPorts": 0,
        }
        return new_instance(self._repository.catalogue, "MSFC_HBAPortAttributesResults", values, WMI)


def instance_name(number: int) -> str:
    """All instances of one port share it (hyperv-ops 15)."""
    return f"PCI\\VEN_1077&DEV_2261&SUBSYS_02BC1077&REV_01\\5&1A2B3C4D&0&{number:06X}_0"


class InitiatorPorts:
    """MSFT_InitiatorPort: the Fibre Channel ports, and the iSCSI initiator while its service runs."""

    def __init__(
        self, repository: Repository, host_name: str, ports: tuple[FcHbaConfig, ...], iscsi: Initiator
    ) -> None:
        self._repository = repository
        self._host_name = host_name
        self._ports = ports
        self._iscsi = iscsi
        repository.add_source("MSFT_InitiatorPort", lambda _owner: self._all(), STORAGE)

    def _all(self) -> Iterable[CimInstance]:
        for number, port in enumerate(self._ports):
            status = _STATES[port.state][1]
            node = port.wwnn.lower()
            yield self._port(instance_name(number), node, port.wwpn.lower(), _FIBRE_CHANNEL, status)
        if self._iscsi.is_running:
            yield self._port(INITIATOR_INSTANCE, self._iscsi.node_name, "400001370000", _ISCSI, 2)

    def _port(self, instance: str, node: str, address: str, connection: int, status: int) -> CimInstance:
        values: dict[str, CimValue] = {
            "ObjectId": f"{subsystem_guid(self._host_name)}:IP:{instance}",
            "InstanceName": instance,
            "NodeAddress": node,
            "PortAddress": address,
            "ConnectionType": connection,
            "PortType": _N_PORT if connection == _FIBRE_CHANNEL else 2,
            "OperationalStatus": [status],
        }
        return new_instance(self._repository.catalogue, "MSFT_InitiatorPort", values, STORAGE)


class HbaMethods(Provider):
    class_name = "MSFC_HBAAdapterMethods"
    namespace = WMI

    def methods(self) -> Mapping[str, Method]:
        return {"RefreshInformation": self._refresh}

    def _refresh(self, _call: Call) -> Outputs:
        return done()


class FcpMappings(Provider):
    """No LUN of a simulated host is reached through a Fibre Channel target that could be listed."""

    class_name = "MSFC_HBAFCPInfo"
    namespace = WMI

    def methods(self) -> Mapping[str, Method]:
        return {"GetFcpTargetMapping": self._mapping}

    def _mapping(self, _call: Call) -> Outputs:
        return done(HBAStatus=0, TotalEntryCount=0, OutEntryCount=0, Entry=[])
