"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from compute_hyperv.cim.session import CimSession
    from hyperv_simulator.host import SimulatedHost
    from tests.simulated import Simulate


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """``simulate(**fields of HostConfig)`` starts a host that runs until the test's end (see ``tests.simulated``)."""
    # Here, not above: most tests need no simulated host, and importing one takes its time.
    from tests.simulated import simulating

    with simulating(tmp_path / "simulator") as start:
        yield start


@pytest.fixture
def simulated_host(simulate: Simulate) -> SimulatedHost:
    """A Windows Server 2022 host, guests none, without files and pipes."""
    return simulate()


@pytest.fixture
def cim_session(simulated_host: SimulatedHost) -> Iterator[CimSession]:
    """Our own client, connected to ``simulated_host``."""
    from compute_hyperv.cim.session import CimSession
    from tests.simulated import endpoint_of

    session = CimSession(endpoint_of(simulated_host))
    yield session
    session.close()
