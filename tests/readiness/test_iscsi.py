"""iSCSI, Fibre Channel and the SAN policy: each requirement broken alone."""

from __future__ import annotations

import pytest

from compute_hyperv.readiness.model import Finding, Verdict
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.config.storage import FcHbaConfig, IscsiTargetConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, examine_together
from tests.simulated import Simulate

_RUNS = ServiceConfig("MSiSCSI", start_mode="Auto", running=True)
_TARGET = IscsiTargetConfig(
    "iqn.2024-01.org.example:store", portals=("10.0.0.1", "10.0.0.2:3261"), sessions=2, discovered=True
)
_PORTS = (FcHbaConfig("2100000000000001", "2000000000000001"), FcHbaConfig("2100000000000002", "2000000000000002"))


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> SimulatedHost:
    return hosts(service=(_RUNS,), iscsi_target=(_TARGET,), fc_hba=_PORTS)


def test_a_sound_host_passes(sound: SimulatedHost) -> None:
    found = examine(sound, "iscsi")
    assert {name: finding.verdict for name, finding in found.items() if name != "connection.answers"} == {
        "iscsi.service": Verdict.PASS,
        "iscsi.initiator-name": Verdict.PASS,
        "iscsi.portals": Verdict.PASS,
        "iscsi.fibre-channel": Verdict.PASS,
        "iscsi.san-policy": Verdict.PASS,
    }
    assert found["iscsi.initiator-name"].found == f"iqn.1991-05.com.microsoft:{sound.config.name.lower()}"
    assert "WWPN 2100000000000001, WWNN 2000000000000001: operational" in found["iscsi.fibre-channel"].details


@pytest.mark.parametrize(
    ("service", "text"),
    [
        (ServiceConfig("MSiSCSI", start_mode="Manual", running=False), "stopped, start mode Manual"),
        (ServiceConfig("MSiSCSI", start_mode="Manual", running=True), "running, start mode Manual"),
        (ServiceConfig("MSiSCSI", start_mode="Disabled", running=False), "stopped, start mode Disabled"),
    ],
)
def test_an_initiator_that_is_not_there_after_a_restart_is_warned_of(
    hosts: Simulate, service: ServiceConfig, text: str
) -> None:
    found = examine(hosts(service=(service,)), "iscsi.service")["iscsi.service"]
    assert found.verdict is Verdict.WARN
    assert text in found.found
    assert "Set-Service MSiSCSI -StartupType Automatic" in found.remedy


def test_nothing_is_said_of_an_initiator_that_does_not_run(hosts: Simulate) -> None:
    found = examine(hosts(iscsi_target=(_TARGET,)), "iscsi")
    assert found["iscsi.initiator-name"].verdict is Verdict.NOT_APPLICABLE
    assert found["iscsi.portals"].verdict is Verdict.NOT_APPLICABLE


def test_a_name_that_is_none_fails(hosts: Simulate) -> None:
    found = examine(hosts(service=(_RUNS,), initiator_name="hv1"), "iscsi.initiator-name")["iscsi.initiator-name"]
    assert found.verdict is Verdict.FAIL


def test_two_hosts_with_one_initiator_name_fail(hosts: Simulate) -> None:
    name = "iqn.1991-05.com.microsoft:golden-image"
    clones = [hosts(service=(_RUNS,), initiator_name=name) for _ in range(2)]
    findings = examine_together([*clones, hosts(service=(_RUNS,))], "iscsi.initiator-name")
    assert [finding.verdict for finding in findings] == [Verdict.FAIL, Verdict.FAIL, Verdict.PASS]
    assert findings[0].details == (f"{clones[1].config.address} has the same name",)


def test_a_portal_that_the_host_is_not_connected_through_is_named(hosts: Simulate) -> None:
    target = IscsiTargetConfig(_TARGET.iqn, portals=_TARGET.portals, sessions=1, discovered=True)
    found = examine(hosts(service=(_RUNS,), iscsi_target=(target,)), "iscsi.portals")["iscsi.portals"]
    assert found.verdict is Verdict.WARN
    assert found.details == ("not connected through 10.0.0.2:3261",)


def test_a_host_that_knows_no_portal_has_nothing_to_judge(hosts: Simulate) -> None:
    found = examine(hosts(service=(_RUNS,)), "iscsi.portals")["iscsi.portals"]
    assert found.verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        (("online", "linkdown"), Verdict.WARN),
        (("offline", "linkdown"), Verdict.FAIL),
        ((), Verdict.NOT_APPLICABLE),
    ],
)
def test_fibre_channel_ports_have_to_be_operational(hosts: Simulate, states: tuple[str, ...], verdict: Verdict) -> None:
    ports = tuple(FcHbaConfig(f"210000000000000{n}", f"200000000000000{n}", state=s) for n, s in enumerate(states))
    found: Finding = examine(hosts(fc_hba=ports), "iscsi.fibre-channel")["iscsi.fibre-channel"]
    assert found.verdict is verdict
    assert ("WWPN 2100000000000001, WWNN 2000000000000001: link down" in found.details) is bool(states)


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ("offline_shared", Verdict.PASS),
        ("offline_all", Verdict.PASS),
        ("online_all", Verdict.FAIL),
        ("offline_internal", Verdict.FAIL),
    ],
)
def test_volumes_must_not_come_online_by_themselves(hosts: Simulate, policy: str, verdict: Verdict) -> None:
    assert examine(hosts(san_policy=policy), "iscsi.san-policy")["iscsi.san-policy"].verdict is verdict
