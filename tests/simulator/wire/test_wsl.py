"""Wsman Shell commandLine (Debian's package ``wsl``, from Dell): libcurl on the wire, one item per Pull.

Its invoke pastes selectors out of an answer without the prefixes that they need, and so fails with Windows as well.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperv_simulator.host import SimulatedHost
from tests.simulated import simulating
from tests.simulator.wire.raw import V2, WQL

Wsl = Callable[..., str]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    with simulating(tmp_path_factory.mktemp("wsl")) as simulate:
        yield simulate(allow_basic=True, allow_unencrypted=True)


@pytest.fixture
def wsl(host: SimulatedHost, tmp_path: Path) -> Wsl:
    """Runs one of its commands and gives what it prints."""
    config = host.config
    environment = {
        "PATH": os.environ["PATH"],
        "WSENDPOINT": f"{config.address}:{config.http_port}",
        "WSUSER": config.username,
        "WSPASS": config.password,
        "WSNOSSL": "1",
        "WSAUTOMATED": "1",
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    return run


def test_identify(wsl: Wsl) -> None:
    assert "Microsoft Corporation" in wsl("wslid", "check")


def test_get(wsl: Wsl) -> None:
    assert "<p:Name>HV1</p:Name>" in wsl("wslget", f"{V2}/Msvm_ComputerSystem", "Name=HV1")


def test_enumerate_with_wql(wsl: Wsl) -> None:
    text = "select * from Msvm_VirtualEthernetSwitch"
    found = wsl("wslenum", f"{V2}/*", "-dialect", WQL, "-filter", text)
    assert "<p:ElementName>external</p:ElementName>" in found


def test_enumerate_references_of_a_dmtf_class(wsl: Wsl) -> None:
    found = wsl("wslenum", "CIM_ComputerSystem", "-ns", "root/virtualization/v2", "-mode", "epr")
    assert '<w:Selector Name="Name">HV1</w:Selector>' in found
    assert '<w:Selector Name="__cimnamespace">root/virtualization/v2</w:Selector>' in found


def test_a_fault_is_shown(wsl: Wsl) -> None:
    assert "a:DestinationUnreachable" in wsl("wslget", f"{V2}/Msvm_ComputerSystem", "Name=nobody")
