"""How much a host does at once: requests being processed, and operations that users keep open between requests.

What lives here and only here: counting, and the refusal of one too many. An operation that is open between requests (an
enumeration, a subscription, a command in a shell) belongs to whoever keeps it; it is asked for its count when another
one is to be opened, so that nothing can be forgotten to be given back.

Source: MS-WSMV 2.2.4.36, 3.1.4.1.19, 3.1.4.11. They say ``w:InternalError`` for some of it; current Windows answers
with the codes of ``w:QuotaLimit`` (wsman-cim 7). That a subscription counts as an enumeration does is an assumption.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from hyperv_simulator.server import wire_faults


class RequestLimit:
    """At most so many requests are processed at once (MaxConnections). Safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Processes one request. Raises the fault of a busy service."""
        with self._lock:
            if self._running >= self._limit:
                raise wire_faults.busy()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1


class OpenOperations:
    """At most so many operations of one user are open (MaxConcurrentOperationsPerUser)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: list[Callable[[str], int]] = []

    def include(self, count: Callable[[str], int]) -> None:
        """``count`` tells how many operations of a user somebody keeps open."""
        self._counts.append(count)

    def check(self, user: str) -> None:
        """Raises the quota fault where this user may open no further operation."""
        if sum(count(user) for count in self._counts) >= self._limit:
            raise wire_faults.too_many_operations()
