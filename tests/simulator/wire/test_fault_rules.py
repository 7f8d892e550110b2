"""When a fault rule acts: what it matches, from which request on, how often."""

from __future__ import annotations

import pytest

from hyperv_simulator.fault_rules import FaultRule, FaultRuleError, FaultRules, JobFault

DEFINE = ("invoke", "Msvm_VirtualSystemManagementService", "DefineSystem")


def hits(rule: FaultRule, requests: int) -> list[int]:
    rules = FaultRules([rule])
    return [number for number in range(1, requests + 1) if rules.for_request(*DEFINE)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FaultRule("http-status"), [1]),
        (FaultRule("http-status", nth=3), [3]),
        (FaultRule("http-status", nth=2, times=3), [2, 3, 4]),
        (FaultRule("http-status", nth=4, times=0), [4, 5, 6]),
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
        (FaultRule("drop-before", query="msvm_summary"), False),
    ],
)
def test_a_rule_matches_class_method_and_action_whatever_their_case(rule: FaultRule, matches: bool) -> None:
    assert bool(hits(rule, 1)) is matches


def test_requests_that_do_not_match_are_not_counted() -> None:
    rules = FaultRules([FaultRule("http-status", method="DefineSystem", nth=2)])
    outcomes = [bool(rules.for_request("get", "X")), *(bool(rules.for_request(*DEFINE)) for _ in range(2))]
    assert outcomes == [False, False, True]


def test_job_errors_are_asked_for_by_the_jobs_alone() -> None:
    rules = FaultRules([FaultRule("job-error", method="DefineSystem", code=32768, message="no room")])
    assert rules.for_request(*DEFINE) == []
    assert rules.for_job(*DEFINE[1:]) == JobFault(0, 32768, "no room")
    assert rules.for_job(*DEFINE[1:]) is None


def test_rules_come_and_go_while_the_host_runs() -> None:
    rules = FaultRules()
    assert rules.for_request(*DEFINE) == []
    rules.add(FaultRule("http-status", times=0))
    assert len(rules.for_request(*DEFINE)) == 1
    rules.clear()
    assert rules.for_request(*DEFINE) == []


def test_a_query_is_matched_by_a_part_of_its_text() -> None:
    rules = FaultRules([FaultRule("http-status", query="where NAME = 'vm1'", times=0)])
    asked = ("select * from Msvm_ComputerSystem where Name = 'vm1'", "select * from Msvm_ComputerSystem", "")
    assert [bool(rules.for_request("enumerate", query=query)) for query in asked] == [True, False, False]


def test_a_job_may_be_late_and_fail_too() -> None:
    rules = FaultRules([FaultRule("slow-job", delay_ms=1500), FaultRule("job-error", code=1, message="no")])
    assert rules.for_job(*DEFINE[1:]) == JobFault(1.5, 1, "no")


def test_a_rule_is_taken_away_by_its_number_and_the_others_stay() -> None:
    rules = FaultRules([FaultRule("http-status", times=0)])
    number = rules.add(FaultRule("drop-before", times=0))
    rules.for_request(*DEFINE)
    assert rules.remove(1)
    assert not rules.remove(1)
    assert [(each.number, each.rule.effect, each.seen) for each in rules] == [(number, "drop-before", 1)]


@pytest.mark.parametrize("name", ["QUOTA_MAX_OPERATIONS", "error_wsman_quota_max_operations"])
def test_a_fault_may_be_named(name: str) -> None:
    assert FaultRule("fault", fault=name).fault_code == 2150859174


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"effect": "fault", "fault": "NO_SUCH"}, "fault is 'NO_SUCH'; write a WS-Man error"),
        ({"effect": "fault", "fault": "QUOTA_LIMIT", "code": 5}, "code is 5; the effect fault needs the code"),
        ({"effect": "time-jump"}, "jump_s is 0; a time-jump needs seconds"),
        ({"effect": "slow-job"}, "delay_ms is 0; a slow-job needs milliseconds"),
        ({"effect": "http-status", "status": 200}, "status is 200; write an HTTP status from 400"),
    ],
)
def test_a_rule_that_can_do_nothing_is_refused(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(FaultRuleError, match=complaint):
        FaultRule(**values)  # type: ignore[arg-type]
