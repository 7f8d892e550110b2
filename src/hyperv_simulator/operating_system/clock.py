"""The clock of a host: this computer's, as far ahead or behind as the host is described.

``time.time`` of the computer that simulates counts as the true time, which time servers give.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable


class HostClock:
    """Safe for threads.

    :param offset_s: how far it is ahead at the beginning.
    :param drift_ppm: by how much it runs fast.
    :param true_time: seconds since 1970, for tests.
    """

    def __init__(
        self, offset_s: float = 0.0, drift_ppm: float = 0.0, true_time: Callable[[], float] = time.time
    ) -> None:
        self._true_time = true_time
        self._drift = drift_ppm / 1e6
        self._lock = threading.Lock()
        self._offset_s = offset_s
        self._since = true_time()
        self.last_sync: dt.datetime | None = None

    @property
    def offset_s(self) -> float:
        """How far the clock is ahead of the true time now."""
        with self._lock:
            return self._offset_s + self._drift * (self._true_time() - self._since)

    def time(self) -> float:
        """Seconds since 1970, by this clock."""
        return self._true_time() + self.offset_s

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.time(), dt.UTC)

    def jump(self, seconds: float) -> None:
        """Moves the clock at once, forward or (negative) back."""
        self._set_offset(self.offset_s + seconds)

    def set(self, time_shown: dt.datetime) -> None:
        """Somebody sets the clock."""
        self.jump(time_shown.timestamp() - self.time())

    def synchronize(self) -> None:
        """The time service sets the clock right; it drifts on from there."""
        self._set_offset(0.0)
        self.last_sync = self.now()

    def _set_offset(self, offset_s: float) -> None:
        with self._lock:
            self._offset_s = offset_s
            self._since = self._true_time()
