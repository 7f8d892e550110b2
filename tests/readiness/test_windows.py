"""Windows, the machine under it, and the Hyper-V role: each requirement broken alone."""

from __future__ import annotations

import dataclasses

import pytest

from compute_hyperv.readiness.checks.hardware import PROCESSORS
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.windows import COMPUTER, OPERATING_SYSTEM, VOLUMES, Instances
from hyperv_simulator.config.operating_system import HardwareConfig, ServiceConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, judged, rows
from tests.simulated import Simulate

_BARE = ("FileAndStorage-Services", "Storage-Services")


def _system(**values: str | int | bool) -> dict[Instances, object]:
    defaults = {"Caption": "Microsoft Windows Server", "BuildNumber": "20348", "ProductType": 3, "SystemDrive": "C:"}
    return {OPERATING_SYSTEM: rows(OPERATING_SYSTEM, {**defaults, **values})}


@pytest.mark.parametrize(
    ("build", "verdict"),
    [("7601", Verdict.FAIL), ("9200", Verdict.WARN), ("9600", Verdict.PASS), ("26100", Verdict.PASS)],
)
def test_releases(build: str, verdict: Verdict) -> None:
    assert judged("versions.release", _system(BuildNumber=build)).verdict is verdict


def test_the_newest_release_is_recommended_to_older_ones() -> None:
    assert judged("versions.release", _system(BuildNumber="14393")).details == (
        "Windows Server 2025 is recommended for new hosts.",
    )
    assert judged("versions.release", _system(BuildNumber="26100")).details == ()


@pytest.mark.parametrize(("version", "year"), [("2012r2", "2012 R2"), ("2016", "2016"), ("2019", "2019")])
def test_a_simulated_host_of_each_release_is_known_by_its_name(hosts: Simulate, version: str, year: str) -> None:
    found = examine(hosts(version=version), "versions")
    assert {finding.verdict for finding in found.values()} == {Verdict.PASS}
    assert year in found["versions.release"].found


def test_a_build_between_releases_is_warned_of() -> None:
    assert judged("versions.build", _system(BuildNumber="25398")).verdict is Verdict.WARN


def test_a_workstation_is_warned_of() -> None:
    assert judged("versions.edition", _system(ProductType=1)).verdict is Verdict.WARN


def test_a_restart_that_an_update_waits_for_is_found(hosts: Simulate) -> None:
    found = examine(hosts(reboot_pending=True), "versions.reboot")["versions.reboot"]
    assert found.verdict is Verdict.WARN
    assert "Windows Update" in found.found


# The machine. Without Hyper-V, so that no hypervisor hides what the processor can do.


@pytest.mark.parametrize(
    ("check", "lacking"),
    [
        ("hardware.slat", {"slat": False}),
        ("hardware.monitor-mode", {"vm_monitor_extensions": False}),
        ("hardware.firmware", {"virtualization_enabled": False}),
        ("hardware.dep", {"dep": False}),
    ],
)
def test_what_a_processor_or_firmware_lacks_fails_alone(hosts: Simulate, check: str, lacking: dict[str, bool]) -> None:
    found = examine(hosts(features=_BARE, switch=(), hardware=HardwareConfig(**lacking)), "hardware")
    failed = {name for name, finding in found.items() if finding.verdict is not Verdict.PASS}
    assert failed == {check}
    assert found[check].remedy


def test_a_running_hypervisor_proves_what_can_no_longer_be_read(hosts: Simulate) -> None:
    found = examine(hosts(), "hardware")
    assert {finding.verdict for finding in found.values()} == {Verdict.PASS}


def test_little_memory_fails(hosts: Simulate) -> None:
    assert examine(hosts(memory_mb=2048), "hardware.memory")["hardware.memory"].verdict is Verdict.FAIL


def test_memory_that_the_firmware_keeps_for_itself_does_not_make_4_gb_less() -> None:
    almost = rows(COMPUTER, {"TotalPhysicalMemory": int(3.9 * 1024**3)})
    assert judged("hardware.memory", {COMPUTER: almost}).verdict is Verdict.PASS


@pytest.mark.parametrize(("size_gb", "verdict"), [(12, Verdict.FAIL), (18, Verdict.WARN), (40, Verdict.PASS)])
def test_the_disk_of_windows(size_gb: int, verdict: Verdict) -> None:
    disks = rows(VOLUMES, {"DriveLetter": "C:", "Capacity": size_gb * 10**9}, {"DriveLetter": "D:", "Capacity": 10**12})
    assert judged("hardware.disk", {**_system(), VOLUMES: disks}).verdict is verdict


def test_a_32_bit_processor_fails() -> None:
    assert judged("hardware.processor", {PROCESSORS: rows(PROCESSORS, {"AddressWidth": 32})}).verdict is Verdict.FAIL


# The role


@pytest.fixture(scope="module")
def without_role(hosts: Simulate) -> SimulatedHost:
    return hosts(features=_BARE, switch=())


def test_without_the_role_its_check_says_so_and_the_others_do_not_repeat_it(without_role: SimulatedHost) -> None:
    found = examine(without_role, "hyperv")
    assert found.pop("hyperv.role").verdict is Verdict.FAIL
    del found["connection.answers"]
    assert {finding.verdict for finding in found.values()} == {Verdict.NOT_APPLICABLE}


def test_without_the_role_nothing_is_unreadable(without_role: SimulatedHost) -> None:
    found = examine(without_role, "network", "numa", "pci", "versions", "time", "connection")
    unreadable = {name: finding.found for name, finding in found.items() if finding.verdict is Verdict.UNREADABLE}
    assert unreadable == {}
    assert found["network.switch"].verdict is Verdict.FAIL


def test_a_hypervisor_that_was_not_launched_fails(hosts: Simulate) -> None:
    found = examine(hosts(hardware=HardwareConfig(virtualization_enabled=False)), "hyperv")
    assert found["hyperv.hypervisor"].verdict is Verdict.FAIL
    assert found["hyperv.role"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("service", "check", "verdict"),
    [
        (ServiceConfig("vmms", running=False), "hyperv.service", Verdict.FAIL),
        (ServiceConfig("vmms", start_mode="Manual", running=True), "hyperv.service", Verdict.WARN),
        (ServiceConfig("vmms", running=False), "hyperv.wmi", Verdict.FAIL),
    ],
)
def test_a_management_service_that_does_not_run(
    hosts: Simulate, service: ServiceConfig, check: str, verdict: Verdict
) -> None:
    assert examine(hosts(service=(service,)), check)[check].verdict is verdict


def test_every_check_is_told_apart_by_its_texts() -> None:
    """What ``explain`` prints is written for each check, not copied."""
    from compute_hyperv.readiness.checks import BY_NAME

    for field in ("title", "why"):
        texts = [getattr(check, field) for check in BY_NAME.values()]
        shared = {text for text in texts if texts.count(text) > 1}
        assert shared <= {"Hyper-V does not start on a processor without it."}, field
    assert all(dataclasses.is_dataclass(check) and check.by_hand and check.good for check in BY_NAME.values())
