"""Faults on demand: rules as data, and the one place that decides whether a rule applies to a request.

What lives here and only here: which request a rule matches, and how often. What an effect *does* lives where it can be
done: connections are cut and HTTP errors sent by the server, jobs fail or last longer in the job engine, which asks
``FaultRules.for_job`` when it starts a job; what befalls the host as a whole (restart, clock, full disk) is done by it.

A rule counts the requests that match it, from 1; it acts on number ``nth`` and the ``times - 1`` that follow
(``times = 0``: on all that follow). Several rules may act on one request: those after which the request goes on
(``GOES_ON``) all do, of the others the first one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from compute_hyperv.cim.soap.faults import known_codes

Effect = Literal[
    "delay",
    "drop-before",
    "drop-after",
    "http-status",
    "fault",
    "reboot",
    "time-jump",
    "disk-full",
    "job-error",
    "slow-job",
]
Action = Literal[
    "identify",
    "get",
    "put",
    "create",
    "delete",
    "invoke",
    "enumerate",
    "pull",
    "release",
    "subscribe",
    "unsubscribe",
    "renew",
    "shell",
]

# Effects after which the request is answered nevertheless.
GOES_ON = frozenset({"delay", "time-jump", "disk-full"})
_OF_JOBS = frozenset({"job-error", "slow-job"})
_WSMAN = "ERROR_WSMAN_"


class FaultRuleError(ValueError):
    """A rule that could never do anything sensible; the message says what to write."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """What to match, and what to do to the requests that match. An empty pattern matches everything.

    :param effect: ``delay`` (by ``delay_ms``, then go on), ``drop-before`` (close the connection, nothing is done),
        ``drop-after`` (do it, then close the connection without an answer), ``http-status`` (an empty answer with
        ``status``, nothing is done), ``fault`` (the WS-Man or WMI fault ``code`` or ``fault``, nothing is done),
        ``reboot`` (the host restarts, nothing is done), ``time-jump`` (the host's clock moves by ``jump_s``, then go
        on), ``disk-full`` (from now on nothing fits on the host's volumes, then go on), ``job-error`` (the job that
        the method starts ends with ``code`` and ``message``), ``slow-job`` (that job begins ``delay_ms`` late).
    :param class_name: class in the resource URI, or the one a WQL query selects from; letter case is ignored.
    :param method: method of an ``invoke``; letter case is ignored.
    :param query: a part of the WQL text of an ``enumerate`` or ``subscribe``; letter case is ignored.
    :param action: kind of request.
    :param nth: the first matching request that is hit, from 1.
    :param times: how many in a row are hit; 0 is all.
    :param delay_ms: for ``delay`` and ``slow-job``, milliseconds.
    :param status: for ``http-status``, from 400.
    :param code: for ``fault`` a code of the WS-Man fault table or an HRESULT, for ``job-error`` the job's ErrorCode.
    :param fault: for ``fault`` instead of the code: a WS-Man error by its name in ``wsmerror.h``, with or without
        ``ERROR_WSMAN_``, such as ``QUOTA_MAX_OPERATIONS``.
    :param jump_s: for ``time-jump``, seconds; negative: back.
    :param message: text of the fault or of the job's error.
    """

    effect: Effect
    class_name: str = ""
    method: str = ""
    query: str = ""
    action: Action | None = None
    nth: int = 1
    times: int = 1
    delay_ms: int = 0
    status: int = 500
    code: int = 0
    fault: str = ""
    jump_s: float = 0.0
    message: str = ""

    def __post_init__(self) -> None:
        if self.effect not in get_args(Effect):
            raise FaultRuleError(f"effect is {self.effect!r}; write one of {', '.join(get_args(Effect))}")
        if self.action is not None and self.action not in get_args(Action):
            raise FaultRuleError(f"action is {self.action!r}; write one of {', '.join(get_args(Action))}")
        if self.nth < 1 or self.times < 0:
            raise FaultRuleError(f"nth is {self.nth} and times {self.times}; nth counts from 1, times from 0")
        if self.effect in ("delay", "slow-job") and self.delay_ms <= 0:
            raise FaultRuleError(f"delay_ms is {self.delay_ms}; a {self.effect} needs milliseconds above 0")
        if not 400 <= self.status <= 599:
            raise FaultRuleError(f"status is {self.status}; write an HTTP status from 400 to 599")
        if self.fault and _by_name(self.fault) is None:
            raise FaultRuleError(f"fault is {self.fault!r}; write a WS-Man error such as QUOTA_MAX_OPERATIONS")
        if self.effect == "fault" and (self.code <= 0) is (not self.fault):
            raise FaultRuleError(f"code is {self.code}; the effect fault needs the code to answer with, or its fault")
        if self.effect == "job-error" and self.code <= 0:
            raise FaultRuleError(f"code is {self.code}; the effect job-error needs the code to end with")
        if self.effect == "time-jump" and not self.jump_s:
            raise FaultRuleError("jump_s is 0; a time-jump needs seconds, negative ones to go back")

    @property
    def fault_code(self) -> int:
        """The code of ``fault``, whichever way it was given."""
        return _by_name(self.fault) or self.code

    def matches(self, action: str, class_name: str, method: str, query: str) -> bool:
        return (
            (not self.class_name or self.class_name.lower() == class_name.lower())
            and (not self.method or self.method.lower() == method.lower())
            and self.query.lower() in query.lower()
            and (self.action is None or self.action == action)
        )


@dataclass(frozen=True, slots=True)
class JobFault:
    """How a job shall go instead of well.

    :param delay_s: how much later it begins.
    :param code: how it ends instead of succeeding; 0: it may succeed.
    """

    delay_s: float
    code: int
    message: str


@dataclass(slots=True)
class NumberedRule:
    """A rule in force, by the number that it is taken away with, and how many requests have matched it."""

    number: int
    rule: FaultRule
    seen: int = 0

    def hit(self) -> bool:
        """Counts one matching request; whether it is one of those to act on."""
        self.seen += 1
        first, times = self.rule.nth, self.rule.times
        return self.seen >= first and (times == 0 or self.seen < first + times)


class FaultRules:
    """The rules of one host, changeable while it runs. Safe for threads."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._rules = [NumberedRule(next(self._numbers), rule) for rule in rules]

    def __iter__(self) -> Iterator[NumberedRule]:
        """The rules in force, oldest first."""
        with self._lock:
            return iter([NumberedRule(each.number, each.rule, each.seen) for each in self._rules])

    def add(self, rule: FaultRule) -> int:
        """The number under which the rule is now in force."""
        with self._lock:
            number = next(self._numbers)
            self._rules.append(NumberedRule(number, rule))
        return number

    def remove(self, number: int) -> bool:
        """Takes one rule away; whether there was one of that number."""
        with self._lock:
            kept = [each for each in self._rules if each.number != number]
            removed = len(kept) < len(self._rules)
            self._rules = kept
        return removed

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def for_request(self, action: str, class_name: str = "", method: str = "", query: str = "") -> list[FaultRule]:
        """The rules that act on this request, those for jobs excepted. Counts it."""
        return self._hits(action, class_name, method, query, jobs=False)

    def for_job(self, class_name: str, method: str) -> JobFault | None:
        """What befalls the job that this method starts; None where nothing does. Counts the job."""
        rules = self._hits("invoke", class_name, method, "", jobs=True)
        if not rules:
            return None
        delay_s = sum(rule.delay_ms for rule in rules if rule.effect == "slow-job") / 1000
        error = next((rule for rule in rules if rule.effect == "job-error"), None)
        return JobFault(delay_s, error.code if error else 0, error.message if error else "")

    def _hits(self, action: str, class_name: str, method: str, query: str, *, jobs: bool) -> list[FaultRule]:
        with self._lock:
            return [
                each.rule
                for each in self._rules
                if (each.rule.effect in _OF_JOBS) is jobs
                and each.rule.matches(action, class_name, method, query)
                and each.hit()
            ]


def _by_name(fault: str) -> int | None:
    """The code of a WS-Man error by its name; None where there is none of that name."""
    codes = known_codes()
    return codes.get(fault.upper(), codes.get(_WSMAN + fault.upper()))
