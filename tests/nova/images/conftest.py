"""A host for images: simulated, with files, and our own host layer connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nova import objects

from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.nova.options import CONF
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate, endpoint_of


@pytest.fixture
def simulated_files(simulate: Simulate) -> SimulatedHost:
    return simulate(samba=True)


@pytest.fixture
def hyperv_host(simulated_files: SimulatedHost) -> Iterator[HyperVHost]:
    config = simulated_files.config
    smb = SmbEndpoint(config.address, config.smb_port, config.username, config.password)
    host = HyperVHost(endpoint_of(simulated_files), smb)
    yield host
    host.close()


@pytest.fixture
def nova_settings(tmp_path: Path) -> Iterator[None]:
    CONF([], project="nova", default_config_files=[], default_config_dirs=[])
    objects.register_all()
    CONF.set_override("lock_path", str(tmp_path / "locks"), group="oslo_concurrency")
    yield
    CONF.clear_override("lock_path", group="oslo_concurrency")
    CONF.reset()
