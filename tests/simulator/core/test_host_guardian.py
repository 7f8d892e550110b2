"""The Host Guardian client, virtualization-based security, the TPM, and what root/interop says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.hgs import HgsConfig
from tests.simulator.core.client import Client

HGS = "root/microsoft/windows/hgs"
CONFIGURATION = CimReference("MSFT_HgsClientConfiguration", {}, HGS)
MakeHost = Callable[..., Client]
URLS = {
    "KeyProtectionServerUrl": "http://hgs.test/KeyProtection",
    "AttestationServerUrl": "http://hgs.test/Attestation",
}
WHERE = ("http://hgs.test/KeyProtection", "http://hgs.test/Attestation")


def configuration(client: Client) -> tuple[object, ...]:
    found = client.do(CONFIGURATION, "Get")["cmdletOutput"]
    assert isinstance(found, CimInstance)
    return tuple(found.get(name) for name in ("Mode", "IsHostGuarded", "AttestationStatus"))


def test_a_fresh_host_is_in_local_mode_and_unguarded(client: Client) -> None:
    # real-instances 5.3
    assert configuration(client) == (1, False, 0)


def test_a_host_that_passed_is_guarded(make_host: MakeHost) -> None:
    hgs = HgsConfig("hosting_service", *WHERE, "tpm", "passed")
    assert configuration(make_host(hgs=hgs)) == (2, True, 100)
    failed = HgsConfig("hosting_service", *WHERE, "tpm", "insecure", 1)
    assert configuration(make_host("hv2", hgs=failed)) == (2, False, 303)


def test_the_mode_is_set_and_kept(make_host: MakeHost) -> None:
    client = make_host()
    client.do(CONFIGURATION, "SetBySecureHostingServiceMode", **URLS)
    assert configuration(client) == (2, False, 1)
    client.inside.close()
    client = make_host()
    assert configuration(client) == (2, False, 1)
    client.do(CONFIGURATION, "SetByChangeToLocalMode", EnableLocalMode=True)
    assert configuration(client) == (1, False, 0)


def test_security_of_the_host_itself_follows_hosts_toml(make_host: MakeHost) -> None:
    client = make_host(hgs=HgsConfig(tpm=False, virtualization_based_security=True))
    guard = client.one("select * from Win32_DeviceGuard", "root/microsoft/windows/deviceguard")
    assert guard.get("VirtualizationBasedSecurityStatus") == 2
    assert client.query("select * from Win32_Tpm", "root/cimv2/security/microsofttpm") == []


class TestClassesThatNobodyServes:
    @pytest.mark.parametrize(
        ("namespace", "class_name"),
        [
            ("root/cimv2", "Win32_TapeDrive"),
            ("root/wmi", "MSFC_FCAdapterHBAAttributes"),
            ("root/standardcimv2", "MSFT_NetQuickModeSA"),
            ("root/microsoft/windows/storage", "MSFT_StorageJob"),
            ("root/cimv2", "__InstanceCreationEvent"),
        ],
    )
    def test_what_a_host_may_lack_is_empty(self, client: Client, namespace: str, class_name: str) -> None:
        assert client.service.enumerate(namespace, class_name) == []

    @pytest.mark.parametrize(
        ("namespace", "class_name"),
        [("root/cimv2", "Win32_Thread"), ("root/standardcimv2", "MSFT_NetTCPConnection")],
    )
    def test_what_every_host_has_is_not(self, client: Client, namespace: str, class_name: str) -> None:
        with pytest.raises(SoapFault) as raised:
            client.service.enumerate(namespace, class_name)
        assert raised.value.provider is not None
        assert raised.value.provider.code == 0x80041024
