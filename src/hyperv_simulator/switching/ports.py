"""The two things at a switch's own port: the port itself, and for the host's its adapter ("vEthernet (...)")."""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SWITCH = "Msvm_VirtualEthernetSwitch"
SWITCH_PORT = "Msvm_EthernetSwitchPort"
INTERNAL_PORT = "Msvm_InternalEthernetPort"


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


def internal_guid(port_id: str) -> str:
    """The interface GUID of the host's adapter at a port, the same after a restart."""
    return ids.stable_guid("internal port", port_id)


def internal_device_id(port_id: str) -> str:
    """DeviceID of that adapter."""
    return f"Microsoft:{{{internal_guid(port_id)}}}"


def internal_port(repository: Repository, host_name: str, port_id: str, name: str, address: str) -> CimInstance:
    """The host's own adapter at a port.

    :param address: its MAC, 12 hexadecimal digits.
    """
    return new_instance(
        repository.catalogue,
        INTERNAL_PORT,
        {
            "SystemCreationClassName": "Msvm_ComputerSystem",
            "SystemName": host_name,
            "CreationClassName": INTERNAL_PORT,
            "DeviceID": internal_device_id(port_id),
            "Name": name,
            "ElementName": name,
            "PermanentAddress": address,
            "NetworkAddresses": [address],
            "EnabledState": 2,
            "OperationalStatus": [2],
            "Speed": 10_000_000_000,
        },
    )
