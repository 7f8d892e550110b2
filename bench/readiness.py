"""readiness: what a full check costs, of one host and of fifty at once, with what ``compute-hyperv check`` connects by.

Each run opens its connections, as the command does. Fifty simulated hosts share this machine with the one who checks
them, so what is measured is more than the command's own work.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence

from tests.simulated import free_address

from bench.distance import at_distance
from bench.measurements import Budget, Measurement
from bench.simulated import HTTP_PORT, PASSWORD, SMB_PORT, USERNAME, simulated_hosts
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.readiness.checks import CHECKS
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import AT_ONCE_PER_HOST, Subject, run

_ROUND_TRIP_MS = 5
_HOSTS = 50
_REPETITIONS = 5


def measure() -> Iterator[Measurement]:
    with (
        simulated_hosts("hv1") as (host,),
        at_distance(host.address, free_address(), (HTTP_PORT, SMB_PORT), _ROUND_TRIP_MS) as address,
    ):
        requests, seconds = zip(*(_check([address]) for _ in range(_REPETITIONS)), strict=True)
        case = f"1 host, {_ROUND_TRIP_MS} ms added"
        yield Measurement("readiness.requests", max(requests), "requests", case, Budget("at most", 40))
        yield Measurement("readiness.wall_s", statistics.median(seconds), "s", case, Budget("at most", 3))
    names = [f"hv{number}" for number in range(1, _HOSTS + 1)]
    with simulated_hosts(*names, round_trip_ms=_ROUND_TRIP_MS) as hosts:
        _, wall_s = _check([host.address for host in hosts])
        case = f"{_HOSTS} hosts, {_ROUND_TRIP_MS} ms added"
        yield Measurement("readiness.wall_s", wall_s, "s", case, Budget("at most", 15))


def _check(addresses: Sequence[str]) -> tuple[int, float]:
    """Requests to the host that got most of them, and seconds, of one full check of all of them."""
    started = time.perf_counter()
    with contextlib.ExitStack() as closing:
        clients = [closing.enter_context(_connect(address)) for address in addresses]
        subjects = [
            Subject(Readings(address, client, USERNAME), Expectations())
            for address, client in zip(addresses, clients, strict=True)
        ]
        results = run(subjects, CHECKS)
        taken_s = time.perf_counter() - started
        unreadable = [result for result in results if result.finding.verdict is Verdict.UNREADABLE]
        if unreadable:
            first = unreadable[0]
            raise RuntimeError(f"{first.check.name} of {first.host} could not be read: {first.finding.found}")
        return max(client.cim.requests for client in clients), taken_s


def _connect(address: str) -> HyperVHost:
    return HyperVHost(
        Endpoint(
            address,
            port=HTTP_PORT,
            scheme="http",
            auth="ntlm",
            username=USERNAME,
            password=PASSWORD,
            connections=AT_ONCE_PER_HOST,
        ),
        SmbEndpoint(address, port=SMB_PORT, username=USERNAME, password=PASSWORD),
    )
