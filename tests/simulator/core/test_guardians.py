"""Guardians and key protectors, as far as a machine's TPM without a guardian service needs them."""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client
from tests.simulator.core.conftest import MakeHost

HGS = "root/microsoft/windows/hgs"
GUARDIAN = CimReference("MSFT_HgsGuardian", {}, HGS)
PROTECTOR = CimReference("MSFT_HgsKeyProtector", {}, HGS)


def guardians(client: Client) -> list[str]:
    return [item.text("Name") for item in client.query("select * from MSFT_HgsGuardian", HGS)]


def make_guardian(client: Client, name: str) -> CimInstance:
    made = client.do(GUARDIAN, "NewByGenerateCertificates", Name=name, GenerateCertificates=True)["cmdletOutput"]
    assert isinstance(made, CimInstance)
    return made


def test_a_guardian_with_keys_of_the_hosts_own_outlives_a_restart(make_host: MakeHost) -> None:
    client = make_host()
    assert guardians(client) == []
    assert make_guardian(client, "UntrustedGuardian").get("HasPrivateSigningKey") is True
    client.inside.close()
    client = make_host()
    assert guardians(client) == ["UntrustedGuardian"]
    client.do(GUARDIAN, "Remove", Name="untrustedguardian")
    assert guardians(client) == []


def test_there_is_one_guardian_of_a_name(client: Client) -> None:
    make_guardian(client, "mine")
    assert client.refused(GUARDIAN, "NewByGenerateCertificates", Name="MINE", GenerateCertificates=True) == 183
    assert client.refused(GUARDIAN, "Remove", Name="another") == 1168


def test_a_key_protector_is_made_for_a_guardian_of_this_host(client: Client) -> None:
    guardian = make_guardian(client, "mine")
    made = client.do(PROTECTOR, "NewByGuardians", Owner=guardian, Guardian=[guardian], AllowUntrustedRoot=True)
    protector = made["cmdletOutput"]
    assert isinstance(protector, CimInstance)
    assert isinstance(protector.get("RawData"), bytes)
    stranger = CimInstance("MSFT_HgsGuardian", {"Name": "stranger"}, HGS)
    assert client.refused(PROTECTOR, "NewByGuardians", Owner=stranger, Guardian=[guardian]) == 1168
    assert client.refused(PROTECTOR, "NewByGuardians", Guardian=[guardian]) == 87
