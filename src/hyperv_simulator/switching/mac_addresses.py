"""The dynamic MAC addresses of a host: a range of Microsoft's own prefix, given out one after the other."""

from __future__ import annotations

import threading
import zlib


class MacAddresses:
    """Safe for threads."""

    def __init__(self, host_name: str) -> None:
        self._prefix = f"00155D{zlib.crc32(host_name.lower().encode()) & 0xFF:02X}"
        self._next = 0
        self._lock = threading.Lock()

    @property
    def range(self) -> tuple[str, str]:
        """MinimumMacAddress and MaximumMacAddress of the host."""
        return f"{self._prefix}0000", f"{self._prefix}FFFF"

    def next(self) -> str:
        """An address that no adapter of this host has had."""
        with self._lock:
            address = f"{self._prefix}{self._next & 0xFFFF:04X}"
            self._next += 1
            return address

    def note(self, address: str) -> None:
        """An adapter has this address already (it was read from a file)."""
        if address.upper().startswith(self._prefix):
            with self._lock:
                self._next = max(self._next, int(address[8:12], 16) + 1)
