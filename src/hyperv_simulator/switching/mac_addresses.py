"""The dynamic MAC addresses of a host: its range, given out one after the other.

The range is MinimumMacAddress and MaximumMacAddress of the management service's settings, which clients may change; a
fresh host has one under Microsoft's own prefix.
"""

from __future__ import annotations

import itertools
import re
import threading
import zlib

from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.repository.instances import Repository

_ADDRESS = re.compile("[0-9A-Fa-f]{12}")
_SERVICE_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"


class MacAddresses:
    """Safe for threads."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        prefix = f"00155D{zlib.crc32(host_name.lower().encode()) & 0xFF:02X}"
        self.fresh_range = (f"{prefix}0000", f"{prefix}FFFF")
        self._next = 0
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    def next(self) -> str:
        """An address of the range that no adapter of this host has had.

        :raises OperationFailed: there is none left.
        """
        low, high = (int(text, 16) for text in self._range())
        with self._lock:
            start = self._next if low <= self._next <= high else low
            for value in itertools.chain(range(start, high + 1), range(low, start)):
                if value not in self._taken:
                    self._taken.add(value)
                    self._next = value + 1
                    return f"{value:012X}"
        raise OperationFailed("There are no more MAC addresses in the range of the host; enlarge it.")

    def note(self, address: str) -> None:
        """An adapter has this address already (it was read from a file, or somebody chose it)."""
        if _ADDRESS.fullmatch(address):
            with self._lock:
                self._taken.add(int(address, 16))

    def _range(self) -> tuple[str, str]:
        settings = next(iter(self._repository.instances(_SERVICE_SETTINGS)), None)
        if settings is None:
            return self.fresh_range
        low, high = self.fresh_range
        return settings.text("MinimumMacAddress", low), settings.text("MaximumMacAddress", high)
