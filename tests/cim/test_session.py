"""Operations on a host: what is asked, what is repeated, and what is made of the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from compute_hyperv.cim import errors, wql
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.failures import SendFailed
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.soap import faults, requests, responses
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.cim.listening import Listener, cut_short, hang_up, http, identity, listener, say_nothing, soap

V2 = "root/virtualization/v2"
MACHINE = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": "A"})
JOB = CimReference("Msvm_ConcreteJob", {"InstanceID": "7"})
Step = Callable[[requests.Request], responses.Response] | responses.Response | Exception


class Script:
    """A host that answers with one step after the other, and keeps what it was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.asked: list[requests.Request] = []
        self.headers: list[requests.RequestHeader] = []

    def send(self, message: bytes, timeout_s: float) -> bytes:
        header, request = requests.decode_request(message)
        self.asked.append(request)
        self.headers.append(header)
        step = self.steps.pop(0)
        if isinstance(step, SoapFault):
            return faults.encode_fault(step.relating_to(header.message_id))
        if isinstance(step, Exception):
            raise step
        response = step(request) if callable(step) else step
        return responses.encode_response(response, header.message_id)

    def close(self) -> None:
        pass


def session(script: Script) -> CimSession:
    endpoint = Endpoint("hv1", username="u", password="p")
    return CimSession(endpoint, transport_factory=lambda: script)


def machine(name: str) -> CimInstance:
    return CimInstance("Msvm_ComputerSystem", {"Name": name})


def broken(*, sent: bool = True) -> SendFailed:
    return SendFailed(errors.Unreachable("The connection broke."), unprocessed=not sent, again=True)


BUSY = SoapFault.known("ERROR_WSMAN_QUOTA_LIMIT")


def test_nothing_is_sent_before_the_first_operation() -> None:
    script = Script()
    assert session(script).requests == 0
    assert not script.asked


def test_a_query_is_pulled_to_the_end_with_the_newest_context() -> None:
    script = Script(
        responses.EnumerateResponse((machine("A"), machine("B")), "uuid:1"),
        responses.PullResponse((machine("C"),), "uuid:2"),
        responses.PullResponse((machine("D"),), end_of_sequence=True),
    )
    cim = session(script)
    found = cim.query(wql.select("Msvm_ComputerSystem").where(wql.eq("Caption", "Virtual Machine")))
    assert [item.text("Name") for item in found] == ["A", "B", "C", "D"]
    first, second, third = script.asked
    assert isinstance(first, requests.Enumerate)
    assert (first.class_name, first.optimize) == ("*", True)
    assert first.filter == "SELECT * FROM Msvm_ComputerSystem WHERE Caption = 'Virtual Machine'"
    assert isinstance(second, requests.Pull)
    assert isinstance(third, requests.Pull)
    assert (second.context, third.context) == ("uuid:1", "uuid:2")
    assert cim.requests == 3


def test_a_host_without_optimized_enumeration_is_pulled_from_the_start() -> None:
    script = Script(
        responses.EnumerateResponse((), "uuid:1", optimized=False),
        responses.PullResponse((machine("A"),), end_of_sequence=True),
    )
    assert [item["Name"] for item in session(script).enumerate("Msvm_ComputerSystem")] == ["A"]


def test_a_projected_query_gives_instances_of_the_class_it_asked_for() -> None:
    part = CimInstance("Msvm_ComputerSystem", {"EnabledState": 2, "Name": "A"})
    script = Script(responses.EnumerateResponse((responses.Fragment(part),), "", end_of_sequence=True))
    assert session(script).query(wql.select("Msvm_ComputerSystem", ["Name", "EnabledState"])) == [part]


def test_references_are_asked_for_as_such() -> None:
    script = Script(responses.EnumerateResponse((MACHINE,), "", end_of_sequence=True))
    assert session(script).query_references(wql.select("Msvm_ComputerSystem")) == [MACHINE]
    (asked,) = script.asked
    assert isinstance(asked, requests.Enumerate)
    assert asked.mode is requests.EnumerationMode.REFERENCE


