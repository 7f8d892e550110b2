"""The example of hosts that are broken in every way: each check finds something on one of them. And fresh Windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from compute_hyperv.readiness.checks import CHECKS
from compute_hyperv.readiness.expectations import Expectations, PciSpec
from compute_hyperv.readiness.model import Result, Verdict
from compute_hyperv.readiness.runner import Subject, run
from hyperv_simulator.config.file import load
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, readings_of
from tests.simulated import Simulate, free_address

_EXAMPLES = Path(__file__).parents[2] / "docs" / "hosts"
_CSV = r"C:\ClusterStorage\Volume1"
# What a cloud asks of them, by the last digit of the host's name.
_WANTED = {
    "1": Expectations(
        instances_path=rf"{_CSV}\Instances",
        switches=("data",),
        reserved_disk_mb=10**9,
        use_multipath_io=True,
        live_migration=True,
        clustered=True,
        lock_backend="nonsense://",
        numa_spanning=False,
        survey_devices=True,
    ),
    "2": Expectations(instances_path=_CSV, switches=("external",), use_multipath_io=True, clustered=True),
    "3": Expectations(instances_path=r"C:\ClusterStorage\Volume9\Instances"),
    "4": Expectations(instances_path=r"\\files\instances", use_multipath_io=True, live_migration=True),
    "5": Expectations(pci_devices=(PciSpec("144d", "a820"),)),
}
# What no hosts.toml can break, and where it is proved instead.
_PROVED_ELSEWHERE = {
    "connection.listener": "test_connection: how the host is reached, not what it is",
    "connection.account": "test_connection: who asks, not what the host is",
    "versions.release": "test_windows: no Windows that old is simulated",
    "versions.build": "test_windows: every simulated Windows is a release",
    "versions.edition": "test_windows: no workstation is simulated",
    "hardware.processor": "test_windows: every simulated machine has 64 bits",
    "instances.writable": "test_instances: who asks, not what the host is",
    "network.extensions": "test_network: simulated switches have Microsoft's extensions only",
    "network.teaming": "test_network",
    "migration.delegation": "test_directory: the domain's directory is broken, not a host",
    "cluster.volumes": "test_cluster: faults come and go",
    "numa.nodes": "it tells, and judges nothing",
    "pci.gpu-partitions": "it tells, and judges nothing",
}


def _started(hosts: Simulate, file: str, samba: bool = False) -> list[SimulatedHost]:
    started = []
    for config in load(_EXAMPLES / file):
        fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        started.append(hosts(**{**fields, "address": free_address(), "samba": samba}))
    return started


@pytest.fixture(scope="module")
def results(hosts: Simulate) -> list[Result]:
    started = _started(hosts, "broken-host.toml", samba=True)
    subjects = [Subject(readings_of(host), _WANTED[host.config.name[-1]]) for host in started]
    try:
        return run(subjects, CHECKS)
    finally:
        for subject in subjects:
            subject.host.host.close()


def _found(results: list[Result]) -> Mapping[str, set[Verdict]]:
    found: dict[str, set[Verdict]] = {}
    for result in results:
        found.setdefault(result.check.name, set()).add(result.finding.verdict)
    return found


def test_every_check_finds_something(results: list[Result]) -> None:
    found = _found(results)
    missed = {check.name for check in CHECKS if not found[check.name] & {Verdict.FAIL, Verdict.WARN}}
    assert missed <= _PROVED_ELSEWHERE.keys(), missed - _PROVED_ELSEWHERE.keys()


def test_whoever_is_told_of_trouble_is_told_what_to_do(results: list[Result]) -> None:
    for result in results:
        if result.finding.verdict in (Verdict.FAIL, Verdict.WARN):
            assert result.finding.expected, result
            assert result.finding.remedy, result


def test_fresh_windows_lacks_what_setup_does_not_do(hosts: Simulate) -> None:
    (fresh,) = _started(hosts, "fresh-windows.toml")
    found = examine(fresh, wanted=Expectations(switches=("external",)))
    assert {name for name, finding in found.items() if finding.verdict is Verdict.FAIL} >= {
        "hyperv.role",
        "network.switch",
    }
    for name in (
        "hyperv.service",
        "migration.enabled",
        "mpio.feature",
        "cluster.membership",
        "guarded-host.attestation",
    ):
        assert found[name].verdict is Verdict.NOT_APPLICABLE
    assert found["iscsi.service"].verdict is Verdict.WARN
