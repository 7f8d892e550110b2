"""All checks against all hosts, concurrently.

A host that does not answer gives one result, and does not hold up the others. A read that fails spoils only the checks
that want it. Checks that look at several hosts see those that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from compute_hyperv.cim.errors import CimError
from compute_hyperv.readiness.checks import CONNECTION
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Check, Finding, Result, Verdict
from compute_hyperv.readiness.readings import Readings

# Requests of one host at once: its connections authenticate one by one, so more of them cost more than they save.
_AT_ONCE_PER_HOST = 4
_HOSTS_AT_ONCE = 25

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
    with ThreadPoolExecutor(max_workers=min(len(subjects), _HOSTS_AT_ONCE) or 1) as pool:
        greetings = {pool.submit(_greet, subject.host): subject for subject in subjects}
        results: dict[tuple[str, str], Result] = {}
        answering: list[Subject] = []
        for done in as_completed(greetings):
            subject = greetings[done]
            _take(Result(subject.host.name, CONNECTION, done.result()), results, progress)
            if done.result().verdict is Verdict.PASS:
                answering.append(subject)
    _run_all(answering, checks, results, progress)
    names = [check.name for check in (CONNECTION, *checks)]
    order = [(subject.host.name, name) for subject in subjects for name in names]
    return [results[key] for key in order if key in results]


def _run_all(
    subjects: Sequence[Subject], checks: Sequence[Check], results: dict[tuple[str, str], Result], progress: Progress
) -> None:
    hosts = tuple(subject.host for subject in subjects)
    with ThreadPoolExecutor(max_workers=min(len(hosts), _HOSTS_AT_ONCE) * _AT_ONCE_PER_HOST or 1) as pool:
        pending = []
        for check in checks:  # by check first, so that no host waits for another's
            for subject in subjects:
                others = tuple(host for host in hosts if host is not subject.host)
                context = Context(subject.host, subject.wanted, others)
                pending.append(pool.submit(judge, check, context))
        for done in as_completed(pending):
            _take(done.result(), results, progress)


def judge(check: Check, context: Context) -> Result:
    """One check of one host."""
    try:
        finding = check.judge(context)
    except CimError as error:
        finding = Finding(Verdict.UNREADABLE, error.message, remedy=error.remedy)
    return Result(context.host.name, check, finding)


def _greet(host: Readings) -> Finding:
    return judge(CONNECTION, Context(host, Expectations())).finding


def _take(result: Result, results: dict[tuple[str, str], Result], progress: Progress) -> None:
    results[result.host, result.check.name] = result
    progress(result)


def verdicts(results: Sequence[Result]) -> Mapping[Verdict, int]:
    """How often each verdict was given."""
    return {verdict: sum(result.finding.verdict is verdict for result in results) for verdict in Verdict}
