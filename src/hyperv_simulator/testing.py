"""Simulated hosts in tests: each at an address of its own, ended with the test.

``pytest_plugin`` makes fixtures of this; who uses another test runner takes ``simulating`` as it is.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from hyperv_simulator.host import SimulatedHost

# ``simulate(version="2019", …)``: a host that runs until the end; the fields of ``HostConfig``, of which address and
# name need not be given and Samba is off unless asked for.
Simulate: TypeAlias = "Callable[..., SimulatedHost]"


def free_address() -> str:
    """A loopback address on which nothing listens at WinRM's and SMB's ports.

    Every 127.x.y.z answers on Linux, so each host gets an address of its own and the standard ports, and runs side by
    side do not meet. Drawn from the whole range at random: two draws agree once in millions.
    """
    chosen = random.SystemRandom()
    while True:
        address = f"127.{chosen.randint(2, 250)}.{chosen.randint(0, 250)}.{chosen.randint(2, 250)}"
        if not any(_answers(address, port) for port in (445, 5985, 5986)):
            return address


@contextmanager
def simulating(state_folder: Path) -> Iterator[Simulate]:
    """Gives ``simulate``; every host that it started is stopped at the end."""
    # Here, not above: whoever wants an address only, or no host at all, need not wait for all of this.
    from hyperv_simulator.config.host import HostConfig
    from hyperv_simulator.host import SimulatedHost
    from hyperv_simulator.migration.neighbours import Neighbours
    from hyperv_simulator.server.tls import Authority

    started: list[SimulatedHost] = []
    authorities: list[Authority] = []  # one for all hosts, once there is a first
    neighbours = Neighbours()

    def simulate(**settings: Any) -> SimulatedHost:
        defaults = {"name": f"HV{len(started) + 1}", "address": free_address(), "samba": False}
        config = HostConfig(**{**defaults, **settings})
        if not authorities:
            authorities.append(Authority(state_folder / "tls"))
        host = SimulatedHost(config, state_folder, authorities[0], neighbours)
        host.start()
        started.append(host)
        return host

    try:
        yield simulate
    finally:
        for host in reversed(started):
            host.stop()


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
