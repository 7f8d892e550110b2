"""WS-Eventing for WMI's events, with raw requests (wsman-cim 9; MS-WSMV 3.1.4.6, 3.1.4.7, 3.1.4.1.30; DSP0226 10)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.quotas import Quotas
from tests.simulator.wire.conftest import MACHINES, WireHost, machine, serving
from tests.simulator.wire.raw import NS, V2, WQL, XSI_TYPE, Answer, RawClient, local_name

PULL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"
SYSTEM = f"{V2}/Msvm_ComputerSystem"
QUICKLY = 0.2
CHANGES = f"within {QUICKLY} where TargetInstance isa 'Msvm_ComputerSystem'"


@dataclass
class Subscriber:
    """A client of events that owes nothing to our codec."""

    raw: RawClient

    def subscribe(
        self,
        wql: str = "",
        content: str = "",
        *,
        mode: str = PULL,
        heartbeat: str = "",
        uri: str = f"{V2}/*",
        **keys: str,
    ) -> Answer:
        filter_ = f'<w:Filter Dialect="{WQL}">{escape(wql)}</w:Filter>' if wql else ""
        body = f'<e:Subscribe><e:Delivery Mode="{mode}">{heartbeat}</e:Delivery>{content}{filter_}</e:Subscribe>'
        selected = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in keys.items())
        set_ = f"<w:SelectorSet>{selected}</w:SelectorSet>" if keys else ""
        return self.raw.request(f"{NS['e']}/Subscribe", uri, body, selectors=set_)

    def pull(self, subscribed: Answer, seconds: float = 5, count: int = 10) -> Answer:
        content = f"<n:MaxTime>PT{seconds:.3f}S</n:MaxTime><n:MaxElements>{count}</n:MaxElements>"
        return self.raw.pull(subscribed.context, content)

    def manage(self, action: str, subscribed: Answer) -> Answer:
        identifier = subscribed.text(".//e:SubscriptionManager//e:Identifier")
        header = f"<e:Identifier>{identifier}</e:Identifier>"
        return self.raw.request(f"{NS['e']}/{action}", f"{V2}/*", f"<e:{action}/>", headers=header)


@pytest.fixture
def events(raw: RawClient) -> Subscriber:
    return Subscriber(raw)


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[tuple[WireHost, Subscriber]]:
    """A host that forgets after half a second what nobody pulls."""
    quotas = Quotas(enumeration_timeout_ms=500, max_concurrent_operations_per_user=2)
    with serving(tmp_path, quotas=quotas) as wire:
        client = RawClient(wire.config)
        yield wire, Subscriber(client)
        client.close()


def state(wire: WireHost, name: str, value: int) -> None:
    reference = wire.repository.reference_of(wire.machine(name))
    wire.repository.change(reference, {"EnabledState": value})


def target(event: etree._Element, role: str = "TargetInstance") -> dict[str, str | None]:
    found = event.find(f"{{*}}{role}")
    assert found is not None
    return {local_name(child): child.text for child in found}


class TestSubscribing:
    def test_the_answer_says_how_to_pull_and_how_to_end(self, events: Subscriber) -> None:
        answer = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES}", "<e:Expires>PT60.000S</e:Expires>"
        )
        assert answer.text(".//a:Action") == f"{NS['e']}/SubscribeResponse"
        assert (answer.context or "").startswith("uuid:")
        assert answer.text(".//e:SubscriptionManager//w:ResourceURI") == f"{V2}/*"
        assert answer.text(".//e:SubscriptionManager//e:Identifier")
        assert answer.text(".//e:Expires") == "PT60.000S"

    @pytest.mark.parametrize(
        "mode",
        [
            "http://schemas.xmlsoap.org/ws/2004/08/eventing/DeliveryModes/Push",
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck",
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events",
            "",
        ],
    )
    def test_other_delivery_than_pull_is_refused(self, events: Subscriber, mode: str) -> None:
        """WSMERR 2150859007; a missing mode means Push (WS-Eventing 3.1)."""
        answer = events.subscribe(f"select * from __InstanceCreationEvent {CHANGES}", mode=mode)
        assert answer.fault == ("e:DeliveryModeRequestedUnavailable", None, "2150859007")
        assert answer.text(".//a:Action") == f"{NS['e']}/fault"

    def test_selectors_are_refused(self, events: Subscriber) -> None:
        """WSMERR 2150859225."""
        answer = events.subscribe(f"select * from __InstanceCreationEvent {CHANGES}", Name="x")
        assert answer.fault[2] == "2150859225"

    def test_another_dialect_is_refused(self, events: Subscriber) -> None:
        """MS-WSMV 3.1.4.1.30.5."""
        answer = events.subscribe(content='<w:Filter Dialect="urn:x">*</w:Filter>')
        assert answer.fault[:1] == ("e:FilteringRequestedUnavailable",)

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("select * from", 0x80041017),
            ("select * from __InstanceCreationEvent within 0 where TargetInstance isa 'X'", 0x80041017),
            ("select * from Msvm_Nothing", 0x80041010),
            (f"select * from __InstanceCreationEvent {CHANGES.replace('ComputerSystem', 'Nothing')}", 0x80041010),
            ("select * from Msvm_ComputerSystem", 0x80041059),
            ("select * from __InstanceCreationEvent within 1", 0x80042001),
            ("select * from __InstanceCreationEvent where TargetInstance isa 'Msvm_ComputerSystem'", 0x80042002),
        ],
    )
    def test_a_query_that_wmi_refuses_is_refused_with_its_code(self, events: Subscriber, query: str, code: int) -> None:
        """WmiSdk "WMI Error Constants"."""
        answer = events.subscribe(query)
        assert answer.fault[0] == "n:CannotProcessFilter"
        inner = answer.find(".//f:ProviderFault/f:WSManFault")
        assert inner is not None
        assert inner.get("Code") == str(code)

    def test_an_indication_class_needs_no_filter(self, events: Subscriber) -> None:
        """MS-WSMV 3.1.4.6: a valid indication class, or all classes."""
        assert events.subscribe(uri=f"{V2}/__TimerEvent").status == 200
        assert events.subscribe(uri=SYSTEM).fault[0] == "a:ActionNotSupported"

    @pytest.mark.parametrize(
        ("expires", "subcode"),
        [("2030-01-01T00:00:00Z", "UnsupportedExpirationType"), ("PT0S", "InvalidExpirationTime")],
    )
    def test_an_expiration_must_be_a_duration(self, events: Subscriber, expires: str, subcode: str) -> None:
        answer = events.subscribe(
            f"select * from __InstanceCreationEvent {CHANGES}", f"<e:Expires>{expires}</e:Expires>"
        )
        assert answer.fault[0] == f"e:{subcode}"

    def test_renew_is_refused(self, events: Subscriber) -> None:
        """MS-WSMV 3.1.4.1.30.4."""
        subscribed = events.subscribe(f"select * from __InstanceCreationEvent {CHANGES}")
        assert events.manage("Renew", subscribed).fault == ("e:UnableToRenew", None, "2150858788")


class TestEvents:
    def test_a_modification_carries_the_instance_before_and_after(self, wire: WireHost, events: Subscriber) -> None:
        """wsman-cim 4: an embedded object has its class in xsi:type of the property element itself."""
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        state(wire, "vm1", 3)
        (event,) = events.pull(subscribed).items
        assert event.tag == f"{{{V2}/__InstanceModificationEvent}}__InstanceModificationEvent"
        assert event.get(XSI_TYPE) == "p:__InstanceModificationEvent_Type"
        inner = event.find("{*}TargetInstance")
        assert inner is not None
        prefix, _, type_name = (inner.get(XSI_TYPE) or "").partition(":")
        assert (inner.nsmap[prefix], type_name) == (SYSTEM, "Msvm_ComputerSystem_Type")
        assert target(event)["EnabledState"] == "3"
        assert target(event, "PreviousInstance")["EnabledState"] == "2"
        assert target(event)["Name"] == MACHINES[0]
        created = event.findtext("{*}TIME_CREATED") or ""
        assert abs(int(created) / 1e7 - 11644473600 - time.time()) < 60

    def test_creation_and_deletion(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceOperationEvent {CHANGES}")
        reference = wire.repository.add(machine("NEW", "vm3"))
        (event,) = events.pull(subscribed).items
        assert (local_name(event), target(event)["ElementName"]) == ("__InstanceCreationEvent", "vm3")
        wire.repository.remove(reference)
        (event,) = events.pull(subscribed).items
        assert (local_name(event), target(event)["ElementName"]) == ("__InstanceDeletionEvent", "vm3")

    def test_changes_of_one_interval_are_one_event(self, wire: WireHost, events: Subscriber) -> None:
        """WmiSdk "WITHIN Clause": WMI looks every so many seconds and compares."""
        subscribed = events.subscribe(
            "select * from __InstanceOperationEvent within 1 where TargetInstance isa 'Msvm_ComputerSystem'"
        )
        for value in (3, 2, 32768):
            state(wire, "vm1", value)
        state(wire, "vm2", 3)
        state(wire, "vm2", 2)
        wire.repository.remove(wire.repository.add(machine("SHORT", "lived")))
        (event,) = events.pull(subscribed).items
        assert (target(event)["Name"], target(event)["EnabledState"]) == (MACHINES[0], "32768")
        assert target(event, "PreviousInstance")["EnabledState"] == "2"

    def test_conditions_choose_among_events(self, wire: WireHost, events: Subscriber) -> None:
        """As os-win asks for state changes."""
        subscribed = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES} and "
            "TargetInstance.EnabledState != PreviousInstance.EnabledState and "
            "(TargetInstance.EnabledState = '3' or TargetInstance.ElementName like 'nothing%')"
        )
        wire.repository.change(wire.repository.reference_of(wire.machine("vm1")), {"Caption": "other"})
        state(wire, "vm1", 9)
        state(wire, "vm2", 3)
        (event,) = events.pull(subscribed).items
        assert target(event)["Name"] == MACHINES[1]

    def test_other_classes_make_no_event(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceCreationEvent {CHANGES}")
        wire.repository.add(CimInstance("Msvm_ConcreteJob", {"InstanceID": "JOB-2"}))
        assert events.pull(subscribed, seconds=0.5).fault[0] == "n:TimedOut"

    def test_a_base_class_stands_for_those_derived_from_it(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(
            f"select * from __InstanceCreationEvent {CHANGES.replace('Msvm_ComputerSystem', 'CIM_ManagedElement')}"
        )
        wire.repository.add(CimInstance("Msvm_ConcreteJob", {"InstanceID": "JOB-2"}))
        assert target(events.pull(subscribed).items[0])["InstanceID"] == "JOB-2"

    def test_grouped_events_are_counted(self, wire: WireHost, events: Subscriber) -> None:
        """WmiSdk "GROUP Clause": one event per group and interval, with the first as its representative."""
        subscribed = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES} group within 2 by TargetInstance.Name"
        )
        state(wire, "vm1", 3)
        assert events.pull(subscribed, seconds=0.3).fault[0] == "n:TimedOut"
        state(wire, "vm1", 2)
        state(wire, "vm2", 3)
        counted = {}
        while len(counted) < 2:
            for event in events.pull(subscribed).items:
                assert local_name(event) == "__AggregateEvent"
                inner = event.find("{*}Representative")
                assert inner is not None
                counted[target(inner)["Name"]] = event.findtext("{*}NumberOfEvents")
        assert counted == {MACHINES[0]: "2", MACHINES[1]: "1"}

    def test_having_leaves_groups_out(self, wire: WireHost, events: Subscriber) -> None:
        """WmiSdk "HAVING Clause"."""
        subscribed = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES} "
            "group within 0.2 by TargetInstance.Name having NumberOfEvents > 1"
        )
        state(wire, "vm1", 3)
        assert events.pull(subscribed, seconds=0.6).fault[0] == "n:TimedOut"

    def test_a_projection_holds_what_was_selected(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select TargetInstance from __InstanceModificationEvent {CHANGES}")
        state(wire, "vm1", 3)
        (event,) = events.pull(subscribed).items
        assert [local_name(child) for child in event] == ["TargetInstance"]

    def test_max_elements_limits_an_answer_and_the_rest_waits(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        state(wire, "vm1", 3)
        state(wire, "vm2", 3)
        assert [len(events.pull(subscribed, count=1).items) for _ in range(2)] == [1, 1]

    def test_an_extrinsic_event_comes_at_once(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe("select * from __TimerEvent where TimerId = 'a'")
        for name in ("b", "a"):
            wire.events.raise_event(CimInstance("__TimerEvent", {"TimerId": name, "NumFirings": 1}))
        (event,) = events.pull(subscribed).items
        assert event.findtext("{*}TimerId") == "a"


class TestPulling:
    def test_a_pull_waits_for_what_happens(self, wire: WireHost, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        later = threading.Timer(0.3, state, (wire, "vm1", 3))
        later.start()
        assert len(events.pull(subscribed).items) == 1
        later.join()

    def test_a_pull_without_events_times_out_and_the_subscription_lives(
        self, wire: WireHost, events: Subscriber
    ) -> None:
        """OMI's table: ENUMERATE_TIMED_OUT for MaxTime, OPERATION_TIMEDOUT for OperationTimeout."""
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        assert events.pull(subscribed, seconds=0.1).fault == ("n:TimedOut", None, "2150858780")
        header = "<w:OperationTimeout>PT0.100S</w:OperationTimeout>"
        assert events.raw.pull(subscribed.context, headers=header).fault == ("w:TimedOut", None, "2150858793")
        state(wire, "vm1", 3)
        assert len(events.pull(subscribed).items) == 1

    def test_a_heartbeat_is_an_answer_without_items(self, events: Subscriber) -> None:
        """DSP0226 10.2.5; as a PullResponse, since the WinRM client ends a subscription at any other message (OMI)."""
        subscribed = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES}",
            heartbeat="<w:Heartbeats>PT0.200S</w:Heartbeats>",
        )
        answer = events.pull(subscribed)
        assert (answer.status, answer.items, answer.ended) == (200, [], False)
        assert answer.context

    def test_who_does_not_pull_within_the_heartbeat_loses_the_subscription(self, events: Subscriber) -> None:
        """WSMERR 2150858762."""
        subscribed = events.subscribe(
            f"select * from __InstanceModificationEvent {CHANGES}",
            heartbeat="<w:Heartbeats>PT0.200S</w:Heartbeats>",
        )
        time.sleep(0.3)
        assert events.pull(subscribed).fault == ("n:InvalidEnumerationContext", None, "2150858762")

    def test_who_does_not_pull_at_all_loses_the_subscription(self, hurried: tuple[WireHost, Subscriber]) -> None:
        """EnumerationTimeoutms, MS-WSMV 3.1.4.1.36."""
        _, events = hurried
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        time.sleep(0.6)
        assert events.pull(subscribed).fault[0] == "n:InvalidEnumerationContext"

    def test_an_expired_subscription_is_gone(self, events: Subscriber) -> None:
        query = f"select * from __InstanceModificationEvent {CHANGES}"
        subscribed = events.subscribe(query, "<e:Expires>PT0.300S</e:Expires>")
        started = time.monotonic()
        assert events.pull(subscribed).fault[0] == "n:InvalidEnumerationContext"
        assert time.monotonic() - started < 3

    def test_a_second_pull_at_the_same_time_is_refused(self, wire: WireHost, events: Subscriber) -> None:
        """WSMERR 2150858758."""
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        other = Subscriber(RawClient(wire.config))
        answers: list[Answer] = []
        waiting = threading.Thread(target=lambda: answers.append(other.pull(subscribed)))
        waiting.start()
        deadline = time.monotonic() + 5
        refused = events.pull(subscribed, seconds=0.05)
        while refused.fault[0] == "n:TimedOut" and not answers and time.monotonic() < deadline:
            refused = events.pull(subscribed, seconds=0.05)
        # whichever of the two came second
        faults = [each.fault for each in (refused, *answers)]
        assert ("w:Concurrency", None, "2150858758") in faults
        state(wire, "vm1", 3)
        waiting.join(5)
        other.raw.close()

    def test_more_than_the_host_keeps_ends_the_subscription(
        self, wire: WireHost, events: Subscriber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The queue is bounded; who lost events must learn of it (assumption: the fault)."""
        monkeypatch.setattr("hyperv_simulator.server.eventing.watch.LONGEST", 5)
        subscribed = events.subscribe(f"select * from __InstanceCreationEvent {CHANGES}")
        for number in range(6):
            wire.repository.add(machine(f"M{number}", "x"))
        answer = events.pull(subscribed)
        fault = answer.find(".//f:WSManFault")
        assert fault is not None
        assert fault.get("Code") == "2150858910"
        assert events.pull(subscribed).status == 500


class TestEnding:
    def test_unsubscribe_ends_it(self, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        ended = events.manage("Unsubscribe", subscribed)
        assert (ended.status, ended.text(".//a:Action")) == (200, f"{NS['e']}/UnsubscribeResponse")
        body = ended.find("s:Body")
        assert body is not None
        assert len(body) == 0
        assert events.pull(subscribed).fault[0] == "n:InvalidEnumerationContext"
        assert events.manage("Unsubscribe", subscribed).fault[0] == "e:InvalidMessage"

    def test_release_ends_it(self, events: Subscriber) -> None:
        subscribed = events.subscribe(f"select * from __InstanceModificationEvent {CHANGES}")
        assert events.raw.release(subscribed.context).status == 200
        assert events.pull(subscribed).fault[0] == "n:InvalidEnumerationContext"

    def test_subscriptions_count_as_operations_of_their_user(self, hurried: tuple[WireHost, Subscriber]) -> None:
        """MaxConcurrentOperationsPerUser, here 2."""
        _, events = hurried
        query = f"select * from __InstanceModificationEvent {CHANGES}"
        first = events.subscribe(query)
        assert events.subscribe(query).status == 200
        assert events.subscribe(query).fault == ("w:QuotaLimit", None, "2150859174")
        events.manage("Unsubscribe", first)
        assert events.subscribe(query).status == 200
