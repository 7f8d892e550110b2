"""The connection is cut at every invocation of a preparation, one after the other: whatever is left, a second run
succeeds, and undoing takes it back. Minutes long, so only on request; ``test_prepare`` has those that matter most.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from compute_hyperv.readiness.preparation import Failed
from hyperv_simulator.fault_rules import Effect, FaultRule
from tests.readiness.preparing import operator
from tests.readiness.test_prepare import _quick_windows, _start_fresh
from tests.simulated import Simulate

__all__ = ["_quick_windows"]

pytestmark = [
    pytest.mark.skipif("COMPUTE_HYPERV_ALL_CUTS" not in os.environ, reason="COMPUTE_HYPERV_ALL_CUTS is not set"),
    pytest.mark.timeout(3600),
]
# Reads are repeated by the session itself; what is invoked is not.
_MOST_INVOCATIONS = 80


@pytest.mark.parametrize("effect", ["drop-before", "drop-after"])
def test_a_second_run_succeeds_wherever_the_first_was_cut(hosts: Simulate, tmp_path: Path, effect: Effect) -> None:
    host = _start_fresh(hosts)
    for number in range(1, _MOST_INVOCATIONS):
        with operator(host, tmp_path / f"journal-{number}") as somebody:
            plan = somebody.plan()
            before = {step.change for step in plan.steps}
            rule = FaultRule(effect, action="invoke", nth=number)
            host.faults.add(rule)
            host.requests.clear()
            with contextlib.suppress(Failed):
                somebody.prepare(plan)
            invoked = sum(bool(request.method) for request in host.requests)
            host.faults.clear()
            somebody.prepare()
            assert somebody.complaints() == set(), number
            assert somebody.plan().steps == (), number
            somebody.undo()
            assert {step.change for step in somebody.plan().steps} == before, number
            if invoked < number:
                return
    raise AssertionError("a preparation has become longer than this test looks")
