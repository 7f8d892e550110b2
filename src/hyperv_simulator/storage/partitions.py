"""How small a disk could be made: where its last partition ends.

Windows shrinks a disk down to its partitions and no further (hyperv-ops 4). A disk without a partition table that we
know may hold data anywhere: it is not made smaller (assumption).
"""

from __future__ import annotations

import os
import struct

from hyperv_simulator.storage.layers import Layer
from hyperv_simulator.storage.vhd_format import Vhd

_HEAD_BYTES = 1 << 20  # table and entries, with any sector size
_GPT_ENTRIES_BYTES = 16 * 1024  # what the copy at the disk's end takes besides its header


def smallest_size(chain: list[Layer]) -> int | None:
    """Bytes that the disk needs; None where there are no partitions.

    :param chain: the disk and its parents, the base last.
    """
    disk = chain[0].disk
    end = _end_of_partitions(read_head(chain, min(_HEAD_BYTES, disk.virtual_size)), disk.logical_sector)
    return None if end is None else min(end, disk.virtual_size)


def _end_of_partitions(head: bytes, sector: int) -> int | None:
    if head[510:512] != b"\x55\xaa":
        return None
    entries = [struct.unpack_from("<4xB3xII", head, 446 + 16 * number) for number in range(4)]
    if any(kind == 0xEE for kind, _, _ in entries):
        return _end_of_gpt(head, sector)
    ends = [start + count for kind, start, count in entries if kind]
    return max(ends) * sector if ends else None


def _end_of_gpt(head: bytes, sector: int) -> int | None:
    if head[sector : sector + 8] != b"EFI PART":
        return None
    first, count, size = struct.unpack_from("<QII", head, sector + 72)
    if size < 128 or first * sector + count * size > len(head):
        return None
    entries = [head[first * sector + number * size :][:size] for number in range(count)]
    ends = [int.from_bytes(entry[40:48], "little") + 1 for entry in entries if any(entry[:16])]
    return max(ends) * sector + _GPT_ENTRIES_BYTES + sector if ends else None


def read_head(chain: list[Layer], length: int) -> bytes:
    """The first bytes of a disk's content."""
    content = bytearray(length)
    for layer in reversed(chain):
        with layer.local.open("rb") as file:
            _lay_over(content, layer, file.fileno())
    return bytes(content)


def _lay_over(content: bytearray, layer: Layer, fd: int) -> None:
    disk = layer.disk
    if isinstance(disk, Vhd) and disk.leave_allocated:
        content[:] = os.pread(fd, len(content), 0)
        return
    disk.fd = fd
    for block in disk.allocated():
        start = block.index * disk.block_size
        if start >= len(content):
            return
        for first, count in block.runs(disk.sectors_per_block):
            within, end = first * disk.logical_sector, (first + count) * disk.logical_sector
            end = min(end, len(content) - start)
            if within >= end:
                break
            data = bytes(end - within)
            if block.file_offset is not None:
                data = os.pread(fd, end - within, block.file_offset + within).ljust(end - within, b"\0")
            content[start + within : start + end] = data
