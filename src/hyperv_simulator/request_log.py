"""What a host has been asked, for tests and the benchmark: they assert on the number and kind of requests.

A request is one SOAP message that was decoded; HTTP exchanges that only authenticate are not requests.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_log = logging.getLogger(__name__)

# The newest are kept: enough for any test, and a host that runs for weeks does not grow.
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request and what became of it.

    :param action: ``get``, ``invoke``, ``enumerate`` …
    :param class_name: class of the resource URI, or the one that a WQL query selects from; empty where there is none.
    :param query: the WQL text of an ``enumerate``.
    :param outcome: ``ok``, ``fault <code>``, or ``dropped``/``http 500`` by a fault rule.
    """

    action: str
    class_name: str
    method: str
    query: str
    bytes_in: int
    bytes_out: int
    duration_s: float
    outcome: str

    def __str__(self) -> str:
        what = " ".join(filter(None, (self.action, self.class_name, self.method, self.query)))
        return (
            f"{what}: {self.outcome} ({self.bytes_in} bytes in, {self.bytes_out} out, {self.duration_s * 1000:.1f} ms)"
        )


class RequestLog:
    """Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self._total = 0

    def add(self, host: str, request: LoggedRequest) -> None:
        with self._lock:
            self._kept.append(request)
            self._total += 1
        _log.info("%s: %s", host, request)

    def clear(self) -> None:
        """Starts counting anew."""
        with self._lock:
            self._kept.clear()
            self._total = 0

    def __len__(self) -> int:
        """How many there were since the start or the last ``clear``."""
        return self._total

    def __iter__(self) -> Iterator[LoggedRequest]:
        """The newest ones, oldest first."""
        with self._lock:
            return iter(list(self._kept))

    def count(self, *, action: str | None = None, class_name: str | None = None, method: str | None = None) -> int:
        """How many of those kept match; letter case is ignored."""
        return sum(
            all(
                wanted is None or wanted.lower() == actual.lower()
                for wanted, actual in ((action, it.action), (class_name, it.class_name), (method, it.method))
            )
            for it in self
        )
