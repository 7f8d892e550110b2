"""What fault rules do on the wire, and what has happened on the host when they do it."""

from __future__ import annotations

import time

import pytest
import requests

from hyperv_simulator.fault_rules import FaultRule
from tests.simulator.wire.conftest import SERVICE, WireHost
from tests.simulator.wire.raw import V2, Answer, RawClient, envelope, selectors

SYSTEM = f"{V2}/Msvm_ComputerSystem"


def define(raw: RawClient) -> Answer:
    return raw.invoke(f"{V2}/{SERVICE}", "DefineSystem", CreationClassName=SERVICE)


def outcomes(wire: WireHost) -> list[str]:
    return [each.outcome for each in wire.requests]


def test_drop_before_closes_the_connection_and_nothing_is_done(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("drop-before", method="DefineSystem"))
    with pytest.raises(requests.ConnectionError):
        define(raw)
    assert wire.recorder.calls == []
    assert outcomes(wire) == ["dropped"]


def test_drop_after_does_it_and_closes_the_connection_without_an_answer(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("drop-after", method="DefineSystem"))
    with pytest.raises(requests.ConnectionError):
        define(raw)
    assert len(wire.recorder.calls) == 1
    assert outcomes(wire) == ["dropped"]


def test_the_next_request_goes_through(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("drop-before"))
    with pytest.raises(requests.ConnectionError):
        define(raw)
    assert define(raw).status == 200


def test_an_http_status_has_no_body_and_nothing_is_done(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("http-status", action="invoke", status=503))
    body = f'<p:DefineSystem_INPUT xmlns:p="{V2}/{SERVICE}"/>'
    answer = raw.post(envelope(f"{V2}/{SERVICE}/DefineSystem", f"{V2}/{SERVICE}", body).encode())
    assert (answer.status_code, answer.content) == (503, b"")
    assert wire.recorder.calls == []


@pytest.mark.parametrize(
    ("code", "subcode", "answered"),
    [
        (2150858815, "w:QuotaLimit", "2150858815"),
        (2150859174, "w:QuotaLimit", "2150859174"),
        (5, "w:AccessDenied", "5"),
        (2150858793, "w:TimedOut", "2150858793"),
        (0x80041003, "w:InternalError", str(0x80041003)),
    ],
)
def test_a_fault_has_the_code_that_the_rule_names(
    wire: WireHost, raw: RawClient, code: int, subcode: str, answered: str
) -> None:
    wire.faults.add(FaultRule("fault", class_name="Msvm_ComputerSystem", code=code, message="on demand"))
    answer = raw.get(SYSTEM, Name="HV1")
    assert (answer.fault[0], answer.fault[2]) == (subcode, answered)
    assert "on demand" in (answer.text(".//s:Reason/s:Text") or "")
    assert raw.get(SYSTEM, Name="HV1").status == 200


def test_a_query_is_matched_by_the_class_that_it_selects_from(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("fault", class_name="Msvm_ComputerSystem", action="enumerate", code=5, times=0))
    assert raw.query("select * from msvm_computersystem where Name = 'x'").fault[0] == "w:AccessDenied"
    assert raw.query("select * from Msvm_ConcreteJob").status == 200


def test_a_pull_is_matched_by_the_class_of_its_enumeration(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("fault", class_name="Msvm_ComputerSystem", action="pull", code=5))
    context = raw.query("select * from Msvm_ComputerSystem").context
    assert raw.pull(context).fault[0] == "w:AccessDenied"
    assert raw.pull(context).status == 200


def test_a_delay_holds_up_one_request_only(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("delay", delay_ms=150, nth=2))
    durations = []
    for _ in range(3):
        started = time.monotonic()
        assert define(raw).status == 200
        durations.append(time.monotonic() - started)
    assert durations[1] >= 0.15
    assert len(wire.recorder.calls) == 3


def test_a_delay_beyond_operation_timeout_is_a_timed_out_fault_and_it_is_done(wire: WireHost, raw: RawClient) -> None:
    """OperationTimeout: the host stops waiting, the operation goes on (MS-WSMV 3.1.4.1.6)."""
    wire.faults.add(FaultRule("delay", delay_ms=60_000))
    body = f'<p:DefineSystem_INPUT xmlns:p="{V2}/{SERVICE}"/>'
    timeout = "<w:OperationTimeout>PT0.050S</w:OperationTimeout>"
    keys = selectors({"CreationClassName": SERVICE})
    answer = raw.request(f"{V2}/{SERVICE}/DefineSystem", f"{V2}/{SERVICE}", body, selectors=keys, headers=timeout)
    assert answer.fault == ("w:TimedOut", None, "2150858793")
    assert len(wire.recorder.calls) == 1


def test_delays_add_up_and_the_first_other_effect_wins(wire: WireHost, raw: RawClient) -> None:
    wire.faults.add(FaultRule("delay", delay_ms=50))
    wire.faults.add(FaultRule("delay", delay_ms=50))
    wire.faults.add(FaultRule("fault", code=5))
    wire.faults.add(FaultRule("drop-before"))
    started = time.monotonic()
    assert raw.get(SYSTEM, Name="HV1").fault[0] == "w:AccessDenied"
    assert time.monotonic() - started >= 0.1
