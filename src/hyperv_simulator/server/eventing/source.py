"""Where the events of one host come from, and which watches want them.

Intrinsic events come from the repository's hook. Extrinsic ones (Hyper-V's and the cluster's own event classes) are
raised by whoever knows that they happen, with ``raise_event``.
"""

from __future__ import annotations

import threading

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.repository.instances import ChangeKind, Repository
from hyperv_simulator.server.eventing.watch import Watch


class EventSource:
    """Safe for threads."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._lock = threading.Lock()
        self._watches: tuple[Watch, ...] = ()  # replaced, never changed: whoever walks it needs no lock
        repository.add_hook(self._changed)

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches = (*self._watches, watch)

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches = tuple(each for each in self._watches if each is not watch)

    def raise_event(self, event: CimInstance) -> None:
        """Tells whoever has subscribed to the event's class, or to one that it derives from."""
        for watch in self._watches:
            watch.raised(event)

    def _changed(self, _kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        for watch in self._watches:
            watch.note(before, after)
