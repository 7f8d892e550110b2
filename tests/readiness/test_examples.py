"""The example of a perfect host: nothing that one host can be judged by is left to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from compute_hyperv.readiness.checks import CHECKS
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.runner import Subject, run
from hyperv_simulator.config.file import load
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import REQUESTS, examine, readings_of
from tests.simulated import Simulate, free_address

_EXAMPLES = Path(__file__).parents[2] / "docs" / "hosts"
_WANTED = Expectations(switches=("external",), instances_path=r"D:\Instances", use_multipath_io=True)
# What a host is judged by that is in a domain whose accounts the test does not have
_NEEDS_A_DOMAIN = {"migration.account"}


@pytest.fixture(scope="module")
def perfect(hosts: Simulate) -> SimulatedHost:
    (config,) = load(_EXAMPLES / "perfect-host.toml")
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    host = hosts(**{**fields, "address": free_address(), "samba": True})
    readings = readings_of(host)
    with readings.host as client:
        client.files.make_folder(_WANTED.instances_path)
    return host


def test_a_perfect_host_takes_no_more_requests_than_the_budget(perfect: SimulatedHost) -> None:
    readings = readings_of(perfect)
    with readings.host as client:
        run([Subject(readings, _WANTED)], CHECKS)
        assert client.cim.requests <= REQUESTS


def test_a_perfect_host_passes(perfect: SimulatedHost) -> None:
    found = examine(perfect, wanted=_WANTED)
    other = {
        name: finding.found
        for name, finding in found.items()
        if finding.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
    }
    assert set(other) <= _NEEDS_A_DOMAIN, other
