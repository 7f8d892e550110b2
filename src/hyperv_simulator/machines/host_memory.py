"""The memory of a host: what machines share and can run out of.

Rule: whoever takes gives back, and a machine that is off has taken nothing.
"""

from __future__ import annotations

import threading

# What Windows itself holds; Hyper-V keeps a reserve for it. Assumption: 2 GiB, at most an eighth of a small host.
_ROOT_RESERVE_MB = 2048


class HostMemory:
    """The physical memory of a host, MiB."""

    def __init__(self, total_mb: int) -> None:
        self.total_mb = total_mb
        self.root_mb = min(_ROOT_RESERVE_MB, total_mb // 8)
        self._assigned: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def free_mb(self) -> int:
        with self._lock:
            return self.total_mb - self.root_mb - sum(self._assigned.values())

    def assigned_mb(self, machine_id: str) -> int:
        """What a machine holds now; 0 while it is off."""
        with self._lock:
            return self._assigned.get(machine_id, 0)

    def take(self, machine_id: str, size_mb: int) -> bool:
        """Gives a machine its memory (in place of what it had); False where there is not enough."""
        with self._lock:
            others = sum(mb for owner, mb in self._assigned.items() if owner != machine_id)
            if others + size_mb > self.total_mb - self.root_mb:
                return False
            self._assigned[machine_id] = size_mb
            return True

    def give_back(self, machine_id: str) -> None:
        with self._lock:
            self._assigned.pop(machine_id, None)
