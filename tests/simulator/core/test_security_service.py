"""Msvm_SecurityService: key protectors, TPMs, encryption, shielding."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost
from tests.simulator.core.test_export_and_import import bring_in, export, realize

PROTECTOR = bytes(range(1, 200))


def security(client: Client, machine: CimReference) -> CimInstance:
    (found,) = client.settings(machine, "Msvm_SecuritySettingData")
    return found


def text(client: Client, machine: CimReference, **values: Any) -> str:
    return settings_text("Msvm_SecuritySettingData", InstanceID=security(client, machine).text("InstanceID"), **values)


@pytest.fixture
def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_SecurityService")


@pytest.fixture
def protected(client: Client, service: CimReference, machine: CimReference) -> CimReference:
    client.do(service, "SetKeyProtector", SecuritySettingData=text(client, machine), KeyProtector=PROTECTOR)
    return machine


def test_a_fresh_machine_is_not_protected(client: Client, service: CimReference, machine: CimReference) -> None:
    found = security(client, machine)
    assert [found.get(name) for name in ("TpmEnabled", "ShieldingRequested", "KsdEnabled")] == [False] * 3
    outputs = client.do(service, "GetKeyProtector", SecuritySettingData=text(client, machine))
    assert outputs["KeyProtector"] == bytes((0, 0, 0, 4))  # what Hyper-V gives where there is none


def test_a_tpm_without_a_key_protector_fails_in_a_job(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    settings = text(client, machine, TpmEnabled=True)
    job = client.failed(service, "ModifySecuritySettings", SecuritySettingData=settings)
    assert "key protector" in job.text("ErrorDescription")
    assert security(client, machine).get("TpmEnabled") is False


def test_a_running_machine_has_its_tpm(client: Client, service: CimReference, protected: CimReference) -> None:
    client.do(service, "ModifySecuritySettings", SecuritySettingData=text(client, protected, TpmEnabled=True))
    tpms = f"select * from Msvm_TPM where SystemName = '{protected.key('Name')}'"
    assert client.query(tpms) == []
    client.change_state(protected, 2)
    assert client.one(tpms).text("DeviceID").startswith("Microsoft:736E6AA9-")


@pytest.mark.parametrize("call", ["ModifySecuritySettings", "SetKeyProtector"])
def test_a_machine_that_is_on_keeps_its_protection(
    client: Client, service: CimReference, protected: CimReference, call: str
) -> None:
    client.change_state(protected, 2)
    settings = text(client, protected, TpmEnabled=True)
    if call == "SetKeyProtector":
        assert client.refused(service, call, SecuritySettingData=settings, KeyProtector=b"other") == 32775
    else:
        assert client.failed(service, call, SecuritySettingData=settings).get("ErrorCode") == 32775


def test_generation_1_has_key_storage_drives_and_no_tpm(
    client: Client, service: CimReference, old_machine: CimReference
) -> None:
    client.do(service, "SetKeyProtector", SecuritySettingData=text(client, old_machine), KeyProtector=PROTECTOR)
    client.failed(service, "ModifySecuritySettings", SecuritySettingData=text(client, old_machine, TpmEnabled=True))
    client.do(service, "ModifySecuritySettings", SecuritySettingData=text(client, old_machine, KsdEnabled=True))
    assert security(client, old_machine).get("KsdEnabled") is True


def test_an_old_configuration_version_has_no_tpm(make_host: MakeHost) -> None:
    client = make_host(version="2016")
    machine = client.define(Version="6.2")
    service = client.service_reference("Msvm_SecurityService")
    client.do(service, "SetKeyProtector", SecuritySettingData=text(client, machine), KeyProtector=PROTECTOR)
    job = client.failed(service, "ModifySecuritySettings", SecuritySettingData=text(client, machine, TpmEnabled=True))
    assert "configuration version" in job.text("ErrorDescription")


def test_a_shielded_machine_needs_a_tpm_and_encryption(
    client: Client, service: CimReference, protected: CimReference
) -> None:
    def modify(**values: Any) -> dict[str, Any]:
        return {"SecuritySettingData": text(client, protected, **values)}

    client.failed(service, "ModifySecuritySettings", **modify(ShieldingRequested=True))
    client.failed(service, "ModifySecuritySettings", **modify(ShieldingRequested=True, TpmEnabled=True))
    client.do(
        service,
        "ModifySecuritySettings",
        **modify(ShieldingRequested=True, TpmEnabled=True, EncryptStateAndVmMigrationTraffic=True),
    )
    element = client.one(f"select * from Msvm_SecurityElement where SystemName = '{protected.key('Name')}'")
    assert (element.get("Shielded"), element.get("EncryptStateAndVmMigrationTrafficEnabled")) == (True, True)
    outputs = client.do(client.management, "GetSummaryInformation", RequestedInformation=[11])
    assert [item.get("Shielded") for item in outputs["SummaryInformation"]] == [True]  # type: ignore[union-attr]


def test_the_last_known_good_key_protector_comes_back(
    client: Client, service: CimReference, protected: CimReference
) -> None:
    settings = {"SecuritySettingData": text(client, protected)}
    assert client.refused(service, "RestoreLastKnownGoodKeyProtector", **settings) == 32768
    client.do(service, "SetKeyProtector", **settings, KeyProtector=b"another")
    client.do(service, "RestoreLastKnownGoodKeyProtector", **settings)
    assert client.do(service, "GetKeyProtector", **settings)["KeyProtector"] == PROTECTOR


def test_a_security_policy_follows_a_key_protector(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    settings = {"SecuritySettingData": text(client, machine)}
    assert client.refused(service, "SetSecurityPolicy", **settings, SecurityPolicy=b"policy") == 32775
    assert client.refused(service, "SetKeyProtector", **settings, KeyProtector=b"") == 32773
    client.do(service, "SetKeyProtector", **settings, KeyProtector=PROTECTOR)
    client.do(service, "SetSecurityPolicy", **settings, SecurityPolicy=b"policy")


def test_key_protectors_are_in_no_property(client: Client, protected: CimReference) -> None:
    assert not [name for name, _ in security(client, protected).items() if "protector" in name.lower()]


def test_security_settings_are_found_from_the_systems_settings(client: Client, machine: CimReference) -> None:
    path = client.path(client.system_settings_reference(machine))
    found = client.query(f"associators of {{{path}}} where ResultClass = Msvm_SecuritySettingData")
    assert [item.get("InstanceID") for item in found] == [security(client, machine).get("InstanceID")]


def test_key_protectors_survive_a_restart(make_host: MakeHost) -> None:
    client = make_host()
    machine = client.define()
    service = client.service_reference("Msvm_SecurityService")
    settings = {"SecuritySettingData": text(client, machine)}
    client.do(service, "SetKeyProtector", **settings, KeyProtector=PROTECTOR)
    client.inside.close()
    assert make_host().do(service, "GetKeyProtector", **settings)["KeyProtector"] == PROTECTOR


def test_key_protectors_go_with_an_exported_machine(
    client: Client, service: CimReference, protected: CimReference
) -> None:
    client.do(service, "ModifySecuritySettings", SecuritySettingData=text(client, protected, TpmEnabled=True))
    path = export(client, protected)
    client.do(client.management, "DestroySystem", AffectedSystem=protected)
    machine = realize(client, bring_in(client, path))
    assert security(client, machine).get("TpmEnabled") is True
    outputs = client.do(service, "GetKeyProtector", SecuritySettingData=text(client, machine))
    assert outputs["KeyProtector"] == PROTECTOR


def test_2012_r2_has_no_security_service(make_host: MakeHost) -> None:
    with pytest.raises(SoapFault, match="class name"):
        make_host(version="2012r2").query("select * from Msvm_SecurityService")
