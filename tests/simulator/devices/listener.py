"""A `GuestListener` that remembers."""

from __future__ import annotations

import threading

from hyperv_simulator.guests.base import StopReason


class Listener:
    def __init__(self) -> None:
        self.resets = 0
        self._reason: StopReason | None = None
        self._stopped = threading.Event()

    def stopped(self, machine_id: str, reason: StopReason) -> None:
        self._reason = reason
        self._stopped.set()

    def reset(self, machine_id: str) -> None:
        self.resets += 1

    def stopped_within(self, timeout_s: float) -> StopReason | None:
        """Why the guest stopped; None if it did not in time."""
        return self._reason if self._stopped.wait(timeout_s) else None
