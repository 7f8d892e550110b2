"""All checks against all hosts, concurrently.

Each host is visited by itself, so that one which does not answer holds up nobody. A read that fails spoils only the
checks that want it. Checks that compare hosts come last, when it is known which of them answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from compute_hyperv.cim.errors import CimError
from compute_hyperv.readiness.checks import CONNECTION
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Check, Finding, Result, Verdict
from compute_hyperv.readiness.readings import Readings

_LOG = logging.getLogger(__name__)

# Requests of one host at once: its connections authenticate one by one, so more of them cost more than they save.
AT_ONCE_PER_HOST = 4
_HOSTS_AT_ONCE = 50

Progress = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A host, and what is asked of it."""

    host: Readings
    wanted: Expectations


def run(
    subjects: Sequence[Subject], checks: Sequence[Check], progress: Progress = lambda _result: None
) -> list[Result]:
    """Every result, in the order of hosts and checks.

    :param progress: told of each result as it comes, from any thread.
    """
    alone = [check for check in checks if not check.compares]
    comparing = [check for check in checks if check.compares]

    def visit(subject: Subject) -> list[Result]:
        greeting = judge(CONNECTION, Context(subject.host, subject.wanted))
        progress(greeting)
        if greeting.finding.verdict is not Verdict.PASS:
            return [greeting]
        return [greeting, *_judge_all(alone, Context(subject.host, subject.wanted), progress)]

    def compare(context: Context) -> list[Result]:
        return list(_judge_all(comparing, context, progress))

    visits = ThreadPoolExecutor(max_workers=min(len(subjects), _HOSTS_AT_ONCE) or 1)
    try:
        found = list(visits.map(visit, subjects))
        answering = [
            subject
            for subject, results in zip(subjects, found, strict=True)
            if results[0].finding.verdict is Verdict.PASS
        ]
        contexts = [Context(subject.host, subject.wanted, _others(subject, answering)) for subject in answering]
        found += visits.map(compare, contexts)
    finally:
        # Who is interrupted waits for no host that was not begun; what goes on ends when its connections are closed.
        visits.shutdown(wait=False, cancel_futures=True)
    return _in_order(found, subjects, checks)


def _others(subject: Subject, answering: Iterable[Subject]) -> tuple[Readings, ...]:
    return tuple(other.host for other in answering if other is not subject)


def _judge_all(checks: Sequence[Check], context: Context, progress: Progress) -> Iterable[Result]:
    def judge_one(check: Check) -> Result:
        result = judge(check, context)
        progress(result)
        return result

    with ThreadPoolExecutor(max_workers=AT_ONCE_PER_HOST) as pool:
        return list(pool.map(judge_one, checks))


def judge(check: Check, context: Context) -> Result:
    """One check of one host."""
    try:
        finding = check.judge(context)
    except CimError as error:
        finding = Finding(Verdict.UNREADABLE, error.message, remedy=error.remedy)
    except Exception as error:
        # A value that no host was known to have: it must not cost the operator all other results.
        _LOG.debug("%s of %s", check.name, context.host.name, exc_info=True)
        finding = Finding(
            Verdict.UNREADABLE,
            f"the host's answer is not understood: {error}",
            remedy="Report this with the output of the same command and --debug.",
        )
    return Result(context.host.name, check, finding)


def _in_order(found: Iterable[Iterable[Result]], subjects: Sequence[Subject], checks: Sequence[Check]) -> list[Result]:
    results = {(result.host, result.check.name): result for group in found for result in group}
    names = [check.name for check in (CONNECTION, *checks)]
    order = [(subject.host.name, name) for subject in subjects for name in names]
    return [results[key] for key in order if key in results]


def verdicts(results: Sequence[Result]) -> Mapping[Verdict, int]:
    """How often each verdict was given."""
    return {verdict: sum(result.finding.verdict is verdict for result in results) for verdict in Verdict}
