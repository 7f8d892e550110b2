"""A guest's addresses, set from its host."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from tests.simulator.core.client import Client, settings_text

CONFIGURATION = "Msvm_GuestNetworkAdapterConfiguration"
METHOD = "SetGuestNetworkAdapterConfiguration"


@pytest.fixture
def running(client: Client, machine: CimReference) -> CimReference:
    client.add_nic(machine)
    client.change_state(machine, 2)
    return machine


def shown(client: Client, machine: CimReference) -> CimInstance:
    return client.one(f"select * from {CONFIGURATION} where InstanceID like '%{machine.key('Name')}%'")


def asking(client: Client, machine: CimReference, **values: object) -> dict[str, CimValue]:
    text = settings_text(CONFIGURATION, InstanceID=shown(client, machine).get("InstanceID"), **values)
    return {"ComputerSystem": machine, "NetworkConfiguration": [text]}


def test_a_running_guest_gets_an_address(client: Client, running: CimReference) -> None:
    assert shown(client, running).get("DHCPEnabled") is True
    wanted = {
        "DHCPEnabled": False,
        "IPAddresses": ["10.0.0.5", "fd00::5"],
        "Subnets": ["255.255.255.0", "64"],
        "DefaultGateways": ["10.0.0.1"],
        "DNSServers": ["10.0.0.2"],
    }
    client.do(client.management, METHOD, **asking(client, running, **wanted))
    found = shown(client, running)
    assert {name: found.get(name) for name in wanted} == wanted
    assert found.get("ProtocolIFType") == 4098


def test_what_can_t_be_set(client: Client, running: CimReference) -> None:
    static = {"IPAddresses": ["10.0.0.5"], "Subnets": ["24"]}
    assert client.refused(client.management, METHOD, **asking(client, running, IPAddresses=["10.0.0.5"])) == 32773
    stranger = settings_text(CONFIGURATION, InstanceID="Microsoft:GuestNetwork\\x\\y", DHCPEnabled=True)
    assert client.refused(client.management, METHOD, ComputerSystem=running, NetworkConfiguration=[stranger]) == 32773
    client.change_state(running, 3)
    assert client.refused(client.management, METHOD, **asking(client, running, **static)) == 32775


def test_it_takes_the_integration_service(client: Client, running: CimReference) -> None:
    (service,) = client.settings(running, "Msvm_KvpExchangeComponentSettingData")
    text = settings_text(service.class_name, InstanceID=service.get("InstanceID"), EnabledState=3)
    client.do(client.management, "ModifyGuestServiceSettings", GuestServiceSettings=[text])
    job = client.failed(client.management, METHOD, **asking(client, running, DHCPEnabled=True))
    assert "does not respond" in job.text("ErrorDescription")
