"""Reads a VHD's structures and refuses what a tenant has no business to send; makes the footer of a fixed VHD.

Source: "Virtual Hard Disk Image Format Specification", Microsoft, version 1.0 (2006), called "the specification" here.
The footer at the end is the truth, its copy at the start of a dynamic disk must be the same: a reader that trusts the
one and a host that trusts the other would see two different disks.
"""

from __future__ import annotations

import struct
import uuid
from typing import BinaryIO

from compute_hyperv.nova.images.structures import SECTOR_BYTES, BoundedFile, DiskStructure, Refused

COOKIE = b"conectix"
FOOTER_BYTES = 512
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
# Hyper-V's limit for VHD (prerequisites and New-VHD's page): 2040 GiB.
MAX_VIRTUAL_SIZE_BYTES = 2040 << 30

_DYNAMIC_COOKIE = b"cxsparse"
_DYNAMIC_HEADER_BYTES = 1024
_FILE_FORMAT_VERSION = 0x00010000
_NO_DATA_OFFSET = 0xFFFFFFFFFFFFFFFF
_RESERVED_FEATURE = 0x2
_KNOWN_FEATURES = 0x3
_MIN_BLOCK_BYTES = SECTOR_BYTES
_MAX_BLOCK_BYTES = 256 << 20
_REMEDY = "write the disk anew with a VHD tool (Convert-VHD, or qemu-img convert -O vpc) and upload that file"
_FLATTEN = "merge the disk with its parents (Convert-VHD does it) and upload the result"


def has_footer(file: BinaryIO, size_bytes: int) -> bool:
    """Whether the file's last sector claims to be a VHD footer (nothing else of it is checked)."""
    if size_bytes < FOOTER_BYTES:
        return False
    file.seek(size_bytes - FOOTER_BYTES)
    return file.read(len(COOKIE)) == COOKIE


def checksum(data: bytes, field_offset: int) -> int:
    """The one's complement of the sum of all bytes but the checksum's own four (specification, "Checksum")."""
    return ~(sum(data) - sum(data[field_offset : field_offset + 4])) & 0xFFFFFFFF


