"""WinRM, its listeners and the account: each of them broken alone."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.session import Identity
from compute_hyperv.readiness.checks.connection import IDENTITY, LISTENERS, PRIVILEGED_KEY
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.windows import COMPUTER, SERVICES
from hyperv_simulator.config.network import FirewallConfig
from hyperv_simulator.config.operating_system import AccountConfig, RegistryConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, judged, rows
from tests.simulated import Simulate

_OPERATOR = {"username": "operator", "password": "Passw0rd!"}


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> SimulatedHost:
    return hosts(account=(AccountConfig("operator", "Passw0rd!"),))


@pytest.fixture(scope="module")
def careless(hosts: Simulate) -> SimulatedHost:
    """Everything that can be wrong with the connection is."""
    return hosts(
        allow_basic=True,
        allow_unencrypted=True,
        firewall=FirewallConfig(disable=("VIRT-REMOTEDESKTOP-In-TCP-NoScope",)),
    )


def test_a_sound_host_passes(sound: SimulatedHost) -> None:
    assert {finding.verdict for finding in examine(sound, "connection").values()} == {Verdict.PASS}


def test_plain_text_is_a_failure(careless: SimulatedHost) -> None:
    found = examine(careless, "connection.encryption")["connection.encryption"]
    assert found.verdict is Verdict.FAIL
    assert "AllowUnencrypted" in found.remedy


def test_basic_over_plain_http_is_a_failure(careless: SimulatedHost) -> None:
    found = examine(careless, "connection.basic")["connection.basic"]
    assert found.verdict is Verdict.FAIL
    assert "plain HTTP" in found.found


def test_basic_inside_tls_is_a_warning(hosts: Simulate) -> None:
    found = examine(hosts(allow_basic=True), "connection.basic")["connection.basic"]
    assert found.verdict is Verdict.WARN


@pytest.mark.parametrize(("own", "policy", "verdict"), [(True, "0", Verdict.PASS), (False, "1", Verdict.FAIL)])
def test_what_a_group_policy_sets_counts(hosts: Simulate, own: bool, policy: str, verdict: Verdict) -> None:
    key = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WinRM\Service"
    registry = (RegistryConfig(key, "AllowUnencryptedTraffic", "REG_DWORD", policy),)
    host = hosts(allow_unencrypted=own, registry=registry)
    assert examine(host, "connection.encryption")["connection.encryption"].verdict is verdict


def test_a_closed_console_port_is_named_with_its_rule(careless: SimulatedHost) -> None:
    found = examine(careless, "connection.firewall")["connection.firewall"]
    assert found.verdict is Verdict.FAIL
    assert "2179" in found.found
    assert "VIRT-REMOTEDESKTOP-In-TCP-NoScope" in found.remedy


def test_a_host_without_a_listener_for_https_is_warned_of() -> None:
    assert judged("connection.listener", {LISTENERS: ("*+HTTP",)}).verdict is Verdict.WARN


def test_an_account_with_too_few_rights_fails_with_the_way_to_give_them(sound: SimulatedHost) -> None:
    found = examine(sound, "connection.account", **_OPERATOR)["connection.account"]
    assert found.verdict is Verdict.FAIL
    assert "operator" in found.remedy


def test_what_the_account_may_not_read_spoils_only_the_checks_that_need_it(sound: SimulatedHost) -> None:
    found = examine(sound, "connection", "versions", "hyperv", "time", **_OPERATOR)
    assert found["time.service"].verdict is Verdict.UNREADABLE
    assert "denied" in found["time.service"].found.lower()
    assert found["versions.release"].verdict is Verdict.PASS
    assert found["time.source"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("account", "note"), [("Administrator", "built-in"), (r"CORP\Administrator", "domain"), (r"CORP\openstack", "")]
)
def test_an_account_with_more_rights_than_it_needs_gets_a_note(account: str, note: str) -> None:
    said = {SERVICES: (), PRIVILEGED_KEY: True, COMPUTER: rows(COMPUTER, {"Name": "HV1"})}
    found = judged("connection.account", said, account=account)
    assert found.verdict is Verdict.PASS
    assert (note in " ".join(found.details)) if note else not found.details


def test_a_server_that_is_not_windows_is_told_from_one() -> None:
    found = judged("connection.answers", {IDENTITY: Identity("wsman", "Openwsman Project", "2.7")})
    assert found.verdict is Verdict.FAIL
    assert "not Windows" in found.remedy
