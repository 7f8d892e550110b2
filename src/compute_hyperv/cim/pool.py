"""The connections to one host: as many as threads need at once, up to a limit, each used by one thread at a time.

The one that was used last is used next, so that the others grow old and are closed: WinRM closes connections that were
idle for two minutes (HTTP.sys), and one that is closed here first costs no failed request.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from compute_hyperv.cim.errors import Busy, Unreachable
from compute_hyperv.cim.transport import Transport

_LONGEST_IDLE_S = 100


class ConnectionPool:
    """Safe for threads.

    :param make: makes a transport; sends nothing.
    :param size: how many may be in use at once.
    """

    def __init__(self, make: Callable[[], Transport], size: int) -> None:
        self._make = make
        self._size = size
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Transport]] = []
        self._closed = False

    @contextlib.contextmanager
    def connection(self, timeout_s: float) -> Iterator[Transport]:
        """A connection for one exchange. One that failed is closed; the others are kept.

        Raises Busy when none becomes free in time, and Unreachable after :meth:`close`.
        """
        if not self._free.acquire(timeout=max(timeout_s, 0)):
            raise Busy(
                f"All {self._size} connections to the host are in use.",
                remedy="Allow more connections, or wait until fewer operations run at once.",
            )
        try:
            transport = self._take()
            try:
                yield transport
            except BaseException:
                transport.close()
                raise
            self._put_back(transport)
        finally:
            self._free.release()

    def close(self) -> None:
        """Closes what is idle now, and each of the others once it is done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, transport in idle:
            transport.close()

    def _take(self) -> Transport:
        oldest = time.monotonic() - _LONGEST_IDLE_S
        with self._lock:
            if self._closed:
                raise Unreachable("The session with the host has been closed.")
            outdated = [transport for used_at, transport in self._idle if used_at < oldest]
            self._idle = [entry for entry in self._idle if entry[0] >= oldest]
            taken = self._idle.pop()[1] if self._idle else None
        for transport in outdated:
            transport.close()
        return taken or self._make()

    def _put_back(self, transport: Transport) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((time.monotonic(), transport))
                return
        transport.close()