def fixed_footer(size_bytes: int) -> bytes:
    """What makes a fixed VHD of ``size_bytes`` bytes of raw disk when it is put behind them.

    :param size_bytes: a multiple of 512.
    """
    if size_bytes % SECTOR_BYTES or not 0 < size_bytes <= MAX_VIRTUAL_SIZE_BYTES:
        raise ValueError(f"a VHD cannot have {size_bytes} bytes")
    cylinders, heads, sectors = _geometry(size_bytes // SECTOR_BYTES)
    footer = struct.pack(
        ">8sIIQI4sI4sQQHBBII16s",
        *(COOKIE, _RESERVED_FEATURE, _FILE_FORMAT_VERSION, _NO_DATA_OFFSET),
        0,  # time stamp: seconds since 2000, which nobody needs
        *(b"win ", 0x000A0000, b"Wi2k"),  # as Windows itself fills the creator in, so that readers go by the size below
        *(size_bytes, size_bytes, cylinders, heads, sectors, FIXED, 0),
        uuid.uuid4().bytes,
    ).ljust(FOOTER_BYTES, b"\0")
    return footer[:64] + struct.pack(">I", checksum(footer, 64)) + footer[68:]


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track, by the specification's appendix "CHS Calculation"."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    per_track, heads = 17, max(4, -(-(sectors // 17) // 1024))
    if sectors // 17 >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
    if sectors // 31 >= heads * 1024 and per_track == 31:
        per_track = 63
    return sectors // per_track // heads, heads, per_track


def read(file: BinaryIO, size_bytes: int) -> DiskStructure:
    """All structures of a VHD, checked.

    :raises Refused: for a differencing disk, a parent locator, a footer and header that disagree, and anything that the
        specification does not allow.
    """
    disk = BoundedFile(file, size_bytes, _REMEDY)
    footer = disk.read(size_bytes - FOOTER_BYTES, FOOTER_BYTES, "footer")
    # Offsets from the specification's "Hard Disk Footer Format".
    cookie, features, version, data_offset = struct.unpack_from(">8sIIQ", footer, 0)
    (virtual_size,) = struct.unpack_from(">Q", footer, 48)
    disk_type, claimed_checksum = struct.unpack_from(">II", footer, 60)
    if cookie != COOKIE:
        raise Refused("has no VHD footer at its end", _REMEDY)
    if disk_type == DIFFERENCING:
        raise Refused("is a differencing VHD, which needs a parent disk", _FLATTEN)
    if claimed_checksum != checksum(footer, 64):
        raise Refused("has a VHD footer with a wrong checksum", _REMEDY)
    if version != _FILE_FORMAT_VERSION or not features & _RESERVED_FEATURE or features & ~_KNOWN_FEATURES:
        raise Refused(f"has a VHD footer of unknown version or features ({version:#x}, {features:#x})", _REMEDY)
    if footer[84]:
        raise Refused("is a VHD in saved state", "shut the machine down, export its disk again and upload that")
    if not 0 < virtual_size <= MAX_VIRTUAL_SIZE_BYTES or virtual_size % SECTOR_BYTES:
        raise Refused(f"has an impossible VHD size ({virtual_size} bytes)", _REMEDY)
    if disk_type == FIXED:
        _check_fixed(disk, data_offset, virtual_size)
        return DiskStructure("vhd", "fixed", virtual_size, 0)
    if disk_type == DYNAMIC:
        block_size = _check_dynamic(disk, footer, data_offset, virtual_size)
        return DiskStructure("vhd", "dynamic", virtual_size, block_size)
    raise Refused(f"has the unknown VHD type {disk_type}", _REMEDY)


def _check_fixed(disk: BoundedFile, data_offset: int, virtual_size: int) -> None:
    if data_offset != _NO_DATA_OFFSET:
        raise Refused("is a fixed VHD that points to a dynamic header", _REMEDY)
    if disk.size_bytes != virtual_size + FOOTER_BYTES:
        raise Refused(
            f"is a fixed VHD of {virtual_size} bytes in a file of {disk.size_bytes} bytes (footer and file disagree)",
            _REMEDY,
        )
    if disk.read(0, len(COOKIE), "first sector") == COOKIE:
        raise Refused("is a fixed VHD by its end and a dynamic one by its start", _REMEDY)


def _check_dynamic(disk: BoundedFile, footer: bytes, data_offset: int, virtual_size: int) -> int:
    if disk.size_bytes < 2 * FOOTER_BYTES + _DYNAMIC_HEADER_BYTES:
        raise Refused("ends before its dynamic header", _REMEDY)
    if disk.read(0, FOOTER_BYTES, "copy of the footer") != footer:
        raise Refused("has a VHD header and footer that disagree", _REMEDY)
    header = disk.read(data_offset, _DYNAMIC_HEADER_BYTES, "dynamic header")
    # Offsets from the specification's "Dynamic Disk Header Format".
    cookie, _next, table_offset, version, entries, block_size, claimed = struct.unpack_from(">8sQQIIII", header, 0)
    if cookie != _DYNAMIC_COOKIE or version != _FILE_FORMAT_VERSION:
        raise Refused("has no valid dynamic VHD header", _REMEDY)
    if claimed != checksum(header, 36):
        raise Refused("has a dynamic VHD header with a wrong checksum", _REMEDY)
    # Parent unique id (40), parent Unicode name (64), eight parent locator entries (576): all zero unless differencing.
    if any(header[40:56]) or any(header[64:576]) or any(header[576:768]):
        raise Refused("carries a parent locator, as a differencing VHD does", _FLATTEN)
    if not _MIN_BLOCK_BYTES <= block_size <= _MAX_BLOCK_BYTES or block_size & (block_size - 1):
        raise Refused(f"has the impossible VHD block size {block_size}", _REMEDY)
    if entries * block_size < virtual_size:
        raise Refused("has a block allocation table that is too short for its size", _REMEDY)
    if table_offset % SECTOR_BYTES or table_offset + 4 * entries > disk.size_bytes - FOOTER_BYTES:
        raise Refused("has a block allocation table outside the file", _REMEDY)
    return int(block_size)
