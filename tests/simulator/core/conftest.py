"""A host without a wire, and a client to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.assembly import Inside, assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from tests.simulator.core.client import Client

MakeHost = Callable[..., Client]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """``make_host(version="2025", ...)``: a host with guests none; the same name is the same host, restarted."""
    insides: list[Inside] = []

    def make(name: str = "hv1", rules: FaultRules | None = None, **settings: Any) -> Client:
        config = HostConfig(name=name, **settings)
        inside = assemble(config, tmp_path / name, rules or FaultRules())
        insides.append(inside)
        return Client(inside)

    yield make
    for inside in insides:
        inside.close()


@pytest.fixture
def client(make_host: MakeHost) -> Client:
    """A Windows Server 2022 host with 64 GiB, 16 logical processors and one external switch."""
    return make_host()


@pytest.fixture
def machine(client: Client) -> CimReference:
    """A generation 2 machine that is off, with nothing added to it."""
    return client.define()


@pytest.fixture
def old_machine(client: Client) -> CimReference:
    """A generation 1 machine that is off."""
    return client.define("old", generation=1)
