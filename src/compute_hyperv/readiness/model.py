"""The words of a readiness report, as plain values.

A check never raises for what it finds: it gives a ``Finding``. What keeps it from reading (a CimError) is turned into
the verdict UNREADABLE by the runner, for that check alone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.sources import AnySource


class Verdict(enum.StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the operators' document "Prerequisites", or of what it leads to.

    :param key: first part of the names of its checks.
    :param title: as in the document.
    """

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says about one host.

    :param found: what was read, for a person.
    :param expected: what it should be; empty where it is so.
    :param remedy: what to do about it; empty where nothing is to be done.
    :param details: further lines (devices, disks, pairs of hosts), one fact each.
    """

    verdict: Verdict
    found: str
    expected: str = ""
    remedy: str = ""
    details: tuple[str, ...] = ()


Judge: TypeAlias = Callable[[Context], Finding]
Plan: TypeAlias = Callable[[Context], Sequence[Change]]
Reads: TypeAlias = tuple[AnySource, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement.

    :param name: ``section.subject``, by which it is selected and explained.
    :param title: the requirement in a few words.
    :param why: what goes wrong without it.
    :param good: what good looks like.
    :param by_hand: how a person fixes it on the host: the documented command, line by line.
    :param reads: what it reads; it may ask the host for nothing else.
    :param judge: the rule.
    :param changes: what ``prepare`` would do about it; None where nothing can be done from afar.
    :param compares: whether it looks at the other hosts as well: it runs when it is known which of them answer.
    """

    name: str
    section: Section
    title: str
    why: str
    good: str
    by_hand: str
    reads: Reads
    judge: Judge = field(repr=False)
    changes: Plan | None = field(default=None, repr=False)
    compares: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A check and what it found on a host."""

    host: str
    check: Check
    finding: Finding


def check(
    section: Section,
    subject: str,
    title: str,
    *,
    why: str,
    good: str,
    by_hand: str,
    reads: Reads,
    changes: Plan | None = None,
    compares: bool = False,
) -> Callable[[Judge], Check]:
    """Makes a check of the function below it."""

    def made(judge: Judge) -> Check:
        return Check(f"{section.key}.{subject}", section, title, why, good, by_hand, reads, judge, changes, compares)

    return made


# Findings in the words that the checks use.


def passed(found: str, *, details: tuple[str, ...] = ()) -> Finding:
    return Finding(Verdict.PASS, found, details=details)


def warned(found: str, expected: str, remedy: str, *, details: tuple[str, ...] = ()) -> Finding:
    return Finding(Verdict.WARN, found, expected, remedy, details)


def failed(found: str, expected: str, remedy: str, *, details: tuple[str, ...] = ()) -> Finding:
    return Finding(Verdict.FAIL, found, expected, remedy, details)


def not_applicable(why: str) -> Finding:
    return Finding(Verdict.NOT_APPLICABLE, why)
