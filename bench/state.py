"""state: what it takes to learn the state of every machine, as Nova's periodic tasks do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.measurements import Budget, Measurement
from bench.simulated import connect, simulated_hosts
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineSpec, Memory, Processor

_STEPS = (10, 100, 1000)
_REPETITIONS = 5


def measure() -> Iterator[Measurement]:
    with simulated_hosts("hv1") as (host,):
        client = connect(host.address)
        try:
            made = 0
            for count in _STEPS:
                _make_machines(client, made, count)
                made = count
                yield from _measure(client, count)
        finally:
            client.close()


def _measure(client: HyperVHost, count: int) -> Iterator[Measurement]:
    before = client.cim.requests
    found = len(client.machines.list())
    requests = client.cim.requests - before
    if found != count:
        raise RuntimeError(f"{found} machines are listed, {count} are there")
    seconds = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter()
        client.machines.list()
        seconds.append(time.perf_counter() - started)
    case = f"{count} machines"
    yield Measurement("state.requests", requests, "requests", case, Budget("at most", 10))
    yield Measurement("state.wall_s", statistics.median(seconds), "s", case)


def _make_machines(client: HyperVHost, first: int, end: int) -> None:
    def make(number: int) -> None:
        name = f"instance-{number:08x}"
        client.machines.create(
            MachineSpec(
                name=name,
                notes=(f"00000000-0000-4000-8000-{number:012x}",),
                generation=2,
                folder=rf"C:\bench\{name}",
                memory=Memory(512, 512, 512),
                processor=Processor(1),
            )
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(first, end)))
