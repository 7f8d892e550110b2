"""Reads a VHDX's structures and refuses what a tenant has no business to send.

Source: [MS-VHDX] (Virtual Hard Disk v2 (VHDX) File Format); paragraphs are cited. Only a cleanly closed disk without a
parent passes: replaying a log, or following a parent, is what the host would do with bytes that a tenant chose.
"""

from __future__ import annotations

import itertools
import struct
import uuid
from typing import BinaryIO

from compute_hyperv.nova.images.structures import BoundedFile, DiskStructure, Refused

SIGNATURE = b"vhdxfile"
HEADER_OFFSETS = (64 << 10, 128 << 10)  # 2.2
REGION_TABLE_OFFSETS = (192 << 10, 256 << 10)
REGION_BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")  # 2.2.3.2
REGION_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")  # 2.6.2
VIRTUAL_DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
VIRTUAL_DISK_ID = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR_SIZE = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = uuid.UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
# 2.6.2.2: at most 64 TB.
MAX_VIRTUAL_SIZE_BYTES = 64 << 40

_MIB = 1 << 20
_HEADER_BYTES = 4 << 10
_REGION_TABLE_BYTES = 64 << 10
_METADATA_TABLE_BYTES = 64 << 10
_MAX_ENTRIES = 2047
_NO_LOG = uuid.UUID(int=0)
_LENGTHS = {
    FILE_PARAMETERS: 8,
    VIRTUAL_DISK_SIZE: 8,
    VIRTUAL_DISK_ID: 16,
    LOGICAL_SECTOR_SIZE: 4,
    PHYSICAL_SECTOR_SIZE: 4,
}
_IS_USER, _IS_REQUIRED = 0x1, 0x4  # 2.6.1.2; 0x2 is IsVirtualDisk
_LEAVE_BLOCKS_ALLOCATED, _HAS_PARENT = 0x1, 0x2  # 2.6.2.1
_REMEDY = "write the disk anew (Convert-VHD, or qemu-img convert -O vhdx) and upload that file"
_FLATTEN = "merge the disk with its parents (Convert-VHD does it) and upload the result"


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, polynomial 0x1EDC6F41), as MS-VHDX 2.2.2 asks for. No library at hand has it."""
    value = 0xFFFFFFFF
    table = _CRC32C
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def read(file: BinaryIO, size_bytes: int) -> DiskStructure:
    """All structures of a VHDX, checked.

    :raises Refused: for a differencing disk, a parent locator, a log to be replayed, a wrong checksum, an unknown
        required region or item, and anything that [MS-VHDX] does not allow.
    """
    disk = BoundedFile(file, size_bytes, _REMEDY)
    if disk.read(0, len(SIGNATURE), "signature") != SIGNATURE:
        raise Refused("has no VHDX signature", _REMEDY)
    log = _check_headers(disk)
    regions = _regions(disk)
    _check_layout({"log": log, "metadata": regions[REGION_METADATA], "block allocation table": regions[REGION_BAT]})
    items = _metadata(disk, *regions[REGION_METADATA])
    return _structure(items, regions[REGION_BAT][1])


def _check_headers(disk: BoundedFile) -> tuple[int, int]:
    """2.2.2; gives offset and length of the log."""
    headers: list[tuple[int, bytes]] = []
    for offset in HEADER_OFFSETS:
        header = disk.read(offset, _HEADER_BYTES, "header")
        signature, checksum, sequence = struct.unpack_from("<4sIQ", header, 0)
        if signature != b"head" or checksum != crc32c(header[:4] + bytes(4) + header[8:]):
            raise Refused("has a VHDX header with a wrong signature or checksum", _REMEDY)
        headers.append((sequence, header))
    if headers[0][0] == headers[1][0] and headers[0][1] != headers[1][1]:
        raise Refused("has two different VHDX headers of the same age", _REMEDY)
    current = max(headers)[1]  # the one with the larger sequence number is in force
    log_id = uuid.UUID(bytes_le=current[48:64])
    log_version, version, log_length, log_offset = struct.unpack_from("<HHIQ", current, 64)
    if log_id != _NO_LOG:
        raise Refused(
            "has a VHDX log that was not replayed (it was not closed cleanly)",
            "open and close the disk once where it comes from (Mount-VHD, Dismount-VHD) and upload it again",
        )
    if version != 1 or log_version != 0:
        raise Refused(f"is a VHDX of unknown version {version}, log version {log_version}", _REMEDY)
    _check_extent(disk, "log", log_offset, log_length)
    return log_offset, log_length


def _regions(disk: BoundedFile) -> dict[uuid.UUID, tuple[int, int]]:
    """2.2.3: offset and length of the known regions; the two copies of the table must say the same."""
    tables = []
    for offset in REGION_TABLE_OFFSETS:
        table = disk.read(offset, _REGION_TABLE_BYTES, "region table")
        signature, checksum, count = struct.unpack_from("<4sII", table, 0)
        if signature != b"regi" or checksum != crc32c(table[:4] + bytes(4) + table[8:]):
            raise Refused("has a VHDX region table with a wrong signature or checksum", _REMEDY)
        if count > _MAX_ENTRIES:
            raise Refused(f"has a VHDX region table of {count} entries", _REMEDY)
        tables.append(table[8 : 16 + 32 * count])
    if tables[0] != tables[1]:
        raise Refused("has two VHDX region tables that disagree", _REMEDY)
    regions: dict[uuid.UUID, tuple[int, int]] = {}
    for start in range(8, len(tables[0]), 32):
        region = uuid.UUID(bytes_le=tables[0][start : start + 16])
        offset, length, required = struct.unpack_from("<QII", tables[0], start + 16)
        if region not in (REGION_BAT, REGION_METADATA):
            if required:
                raise Refused(f"has the unknown required VHDX region {region}", _REMEDY)
            continue
        if region in regions:
            raise Refused("names a VHDX region twice", _REMEDY)
        _check_extent(disk, "region", offset, length)
        regions[region] = (offset, length)
    if len(regions) != 2:
        raise Refused("lacks a VHDX metadata region or block allocation table", _REMEDY)
    return regions


def _check_extent(disk: BoundedFile, what: str, offset: int, length: int) -> None:
    """Log and regions start at 1 MiB or later, in whole MiB (2.2.2, 2.2.3.2)."""
    if offset < _MIB or length < _MIB or offset % _MIB or length % _MIB or offset + length > disk.size_bytes:
        raise Refused(f"has a VHDX {what} at an impossible place ({length} bytes at {offset})", _REMEDY)


def _check_layout(extents: dict[str, tuple[int, int]]) -> None:
    ordered = sorted((offset, offset + length, name) for name, (offset, length) in extents.items())
    for (_start, end, name), (next_start, _end, next_name) in itertools.pairwise(ordered):
        if next_start < end:
            raise Refused(f"has a VHDX {name} and {next_name} that overlap", _REMEDY)


def _metadata(disk: BoundedFile, offset: int, length: int) -> dict[uuid.UUID, bytes]:
    """2.6.1: the known system items of the metadata region."""
    table = disk.read(offset, _METADATA_TABLE_BYTES, "metadata table")
    signature, _reserved, count = struct.unpack_from("<8sHH", table, 0)
    if signature != b"metadata" or count > _MAX_ENTRIES:
        raise Refused("has no valid VHDX metadata table", _REMEDY)
    items: dict[uuid.UUID, bytes] = {}
    for start in range(32, 32 + 32 * count, 32):
        item = uuid.UUID(bytes_le=table[start : start + 16])
        item_offset, item_length, flags = struct.unpack_from("<III", table, start + 16)
        if item == PARENT_LOCATOR:
            raise Refused("carries a parent locator, as a differencing VHDX does", _FLATTEN)
        if flags & _IS_USER or item not in _LENGTHS:
            if flags & _IS_REQUIRED:
                raise Refused(f"has the unknown required VHDX metadata item {item}", _REMEDY)
            continue
        if item in items or item_length != _LENGTHS[item]:
            raise Refused(f"has the VHDX metadata item {item} twice or in a wrong length", _REMEDY)
        if item_offset < _METADATA_TABLE_BYTES or item_offset + item_length > length:
            raise Refused(f"has the VHDX metadata item {item} outside its region", _REMEDY)
        items[item] = disk.read(offset + item_offset, item_length, "metadata")
    for item in (FILE_PARAMETERS, VIRTUAL_DISK_SIZE, LOGICAL_SECTOR_SIZE):
        if item not in items:
            raise Refused(f"lacks the VHDX metadata item {item}", _REMEDY)
    return items


def _structure(items: dict[uuid.UUID, bytes], table_length: int) -> DiskStructure:
    block_size, flags = struct.unpack("<II", items[FILE_PARAMETERS])
    (virtual_size,) = struct.unpack("<Q", items[VIRTUAL_DISK_SIZE])
    (sector,) = struct.unpack("<I", items[LOGICAL_SECTOR_SIZE])
    if flags & _HAS_PARENT:
        raise Refused("is a differencing VHDX, which needs a parent disk", _FLATTEN)
    if flags & ~_LEAVE_BLOCKS_ALLOCATED:
        raise Refused(f"has unknown VHDX file parameters ({flags:#x})", _REMEDY)
    if not _MIB <= block_size <= 256 * _MIB or block_size & (block_size - 1):
        raise Refused(f"has the impossible VHDX block size {block_size}", _REMEDY)
    if sector == 4096:
        # qemu's vhdx driver knows 512 only, and a disk made for 4096 would not boot from 512.
        raise Refused(
            "is a VHDX with logical sectors of 4096 bytes", "create the disk with -LogicalSectorSizeBytes 512"
        )
    if sector != 512:
        raise Refused(f"has the impossible VHDX sector size {sector}", _REMEDY)
    if not 0 < virtual_size <= MAX_VIRTUAL_SIZE_BYTES or virtual_size % sector:
        raise Refused(f"has an impossible VHDX size ({virtual_size} bytes)", _REMEDY)
    if 8 * -(-virtual_size // block_size) > table_length:
        raise Refused("has a block allocation table that is too short for its size", _REMEDY)
    return DiskStructure("vhdx", "fixed" if flags else "dynamic", virtual_size, block_size)
