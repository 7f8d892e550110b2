"""Two hosts, ready for migration, and a machine on the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import Client
from tests.simulator.core.migration.hosts import Hosts


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.close()


@pytest.fixture
def source(hosts: Hosts) -> Client:
    return hosts.add()


@pytest.fixture
def destination(hosts: Hosts, source: Client) -> Client:
    return hosts.add()


@pytest.fixture
def equipped(source: Client) -> CimReference:
    """A machine with a disk and an adapter on the external switch."""
    machine = source.define()
    source.add_disk(machine, source.create_disk(r"C:\root.vhdx"))
    source.connect(machine, source.add_nic(machine))
    return machine
