"""Multipath I/O: each requirement broken alone."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Finding, Verdict
from compute_hyperv.readiness.windows import FEATURES, SERVICES
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.config.storage import DiskConfig, IscsiTargetConfig, MpioConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, judged, rows
from tests.simulated import Simulate

_WANTED = Expectations(use_multipath_io=True)
_BUS = "MSFT2005iSCSIBusType_0x9"
_FEATURES = ("Hyper-V", "Multipath-IO")
_IQN = "iqn.2024-01.org.example:store"
_TWO_PATHS: dict[str, Any] = {
    "service": (ServiceConfig("MSiSCSI", start_mode="Auto", running=True),),
    "iscsi_target": (IscsiTargetConfig(_IQN, portals=("10.0.0.1", "10.0.0.2"), sessions=2),),
    "disk": (DiskConfig(1, bus_type="iscsi", target=_IQN, unique_id="60003FF44DC75ADC"),),
}


def _one(host: SimulatedHost, name: str) -> Finding:
    return examine(host, name, wanted=_WANTED)[name]


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> SimulatedHost:
    return hosts(features=_FEATURES, mpio=MpioConfig((_BUS,)), **_TWO_PATHS)


def test_two_paths_that_are_claimed_are_one_disk(sound: SimulatedHost) -> None:
    found = examine(sound, "mpio", wanted=_WANTED)
    assert {finding.verdict for finding in found.values()} == {Verdict.PASS}
    assert found["mpio.duplicates"].found == "2 disks, each once"
    assert found["mpio.load-balance"].details == ("MPIO\\Disk0_0: round robin",)


def test_a_lun_that_shows_twice_is_urgent_and_its_disks_are_named(hosts: Simulate) -> None:
    found = _one(hosts(**_TWO_PATHS), "mpio.duplicates")
    assert found.verdict is Verdict.FAIL
    assert found.found == "urgent: 1 LUN visible as more than one disk"
    (line,) = found.details
    assert line.startswith("LUN 60003FF44DC75ADC: disk 1 (CONTOSO Virtual Disk, iSCSI), disk 2 ")
    assert "take these disks offline" in found.remedy


def test_a_lun_behind_two_adapters_shows_twice_as_well(hosts: Simulate) -> None:
    disks = tuple(DiskConfig(number, bus_type="fc", unique_id="60003FF44DC75ADD") for number in (1, 2))
    assert _one(hosts(disk=disks), "mpio.duplicates").verdict is Verdict.FAIL


def test_the_feature_is_asked_for_only_where_paths_are(hosts: Simulate) -> None:
    host = hosts()
    assert _one(host, "mpio.feature").verdict is Verdict.FAIL
    assert examine(host, "mpio.feature")["mpio.feature"].verdict is Verdict.NOT_APPLICABLE


def test_nothing_is_said_of_what_is_not_installed(hosts: Simulate) -> None:
    found = examine(hosts(), "mpio", wanted=_WANTED)
    for name in ("mpio.service", "mpio.claims", "mpio.load-balance"):
        assert found[name].verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("state", ["Stopped", None])
def test_a_driver_that_does_not_run_fails(state: str | None) -> None:
    features = rows(FEATURES, {"Name": "MultipathIo", "InstallState": 1})
    driver = rows(SERVICES, {"Name": "mpio", "State": state}) if state else ()
    assert judged("mpio.service", {FEATURES: features, SERVICES: driver}).verdict is Verdict.FAIL


def test_a_host_that_claims_nothing_fails(hosts: Simulate) -> None:
    found = _one(hosts(features=_FEATURES), "mpio.claims")
    assert (found.verdict, found.found, found.expected) == (Verdict.FAIL, "nothing is claimed", _BUS)


def test_disks_of_a_family_that_nobody_claims_are_named(hosts: Simulate) -> None:
    found = _one(hosts(features=_FEATURES, mpio=MpioConfig(("OTHER   Product",)), **_TWO_PATHS), "mpio.claims")
    assert found.verdict is Verdict.FAIL
    assert "not claimed: disk 1 (CONTOSO Virtual Disk, iSCSI)" in found.details


@pytest.mark.parametrize("family", ["CONTOSO Virtual Disk    ", "CONTOSO Virtual"])
def test_a_family_is_vendor_and_product(hosts: Simulate, family: str) -> None:
    assert _one(hosts(features=_FEATURES, mpio=MpioConfig((family,)), **_TWO_PATHS), "mpio.claims").verdict is (
        Verdict.PASS
    )


def test_a_policy_that_leaves_paths_idle_is_warned_of(hosts: Simulate) -> None:
    mpio = MpioConfig((_BUS,), load_balance_policy="fail_over_only")
    found = _one(hosts(features=_FEATURES, mpio=mpio, **_TWO_PATHS), "mpio.load-balance")
    assert (found.verdict, found.found) == (Verdict.WARN, "fail over only")


def test_without_claimed_disks_there_is_no_policy(hosts: Simulate) -> None:
    host = hosts(features=_FEATURES, mpio=MpioConfig((_BUS,)))
    assert _one(host, "mpio.load-balance").verdict is Verdict.NOT_APPLICABLE
