"""Subscriptions to events, against a simulated host: what comes, what is told when something was lost, how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from compute_hyperv.cim import wql
from compute_hyperv.cim.errors import InvalidRequest, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.soap import eventing, requests, responses
from compute_hyperv.cim.subscription import Gap, Subscription
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.cim.listening import http, listener, say_nothing

CHANGES = wql.events_of("Msvm_ComputerSystem", "modified", within_s=1)
LONG_S = 20


@pytest.fixture
def events(cim_session: CimSession) -> Iterator[Subscription]:
    with cim_session.subscribe(CHANGES) as subscription:
        yield subscription


def change(host: SimulatedHost, caption: str) -> None:
    repository = host.inside.repository
    (machine,) = repository.instances("Msvm_ComputerSystem")
    repository.change(repository.reference_of(machine), {"Caption": caption})


def captions(*notifications: object) -> list[str]:
    return [
        target.text("Caption")
        for each in notifications
        if isinstance(each, CimInstance) and isinstance(target := each["TargetInstance"], CimInstance)
    ]


def test_events_come_with_the_instance_before_and_after(simulated_host: SimulatedHost, events: Subscription) -> None:
    change(simulated_host, "new")
    event = events.next(LONG_S)
    assert isinstance(event, CimInstance)
    assert event.class_name == "__InstanceModificationEvent"
    previous = event["PreviousInstance"]
    assert isinstance(previous, CimInstance)
    assert previous.text("Caption") != "new"
    assert captions(event) == ["new"]


def test_without_events_the_wait_ends_when_its_time_is_over(events: Subscription) -> None:
    started = time.monotonic()
    assert events.next(0.6) is None
    assert time.monotonic() - started < 5


def test_a_query_that_the_host_refuses_is_refused_at_once(cim_session: CimSession) -> None:
    with pytest.raises(InvalidRequest, match="no event class"):
        cim_session.subscribe(wql.select("Msvm_ComputerSystem"))


def test_after_a_lost_connection_a_gap_comes_before_the_next_event(
    simulated_host: SimulatedHost, events: Subscription
) -> None:
    simulated_host.faults.add(FaultRule("drop-before", action="pull"))
    notification = events.next(LONG_S)
    assert isinstance(notification, Gap)
    assert isinstance(notification.reason, Unreachable)
    change(simulated_host, "after")
    assert captions(events.next(LONG_S)) == ["after"]


def test_after_the_host_was_away_a_gap_comes_and_events_go_on(
    simulated_host: SimulatedHost, events: Subscription
) -> None:
    simulated_host.stop()
    assert events.next(0.6) is None
    simulated_host.start()
    assert isinstance(events.next(LONG_S), Gap)
    change(simulated_host, "back")
    assert captions(events.next(LONG_S)) == ["back"]


def test_who_asks_too_late_is_told_that_events_may_be_missing(cim_session: CimSession) -> None:
    """The host ends a subscription from which nobody pulls within the heartbeat."""
    with cim_session.subscribe(CHANGES, heartbeat_s=0.5) as events:
        time.sleep(0.8)
        assert isinstance(events.next(LONG_S), Gap)


def test_a_heartbeat_is_no_event(cim_session: CimSession) -> None:
    with cim_session.subscribe(CHANGES, heartbeat_s=0.5) as events:
        assert events.next(1.6) is None


def test_close_ends_a_wait_at_once_and_the_hosts_side_as_well(
    simulated_host: SimulatedHost, events: Subscription
) -> None:
    seen: list[object] = []
    waiting = threading.Thread(target=lambda: seen.extend(events))
    waiting.start()
    while simulated_host.requests.count(action="subscribe") < 1:
        time.sleep(0.01)
    started = time.monotonic()
    events.close()
    waiting.join(10)
    assert not waiting.is_alive()
    assert time.monotonic() - started < 5
    assert seen == []
    assert simulated_host.requests.count(action="unsubscribe") == 1
    assert events.next() is None


def test_close_is_quick_with_a_host_that_says_nothing_any_more() -> None:
    def subscribed(connection: object, message: bytes) -> None:
        header, _ = requests.decode_request(message)
        answer = eventing.SubscribeResponse("root/virtualization/v2", "*", "1", "uuid:1")
        http(200, responses.encode_response(answer, header.message_id))(connection, message)  # type: ignore[arg-type]

    with listener(subscribed, say_nothing) as host:
        events = CimSession(host.endpoint).subscribe(CHANGES)
        waiting = threading.Thread(target=events.next)
        waiting.start()
        started = time.monotonic()
        events.close()
        waiting.join(10)
        assert not waiting.is_alive()
        assert time.monotonic() - started < 6
