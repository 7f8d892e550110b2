"""Msvm_ReplicationService of a host that does not replicate."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.providers.replication_service import REPLICATION
from tests.simulator.core.client import Client, settings_text

SERVICE = "Msvm_ReplicationService"


@pytest.fixture
def service(client: Client) -> CimReference:
    return client.service_reference(SERVICE)


def test_the_host_is_no_replica_server(client: Client, service: CimReference) -> None:
    """Values read on a host: HVWMI replication_caps."""
    settings = client.one("select * from Msvm_ReplicationServiceSettingData")
    assert settings.get("InstanceID") == f"Microsoft:{client.host_name}\\HVR"
    names = ("RecoveryServerEnabled", "AllowedAuthenticationType", "HttpPort", "HttpsPort", "MonitoringInterval")
    assert [settings.get(name) for name in names] == [False, 0, 80, 443, 43200]
    text = settings_text("Msvm_ReplicationServiceSettingData", RecoveryServerEnabled=True)
    assert client.refused(service, "ModifyServiceSettings", SettingData=text) == 32770
    text = settings_text("Msvm_ReplicationServiceSettingData", MonitoringInterval=3600)
    client.do(service, "ModifyServiceSettings", SettingData=text)
    assert client.one("select * from Msvm_ReplicationServiceSettingData").get("MonitoringInterval") == 3600


def test_every_machine_has_replication_settings_and_no_relationship(client: Client, machine: CimReference) -> None:
    (settings,) = client.settings(machine, REPLICATION)
    assert settings.text("InstanceID") == f"Microsoft:{machine.key('Name')}\\HVR\\0"
    system = client.service.get(machine)
    assert [system.get(name) for name in ("ReplicationState", "ReplicationMode", "ReplicationHealth")] == [0, 0, 0]
    assert client.query("select * from Msvm_ReplicationRelationship") == []
    assert client.query("select * from Msvm_ReplicationAuthorizationSettingData") == []


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("StartReplication", {"InitialReplicationType": 1}),
        ("InitiateFailover", {}),
        ("GetReplicationStatistics", {}),
        ("RemoveReplicationRelationship", {}),
        ("Resynchronize", {}),
    ],
)
def test_what_needs_a_relationship_is_an_invalid_state(
    client: Client, service: CimReference, machine: CimReference, method: str, parameters: dict[str, Any]
) -> None:
    assert client.refused(service, method, ComputerSystem=machine, **parameters) == 32775


@pytest.mark.parametrize("method", ["RequestReplicationStateChange", "RequestReplicationStateChangeEx"])
def test_a_machine_without_a_relationship_has_no_replication_state_to_change(
    client: Client, machine: CimReference, method: str
) -> None:
    assert client.refused(machine, method, RequestedState=7) == 32775


def test_there_is_nobody_to_replicate_to(client: Client, service: CimReference, machine: CimReference) -> None:
    job = client.failed(service, "CreateReplicationRelationship", ComputerSystem=machine)
    assert "Enabling replication failed for virtual machine 'machine'." in job.text("ErrorDescription")


def test_every_method_of_the_class_is_answered(client: Client, service: CimReference, machine: CimReference) -> None:
    cls = client.inside.catalogue.find("root/virtualization/v2", SERVICE)
    for method in cls.methods.values():
        if method.name in ("RequestStateChange", "StartService", "StopService", "ModifyServiceSettings"):
            continue
        has_target = any(parameter.name == "ComputerSystem" for parameter in method.parameters)
        outputs = client.call(service, method.name, **({"ComputerSystem": machine} if has_target else {}))
        assert outputs["ReturnValue"] is not None, method.name
