"""The older VHD files, read and written in place: fixed, dynamic and differencing.

Source: Microsoft's Virtual Hard Disk Image Format Specification 1.0; names in quotation marks are its fields. `Vhd` has
the same methods as `vhdx.Vhdx`, so that `vhd.DiskStore` treats both alike. Nothing that was read is believed before its
checksum and bounds are checked.
"""

from __future__ import annotations

import os
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhdx import Block

SECTOR = 512
MAX_VIRTUAL_SIZE = 2040 * 1024**3  # the limit that Hyper-V enforces
DEFAULT_BLOCK_SIZE = 2 * 1024**2
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
UNUSED = 0xFFFFFFFF

# cookie, features, version, data offset, time stamp, creator application/version/host OS, original size, current size,
# cylinders, heads, sectors per track, disk type, checksum, unique id, saved state
FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
# cookie, data offset, table offset, version, max table entries, block size, checksum, parent unique id, parent time
# stamp, reserved, parent unicode name, then eight parent locators
HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
LOCATOR = struct.Struct(">4sIIIQ")
RELATIVE, ABSOLUTE = b"W2ru", b"W2ku"  # platform codes of Windows paths in UTF-16LE

_EPOCH = 946684800  # 2000-01-01, from which VHD counts its seconds
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _with_checksum(raw: bytes, at: int) -> bytes:
    plain = raw[:at] + bytes(4) + raw[at + 4 :]
    return plain[:at] + struct.pack(">I", ~sum(plain) & 0xFFFFFFFF) + plain[at + 4 :]


