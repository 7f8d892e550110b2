"""Fixtures for the tests of any project: ``hyperv_host``, and ``hyperv_hosts`` for several or other ones.

pytest finds this file by its entry point, wherever the package is installed: so importing it must cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hyperv_simulator.host import SimulatedHost
    from hyperv_simulator.testing import Simulate


@pytest.fixture
def hyperv_hosts(tmp_path: Path) -> Iterator[Simulate]:
    """Makes simulated Hyper-V hosts that run until the test's end: ``hyperv_hosts(version="2019", memory_mb=8192)``.

    It takes the keys of a host in hosts.toml. Each host has an address of its own; SMB is off unless ``samba=True``.
    """
    from hyperv_simulator.testing import simulating

    with simulating(tmp_path / "hyperv-simulator") as simulate:
        yield simulate


@pytest.fixture
def hyperv_host(hyperv_hosts: Simulate) -> SimulatedHost:
    """A simulated Windows Server 2022 Hyper-V host: ``config`` says where it is, ``faults`` makes things go wrong,
    ``requests`` has what it was asked."""
    return hyperv_hosts()
