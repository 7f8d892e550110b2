"""Network adapters, as Hyper-V and as Windows show them (real-instances 1.5, 3.4).

Msvm_ExternalEthernetPort and MSFT_NetAdapter per physical adapter; MSFT_NetAdapter for the host's ports on switches and
for teams; Win32_NetworkAdapter for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.instances.facts import Adapter, HostFacts
from hyperv_simulator.operating_system.network_stack import CIMV2, STANDARD
from hyperv_simulator.operating_system.network_stack.wiring import Interface, Wiring
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

NET_ADAPTER = "MSFT_NetAdapter"
_UP, _DOWN = 1, 2
_STARTED, _DISABLED = 2, 3
_CONNECTED, _DISCONNECTED = 1, 2


def populate(repository: Repository, facts: HostFacts, wiring: Wiring) -> None:
    """Puts in what is named above."""
    for adapter in facts.adapters:
        _external_port(repository, facts, adapter)
        repository.add(_net_adapter(repository, facts, _interface(adapter), hardware=True))

    def others() -> Iterator[CimInstance]:
        names = {adapter.name for adapter in facts.adapters}
        for interface in wiring.interfaces():
            if interface.name not in names:
                yield _net_adapter(repository, facts, interface, hardware=False)

    def classic() -> Iterator[CimInstance]:
        names = {adapter.name for adapter in facts.adapters}
        others = [item for item in wiring.interfaces() if item.name not in names]
        for interface in [*map(_interface, facts.adapters), *others]:
            yield _win32_adapter(repository, facts, interface)

    repository.add_source(NET_ADAPTER, lambda _owner: others(), STANDARD)
    repository.add_source("Win32_NetworkAdapter", lambda _owner: classic(), CIMV2)


def _interface(adapter: Adapter) -> Interface:
    return Interface(
        adapter.name,
        adapter.description,
        adapter.guid,
        adapter.mac,
        adapter.index,
        adapter.speed_bps,
        adapter.nic.connected,
        virtual=False,
        nic=None,
    )


class NetAdapterProvider(Provider):
    """Switching physical adapters on and off. What a cut connection would mean to the client is not simulated."""

    class_name = NET_ADAPTER
    namespace = STANDARD

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def methods(self) -> Mapping[str, Method]:
        return {
            "Enable": lambda call: self._switch(call, on=True),
            "Disable": lambda call: self._switch(call, on=False),
            "Restart": lambda call: done(CmdletOutput=self._repository.finished(call.target)),
        }

    def _switch(self, call: Call, *, on: bool) -> Outputs:
        connected = call.target.get("MediaConnectState") == _CONNECTED
        changes: dict[str, CimValue] = {
            "InterfaceAdminStatus": _UP if on else _DOWN,
            "InterfaceOperationalStatus": _UP if on and connected else _DOWN,
            "State": _STARTED if on else _DISABLED,
        }
        return done(CmdletOutput=self._repository.finished(self._repository.change(call.reference, changes)))


def _external_port(repository: Repository, facts: HostFacts, adapter: Adapter) -> None:
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_ExternalEthernetPort",
            {
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": facts.name,
                "CreationClassName": "Msvm_ExternalEthernetPort",
                "DeviceID": f"Microsoft:{{{adapter.guid}}}",
                "Caption": "Ethernet Port",
                "Description": "Microsoft External Ethernet Port",
                "ElementName": adapter.description,
                "Name": adapter.description,
                "ActiveMaximumTransmissionUnit": 1500,
                "SupportedMaximumTransmissionUnit": 1500,
                "MaxDataSize": 1500,
                "AutoSense": True,
                "FullDuplex": True,
                "EnabledDefault": 2,
                "EnabledState": 2,
                "HealthState": 5,
                "IsBound": False,
                "LinkTechnology": 2,
                "MaxSpeed": adapter.speed_bps,
                "Speed": adapter.speed_bps,
                "RequestedSpeed": adapter.speed_bps,
                "OperationalStatus": [2],
                "PermanentAddress": adapter.mac,
                "NetworkAddresses": [adapter.mac],
                "PortNumber": 0,
                "PortType": 53,
                "RequestedState": 12,
                "Status": "OK",
                "StatusDescriptions": ["OK"],
                "UsageRestriction": 4,
            },
        )
    )


def _net_adapter(repository: Repository, facts: HostFacts, item: Interface, *, hardware: bool) -> CimInstance:
    address = "-".join(item.mac[position : position + 2] for position in range(0, 12, 2))
    device = (
        f"PCI\\VEN_8086&DEV_1563&SUBSYS_00011028&REV_01\\{address}-00" if hardware else f"ROOT\\VMS_MP\\{item.index:04}"
    )
    return new_instance(
        repository.catalogue,
        NET_ADAPTER,
        {
            "SystemCreationClassName": "CIM_NetworkPort",
            "SystemName": facts.name,
            "CreationClassName": NET_ADAPTER,
            "DeviceID": f"{{{item.guid}}}",
            "InstanceID": f"{{{item.guid}}}",
            "InterfaceGuid": f"{{{item.guid}}}",
            "Name": item.name,
            "ElementName": item.name,
            "InterfaceDescription": item.description,
            "DriverDescription": item.description,
            "DriverProvider": "Intel" if hardware else "Microsoft",
            "DriverVersionString": "4.1.239.0" if hardware else facts.version.version,
            "InterfaceIndex": item.index,
            "InterfaceName": f"ethernet_{item.index}",
            "InterfaceType": 6,
            "InterfaceOperationalStatus": _UP if item.connected else _DOWN,
            "OperationalStatusDownMediaDisconnected": not item.connected,
            "InterfaceAdminStatus": _UP,
            "MediaConnectState": _CONNECTED if item.connected else _DISCONNECTED,
            "MediaDuplexState": 2 if item.connected else 0,
            "ConnectorPresent": hardware,
            "HardwareInterface": hardware,
            "Virtual": item.virtual,
            "Hidden": False,
            "EnabledState": 5,
            "FullDuplex": True,
            "MtuSize": 1500,
            "ActiveMaximumTransmissionUnit": 1500,
            "NdisMedium": 0,
            "NdisPhysicalMedium": 14 if hardware else 0,
            "NetworkAddresses": [item.mac],
            "PermanentAddress": item.mac,
            "DeviceName": f"\\Device\\{{{item.guid}}}",
            "PnPDeviceID": device,
            "Speed": item.speed_bps if item.connected else 0,
            "MaxSpeed": item.speed_bps,
            "ReceiveLinkSpeed": item.speed_bps if item.connected else 0,
            "TransmitLinkSpeed": item.speed_bps if item.connected else 0,
            "State": _STARTED,
            "VlanID": 0,
            "PromiscuousMode": False,
        },
        STANDARD,
    )


def _win32_adapter(repository: Repository, facts: HostFacts, item: Interface) -> CimInstance:
    values: dict[str, CimValue] = {
        "DeviceID": str(item.index),
        "Index": item.index,
        "InterfaceIndex": item.index,
        "Name": item.description,
        "Caption": f"[{item.index:08}] {item.description}",
        "Description": item.description,
        "ProductName": item.description,
        "NetConnectionID": item.name,
        "NetConnectionStatus": 2 if item.connected else 7,
        "NetEnabled": item.connected,
        "PhysicalAdapter": not item.virtual,
        "AdapterType": "Ethernet 802.3",
        "AdapterTypeID": 0,
        "GUID": f"{{{item.guid}}}",
        "MACAddress": ":".join(item.mac[position : position + 2] for position in range(0, 12, 2)),
        "Manufacturer": "Microsoft" if item.virtual else "Intel",
        "Speed": item.speed_bps if item.connected else None,
        "Installed": True,
        "Availability": 3,
        "SystemName": facts.name,
        "CreationClassName": "Win32_NetworkAdapter",
        "SystemCreationClassName": "Win32_ComputerSystem",
    }
    return new_instance(repository.catalogue, "Win32_NetworkAdapter", values, CIMV2)
