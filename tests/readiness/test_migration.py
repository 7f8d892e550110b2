"""Live migration: each requirement broken alone, and what two hosts have to agree on."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.readiness.checks.migration import SETTINGS, is_local
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Finding, Verdict
from compute_hyperv.readiness.windows import COMPUTER
from hyperv_simulator.config.migration import MigrationConfig
from tests.readiness.examining import examine, examine_together, judged, rows
from tests.simulated import Simulate

_WANTED = Expectations(live_migration=True)
_SOUND: dict[str, Any] = {"enabled": True, "authentication": "kerberos"}
# the account of these tests is the host's own: see the tests of migration.account
_NAMES = ("enabled", "authentication", "networks", "simultaneous", "performance", "domain")


def _findings(hosts: Simulate, domain: str = "hv.test", **settings: Any) -> dict[str, Finding]:
    host = hosts(domain=domain, migration=MigrationConfig(**{**_SOUND, **settings}))
    found = examine(host, "migration", wanted=_WANTED)
    return {name: found[f"migration.{name}"] for name in _NAMES}


def test_a_sound_host_passes(hosts: Simulate) -> None:
    found = _findings(hosts)
    assert {finding.verdict for finding in found.values()} == {Verdict.PASS}
    assert found["networks"].found.startswith("listens at 127.")


@pytest.mark.parametrize(
    ("broken", "name", "verdict", "text"),
    [
        ({"authentication": "credssp"}, "authentication", Verdict.WARN, "CredSSP"),
        ({"networks": ("10.9.0.0/16",)}, "networks", Verdict.FAIL, "listens at no address; allowed is 10.9.0.0/16"),
        ({"simultaneous": 0}, "simultaneous", Verdict.FAIL, "0 of machines, 0 of storage"),
        ({"performance": "tcpip"}, "performance", Verdict.WARN, "TCP/IP"),
        ({"performance": "smb"}, "performance", Verdict.PASS, "SMB"),
        ({"domain": ""}, "domain", Verdict.FAIL, "workgroup WORKGROUP"),
    ],
)
def test_each_requirement_alone(
    hosts: Simulate, broken: dict[str, Any], name: str, verdict: Verdict, text: str
) -> None:
    found = _findings(hosts, **broken)
    finding = found.pop(name)
    assert (finding.verdict, finding.found) == (verdict, text)
    assert {other.verdict for other in found.values()} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("domain", "wanted", "verdict"),
    [
        ("hv.test", Expectations(), Verdict.WARN),
        ("hv.test", _WANTED, Verdict.FAIL),
        ("", Expectations(), Verdict.NOT_APPLICABLE),
    ],
)
def test_a_host_that_takes_no_machines(hosts: Simulate, domain: str, wanted: Expectations, verdict: Verdict) -> None:
    found = examine(hosts(domain=domain), "migration", wanted=wanted)
    assert found["migration.enabled"].verdict is verdict
    for name in ("authentication", "networks", "simultaneous", "performance", "account"):
        assert found[f"migration.{name}"].verdict is Verdict.NOT_APPLICABLE


def test_a_host_without_the_role_has_nothing_to_judge(hosts: Simulate) -> None:
    found = examine(hosts(features=(), switch=()), "migration.enabled")["migration.enabled"]
    assert found.verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("account", "verdict"),
    [
        ("Administrator", Verdict.FAIL),
        (r".\Administrator", Verdict.FAIL),
        (r"HV1\Administrator", Verdict.FAIL),
        (r"HV\nova", Verdict.PASS),
        ("nova@hv.test", Verdict.PASS),
        ("", Verdict.PASS),
    ],
)
def test_a_local_account_can_not_move_machines(account: str, verdict: Verdict) -> None:
    said = {
        SETTINGS: rows(SETTINGS, {"EnableVirtualSystemMigration": True}),
        COMPUTER: rows(COMPUTER, {"Name": "HV1", "PartOfDomain": True}),
    }
    assert judged("migration.account", said, account=account).verdict is verdict


def test_a_computer_of_the_same_name_in_another_domain_is_not_the_host() -> None:
    assert is_local(r"hv1\x", "HV1")
    assert not is_local(r"HV10\x", "HV1")


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({"processor_vendor": "intel", "processor_level": 3}, Verdict.PASS),
        ({"processor_vendor": "intel", "processor_level": 4}, Verdict.WARN),
        ({"processor_vendor": "amd", "processor_level": 3}, Verdict.FAIL),
    ],
)
def test_processors_are_compared(hosts: Simulate, other: dict[str, Any], verdict: Verdict) -> None:
    pair = [hosts(migration=MigrationConfig(**_SOUND)), hosts(migration=MigrationConfig(**_SOUND, **other))]
    findings = examine_together(pair, "migration.processors")
    assert [finding.verdict for finding in findings] == [verdict, verdict]
    assert findings[0].details == (() if verdict is Verdict.PASS else findings[0].details)


def test_a_host_alone_is_compared_with_nobody(hosts: Simulate) -> None:
    pair = [hosts(migration=MigrationConfig(**_SOUND)), hosts()]
    assert {finding.verdict for finding in examine_together(pair, "migration.processors")} == {Verdict.NOT_APPLICABLE}
