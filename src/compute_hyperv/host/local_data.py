"""The content of a local file, block by block, without its holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 8 * 1024 * 1024


def local_data(path: Path) -> Iterator[tuple[int, memoryview]]:
    """Offset and content of each block that is not a hole. A block is valid until the next one is asked for.

    :raises OSError: it cannot be read, or became shorter meanwhile.
    """
    buffer = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        for start, end in _data_ranges(descriptor, size):
            for offset in range(start, end, _BLOCK):
                wanted = buffer[: min(_BLOCK, end - offset)]
                if os.preadv(descriptor, [wanted], offset) != len(wanted):
                    raise OSError(errno.EIO, "the file became shorter while it was read", str(path))
                yield offset, wanted


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of what is not a hole (lseek(2), SEEK_DATA)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, end