def test_associators_are_asked_for_in_the_namespace_of_the_instance() -> None:
    script = Script(responses.EnumerateResponse((), "", end_of_sequence=True))
    service = CimReference("Win32_Service", {"Name": "vmms"}, "root/cimv2")
    assert session(script).associators(service, result_class="Win32_Service") == []
    (asked,) = script.asked
    assert isinstance(asked, requests.Enumerate)
    assert asked.namespace == "root/cimv2"


def test_a_method_gives_back_its_return_code_and_outputs_without_judging_them() -> None:
    answer = responses.InvokeResponse(MACHINE, "RequestStateChange", {"Job": JOB, "ReturnValue": 32775})
    result = session(Script(answer)).invoke(MACHINE, "RequestStateChange", {"RequestedState": 2})
    assert result.return_value == 32775
    assert result["job"] == JOB
    assert result.reference("Job") == JOB
    assert result["Nothing"] is None
    assert result.texts("Nothing") == []
    with pytest.raises(errors.ProtocolError, match="Nothing"):
        result.text("Nothing")
    with pytest.raises(errors.ProtocolError, match="Job"):
        result.text("Job")


def test_a_wrong_parameter_is_refused_before_anything_is_sent() -> None:
    script = Script()
    with pytest.raises(errors.InvalidRequest, match="Colour"):
        session(script).invoke(MACHINE, "RequestStateChange", {"Colour": 1})
    assert not script.asked


def test_writing_reaches_the_host_as_it_was_meant() -> None:
    script = Script(responses.PutResponse(), responses.CreateResponse(JOB), responses.DeleteResponse())
    cim = session(script)
    cim.put(machine("A"), MACHINE)
    assert cim.create(CimInstance("Msvm_ConcreteJob", {"InstanceID": "7"})) == JOB
    cim.delete(JOB)
    assert script.asked == [
        requests.Put(MACHINE, machine("A")),
        requests.Create(CimInstance("Msvm_ConcreteJob", {"InstanceID": "7"})),
        requests.Delete(JOB),
    ]


def test_the_host_is_told_how_long_the_caller_waits_and_how_much_it_takes() -> None:
    script = Script(responses.GetResponse(machine("A")))
    session(script).get(MACHINE, timeout_s=7)
    (header,) = script.headers
    assert header.operation_timeout_s == pytest.approx(7, abs=0.5)
    assert header.max_envelope_bytes == 512000
    assert header.to == "https://hv1:5986/wsman"


def test_a_read_is_repeated_once_when_the_connection_broke() -> None:
    cim = session(Script(broken(), responses.GetResponse(machine("A"))))
    assert cim.get(MACHINE) == machine("A")
    assert cim.requests == 2
    with pytest.raises(errors.Unreachable, match=r"Reading Msvm_ComputerSystem\(.*\) on hv1: The connection broke"):
        session(Script(broken(), broken())).get(MACHINE)


def test_a_query_begins_anew_when_the_connection_broke_between_two_batches() -> None:
    script = Script(
        responses.EnumerateResponse((machine("A"),), "uuid:1"),
        broken(),
        responses.EnumerateResponse((machine("A"),), "uuid:2"),
        responses.PullResponse((machine("B"),), end_of_sequence=True),
    )
    assert [item["Name"] for item in session(script).enumerate("Msvm_ComputerSystem")] == ["A", "B"]


def test_a_query_begins_anew_when_the_host_forgot_it() -> None:
    script = Script(
        responses.EnumerateResponse((machine("A"),), "uuid:1"),
        SoapFault.known("ERROR_WSMAN_ENUMERATE_INVALID_ENUMERATION_CONTEXT"),
        responses.EnumerateResponse((machine("A"),), "", end_of_sequence=True),
    )
    assert [item["Name"] for item in session(script).enumerate("Msvm_ComputerSystem")] == ["A"]


@pytest.mark.parametrize(
    "operation",
    [
        lambda cim: cim.invoke(MACHINE, "RequestStateChange", {"RequestedState": 2}),
        lambda cim: cim.put(machine("A"), MACHINE),
        lambda cim: cim.create(machine("A")),
        lambda cim: cim.delete(MACHINE),
    ],
    ids=["invoke", "put", "create", "delete"],
)
def test_a_change_is_never_sent_twice_when_the_host_may_have_begun_it(
    operation: Callable[[CimSession], object],
) -> None:
    script = Script(broken(), responses.DeleteResponse())
    with pytest.raises(errors.Unreachable):
        operation(session(script))
    assert len(script.asked) == 1


