"""The physical network adapters, as Hyper-V and as Windows show them (real-instances 1.5, 3.4)."""

from __future__ import annotations

from hyperv_simulator.instances.facts import Adapter, HostFacts
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

STANDARD = "root/standardcimv2"


def populate(repository: Repository, facts: HostFacts) -> None:
    """Puts in an Msvm_ExternalEthernetPort and an MSFT_NetAdapter per adapter."""
    for adapter in facts.adapters:
        _external_port(repository, facts, adapter)
        _net_adapter(repository, facts, adapter)


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


def _net_adapter(repository: Repository, facts: HostFacts, adapter: Adapter) -> None:
    address = "-".join(adapter.mac[position : position + 2] for position in range(0, 12, 2))
    repository.add(
        new_instance(
            repository.catalogue,
            "MSFT_NetAdapter",
            {
                "SystemCreationClassName": "CIM_NetworkPort",
                "SystemName": facts.name,
                "CreationClassName": "MSFT_NetAdapter",
                "DeviceID": f"{{{adapter.guid}}}",
                "InstanceID": f"{{{adapter.guid}}}",
                "InterfaceGuid": f"{{{adapter.guid}}}",
                "Name": adapter.name,
                "ElementName": adapter.name,
                "InterfaceDescription": adapter.description,
                "DriverDescription": adapter.description,
                "InterfaceIndex": adapter.index,
                "InterfaceName": f"ethernet_{adapter.index}",
                "InterfaceType": 6,
                "InterfaceOperationalStatus": 1,
                "InterfaceAdminStatus": 1,
                "MediaConnectState": 1,
                "MediaDuplexState": 2,
                "ConnectorPresent": True,
                "HardwareInterface": True,
                "Virtual": False,
                "Hidden": False,
                "EnabledState": 5,
                "FullDuplex": True,
                "MtuSize": 1500,
                "ActiveMaximumTransmissionUnit": 1500,
                "NdisMedium": 0,
                "NdisPhysicalMedium": 14,
                "NetworkAddresses": [adapter.mac],
                "PermanentAddress": adapter.mac,
                "DeviceName": f"\\Device\\{{{adapter.guid}}}",
                "PnPDeviceID": f"PCI\\VEN_8086&DEV_1563&SUBSYS_00011028&REV_01\\{address}-00",
                "Speed": adapter.speed_bps,
                "MaxSpeed": adapter.speed_bps,
                "ReceiveLinkSpeed": adapter.speed_bps,
                "TransmitLinkSpeed": adapter.speed_bps,
                "State": 2,
                "VlanID": 0,
                "PromiscuousMode": False,
            },
            STANDARD,
        )
    )
