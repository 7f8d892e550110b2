"""Adapters and switches: each requirement broken alone."""

from __future__ import annotations

import pytest

from compute_hyperv.readiness.checks.network import EXTENSIONS, TEAM_MEMBERS
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.virtual_switches import PORTS, SWITCHES
from compute_hyperv.readiness.windows import ADAPTERS, OPERATING_SYSTEM
from hyperv_simulator.config.network import NicConfig, SwitchConfig, TeamConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, judged, rows
from tests.simulated import Simulate

_TWO = (NicConfig("Ethernet"), NicConfig("Data"))
_WANTED = Expectations(switches=("external",))


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> SimulatedHost:
    """Two adapters: one for management, one with the switch."""
    return hosts(nic=_TWO, switch=(SwitchConfig("external", adapter="Data", allow_management_os=False),))


@pytest.fixture(scope="module")
def one_adapter(hosts: Simulate) -> SimulatedHost:
    return hosts(switch=(SwitchConfig("external", allow_management_os=False),))


def test_a_sound_host_passes(sound: SimulatedHost) -> None:
    found = examine(sound, "network", wanted=_WANTED)
    assert {name for name, finding in found.items() if finding.verdict is not Verdict.PASS} == set()
    assert found["network.management"].found == "Ethernet"
    assert "on Data" in found["network.switch"].details[0]


def test_a_single_adapter_is_warned_of(one_adapter: SimulatedHost) -> None:
    assert examine(one_adapter, "network.adapters")["network.adapters"].verdict is Verdict.WARN


def test_a_host_without_a_cable_fails(hosts: Simulate) -> None:
    host = hosts(nic=(NicConfig("Ethernet", connected=False),), switch=())
    found = examine(host, "network.adapters")["network.adapters"]
    assert found.verdict is Verdict.FAIL
    assert "no cable" in found.details[0]


def test_a_switch_that_cuts_the_host_off_fails(one_adapter: SimulatedHost) -> None:
    found = examine(one_adapter, "network.management-os")["network.management-os"]
    assert found.verdict is Verdict.FAIL
    assert found.remedy == "Set-VMSwitch -Name external -AllowManagementOS $true"


def test_a_switch_on_the_only_adapter_that_the_host_shares_is_fine(hosts: Simulate) -> None:
    assert examine(hosts(), "network.management-os")["network.management-os"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("switches", "wanted", "verdict", "text"),
    [
        ((), Expectations(), Verdict.FAIL, "no external switch"),
        ((SwitchConfig("inner", "internal"),), Expectations(), Verdict.FAIL, "no external switch"),
        ((SwitchConfig("inner", "internal"),), Expectations(switches=("inner",)), Verdict.FAIL, "no physical adapter"),
        ((SwitchConfig("other"),), _WANTED, Verdict.FAIL, "no switch external"),
        ((SwitchConfig("a"), SwitchConfig("b", adapter="Data")), Expectations(), Verdict.WARN, "several"),
        ((SwitchConfig("a"), SwitchConfig("b", adapter="Data")), Expectations(switches=("B",)), Verdict.PASS, "B"),
    ],
)
def test_switches(
    hosts: Simulate, switches: tuple[SwitchConfig, ...], wanted: Expectations, verdict: Verdict, text: str
) -> None:
    found = examine(hosts(nic=_TWO, switch=switches), "network.switch", wanted=wanted)["network.switch"]
    assert (found.verdict, text in found.found) == (verdict, True)


def test_a_team_embedded_in_a_switch_is_fine(hosts: Simulate) -> None:
    host = hosts(nic=(*_TWO, NicConfig("Spare")), switch=(SwitchConfig("external", teamed_with=("Data",)),))
    found = examine(host, "network", wanted=_WANTED)
    assert found["network.teaming"].found == "embedded in external"
    assert "a team embedded in the switch" in found["network.switch"].details[0]


def test_a_team_of_windows_that_carries_no_switch_is_fine(hosts: Simulate) -> None:
    nics = (NicConfig("Ethernet"), NicConfig("A"), NicConfig("B"))
    found = examine(hosts(nic=nics, team=(TeamConfig("Team", ("A", "B")),)), "network.teaming")["network.teaming"]
    assert found.verdict is Verdict.PASS
    assert set(found.details) == {"Team: A", "Team: B"}


@pytest.mark.parametrize(("build", "verdict"), [("20348", Verdict.FAIL), ("17763", Verdict.PASS)])
def test_a_switch_on_a_team_of_windows_is_unsupported_since_2022(build: str, verdict: Verdict) -> None:
    team = "11111111-2222-3333-4444-555555555555"
    said = {
        ADAPTERS: rows(
            ADAPTERS,
            {
                "Name": "Team",
                "InterfaceDescription": "Microsoft Network Adapter Multiplexor Driver",
                "InterfaceGuid": f"{{{team}}}",
            },
        ),
        SWITCHES: rows(SWITCHES, {"Name": "S1", "ElementName": "external"}),
        PORTS: rows(
            PORTS,
            {
                "InstanceID": r"Microsoft:S1\P1",
                "HostResource": [f'Msvm_ExternalEthernetPort.DeviceID="Microsoft:{{{team}}}"'],
            },
        ),
        OPERATING_SYSTEM: rows(OPERATING_SYSTEM, {"BuildNumber": build}),
        TEAM_MEMBERS: rows(TEAM_MEMBERS, {"Team": "Team", "Name": "A"}),
    }
    assert judged("network.teaming", said).verdict is verdict


def test_a_forwarding_extension_is_warned_of() -> None:
    enabled = {"ElementName": "Contoso SDN", "EnabledState": 2, "ExtensionType": 3, "SystemName": "S1"}
    said = {
        SWITCHES: rows(SWITCHES, {"Name": "S1", "ElementName": "external"}),
        EXTENSIONS: rows(EXTENSIONS, {**enabled, "Vendor": "Contoso"}),
    }
    found = judged("network.extensions", said)
    assert found.verdict is Verdict.WARN
    assert found.details == ("external: Contoso SDN",)


def test_an_extension_of_another_vendor_that_only_looks_is_named() -> None:
    enabled = {"ElementName": "Contoso Tap", "EnabledState": 2, "ExtensionType": 1, "SystemName": "S1"}
    said = {
        SWITCHES: rows(SWITCHES, {"Name": "S1", "ElementName": "external"}),
        EXTENSIONS: rows(EXTENSIONS, {**enabled, "Vendor": "Contoso"}),
    }
    found = judged("network.extensions", said)
    assert (found.verdict, found.found) == (Verdict.PASS, "of other vendors: Contoso Tap")
