"""spawn: from Nova's call to a running machine (1 NIC, root disk, config drive; the image is in the cache).

What is counted are WS-Man requests of nova-compute, job polls included, from the first to the last of ``driver.spawn``.
Connections are open already, as they are in a nova-compute that has run for a minute.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.simulated import free_address

from bench import driver as nova
from bench.distance import at_distance
from bench.measurements import Budget, Measurement
from bench.simulated import HTTP_PORT, SMB_PORT, simulated_hosts

_ROUND_TRIPS_MS = (0, 5, 20)
_REPETITIONS = 5


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder, simulated_hosts("hv1") as (host,):
        image = nova.small_image(Path(folder))
        for round_trip_ms in _ROUND_TRIPS_MS:
            with (
                at_distance(host.address, free_address(), (HTTP_PORT, SMB_PORT), round_trip_ms) as address,
                nova.nova_settings(address),
                nova.stand_ins(image),
                nova.running_driver(nova.HYPERV) as driver,
            ):
                yield from _measure(driver, round_trip_ms)


def _measure(driver: Any, round_trip_ms: int) -> Iterator[Measurement]:
    _spawn(driver, 1)  # fetches the image, opens the connections
    requests, seconds = zip(*(_spawn(driver, number) for number in range(2, 2 + _REPETITIONS)), strict=True)
    case = f"{round_trip_ms} ms added"
    yield Measurement("spawn.requests", max(requests), "requests", case, Budget("at most", 20))
    yield Measurement("spawn.wall_s", statistics.median(seconds), "s", case)


def _spawn(driver: Any, number: int) -> tuple[int, float]:
    """Requests and seconds of one spawn; the server is gone again afterwards."""
    cim = driver._rooms.host.cim
    before, started = cim.requests, time.perf_counter()
    remove = nova.spawn(driver, number)
    result = cim.requests - before, time.perf_counter() - started
    remove()
    return result
