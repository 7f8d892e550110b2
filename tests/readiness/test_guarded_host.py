"""Guarded hosts: each requirement broken alone."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.readiness.model import Verdict
from hyperv_simulator.config.hgs import HgsConfig
from tests.readiness.examining import examine
from tests.simulated import Simulate

_URLS = {"key_protection_url": "http://hgs.test/KeyProtection", "attestation_url": "http://hgs.test/Attestation"}
_SOUND: dict[str, Any] = {"mode": "hosting_service", "attestation": "passed", "operation_mode": "tpm", **_URLS}
_FEATURES = ("Hyper-V", "HostGuardian")
_NAMES = ("guarded-host.configuration", "guarded-host.attestation", "guarded-host.mode")


def _verdicts(hosts: Simulate, **settings: Any) -> dict[str, Verdict]:
    found = examine(hosts(hgs=HgsConfig(**{**_SOUND, **settings}), features=_FEATURES), "guarded-host")
    return {name: found[name].verdict for name in _NAMES}


def test_a_sound_guarded_host_passes(hosts: Simulate) -> None:
    assert set(_verdicts(hosts).values()) == {Verdict.PASS}


@pytest.mark.parametrize("features", [("Hyper-V",), _FEATURES])
def test_nobody_has_to_be_a_guarded_host(hosts: Simulate, features: tuple[str, ...]) -> None:
    found = examine(hosts(features=features), "guarded-host")
    assert {found[name].verdict for name in _NAMES} == {Verdict.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("broken", "name", "verdict"),
    [
        ({"attestation_url": ""}, "guarded-host.configuration", Verdict.FAIL),
        ({"key_protection_url": ""}, "guarded-host.configuration", Verdict.FAIL),
        ({"attestation": "insecure", "substatus": 3}, "guarded-host.attestation", Verdict.FAIL),
        ({"attestation": "not_authorized"}, "guarded-host.attestation", Verdict.FAIL),
        ({"attestation": "passed_expired"}, "guarded-host.attestation", Verdict.FAIL),
        ({"operation_mode": "active_directory"}, "guarded-host.mode", Verdict.WARN),
        ({"operation_mode": "host_key"}, "guarded-host.mode", Verdict.PASS),
    ],
)
def test_each_requirement_alone(hosts: Simulate, broken: dict[str, Any], name: str, verdict: Verdict) -> None:
    verdicts = _verdicts(hosts, **broken)
    assert verdicts.pop(name) is verdict
    assert set(verdicts.values()) == {Verdict.PASS}


def test_an_insecure_host_is_told_what_is_insecure(hosts: Simulate) -> None:
    host = hosts(hgs=HgsConfig(**{**_SOUND, "attestation": "insecure", "substatus": 3}), features=_FEATURES)
    found = examine(host, "guarded-host.attestation")["guarded-host.attestation"]
    assert found.found == "failed: the host's configuration is insecure"
    assert found.details == ("secure boot is insecure", "a debug mode is on")
