"""simulator: what a simulated host takes of the computer: requests a second on one core, 10,000 machines, its start.

Rates are requests per second of processor time that the host's process used: what one core gives it, whatever else
runs on this computer meanwhile. The same client asks an echo server made of Python's ``http.server`` in the same
way, so that a slow computer shows as such.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bench.measurements import Budget, Measurement
from bench.own_core import Server, echo_server, simulated_host
from bench.plain_http import KeptConnection
from bench.simulated import HTTP_PORT, PASSWORD, USERNAME
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.soap.envelope import new_message_id
from compute_hyperv.cim.soap.requests import Get, Invoke, Request, RequestHeader, encode_request
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import select

_MACHINES = 10_000
_SMALL_REQUESTS, _SEALED_REQUESTS, _MANY_REQUESTS = 3_000, 1_000, 100_000
_REPETITIONS = 3  # the best of them counts: whatever else runs on this computer only adds
_MIB = 1024 * 1024
_HOST = "hv1"
_LISTED = ["Name", "ElementName", "EnabledState"]
# Simple clients are cheapest for who measures; memory and processors for all of the machines
_OPEN = "allow_basic = true\nallow_unencrypted = true\nsamba = false\n"
_SYSTEM = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": _HOST})
_SERVICE = CimReference("Msvm_VirtualSystemManagementService", {"Name": "vmms"})


def measure() -> Iterator[Measurement]:
    yield _start()
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as name:
        folder = Path(name)
        with simulated_host(folder, _OPEN) as host:
            yield from _rates(host)
            yield from _flatness(host)
            yield from _many_machines(host)
        case = f"{_MACHINES} machines"
        with simulated_host(folder, _OPEN) as host:
            # Its processor time, again: nobody waits for this but tests, on computers with other things to do.
            yield Measurement("simulator.restart_s", host.processor_s, "s", case, Budget("at most", 30))
            yield _listing(host, "restarted")


def _start() -> Measurement:
    seconds = []
    for _ in range(_REPETITIONS):
        with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder, simulated_host(Path(folder), "") as host:
            seconds.append(host.ready_after_s)
    return Measurement("simulator.start_s", min(seconds), "s", "defaults", Budget("at most", 1.5))


def _rates(host: Server) -> Iterator[Measurement]:
    with echo_server(HTTP_PORT) as echo:
        echoes = _rate(echo, _exchanges(echo, Get(_SYSTEM), _SMALL_REQUESTS), _SMALL_REQUESTS)
    _exchanges(host, Get(_SYSTEM), _SMALL_REQUESTS // 10)()  # imports and caches
    rate = _rate(host, _exchanges(host, Get(_SYSTEM), _SMALL_REQUESTS), _SMALL_REQUESTS)
    yield Measurement("simulator.requests_per_s", rate, "1/s", "Get, Basic", Budget("at least", 500))
    yield Measurement("simulator.requests_per_echo", rate / echoes, "", f"of {echoes:.0f} echoes/s")
    with closing(_session(host)) as session:

        def sealed() -> None:
            for _ in range(_SEALED_REQUESTS):
                session.get(_SYSTEM)

        session.get(_SYSTEM)
        yield Measurement("simulator.requests_per_s", _rate(host, sealed, _SEALED_REQUESTS), "1/s", "Get, NTLM, sealed")


def _flatness(host: Server) -> Iterator[Measurement]:
    """What 100,000 requests leave behind. The budget is what Python's allocator may do, not one byte per request."""
    _exchanges(host, Get(_SYSTEM), _MANY_REQUESTS // 10)()  # until the request log is as long as it gets
    before = host.resident_bytes
    _exchanges(host, Get(_SYSTEM), _MANY_REQUESTS)()
    grown = (host.resident_bytes - before) / _MIB
    yield Measurement("simulator.growth_mib", grown, "MiB", f"{_MANY_REQUESTS} requests", Budget("at most", 4))


def _many_machines(host: Server) -> Iterator[Measurement]:
    case = f"{_MACHINES} machines"
    before = host.processor_s
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda first: _define(host, range(first, _MACHINES, 2)), range(2)))
    rate = _MACHINES / (host.processor_s - before)
    yield Measurement("simulator.definitions_per_s", rate, "1/s", "DefineSystem, Basic")
    yield _listing(host, case)
    yield Measurement("simulator.memory_mib", host.resident_bytes / _MIB, "MiB", case, Budget("at most", 1024))


def _listing(host: Server, case: str) -> Measurement:
    with closing(_session(host)) as session:
        session.get(_SYSTEM)
        seconds = []
        for _ in range(_REPETITIONS):
            started = time.perf_counter()
            found = len(session.query(select("Msvm_ComputerSystem", _LISTED)))
            seconds.append(time.perf_counter() - started)
    if found != _MACHINES + 1:  # and the host
        raise RuntimeError(f"{found} systems are listed, {_MACHINES} machines and the host are there")
    return Measurement("simulator.listing_s", min(seconds), "s", case, Budget("at most", 3))


def _define(host: Server, numbers: range) -> None:
    with closing(KeptConnection(host.address, HTTP_PORT)) as connection:
        for number in numbers:
            settings = CimInstance(
                "Msvm_VirtualSystemSettingData",
                {
                    "ElementName": f"instance-{number:08x}",
                    "VirtualSystemSubType": "Microsoft:Hyper-V:SubType:2",
                    "Notes": [f"00000000-0000-4000-8000-{number:012x}"],
                },
            )
            connection.exchange(_post(host, Invoke(_SERVICE, "DefineSystem", {"SystemSettings": settings})))


def _exchanges(server: Server, request: Request, count: int) -> Callable[[], None]:
    message = _post(server, request)

    def run() -> None:
        with closing(KeptConnection(server.address, HTTP_PORT)) as connection:
            for _ in range(count):
                connection.exchange(message)

    return run


def _rate(server: Server, run: Callable[[], None], requests: int) -> float:
    """Requests per second of the server's processor time."""
    before = server.processor_s
    run()
    return requests / (server.processor_s - before)


def _post(server: Server, request: Request) -> bytes:
    to = f"http://{server.address}:{HTTP_PORT}/wsman"
    body = encode_request(request, RequestHeader(new_message_id(), to, 60, 512000))
    credentials = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    head = (
        f"POST /wsman HTTP/1.1\r\nHost: {server.address}:{HTTP_PORT}\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _session(host: Server) -> CimSession:
    return CimSession(Endpoint(host.address, port=HTTP_PORT, scheme="http", username=USERNAME, password=PASSWORD))
