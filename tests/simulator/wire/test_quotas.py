"""WinRM's quotas (``[host.quotas]``): each is enforced with the documented fault, and what is below it is served."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.quotas import Quotas
from tests.simulator.wire.conftest import WireHost, serving
from tests.simulator.wire.raw import V2, RawClient

ALL = "select * from Msvm_ComputerSystem"
SYSTEM = f"{V2}/Msvm_ComputerSystem"


@contextlib.contextmanager
def limited(folder: Path, **quotas: int) -> Iterator[tuple[WireHost, RawClient]]:
    with serving(folder, quotas=Quotas(**quotas)) as wire:
        client = RawClient(wire.config)
        try:
            yield wire, client
        finally:
            client.close()


def test_the_defaults_are_those_of_current_windows() -> None:
    """wsman-cim 8."""
    assert dataclasses.astuple(HostConfig().quotas) == (500, 60000, 32000, 1500, 300, 60000, 120, 30, 25, 180000)


def test_open_enumerations_of_a_user_are_limited(tmp_path: Path) -> None:
    """MS-WSMV 2.2.4.36 and 3.1.4.1.19; the code is that of current Windows (wsman-cim 7)."""
    with limited(tmp_path, max_concurrent_operations_per_user=2) as (_, raw):
        first, second = raw.query(ALL), raw.query(ALL)
        refused = raw.query(ALL)
        assert refused.fault == ("w:QuotaLimit", None, "2150859174")
        assert refused.text(".//s:Code/s:Value") == "s:Sender"
        assert raw.get(SYSTEM, Name="HV1").status == 200
        raw.release(first.context)
        assert raw.query(ALL).status == 200
        assert raw.pull(second.context).status == 200


def test_an_enumeration_that_has_ended_is_not_open(tmp_path: Path) -> None:
    with limited(tmp_path, max_concurrent_operations_per_user=1) as (_, raw):
        for _ in range(3):
            answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>")
            assert answer.ended
            assert raw.pull(raw.query(ALL).context, "<n:MaxElements>9</n:MaxElements>").ended


def test_requests_at_the_same_time_are_limited(tmp_path: Path) -> None:
    """MaxConnections, MS-WSMV 3.1.4.1.19."""
    with limited(tmp_path, max_connections=1) as (wire, raw):
        wire.faults.add(FaultRule("delay", action="get", delay_ms=60_000, times=1))
        other = RawClient(wire.config)

        def wait() -> None:
            with contextlib.suppress(requests.ConnectionError):  # the host stops before it answers
                while other.get(SYSTEM, Name="HV1").status == 500:
                    pass  # it was this one that came second

        waiting = threading.Thread(target=wait)
        assert raw.query(ALL).status == 200
        waiting.start()
        deadline = time.monotonic() + 5
        while (answer := raw.query(ALL)).status == 200 and time.monotonic() < deadline:
            raw.release(answer.context)
        assert answer.fault == ("w:QuotaLimit", None, "2150858815")
        wire.stopping.set()
        waiting.join(5)
        other.close()


def test_max_batch_items_limits_every_answer(tmp_path: Path) -> None:
    """MS-WSMV 3.1.4.1.14: the smaller of MaxElements and MaxBatchItems."""
    with limited(tmp_path, max_batch_items=2) as (_, raw):
        answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>")
        assert len(answer.items) == 2
        assert len(raw.pull(answer.context, "<n:MaxElements>9</n:MaxElements>").items) == 1


def test_an_enumeration_nobody_pulls_is_forgotten(tmp_path: Path) -> None:
    """MS-WSMV 3.1.4.1.36."""
    with limited(tmp_path, enumeration_timeout_ms=500) as (_, raw):
        context = raw.query(ALL).context
        time.sleep(0.6)
        assert raw.pull(context).fault[0] == "n:InvalidEnumerationContext"


def test_a_longer_request_than_max_envelope_size_is_413(tmp_path: Path) -> None:
    """MS-WSMV 3.1.4.1.20."""
    with limited(tmp_path, max_envelope_size_kb=32) as (_, raw):
        assert raw.post(b" " * (32 * 1024 + 1)).status_code == 413
        assert raw.get(SYSTEM, Name="HV1").status == 200


def test_an_answer_is_no_longer_than_the_hosts_own_limit(tmp_path: Path) -> None:
    """MS-WSMV 3.1.4.1.7: a client that allows more does not get more."""
    with limited(tmp_path, max_envelope_size_kb=32) as (wire, raw):
        wire.repository.change(wire.repository.reference_of(wire.machine("vm1")), {"Description": "x" * 20_000})
        wire.repository.change(wire.repository.reference_of(wire.machine("vm2")), {"Description": "x" * 20_000})
        size = "<w:MaxEnvelopeSize>512000</w:MaxEnvelopeSize>"
        answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>", headers=size)
        assert not answer.ended
        assert 0 < len(answer.items) < 3


@pytest.mark.parametrize("asked", ["", "<w:OperationTimeout>PT60.000S</w:OperationTimeout>"])
def test_an_operation_takes_no_longer_than_max_timeout(tmp_path: Path, asked: str) -> None:
    """MS-WSMV 3.1.4.1.6: missing or longer means MaxTimeoutms."""
    with limited(tmp_path, max_timeout_ms=500) as (wire, raw):
        wire.faults.add(FaultRule("delay", delay_ms=30_000))
        answer = raw.get(SYSTEM, asked, Name="HV1")
        assert answer.fault == ("w:TimedOut", None, "2150858793")


def test_max_timeout_is_not_for_pull(tmp_path: Path) -> None:
    """MS-WSMV 2.2.4.10: a Pull may take as long as its client allows."""
    with limited(tmp_path, max_timeout_ms=500) as (wire, raw):
        context = raw.query(ALL).context
        wire.faults.add(FaultRule("delay", action="pull", delay_ms=800))
        answer = raw.pull(context, headers="<w:OperationTimeout>PT60.000S</w:OperationTimeout>")
        assert len(answer.items) == 1


def test_a_request_that_comes_in_too_slowly_is_cut_off(tmp_path: Path) -> None:
    """MaxPacketRetrievalTimeSeconds, MS-WSMV 2.2.4.36: counted from the header on, whatever trickles in meanwhile."""
    with (
        limited(tmp_path, max_packet_retrieval_time_seconds=1) as (wire, _),
        socket.create_connection((wire.config.address, 5985), timeout=10) as connection,
    ):
        connection.sendall(b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        started = time.monotonic()
        connection.settimeout(0.3)
        closed = False
        while not closed and time.monotonic() - started < 10:
            with contextlib.suppress(TimeoutError):
                connection.sendall(b"x")
                closed = connection.recv(1) == b""
        assert closed
        assert time.monotonic() - started >= 0.9
