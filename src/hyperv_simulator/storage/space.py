"""Giving back what a disk's file holds and nobody needs: shrinking, compacting.

Rule: these work on a file that nobody else sees (`vhd.DiskStore` gives a copy and puts it in place of the original), so
blocks may be moved about without regard to being cut off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd_format import SECTOR, UNUSED, Vhd
from hyperv_simulator.storage.vhdx import Vhdx
from hyperv_simulator.storage.vhdx_format import METADATA_REGION, MIB, BlockState, read_regions

_STEP = 4 * MIB


@dataclass(frozen=True, slots=True, order=True)
class _Extent:
    """A piece of the file that can be moved. ``entry`` is its place in the block table."""

    offset: int
    length: int
    entry: int


def pack(disk: Vhd | Vhdx, *, find_zeros: bool) -> None:
    """Move the blocks of a file together and cut it off behind them.

    :param find_zeros: blocks that hold nothing but zeros are dropped as well.
    """
    if isinstance(disk, Vhdx):
        _pack_vhdx(disk, find_zeros)
    elif not disk.leave_allocated:
        _pack_vhd(disk, find_zeros)


def shrink(disk: Vhd | Vhdx, size: int) -> None:
    """Give a disk a smaller virtual size; what was behind it is gone.

    :raises DiskError: VHD_INVALID_TYPE for a VHD.
    """
    if isinstance(disk, Vhd):
        raise DiskError(errors.VHD_INVALID_TYPE, disk.name, "only a VHDX can shrink")
    disk.begin_writing()
    kept = -(-size // disk.block_size)
    if size % disk.block_size:
        state, offset = disk.bat(disk.bat_index(kept - 1))
        if state >= BlockState.FULLY_PRESENT:
            within = size % disk.block_size
            os.pwrite(disk.fd, bytes(disk.block_size - within), offset + within)
    for block in range(kept, disk.blocks):
        disk.set_bat(disk.bat_index(block), BlockState.NOT_PRESENT, 0)
    disk.set_size(size)
    pack(disk, find_zeros=False)


def _pack_vhdx(disk: Vhdx, find_zeros: bool) -> None:
    disk.begin_writing(data_changes=False)  # a child of this disk stays its child
    table = os.pread(disk.fd, 8 * disk.bat_entries, disk.bat_offset)
    extents = []
    for index, (entry,) in enumerate(struct.iter_unpack("<Q", table)):
        state, offset = entry & 7, entry >> 20 << 20
        if state < BlockState.FULLY_PRESENT:
            continue
        is_bitmap = index % (disk.chunk_ratio + 1) == disk.chunk_ratio
        length = MIB if is_bitmap else disk.block_size
        is_whole = not is_bitmap and state == BlockState.FULLY_PRESENT and not disk.leave_allocated
        if find_zeros and is_whole and _is_zero(disk.fd, offset, length):
            disk.set_bat(index, BlockState.ZERO if disk.has_parent else BlockState.NOT_PRESENT, 0)
            continue
        extents.append(_Extent(offset, length, index))
    fixed = [
        (0, MIB),
        (disk.header.log_offset, disk.header.log_length),
        (disk.bat_offset, disk.bat_length),
        (disk.metadata_offset, read_regions(disk.fd, disk.name)[METADATA_REGION][1]),
    ]

    def moved(extent: _Extent, where: int) -> None:
        state = table[8 * extent.entry] & 7
        disk.set_bat(extent.entry, BlockState(state), where)

    os.ftruncate(disk.fd, _move_together(disk.fd, extents, fixed, moved))


def _pack_vhd(disk: Vhd, find_zeros: bool) -> None:
    length = disk.bitmap_size + disk.block_size
    table = os.pread(disk.fd, 4 * disk.blocks, disk.table_offset)
    used = [
        _Extent(sector * SECTOR, length, index)
        for index, (sector,) in enumerate(struct.iter_unpack(">I", table))
        if sector != UNUSED
    ]
    if not used:
        return
    first = min(used).offset
    kept = []
    for extent in used:
        is_zero = not disk.has_parent and _is_zero(disk.fd, extent.offset + disk.bitmap_size, disk.block_size)
        if find_zeros and is_zero:
            os.pwrite(disk.fd, struct.pack(">I", UNUSED), disk.table_offset + 4 * extent.entry)
        else:
            kept.append(extent)

    def moved(extent: _Extent, where: int) -> None:
        os.pwrite(disk.fd, struct.pack(">I", where // SECTOR), disk.table_offset + 4 * extent.entry)

    table_end = -(-(disk.table_offset + 4 * disk.table_entries) // SECTOR) * SECTOR
    end = _move_together(disk.fd, kept, [(0, first), (disk.table_offset, table_end - disk.table_offset)], moved)
    os.ftruncate(disk.fd, end)
    os.pwrite(disk.fd, disk.footer, end)


def _move_together(
    fd: int, extents: Iterable[_Extent], fixed: list[tuple[int, int]], moved: Callable[[_Extent, int], None]
) -> int:
    """Moves each piece down to the first place that is free, and gives the end of what is in use.

    :param fixed: offset and length of what stays where it is.
    """
    cursor = 0
    for extent in sorted(extents):
        where = cursor
        for start, length in sorted(fixed):
            if where < start + length and start < where + extent.length:
                where = start + length
        if where < extent.offset:
            for part in range(0, extent.length, _STEP):
                data = os.pread(fd, min(_STEP, extent.length - part), extent.offset + part)
                os.pwrite(fd, data, where + part)
            moved(extent, where)
        else:
            where = extent.offset
        cursor = where + extent.length
    return max(cursor, *(start + length for start, length in fixed))


def _is_zero(fd: int, offset: int, length: int) -> bool:
    for part in range(0, length, _STEP):
        if os.pread(fd, min(_STEP, length - part), offset + part).strip(b"\0"):
            return False
    return True
