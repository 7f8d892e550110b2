"""Simulated hosts for tests: addresses that collide with nobody's, hosts that end with the test."""

from __future__ import annotations

import random
import socket


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


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
