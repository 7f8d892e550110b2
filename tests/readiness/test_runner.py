"""Many hosts and checks at once: what each costs, and what a failure of one means for the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.session import CimSession
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.readiness.checks import BY_NAME, CHECKS, selected
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Result, Section, Verdict, check, passed
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import Subject, judge, run
from compute_hyperv.readiness.sources import CIMV2, Instances
from hyperv_simulator.config.network import NicConfig
from hyperv_simulator.fault_rules import FaultRule
from tests.readiness.examining import REQUESTS, examine, readings_of
from tests.simulated import Simulate


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "127.0.0.1", server.getsockname()[1]


def test_a_full_check_of_one_host_keeps_to_its_budget_of_requests(hosts: Simulate) -> None:
    host = hosts(samba=True, numa_nodes=2, nic=(NicConfig("Ethernet"), NicConfig("Data")))
    readings = readings_of(host)
    with readings.host as client:
        results = run([Subject(readings, Expectations())], CHECKS)
        assert client.cim.requests <= REQUESTS
    assert len(results) == len(CHECKS) + 1
    unreadable = {each.check.name: each.finding.found for each in results if each.finding.verdict is Verdict.UNREADABLE}
    assert unreadable == {}


class _Watching(Readings):
    """Knows nothing, and keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__("h", None)  # type: ignore[arg-type]  # nobody is asked
        self.asked: set[str] = set()

    def of(self, source: Any) -> Any:
        self.asked.add(_kind(source))
        return ()


def _kind(source: Any) -> str:
    return type(source).__name__ + str(getattr(source, "class_name", getattr(source, "name", "")))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_check_reads_only_what_it_declares(name: str) -> None:
    """``explain`` tells all that is read."""
    host = _Watching()
    judge(BY_NAME[name], Context(host, Expectations(survey_devices=True)))
    assert host.asked <= {_kind(source) for source in BY_NAME[name].reads}


def test_a_silent_host_holds_up_nobody(hosts: Simulate, silent: tuple[str, int]) -> None:
    alive = readings_of(hosts())
    address, port = silent
    endpoint = Endpoint(address, port=port, auth="ntlm", username="a", password="b", operation_timeout_s=0.5)
    dead = Readings("dead", HyperVHost(endpoint, SmbEndpoint(address)))
    seen: list[Result] = []
    with alive.host, dead.host:
        results = run([Subject(dead, Expectations()), Subject(alive, Expectations())], selected(["time"]), seen.append)
    assert [result.host for result in results] == ["dead"] + [alive.name] * (len(results) - 1)
    before = [result.check.name for result in seen[: [each.host for each in seen].index("dead")]]
    assert {"time.service", "time.source", "time.offset"} <= set(before)  # only what compares hosts waited for it
    assert results[0].finding.verdict is Verdict.UNREADABLE


def test_one_failing_read_spoils_only_its_own_checks(hosts: Simulate) -> None:
    host = hosts(
        fault=(FaultRule(effect="fault", fault="WMI_PROVIDER_ACCESS_DENIED", query="from MSFT_NetAdapter", times=0),)
    )
    found = examine(host, "network", "connection", "time", "numa")
    spoiled = {name for name, finding in found.items() if finding.verdict is Verdict.UNREADABLE}
    assert all("MSFT_NetAdapter" in _told(name) for name in spoiled)
    assert "network.adapters" in spoiled
    assert "network.extensions" not in spoiled


def _told(name: str) -> str:
    return " ".join(source.description for source in BY_NAME[name].reads)


def test_an_answer_that_nobody_foresaw_spoils_only_its_check() -> None:
    @check(Section("x", "X"), "odd", "Odd", why="", good="", by_hand="", reads=())
    def odd(context: object) -> None:
        raise TypeError("Win32_Thing.Size is None, not an integer")

    found = judge(odd, Context(Readings("h", None), Expectations())).finding  # type: ignore[arg-type]
    assert found.verdict is Verdict.UNREADABLE
    assert "Win32_Thing.Size" in found.found


def test_a_source_is_read_once_however_many_ask_at_once() -> None:
    reads: list[int] = []

    class Slow(Readings):
        def _read(self, source: object) -> tuple[()]:
            reads.append(1)
            asked.wait(10)
            return ()

    asked = threading.Event()
    host = Slow("h", None)  # type: ignore[arg-type]
    source = Instances(CIMV2, "Win32_Thing", ("Name",))
    threads = [threading.Thread(target=host.of, args=(source,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    asked.set()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_other_programs_can_run_checks_of_their_own(hosts: Simulate) -> None:
    @check(Section("own", "Our own rules"), "name", "Named by us", why="", good="", by_hand="", reads=())
    def named(context: object) -> object:
        return passed("named")

    readings = readings_of(hosts())
    with readings.host:
        results = run([Subject(readings, Expectations())], [named])
    assert [result.check.name for result in results] == ["connection.answers", "own.name"]


def test_requests_are_counted_over_all_threads(hosts: Simulate) -> None:
    readings = readings_of(hosts())
    with readings.host as client:
        assert isinstance(client.cim, CimSession)
        run([Subject(readings, Expectations())], selected(["versions"]))
        # Identify, Win32_OperatingSystem and two keys of the registry
        assert client.cim.requests == 4
