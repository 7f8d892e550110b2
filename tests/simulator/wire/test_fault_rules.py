"""When a fault rule acts: what it matches, from which request on, how often."""

from __future__ import annotations

import pytest

from hyperv_simulator.fault_rules import FaultRule, FaultRules, JobError

DEFINE = ("invoke", "Msvm_VirtualSystemManagementService", "DefineSystem")


def hits(rule: FaultRule, requests: int) -> list[int]:
    rules = FaultRules([rule])
    return [number for number in range(1, requests + 1) if rules.for_request(*DEFINE)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FaultRule("http-500"), [1]),
        (FaultRule("http-500", nth=3), [3]),
        (FaultRule("http-500", nth=2, times=3), [2, 3, 4]),
        (FaultRule("http-500", nth=4, times=0), [4, 5, 6]),
    ],
)
def test_nth_and_times_count_matching_requests(rule: FaultRule, expected: list[int]) -> None:
    assert hits(rule, 6) == expected


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (FaultRule("drop-before"), True),
        (FaultRule("drop-before", class_name="msvm_virtualsystemmanagementservice"), True),
        (FaultRule("drop-before", class_name="Msvm_ComputerSystem"), False),
        (FaultRule("drop-before", method="definesystem"), True),
        (FaultRule("drop-before", method="DestroySystem"), False),
        (FaultRule("drop-before", action="invoke"), True),
        (FaultRule("drop-before", action="get"), False),
    ],
)
def test_a_rule_matches_class_method_and_action_whatever_their_case(rule: FaultRule, matches: bool) -> None:
    assert bool(hits(rule, 1)) is matches


def test_requests_that_do_not_match_are_not_counted() -> None:
    rules = FaultRules([FaultRule("http-500", method="DefineSystem", nth=2)])
    outcomes = [bool(rules.for_request("get", "X")), *(bool(rules.for_request(*DEFINE)) for _ in range(2))]
    assert outcomes == [False, False, True]


def test_job_errors_are_asked_for_by_the_jobs_alone() -> None:
    rules = FaultRules([FaultRule("job-error", method="DefineSystem", code=32768, message="no room")])
    assert rules.for_request(*DEFINE) == []
    assert rules.job_error(*DEFINE[1:]) == JobError(32768, "no room")
    assert rules.job_error(*DEFINE[1:]) is None


def test_rules_come_and_go_while_the_host_runs() -> None:
    rules = FaultRules()
    assert rules.for_request(*DEFINE) == []
    rules.add(FaultRule("http-500", times=0))
    assert len(rules.for_request(*DEFINE)) == 1
    rules.clear()
    assert rules.for_request(*DEFINE) == []
