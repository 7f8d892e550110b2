"""SMB: each requirement broken alone."""

from __future__ import annotations

import pytest

from compute_hyperv.readiness.model import Finding, Verdict
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.config.smb import SmbConfig, SmbConstraintConfig, SmbMappingConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine
from tests.simulated import Simulate

_STORAGE = NicConfig("Storage", address="10.20.0.11/24", rdma=True)
_NICS = (NicConfig("Ethernet"), _STORAGE)
_SHARE = SmbMappingConfig(r"\\files\instances")
_SWITCH = (SwitchConfig("external", adapter="Ethernet"),)


def _one(host: SimulatedHost, name: str) -> Finding:
    return examine(host, name)[name]


def _constrained(*adapters: str) -> SmbConfig:
    return SmbConfig(require_signing=True, constraint=(SmbConstraintConfig("files", adapters),))


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> SimulatedHost:
    return hosts(nic=_NICS, switch=_SWITCH, smb=_constrained("Storage"), smb_mapping=(_SHARE,))


def test_a_sound_host_passes(sound: SimulatedHost) -> None:
    found = examine(sound, "smb")
    assert {name for name, finding in found.items() if finding.verdict is not Verdict.PASS} == set()
    assert found["smb.rdma"].found == "SMB can use it over Storage"
    assert found["smb.constraints"].details == ("files: Storage",)
    assert found["smb.dialect"].found == "connections speak 3.1.1"


def test_one_channel_only_is_warned_of(hosts: Simulate) -> None:
    found = _one(hosts(smb=SmbConfig(multichannel=False)), "smb.multichannel")
    assert (found.verdict, found.found) == (Verdict.WARN, "off for the client and the server")


def test_rdma_is_asked_for_only_of_cards_that_can(hosts: Simulate) -> None:
    assert _one(hosts(), "smb.rdma").verdict is Verdict.NOT_APPLICABLE


def test_rdma_that_is_switched_off_is_warned_of(hosts: Simulate) -> None:
    card = NicConfig("Storage", address="10.20.0.11/24", rdma=True, rdma_enabled=False)
    found = _one(hosts(nic=(NicConfig("Ethernet"), card), switch=_SWITCH), "smb.rdma")
    assert found.verdict is Verdict.WARN
    assert found.remedy == "Enable-NetAdapterRdma -Name 'Storage'"


def test_rdma_that_smb_can_not_use_is_warned_of(hosts: Simulate) -> None:
    card = NicConfig("Storage", address="10.20.0.11/24", rdma=True, connected=False)
    assert _one(hosts(nic=(NicConfig("Ethernet"), card), switch=_SWITCH), "smb.rdma").verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("adapters", "verdict"), [(("Gone",), Verdict.FAIL), (("Gone", "Storage"), Verdict.WARN), ((), Verdict.PASS)]
)
def test_a_constraint_must_leave_a_path(hosts: Simulate, adapters: tuple[str, ...], verdict: Verdict) -> None:
    found = _one(hosts(nic=_NICS, switch=_SWITCH, smb=_constrained(*adapters)), "smb.constraints")
    assert found.verdict is verdict


def test_unsigned_messages_are_warned_of(hosts: Simulate) -> None:
    found = _one(hosts(smb_mapping=(SmbMappingConfig(_SHARE.remote, signed=False),)), "smb.security")
    assert (found.verdict, found.found) == (Verdict.WARN, "the client and the server take unsigned messages")
    assert found.details == (r"\\files\instances is neither signed nor encrypted",)


def test_a_server_that_encrypts_need_not_sign(hosts: Simulate) -> None:
    found = _one(hosts(smb=SmbConfig(encrypt=True)), "smb.security")
    assert found.found == "the client takes unsigned messages"


@pytest.mark.parametrize(
    ("smb", "mapping", "text"),
    [
        (SmbConfig(smb1=True), _SHARE, "the server accepts SMB 1"),
        (SmbConfig(), SmbMappingConfig(_SHARE.remote, dialect="2.1"), "1 of 1 connections are older than SMB 3.0"),
    ],
)
def test_old_dialects_fail(hosts: Simulate, smb: SmbConfig, mapping: SmbMappingConfig, text: str) -> None:
    found = _one(hosts(smb=smb, smb_mapping=(mapping,)), "smb.dialect")
    assert (found.verdict, found.found) == (Verdict.FAIL, text)
