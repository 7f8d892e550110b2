"""Where an operation can be cut off: its requests, WS-Man's and SMB's, as one run of it has sent them.

A point is known by what the request is, not by its number among all of them: nova-compute listens to the host
meanwhile, and asks it things that have nothing to do with the operation.

WS-Man requests are cut by the simulated host. SMB is served by Samba, which knows no fault rules, so nova-compute's own
client is cut there: what it tries fails on both of its attempts, before it is sent or after it was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from compute_hyperv.cim.errors import Unreachable
from compute_hyperv.host.files import Files
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.request_log import LoggedRequest

When = Literal["before", "after"]
WHENS: tuple[When, ...] = ("before", "after")

# Waiting for events, which goes on whatever nova-compute does.
_LISTENING = frozenset({"subscribe", "unsubscribe", "renew", "pull"})
SMB = "SMB"  # in place of an action
_READS = frozenset({"get", "enumerate", "identify"})
# What only looks over SMB: cutting it is no different from cutting what comes next.
_LOOKS = ("Looking", "Listing", "Reading")


@dataclass(frozen=True, slots=True)
class Request:
    """:param query: what a query begins with, up to the first value in it: values differ from run to run."""

    action: str
    class_name: str = ""
    method: str = ""
    query: str = ""

    @property
    def only_reads(self) -> bool:
        """It takes no effect, so that nobody can tell a cut before from one after."""
        return self.action in _READS

    def __str__(self) -> str:
        what = self.method or self.class_name or self.query
        return f"{self.action} {what}"


@dataclass(frozen=True, slots=True)
class Point:
    """:param nth: which of the equal requests of one run, from 1."""

    request: Request
    nth: int

    @property
    def is_smb(self) -> bool:
        return self.request.action == SMB

    def __str__(self) -> str:
        return f"{self.request} #{self.nth}" if self.nth > 1 else str(self.request)


def points(requests: Iterable[Request]) -> list[Point]:
    seen: Counter[Request] = Counter()
    found = []
    for request in requests:
        seen[request] += 1
        found.append(Point(request, seen[request]))
    return found


class Wire:
    """Both connections of one nova-compute to its host: what goes over them, and where they break."""

    def __init__(self, host: Any, files: Files) -> None:
        self._host = host
        self._smb = _SmbCuts(files)

    @contextmanager
    def recorded(self) -> Iterator[list[Request]]:
        """The requests that are sent while inside, in their order for each of the connections; filled at the end."""
        self._host.requests.clear()
        self._smb.sent.clear()
        requests: list[Request] = []
        yield requests
        requests += [*map(_wsman, filter(_of_an_operation, self._host.requests)), *self._smb.sent]

    @contextmanager
    def cut_at(self, point: Point, when: When) -> Iterator[Callable[[], bool]]:
        """Yields whether the cut has come."""
        if point.is_smb:
            with self._smb.cut_at(point, when) as hit:
                yield hit
            return
        request = point.request
        rule = FaultRule(
            "drop-before" if when == "before" else "drop-after",
            class_name=request.class_name,
            method=request.method,
            query=request.query,
            action=request.action,  # type: ignore[arg-type]
            nth=point.nth,
        )
        number = self._host.faults.add(rule)

        def hit() -> bool:
            return any(each.number == number and each.seen >= point.nth for each in self._host.faults)

        try:
            yield hit
        finally:
            self._host.faults.remove(number)


class _SmbCuts:
    def __init__(self, files: Files) -> None:
        self.sent: list[Request] = []
        self._cut: tuple[Point, When] | None = None
        self._seen = 0
        self._run = files._run_noting_repetition
        files._run_noting_repetition = self._under_cut  # type: ignore[method-assign]

    @contextmanager
    def cut_at(self, point: Point, when: When) -> Iterator[Callable[[], bool]]:
        self._cut, self._seen = (point, when), 0
        try:
            yield lambda: self._seen >= point.nth
        finally:
            self._cut = None

    def _under_cut(self, what: str, path: str, operation: Any) -> Any:
        if what.startswith(_LOOKS):
            return self._run(what, path, operation)
        request = Request(SMB, method=what)
        self.sent.append(request)
        when = self._when(request)
        if when == "before":
            raise Unreachable(f"{what} {path}: the connection is cut.")
        result = self._run(what, path, operation)
        if when == "after":
            raise Unreachable(f"{what} {path}: the connection is cut.")
        return result

    def _when(self, request: Request) -> When | None:
        if self._cut is None or self._cut[0].request != request:
            return None
        self._seen += 1
        return self._cut[1] if self._seen == self._cut[0].nth else None


def _of_an_operation(logged: LoggedRequest) -> bool:
    return logged.action not in _LISTENING


def _wsman(logged: LoggedRequest) -> Request:
    return Request(logged.action, logged.class_name, logged.method, logged.query.partition("'")[0].partition('"')[0])
