"""What machines were promised of a volume and have not written yet: dynamic and differencing disks grow.

Looking at a disk takes requests, and hosts have hundreds of them. So each time only a few are looked at: those that
are new first, then those that were seen longest ago, and none twice within some minutes. Disks that have not been
looked at yet count nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import select
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host import paths
from compute_hyperv.host.disks import Disks

LOG = logging.getLogger(__name__)

LOOKS = 8  # two requests each
_SEEN_FOR_S = 600.0
_DISKS = frozenset({"vhd", "vhdx", "avhd", "avhdx"})


@dataclass(frozen=True, slots=True)
class _Seen:
    unwritten_bytes: int
    at: float


class Promises:
    """Safe for threads."""

    def __init__(self, session: CimSession, disks: Disks) -> None:
        self._session = session
        self._disks = disks
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def unwritten_bytes(self, folder: str, machine_ids: Iterable[str]) -> int:
        """What the disks of these machines can still take of the volume that holds a folder. One request, and at most
        two for each of ``LOOKS`` disks."""
        with self._lock:
            there = self._attached(paths.volume_root(folder), frozenset(machine_ids))
            self._seen = {path: seen for path, seen in self._seen.items() if path in there}
            for path in self._to_look_at(there):
                self._seen[path] = _Seen(self._look(path), time.monotonic())
            return sum(seen.unwritten_bytes for seen in self._seen.values())

    def _attached(self, root: str, machine_ids: frozenset[str]) -> set[str]:
        """The disks in machines' drives now: not those of checkpoints, which do not grow any more."""
        rows = self._session.query(select(definition.STORAGE, ["InstanceID", "HostResource"]))
        return {
            path.lower()
            for row in rows
            if row.text("InstanceID").removeprefix("Microsoft:").partition("\\")[0].upper() in machine_ids
            for path in row.texts("HostResource")
            if paths.extension(path) in _DISKS and paths.is_absolute(path) and paths.same(paths.volume_root(path), root)
        }

    def _to_look_at(self, there: set[str]) -> list[str]:
        new = sorted(there - self._seen.keys())
        now = time.monotonic()
        old = [path for path, seen in sorted(self._seen.items(), key=lambda item: item[1].at)]
        due = [path for path in old if now - self._seen[path].at > _SEEN_FOR_S]
        return (new + due)[:LOOKS]

    def _look(self, path: str) -> int:
        try:
            info = self._disks.info(path)
        except CimError as error:
            LOG.debug("What %s can still take is not known: %s", path, error)
            return 0
        return max(0, info.virtual_size_bytes - info.file_size_bytes)