def _fits(raw: bytes, at: int) -> bool:
    return _with_checksum(raw, at) == raw


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads, sectors per track: the specification's appendix. Less than the true size; only old BIOSes
    care."""
    total = min(size // SECTOR, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        return total // 255 // 16, 16, 255
    per_track = 17
    heads = max((total // per_track + 1023) // 1024, 4)
    if total // per_track >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
    if total // per_track >= heads * 1024:
        per_track, heads = 63, 16
    return total // per_track // heads, heads, per_track


@dataclass
class Vhd:
    """An open VHD file."""

    fd: int
    name: str
    footer: bytes
    kind: int
    virtual_size: int
    disk_id: uuid.UUID
    block_size: int = 0
    table_offset: int = 0
    table_entries: int = 0
    parent_id: uuid.UUID = field(default_factory=lambda: uuid.UUID(int=0))
    locator: dict[str, str] = field(default_factory=dict)  # keys as in a VHDX: relative_path, absolute_win32_path

    logical_sector = SECTOR
    physical_sector = SECTOR
    log_to_replay = False

    @classmethod
    def read(cls, fd: int, name: str) -> Vhd:
        """:raises DiskError: what Windows says of such a file."""
        size = os.fstat(fd).st_size
        footer = os.pread(fd, SECTOR, max(0, size - SECTOR))
        if footer[:8] != b"conectix" or len(footer) != SECTOR:
            raise DiskError(errors.VHD_FOOTER_MISSING, name)
        if not _fits(footer, 64):
            raise DiskError(errors.VHD_FOOTER_CHECKSUM, name)
        values = FOOTER.unpack(footer)
        data_offset, virtual_size, kind = values[3], values[9], values[13]
        if kind not in (FIXED, DYNAMIC, DIFFERENCING):
            raise DiskError(errors.VHD_FOOTER_CORRUPT, name, f"disk type {kind}")
        if not 0 < virtual_size <= MAX_VIRTUAL_SIZE or virtual_size % SECTOR:
            raise DiskError(errors.VHD_INVALID_SIZE, name, f"virtual size {virtual_size}")
        disk = cls(fd, name, footer, kind, virtual_size, uuid.UUID(bytes=values[15]))
        if kind == FIXED:
            if size < virtual_size + SECTOR:
                raise DiskError(errors.VHD_FOOTER_CORRUPT, name, "shorter than its disk")
        else:
            disk._read_header(data_offset)
        return disk

    def _read_header(self, at: int) -> None:
        raw = os.pread(self.fd, HEADER.size, at)
        if len(raw) < HEADER.size or raw[:8] != b"cxsparse":
            raise DiskError(errors.VHD_HEADER_CORRUPT, self.name)
        if not _fits(raw, 36):
            raise DiskError(errors.VHD_HEADER_CHECKSUM, self.name)
        values = HEADER.unpack(raw)
        self.table_offset, self.table_entries, self.block_size = values[2], values[4], values[5]
        if self.block_size < SECTOR or self.block_size & (self.block_size - 1) or self.block_size > 256 * 1024**2:
            raise DiskError(errors.VHD_INVALID_BLOCK_SIZE, self.name, f"block size {self.block_size}")
        table_end = self.table_offset + 4 * self.table_entries
        if self.table_entries < self.blocks or table_end > os.fstat(self.fd).st_size:
            raise DiskError(errors.VHD_BAT_CORRUPT, self.name)
        if self.kind == DIFFERENCING:
            self.parent_id = uuid.UUID(bytes=values[7])
            self.locator = self._read_locators(values[11])

    def _read_locators(self, raw: bytes) -> dict[str, str]:
        names = {RELATIVE: "relative_path", ABSOLUTE: "absolute_win32_path"}
        found: dict[str, str] = {}
        for code, _, length, _, offset in LOCATOR.iter_unpack(raw):
            if code in names and 0 < length <= 64 * 1024:
                found[names[code]] = os.pread(self.fd, length, offset).decode("utf-16-le", "replace").rstrip("\0")
        return found

    @property
    def has_parent(self) -> bool:
        return self.kind == DIFFERENCING

    @property
    def leave_allocated(self) -> bool:
        return self.kind == FIXED

    @property
    def blocks(self) -> int:
        return -(-self.virtual_size // self.block_size)

    @property
    def sectors_per_block(self) -> int:
        return self.block_size // SECTOR

    @property
    def bitmap_size(self) -> int:
        return -(-self.sectors_per_block // 8 // SECTOR) * SECTOR

    def _block_offset(self, block: int) -> int | None:
        """File offset of the block's bitmap."""
        sector = int.from_bytes(os.pread(self.fd, 4, self.table_offset + 4 * block), "big")
        if sector == UNUSED:
            return None
        if sector * SECTOR + self.bitmap_size > os.fstat(self.fd).st_size:
            raise DiskError(errors.VHD_BAT_CORRUPT, self.name, f"block {block}")
        return sector * SECTOR

    def _present(self, bitmap_offset: int) -> int:
        raw = os.pread(self.fd, -(-self.sectors_per_block // 8), bitmap_offset)
        return int.from_bytes(raw.translate(_REVERSED), "little")

    def allocated(self) -> Iterator[Block]:
        """The blocks that this file says something about, in order. Not for fixed disks."""
        for block in range(self.blocks):
            offset = self._block_offset(block)
            if offset is not None:
                present = self._present(offset) if self.has_parent else -1
                yield Block(block, offset + self.bitmap_size, present)

    def begin_writing(self) -> None:
        """Nothing to do: a VHD's identity never changes."""

    def write(self, offset: int, data: bytes) -> None:
        """Write to the virtual disk; whole sectors."""
        if self.kind == FIXED:
            os.pwrite(self.fd, data, offset)
            return
        while data:
            block, within = divmod(offset, self.block_size)
            part = data[: self.block_size - within]
            where = self._block_offset(block)
            if where is None:
                where = self._add_block(block)
            os.pwrite(self.fd, part, where + self.bitmap_size + within)
            first, count = within // SECTOR, len(part) // SECTOR
            self._mark(where, ((1 << count) - 1) << first)
            offset, data = offset + len(part), data[len(part) :]

    def write_zeros(self, offset: int, length: int) -> None:
        """VHD has no state for zeros: they are stored (as holes, where the file system has them)."""
        while length:
            part = min(length, 1024**2)
            self.write(offset, bytes(part))
            offset, length = offset + part, length - part

    def _mark(self, bitmap_offset: int, sectors: int) -> None:
        present = self._present(bitmap_offset) | sectors
        size = -(-self.sectors_per_block // 8)
        os.pwrite(self.fd, present.to_bytes(size, "little").translate(_REVERSED), bitmap_offset)

    def _add_block(self, block: int) -> int:
        """Append a block of zeros; its footer goes behind it again. Blocks of a disk without parent are wholly
        present."""
        where = os.fstat(self.fd).st_size - SECTOR
        end = where + self.bitmap_size + self.block_size
        os.pwrite(self.fd, bytes(SECTOR), where)  # the old footer
        os.ftruncate(self.fd, end)
        os.pwrite(self.fd, self.footer, end)
        if not self.has_parent:
            self._mark(where, (1 << self.sectors_per_block) - 1)
        os.pwrite(self.fd, struct.pack(">I", where // SECTOR), self.table_offset + 4 * block)
        return where

    def grow(self, size: int) -> None:
        """Give the disk a larger virtual size.

        :raises DiskError: VHD_INVALID_TYPE for a differencing disk (facts/hyperv-ops 4: only VHDX has that).
        """
        if self.kind == DIFFERENCING:
            raise DiskError(errors.VHD_INVALID_TYPE, self.name)
        if self.kind == FIXED:
            os.pwrite(self.fd, bytes(SECTOR), self.virtual_size)
            self._set_footer(size)
            os.ftruncate(self.fd, size)
            os.pwrite(self.fd, self.footer, size)
            self.virtual_size = size
            return
        entries = -(-size // self.block_size)
        end = os.fstat(self.fd).st_size - SECTOR
        table = os.pread(self.fd, 4 * self.table_entries, self.table_offset)
        length = -(-4 * entries // SECTOR) * SECTOR
        os.pwrite(self.fd, table.ljust(length, b"\xff"), end)
        header_offset = FOOTER.unpack(self.footer)[3]
        values = list(HEADER.unpack(os.pread(self.fd, HEADER.size, header_offset)))
        values[2], values[4] = end, entries
        os.pwrite(self.fd, _with_checksum(HEADER.pack(*values), 36), header_offset)
        self._set_footer(size)
        os.pwrite(self.fd, self.footer, end + length)
        os.pwrite(self.fd, self.footer, 0)
        self.virtual_size, self.table_offset, self.table_entries = size, end, entries

    def _set_footer(self, size: int) -> None:
        values = list(FOOTER.unpack(self.footer))
        values[9], values[10:13] = size, geometry(size)
        self.footer = _with_checksum(FOOTER.pack(*values), 64)

    def set_parent(self, parent_id: uuid.UUID, locator: dict[str, str]) -> None:
        """Point a differencing disk to another parent.

        :raises DiskError: VHD_INVALID_STATE where the file has no room for the paths.
        """
        at = FOOTER.unpack(self.footer)[3]
        values = list(HEADER.unpack(os.pread(self.fd, HEADER.size, at)))
        texts = {RELATIVE: locator["relative_path"], ABSOLUTE: locator["absolute_win32_path"]}
        entries = []
        for code, space, length, reserved, offset in LOCATOR.iter_unpack(values[11]):
            if code in texts:
                raw = texts[code].encode("utf-16-le")
                if len(raw) > SECTOR * (space if space < SECTOR else space // SECTOR):
                    raise DiskError(errors.VHD_INVALID_STATE, self.name, "no room for a longer parent locator")
                os.pwrite(self.fd, raw, offset)
                length = len(raw)
            entries.append(LOCATOR.pack(code, space, length, reserved, offset))
        values[7], values[11] = parent_id.bytes, b"".join(entries)
        values[10] = _unicode_name(locator["absolute_win32_path"])
        os.pwrite(self.fd, _with_checksum(HEADER.pack(*values), 36), at)
        self.parent_id, self.locator = parent_id, locator


def _unicode_name(path: str) -> bytes:
    return path.rpartition("\\")[2].encode("utf-16-be")[:512].ljust(512, b"\0")


def _footer(size: int, kind: int, disk_id: uuid.UUID) -> bytes:
    stamp = int(time.time()) - _EPOCH
    offset = 0xFFFFFFFFFFFFFFFF if kind == FIXED else SECTOR
    # Features 2 is "reserved, always set"; creator as Windows Server writes it.
    raw = FOOTER.pack(
        b"conectix", 2, 0x00010000, offset, stamp, b"win ", 0x000A0000, b"Wi2k", size, size, *geometry(size), kind, 0,
        disk_id.bytes, 0,
    )  # fmt: skip
    return _with_checksum(raw, 64)


def create(
    fd: int, *, kind: int, virtual_size: int, block_size: int = 0, parent_id: uuid.UUID | None = None,
    locator: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """Write a disk without data into an empty file."""
    footer = _footer(virtual_size, kind, uuid.uuid4())
    if kind == FIXED:
        os.ftruncate(fd, virtual_size)
        os.pwrite(fd, footer, virtual_size)
        return
    block_size = block_size or DEFAULT_BLOCK_SIZE
    entries = -(-virtual_size // block_size)
    table_offset = SECTOR + HEADER.size
    table_length = -(-4 * entries // SECTOR) * SECTOR
    position = table_offset + table_length
    locators, name = b"", b""
    for code, key in ((RELATIVE, "relative_path"), (ABSOLUTE, "absolute_win32_path")):
        if locator is not None:
            raw = locator[key].encode("utf-16-le")
            # Windows writes the space in bytes where the specification says sectors: readers accept both.
            locators += LOCATOR.pack(code, 2048, len(raw), 0, position)
            os.pwrite(fd, raw, position)
            name = _unicode_name(locator["absolute_win32_path"])
            position += 2048
    stamp = int(time.time()) - _EPOCH if locator is not None else 0
    header = HEADER.pack(
        b"cxsparse", 0xFFFFFFFFFFFFFFFF, table_offset, 0x00010000, entries, block_size, 0,
        (parent_id or uuid.UUID(int=0)).bytes, stamp, 0, name, locators,
    )  # fmt: skip
    os.pwrite(fd, footer, 0)
    os.pwrite(fd, _with_checksum(header, 36), SECTOR)
    os.pwrite(fd, b"\xff" * table_length, table_offset)
    os.pwrite(fd, footer, position)
