"""Faults on demand: rules as data, and the one place that decides whether a rule applies to a request.

What lives here and only here: which request a rule matches, and how often. What an effect *does* lives where it can be
done: connections are cut and HTTP errors sent by the server, jobs fail in the job engine, which asks
``FaultRules.job_error`` when it starts a job.

A rule counts the requests that match it, from 1; it acts on number ``nth`` and the ``times - 1`` that follow
(``times = 0``: on all that follow). Several rules may act on one request: delays add up, the first other effect wins.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Effect = Literal["delay", "drop-before", "drop-after", "http-500", "fault", "job-error"]
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


class FaultRuleError(ValueError):
    """A rule that could never do anything sensible; the message says what to write."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """What to match, and what to do to the requests that match. An empty pattern matches everything.

    :param effect: ``delay`` (by ``delay_ms``, then go on), ``drop-before`` (close the connection, nothing is done),
        ``drop-after`` (do it, then close the connection without an answer), ``http-500`` (an empty HTTP 500, nothing is
        done), ``fault`` (the WS-Man or WMI fault ``code``, nothing is done), ``job-error`` (the job that the method
        starts ends with ``code`` and ``message``).
    :param class_name: class in the resource URI, or the one a WQL query selects from; letter case is ignored.
    :param method: method of an ``invoke``; letter case is ignored.
    :param action: kind of request.
    :param nth: the first matching request that is hit, from 1.
    :param times: how many in a row are hit; 0 is all.
    :param delay_ms: for ``delay``, milliseconds.
    :param code: for ``fault`` a code of the WS-Man fault table or an HRESULT, for ``job-error`` the job's ErrorCode.
    :param message: text of the fault or of the job's error.
    """

    effect: Effect
    class_name: str = ""
    method: str = ""
    action: Action | None = None
    nth: int = 1
    times: int = 1
    delay_ms: int = 0
    code: int = 0
    message: str = ""

    def __post_init__(self) -> None:
        if self.effect not in get_args(Effect):
            raise FaultRuleError(f"effect is {self.effect!r}; write one of {', '.join(get_args(Effect))}")
        if self.action is not None and self.action not in get_args(Action):
            raise FaultRuleError(f"action is {self.action!r}; write one of {', '.join(get_args(Action))}")
        if self.nth < 1 or self.times < 0:
            raise FaultRuleError(f"nth is {self.nth} and times {self.times}; nth counts from 1, times from 0")
        if self.effect == "delay" and self.delay_ms <= 0:
            raise FaultRuleError(f"delay_ms is {self.delay_ms}; a delay needs milliseconds above 0")
        if self.effect in ("fault", "job-error") and self.code <= 0:
            raise FaultRuleError(f"code is {self.code}; the effect {self.effect} needs the code to answer with")

    def matches(self, action: str, class_name: str, method: str) -> bool:
        return (
            (not self.class_name or self.class_name.lower() == class_name.lower())
            and (not self.method or self.method.lower() == method.lower())
            and (self.action is None or self.action == action)
        )


@dataclass(frozen=True, slots=True)
class JobError:
    """How a job shall end instead of succeeding."""

    code: int
    message: str


class _Counted:
    """A rule and how many requests have matched it."""

    __slots__ = ("rule", "seen")

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.seen = 0

    def hit(self) -> bool:
        """Counts one matching request; whether it is one of those to act on."""
        self.seen += 1
        first, times = self.rule.nth, self.rule.times
        return self.seen >= first and (times == 0 or self.seen < first + times)


class FaultRules:
    """The rules of one host, changeable while it runs. Safe for threads."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self._counted = [_Counted(rule) for rule in rules]

    def add(self, rule: FaultRule) -> None:
        with self._lock:
            self._counted.append(_Counted(rule))

    def clear(self) -> None:
        with self._lock:
            self._counted.clear()

    def for_request(self, action: str, class_name: str = "", method: str = "") -> list[FaultRule]:
        """The rules that act on this request, job errors excepted. Counts it."""
        return self._hits(action, class_name, method, jobs=False)

    def job_error(self, class_name: str, method: str) -> JobError | None:
        """How the job that this method starts must end badly; None where it may succeed. Counts the job."""
        for rule in self._hits("invoke", class_name, method, jobs=True):
            return JobError(rule.code, rule.message)
        return None

    def _hits(self, action: str, class_name: str, method: str, *, jobs: bool) -> list[FaultRule]:
        with self._lock:
            return [
                counted.rule
                for counted in self._counted
                if (counted.rule.effect == "job-error") is jobs
                and counted.rule.matches(action, class_name, method)
                and counted.hit()
            ]