def test_a_change_is_sent_again_when_the_host_cannot_have_seen_it_or_was_too_busy() -> None:
    answer = responses.InvokeResponse(MACHINE, "RequestStateChange", {"ReturnValue": 0})
    for failure in (broken(sent=False), BUSY):
        script = Script(failure, answer)
        assert session(script).invoke(MACHINE, "RequestStateChange", {"RequestedState": 2}).return_value == 0
        assert len(script.asked) == 2


def test_a_busy_host_is_asked_again_only_while_there_is_time() -> None:
    script = Script(BUSY, BUSY, BUSY)
    with pytest.raises(errors.Busy, match="quota"):
        session(script).get(MACHINE, timeout_s=0.3)
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("ERROR_WSMAN_RESOURCE_NOT_FOUND", errors.NotFound),
        ("ERROR_ACCESS_DENIED", errors.AccessDenied),
        ("ERROR_WSMAN_OPERATION_TIMEDOUT", errors.TimedOut),
        ("ERROR_WSMAN_INVALID_SELECTORS", errors.InvalidRequest),
    ],
)
def test_a_fault_says_what_was_tried_and_where(fault: str, expected: type[errors.CimError]) -> None:
    with pytest.raises(expected, match=r"^Reading Msvm_ComputerSystem\(CreationClassName=.*, Name=A\) on hv1: "):
        session(Script(SoapFault.known(fault))).get(MACHINE)


def test_an_answer_of_another_kind_is_a_protocol_error() -> None:
    with pytest.raises(errors.ProtocolError, match="PullResponse instead of a GetResponse"):
        session(Script(responses.PullResponse())).get(MACHINE)


def test_an_enumeration_that_neither_ends_nor_goes_on_is_a_protocol_error() -> None:
    with pytest.raises(errors.ProtocolError, match="neither"):
        session(Script(responses.EnumerateResponse((), ""))).enumerate("Msvm_ComputerSystem")


def test_a_closed_session_refuses_operations() -> None:
    cim = session(Script())
    cim.close()
    with pytest.raises(errors.Unreachable, match="closed"):
        cim.get(MACHINE)


# Over sockets.


def over(server: Listener, **options: object) -> CimSession:
    return CimSession(server.endpoint_with(**options))


def test_a_session_keeps_its_connection() -> None:
    with listener(identity) as server:
        cim = over(server)
        for _ in range(5):
            assert cim.identify().product_version == "OS: 10.0.20348"
        cim.close()
    assert server.connections == 1
    assert cim.requests == 5


def test_a_read_survives_a_connection_that_breaks_or_an_answer_that_is_cut_short() -> None:
    for accident in (hang_up, cut_short, http(503)):
        with listener(accident, soap(lambda _: responses.GetResponse(machine("A")))) as server:
            assert over(server).get(MACHINE) == machine("A")


def test_a_change_does_not_survive_it_and_the_caller_must_look() -> None:
    with listener(hang_up) as server:
        with pytest.raises(errors.Unreachable, match=r"Msvm_ComputerSystem\.RequestStateChange on 127"):
            over(server).invoke(MACHINE, "RequestStateChange", {"RequestedState": 2})
        assert len(server.bodies) == 1


def test_a_call_ends_in_time_whatever_the_host_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute_hyperv.cim.session._GRACE_S", 0.1)
    with listener(say_nothing) as server:
        started = time.monotonic()
        with pytest.raises(errors.TimedOut, match="did not answer"):
            over(server).get(MACHINE, timeout_s=0.2)
        assert time.monotonic() - started < 2


def test_many_threads_share_a_session() -> None:
    def answer(request: requests.Request) -> responses.Response:
        assert isinstance(request, requests.Get)
        return responses.GetResponse(machine(request.reference.key("Name")))

    wrong: list[object] = []
    with listener(soap(answer)) as server:
        cim = over(server, connections=4)

        def work(number: int) -> None:
            for turn in range(20):
                name = f"{number}-{turn}"
                reference = CimReference("Msvm_ComputerSystem", {"Name": name})
                if cim.get(reference)["Name"] != name:
                    wrong.append(name)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cim.close()
    assert not wrong
    assert cim.requests == 160
    assert server.connections <= 4
