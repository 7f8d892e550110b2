"""VHDX files, read and written in place: what qemu-img lacks (differencing disks, resizing, information without a
process).

Source: [MS-VHDX]; paragraphs are cited. Rules of this file:

* A file with a log to replay is only looked at, never changed (2.3.3): the caller has it replayed first or refuses it.
* Writing goes payload first, then tables, with the headers' GUIDs renewed before the first change (2.2.2.1). Tables are
  written directly and not through the log: a simulator that dies in between loses no more than the unfinished write.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from hyperv_simulator.storage import errors
from hyperv_simulator.storage import vhdx_format as form
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhdx_format import MIB, BlockState, Header


@dataclass(frozen=True, slots=True)
class Block:
    """A payload block that is not simply the parent's.

    :param file_offset: of the block's data; None for a block that is defined as zeros.
    :param present: bit n is logical sector n of the block; -1 for all of them.
    """

    index: int
    file_offset: int | None
    present: int

    def runs(self, sectors: int) -> Iterator[tuple[int, int]]:
        """First sector and length of each run of present sectors, of the first ``sectors`` of the block."""
        left = self.present & ((1 << sectors) - 1)
        position = 0
        while left:
            skip = (left & -left).bit_length() - 1
            left >>= skip
            position += skip
            length = (~left & (left + 1)).bit_length() - 1
            yield position, length
            left >>= length
            position += length


@dataclass
class Vhdx:
    """An open VHDX file. ``with open(path, "rb") as file: disk = Vhdx.read(file.fileno(), path)``"""

    fd: int
    name: str
    header: Header
    newest: int  # which of the two headers is the current one
    bat_offset: int
    bat_length: int
    metadata_offset: int
    items: dict[uuid.UUID, tuple[int, int]]  # file offset and length
    block_size: int
    leave_allocated: bool
    has_parent: bool
    virtual_size: int
    disk_id: uuid.UUID
    logical_sector: int
    physical_sector: int
    locator: dict[str, str]
    _renewed: bool = field(default=False, repr=False)

    # ---------------------------------------------------------------- reading

    @classmethod
    def read(cls, fd: int, name: str) -> Vhdx:
        """Parse and check the tables of an open file.

        :param name: for messages.
        :raises DiskError: FILE_CORRUPT, VHD_FORMAT_VERSION, or what else Windows says of such a file.
        """
        if os.pread(fd, 8, 0) != form.SIGNATURE:
            raise DiskError(errors.VHD_FORMAT_UNKNOWN, name)
        header, newest = form.read_header(fd, name)
        regions = form.read_regions(fd, name)
        items = form.read_metadata_items(fd, name, *regions[form.METADATA_REGION])

        def item(key: uuid.UUID, size: int) -> int:
            offset, length = items.get(key, (0, 0))
            if length < size:
                raise DiskError(errors.FILE_CORRUPT, name, f"metadata item {key} is missing or too short")
            return int.from_bytes(os.pread(fd, size, offset), "little")

        parameters = item(form.FILE_PARAMETERS, 8)
        block_size, flags = parameters & 0xFFFFFFFF, parameters >> 32
        if not MIB <= block_size <= 256 * MIB or block_size & (block_size - 1):
            raise DiskError(errors.VHD_INVALID_BLOCK_SIZE, name, f"block size {block_size}")
        logical, physical = item(form.LOGICAL_SECTOR_SIZE, 4), item(form.PHYSICAL_SECTOR_SIZE, 4)
        if logical not in (512, 4096) or physical not in (512, 4096):
            raise DiskError(errors.FILE_CORRUPT, name, "sector size")
        size = item(form.VIRTUAL_DISK_SIZE, 8)
        if not 0 < size <= form.MAX_VIRTUAL_SIZE or size % logical:
            raise DiskError(errors.VHD_INVALID_SIZE, name, f"virtual size {size}")
        disk = cls(
            fd=fd,
            name=name,
            header=header,
            newest=newest,
            bat_offset=regions[form.BAT_REGION][0],
            bat_length=regions[form.BAT_REGION][1],
            metadata_offset=regions[form.METADATA_REGION][0],
            items=items,
            block_size=block_size,
            leave_allocated=bool(flags & 1),
            has_parent=bool(flags & 2),
            virtual_size=size,
            disk_id=uuid.UUID(bytes_le=item(form.VIRTUAL_DISK_ID, 16).to_bytes(16, "little")),
            logical_sector=logical,
            physical_sector=physical,
            locator={},
        )
        if disk.bat_entries * 8 > disk.bat_length:
            raise DiskError(errors.VHD_BAT_CORRUPT, name, "the table is too short for the disk's size")
        if disk.has_parent:
            if form.PARENT_LOCATOR not in items:
                raise DiskError(errors.FILE_CORRUPT, name, "a differencing disk without parent locator")
            offset, length = items[form.PARENT_LOCATOR]
            disk.locator = form.decode_locator(os.pread(fd, length, offset), name)
        return disk

    @property
    def log_to_replay(self) -> bool:
        return self.header.log_id != form.NO_GUID

    @property
    def blocks(self) -> int:
        return -(-self.virtual_size // self.block_size)

    @property
    def chunk_ratio(self) -> int:
        """Payload blocks per sector bitmap block (2.4)."""
        return (1 << 23) * self.logical_sector // self.block_size

    @property
    def sectors_per_block(self) -> int:
        return self.block_size // self.logical_sector

    @property
    def bat_entries(self) -> int:
        return form.bat_entries(self.virtual_size, self.block_size, self.logical_sector, self.has_parent)

    def bat_index(self, block: int) -> int:
        return block + block // self.chunk_ratio

    def bitmap_bat_index(self, block: int) -> int:
        return (block // self.chunk_ratio + 1) * (self.chunk_ratio + 1) - 1

    def bat(self, index: int) -> tuple[int, int]:
        """State and file offset of a table entry.

        :raises DiskError: VHD_BAT_CORRUPT where the offset can't be right.
        """
        raw = int.from_bytes(os.pread(self.fd, 8, self.bat_offset + 8 * index), "little")
        return self._checked_entry(raw)

    def _checked_entry(self, raw: int) -> tuple[int, int]:
        state, offset = raw & 7, raw >> 20 << 20
        if state in (4, 5) or (state >= BlockState.FULLY_PRESENT and not MIB <= offset < os.fstat(self.fd).st_size):
            raise DiskError(errors.VHD_BAT_CORRUPT, self.name, f"entry {raw:#x}")
        return state, offset

    def allocated(self) -> Iterator[Block]:
        """The payload blocks that this file says something about, in order."""
        bitmap_bytes = self.sectors_per_block // 8
        per_chunk = self.chunk_ratio + 1
        for first in range(0, self.bat_entries, per_chunk):
            count = min(per_chunk, self.bat_entries - first)
            raw = os.pread(self.fd, 8 * count, self.bat_offset + 8 * first)
            if not raw.strip(b"\0"):
                continue
            chunk = first // per_chunk
            for position, (entry,) in enumerate(struct.iter_unpack("<Q", raw)):
                block = chunk * self.chunk_ratio + position
                if entry & 7 == 0 or position == self.chunk_ratio or block >= self.blocks:
                    continue
                state, offset = self._checked_entry(entry)
                if state == BlockState.FULLY_PRESENT:
                    yield Block(block, offset, -1)
                elif state == BlockState.PARTIALLY_PRESENT:
                    where = self._bitmap_offset(block)
                    yield Block(block, offset, int.from_bytes(os.pread(self.fd, bitmap_bytes, where), "little"))
                else:
                    yield Block(block, None, -1)

    def _bitmap_offset(self, block: int) -> int:
        state, offset = self.bat(self.bitmap_bat_index(block))
        if state != BlockState.FULLY_PRESENT or not self.has_parent:
            raise DiskError(
                errors.VHD_BAT_CORRUPT, self.name, f"block {block} is partially present without a sector bitmap"
            )
        return offset + block % self.chunk_ratio * (self.sectors_per_block // 8)

    # ---------------------------------------------------------------- writing

    def begin_writing(self, *, data_changes: bool = True) -> None:
        """Give the file its new identity now, so that a child can note it before the first write."""
        self._renew(data_changes=data_changes)

    def write(self, offset: int, data: bytes) -> None:
        """Write to the virtual disk; whole logical sectors."""
        self._renew(data_changes=True)
        while data:
            block, within = divmod(offset, self.block_size)
            part = data[: self.block_size - within]
            self._write_to_block(block, within, part)
            offset, data = offset + len(part), data[len(part) :]

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range read as zeros, without storing whole blocks of them."""
        self._renew(data_changes=True)
        while length:
            block, within = divmod(offset, self.block_size)
            part = min(length, self.block_size - within)
            state, _ = self.bat(self.bat_index(block))
            whole = within == 0 and (part == self.block_size or offset + part >= self.virtual_size)
            if whole and state < BlockState.FULLY_PRESENT:
                self.set_bat(self.bat_index(block), BlockState.ZERO, 0)
            elif state not in (BlockState.ZERO, BlockState.UNMAPPED, BlockState.UNDEFINED):
                self._write_to_block(block, within, bytes(part))
            offset, length = offset + part, length - part

    def _write_to_block(self, block: int, within: int, data: bytes) -> None:
        index = self.bat_index(block)
        state, where = self.bat(index)
        if state < BlockState.FULLY_PRESENT:
            where = self._allocate(self.block_size)
        os.pwrite(self.fd, data, where + within)
        # Sectors that a block in one of the zero-like states does not get now are zeros of this file, not the parent's.
        partly = self.has_parent and state in (BlockState.NOT_PRESENT, BlockState.PARTIALLY_PRESENT)
        new = BlockState.FULLY_PRESENT
        if partly and not self._mark(block, within, len(data), fresh=state == BlockState.NOT_PRESENT):
            new = BlockState.PARTIALLY_PRESENT
        if new != state:
            self.set_bat(index, new, where)

    def _mark(self, block: int, within: int, length: int, *, fresh: bool) -> bool:
        """Note sectors as present; True when the whole block now is."""
        index = self.bitmap_bat_index(block)
        if self.bat(index)[0] == BlockState.NOT_PRESENT:
            self.set_bat(index, BlockState.FULLY_PRESENT, self._allocate(MIB))
        where, size = self._bitmap_offset(block), self.sectors_per_block // 8
        present = 0 if fresh else int.from_bytes(os.pread(self.fd, size, where), "little")
        first, count = within // self.logical_sector, length // self.logical_sector
        present |= ((1 << count) - 1) << first
        os.pwrite(self.fd, present.to_bytes(size, "little"), where)
        return present == (1 << self.sectors_per_block) - 1

    def _allocate(self, length: int) -> int:
        where = -(-os.fstat(self.fd).st_size // MIB) * MIB
        os.ftruncate(self.fd, where + length)
        return where

    def set_bat(self, index: int, state: BlockState, offset: int) -> None:
        """Write a table entry; what it leads to is the caller's."""
        os.pwrite(self.fd, struct.pack("<Q", offset | state), self.bat_offset + 8 * index)

    def _renew(self, *, data_changes: bool) -> None:
        """New identities in both headers, once per opening (2.2.2.1)."""
        if self._renewed:
            return
        for _ in range(2):
            self.header = Header(
                self.header.sequence + 1,
                self.header.file_write_id if self._renewed else uuid.uuid4(),
                uuid.uuid4() if data_changes and not self._renewed else self.header.data_write_id,
                form.NO_GUID,
                self.header.log_length,
                self.header.log_offset,
            )
            self._renewed = True
            self.newest = 1 - self.newest
            os.pwrite(self.fd, self.header.encode(), form.HEADER_OFFSETS[self.newest])

    def grow(self, size: int) -> None:
        """Give the disk a larger virtual size; a fixed one gets its blocks at once (sparse)."""
        self._renew(data_changes=True)
        old_blocks = self.blocks
        needed = 8 * form.bat_entries(size, self.block_size, self.logical_sector, self.has_parent)
        if needed > self.bat_length:
            length = -(-needed // MIB) * MIB
            where = self._allocate(length)
            os.pwrite(self.fd, os.pread(self.fd, self.bat_length, self.bat_offset), where)
            self.bat_offset, self.bat_length = where, length
            self._write_regions()
        self.set_size(size)
        if self.leave_allocated and not self.has_parent:
            for block in range(old_blocks, self.blocks):
                self.set_bat(self.bat_index(block), BlockState.FULLY_PRESENT, self._allocate(self.block_size))

    def set_size(self, size: int) -> None:
        """Note another virtual size; the table must be long enough for it."""
        os.pwrite(self.fd, struct.pack("<Q", size), self.items[form.VIRTUAL_DISK_SIZE][0])
        self.virtual_size = size

    def set_physical_sector(self, size: int) -> None:
        self._renew(data_changes=True)
        os.pwrite(self.fd, struct.pack("<I", size), self.items[form.PHYSICAL_SECTOR_SIZE][0])
        self.physical_sector = size

    def _write_regions(self) -> None:
        metadata = (self.metadata_offset, self._metadata_length())
        table = form.encode_regions(
            {form.BAT_REGION: (self.bat_offset, self.bat_length), form.METADATA_REGION: metadata}
        )
        for where in form.REGION_OFFSETS:
            os.pwrite(self.fd, table, where)

    def _metadata_length(self) -> int:
        return form.read_regions(self.fd, self.name)[form.METADATA_REGION][1]

    def set_locator(self, entries: dict[str, str]) -> None:
        """Point a differencing disk to another parent. The item keeps its place; its size is what `vhdx_create`
        reserved.

        :raises DiskError: VHD_INVALID_STATE where the new text does not fit.
        """
        self._renew(data_changes=False)
        offset, _ = self.items[form.PARENT_LOCATOR]
        raw = form.encode_locator(entries)
        behind = [start for start, _ in self.items.values() if start > offset]
        room = min(behind, default=self.metadata_offset + self._metadata_length()) - offset
        if len(raw) > room:
            raise DiskError(errors.VHD_INVALID_STATE, self.name, "no room for a longer parent locator")
        os.pwrite(self.fd, raw, offset)
        self._set_item_length(form.PARENT_LOCATOR, len(raw))
        self.locator = entries

    def _set_item_length(self, key: uuid.UUID, length: int) -> None:
        _, _, count = form.METADATA_HEAD.unpack(os.pread(self.fd, form.METADATA_HEAD.size, self.metadata_offset))
        for number in range(count):
            where = self.metadata_offset + form.METADATA_HEAD.size + form.METADATA_ENTRY.size * number
            item, offset, _, flags = form.METADATA_ENTRY.unpack(os.pread(self.fd, form.METADATA_ENTRY.size, where))
            if item == key.bytes_le:
                os.pwrite(self.fd, form.METADATA_ENTRY.pack(item, offset, length, flags), where)
        self.items[key] = (self.items[key][0], length)

    def set_disk_id(self, disk_id: uuid.UUID) -> None:
        self._renew(data_changes=True)
        os.pwrite(self.fd, disk_id.bytes_le, self.items[form.VIRTUAL_DISK_ID][0])
        self.disk_id = disk_id


def create(
    fd: int,
    *,
    virtual_size: int,
    block_size: int,
    logical_sector: int,
    physical_sector: int,
    fixed: bool = False,
    locator: dict[str, str] | None = None,
) -> None:
    """Write a disk without data into an empty file.

    :param fixed: all blocks are allocated (as holes of the file).
    :param locator: entries of the parent locator (2.6.2.6.3); makes it a differencing disk.
    """
    has_parent = locator is not None
    entries = form.bat_entries(virtual_size, block_size, logical_sector, has_parent)
    # Order and sizes as Windows makes them: log, metadata, table, 1 MiB each (a larger table for a larger disk).
    log_offset, metadata_offset, bat_offset = MIB, 2 * MIB, 3 * MIB
    bat_length = -(-8 * entries // MIB) * MIB
    values = {
        form.FILE_PARAMETERS: struct.pack("<II", block_size, 2 if has_parent else int(fixed)),
        form.VIRTUAL_DISK_SIZE: struct.pack("<Q", virtual_size),
        form.VIRTUAL_DISK_ID: uuid.uuid4().bytes_le,
        form.LOGICAL_SECTOR_SIZE: struct.pack("<I", logical_sector),
        form.PHYSICAL_SECTOR_SIZE: struct.pack("<I", physical_sector),
    }
    if locator is not None:
        values[form.PARENT_LOCATOR] = form.encode_locator(locator)  # the last, so that it can grow
    position, items = 64 * form.KIB, {}
    for key, value in values.items():
        items[key] = (position, len(value))
        os.pwrite(fd, value, metadata_offset + position)
        position += len(value)
    os.pwrite(fd, form.encode_metadata_table(items), metadata_offset)
    os.ftruncate(fd, bat_offset + bat_length)
    if fixed:
        ratio = (1 << 23) * logical_sector // block_size
        table, where = bytearray(8 * entries), bat_offset + bat_length
        for block in range(-(-virtual_size // block_size)):
            struct.pack_into("<Q", table, 8 * (block + block // ratio), where | BlockState.FULLY_PRESENT)
            where += block_size
        os.pwrite(fd, table, bat_offset)
        os.ftruncate(fd, where)
    regions = form.encode_regions(
        {form.BAT_REGION: (bat_offset, bat_length), form.METADATA_REGION: (metadata_offset, MIB)}
    )
    for where in form.REGION_OFFSETS:
        os.pwrite(fd, regions, where)
    for number, where in enumerate(form.HEADER_OFFSETS):
        header = Header(number + 1, uuid.uuid4(), uuid.uuid4(), form.NO_GUID, MIB, log_offset)
        os.pwrite(fd, header.encode(), where)
    os.pwrite(fd, form.SIGNATURE + "Microsoft Windows".encode("utf-16-le"), 0)
