"""The clock: who sets it, and how far it is off, measured."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.session import CimSession
from compute_hyperv.readiness.checks.time_service import CLOCK, KIND, PEERS, Offset
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.windows import COMPUTER
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.fault_rules import FaultRule
from tests.readiness.examining import examine, examine_together, judged, rows
from tests.simulated import Simulate, endpoint_of

_CLOUD = Expectations(time_peers=("ntp1.example.org", "ntp2.example.org"))


@pytest.mark.parametrize(
    ("kind", "peers", "in_domain", "wanted", "verdict"),
    [
        ("NTP", "time.windows.com,0x8", False, Expectations(), Verdict.PASS),
        ("NTP", "NTP1.example.org,0x8 ntp2.example.org,0x8", False, _CLOUD, Verdict.PASS),
        ("NTP", "ntp1.example.org,0x8", False, _CLOUD, Verdict.WARN),
        ("NTP", None, False, Expectations(), Verdict.FAIL),
        ("NoSync", "ntp1.example.org", False, Expectations(), Verdict.FAIL),
        (None, None, False, Expectations(), Verdict.FAIL),
        ("NT5DS", "time.windows.com,0x8", False, Expectations(), Verdict.FAIL),
        ("NT5DS", "time.windows.com,0x8", True, _CLOUD, Verdict.PASS),
        ("AllSync", "ntp1.example.org", True, _CLOUD, Verdict.PASS),
        ("NTP", "ntp1.example.org,0x8", True, _CLOUD, Verdict.WARN),
        ("NoSync", "ntp1.example.org", True, Expectations(), Verdict.FAIL),
    ],
)
def test_sources(kind: str | None, peers: str | None, in_domain: bool, wanted: Expectations, verdict: Verdict) -> None:
    computer = rows(COMPUTER, {"PartOfDomain": in_domain, "Domain": "example.org"})
    assert judged("time.source", {KIND: kind, PEERS: peers, COMPUTER: computer}, wanted).verdict is verdict


def test_the_remedy_names_the_servers_of_the_controllers(hosts: Simulate) -> None:
    found = examine(hosts(), "time.source", wanted=_CLOUD)["time.source"]
    assert found.verdict is Verdict.WARN
    assert '/manualpeerlist:"ntp1.example.org,0x8 ntp2.example.org,0x8"' in found.remedy


def test_a_member_of_a_domain_follows_it(hosts: Simulate) -> None:
    found = examine(hosts(domain="example.org"), "time")
    assert found["time.source"].found == "the domain example.org (NT5DS)"


@pytest.mark.parametrize(
    ("service", "verdict"),
    [
        (ServiceConfig("W32Time", running=False), Verdict.FAIL),
        (ServiceConfig("W32Time", start_mode="Manual", running=True), Verdict.WARN),
    ],
)
def test_a_time_service_that_does_not_run(hosts: Simulate, service: ServiceConfig, verdict: Verdict) -> None:
    assert examine(hosts(service=(service,)), "time.service")["time.service"].verdict is verdict


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.2, Verdict.PASS), (-7.0, Verdict.WARN), (95.0, Verdict.FAIL), (-200.0, Verdict.FAIL)]
)
def test_a_clock_that_is_off_is_measured(hosts: Simulate, ahead_s: float, verdict: Verdict) -> None:
    host = hosts(clock_offset_s=ahead_s, unreachable_time_servers=("*",))
    session = CimSession(endpoint_of(host, auth="ntlm"))
    measured = CLOCK.read(session)
    session.close()
    assert abs(measured.seconds - ahead_s) <= measured.uncertainty_s
    assert examine(host, "time.offset")["time.offset"].verdict is verdict


def test_the_reading_that_took_least_time_counts(hosts: Simulate) -> None:
    slow = FaultRule(effect="delay", query="LocalDateTime", delay_ms=800, times=2)
    host = hosts(clock_offset_s=3.0, unreachable_time_servers=("*",), fault=(slow,))
    session = CimSession(endpoint_of(host, auth="ntlm"))
    assert CLOCK.read(session).uncertainty_s < 0.4
    session.close()


def test_what_is_within_the_uncertainty_is_no_fault_of_the_host() -> None:
    assert judged("time.offset", {CLOCK: Offset(2.5, 2.0)}).verdict is Verdict.PASS
    assert judged("time.offset", {CLOCK: Offset(2.5, 0.1)}).verdict is Verdict.WARN


def test_hosts_whose_clocks_differ_are_named(hosts: Simulate) -> None:
    away = hosts(clock_offset_s=30.0, unreachable_time_servers=("*",))
    good, other = hosts(), hosts()
    first, second, third = examine_together([good, other, away], "time.hosts")
    assert {first.verdict, second.verdict, third.verdict} == {Verdict.WARN}
    assert away.config.address in first.found
    assert "behind" in first.found
    assert "ahead" in third.found


def test_hosts_that_agree_pass(hosts: Simulate) -> None:
    assert [each.verdict for each in examine_together([hosts(), hosts()], "time.hosts")] == [Verdict.PASS] * 2
