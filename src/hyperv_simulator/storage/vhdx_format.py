"""The structures of a VHDX file, to bytes and back.

Source: [MS-VHDX]; paragraphs are cited. Nothing that was read is believed before its signature, checksum and bounds are
checked: whoever may write to the share may write anything, and the answer to that is a `DiskError`, never a crash or an
endless loop.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.crc32c import crc32c
from hyperv_simulator.storage.errors import DiskError

KIB = 1024
MIB = 1024 * KIB
MAX_VIRTUAL_SIZE = 64 * 1024 * 1024 * MIB  # 2.6.2.2

SIGNATURE = b"vhdxfile"
HEADER_OFFSETS = (64 * KIB, 128 * KIB)
REGION_OFFSETS = (192 * KIB, 256 * KIB)
HEADER_SIZE = 4 * KIB
REGION_SIZE = 64 * KIB

BAT_REGION = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA_REGION = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
VIRTUAL_DISK_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
VIRTUAL_DISK_ID = uuid.UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
LOGICAL_SECTOR_SIZE = uuid.UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
PHYSICAL_SECTOR_SIZE = uuid.UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
PARENT_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
VHDX_LOCATOR_TYPE = uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")

NO_GUID = uuid.UUID(int=0)

# 2.6.1.2
IS_USER, IS_VIRTUAL_DISK, IS_REQUIRED = 1, 2, 4
# 2.6.2: the items of this version, all required, with what else is set in their flags
KNOWN_ITEMS = {
    FILE_PARAMETERS: 0,
    VIRTUAL_DISK_SIZE: IS_VIRTUAL_DISK,
    VIRTUAL_DISK_ID: IS_VIRTUAL_DISK,
    LOGICAL_SECTOR_SIZE: IS_VIRTUAL_DISK,
    PHYSICAL_SECTOR_SIZE: IS_VIRTUAL_DISK,
    PARENT_LOCATOR: 0,
}

# 2.2.2: signature, checksum, sequence, three GUIDs, log version, version, log length, log offset
HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
REGION_HEAD = struct.Struct("<4sIII")
REGION_ENTRY = struct.Struct("<16sQII")
METADATA_HEAD = struct.Struct("<8sHH20x")
METADATA_ENTRY = struct.Struct("<16sIII4x")
LOCATOR_HEAD = struct.Struct("<16sHH")
LOCATOR_ENTRY = struct.Struct("<IIHH")


class BlockState(IntEnum):
    """2.5.1.1; a sector bitmap block (2.5.1.2) is NOT_PRESENT or FULLY_PRESENT."""

    NOT_PRESENT = 0
    UNDEFINED = 1
    ZERO = 2
    UNMAPPED = 3
    FULLY_PRESENT = 6
    PARTIALLY_PRESENT = 7


@dataclass(frozen=True, slots=True)
class Header:
    sequence: int
    file_write_id: uuid.UUID
    data_write_id: uuid.UUID
    log_id: uuid.UUID
    log_length: int
    log_offset: int

    def encode(self) -> bytes:
        plain = HEADER.pack(
            b"head", 0, self.sequence, self.file_write_id.bytes_le, self.data_write_id.bytes_le, self.log_id.bytes_le,
            0, 1, self.log_length, self.log_offset,
        ).ljust(HEADER_SIZE, b"\0")  # fmt: skip
        return plain[:4] + struct.pack("<I", crc32c(plain)) + plain[8:]


def _corrupt(name: str, detail: str) -> DiskError:
    return DiskError(errors.FILE_CORRUPT, name, detail)


def bat_entries(virtual_size: int, block_size: int, logical_sector: int, has_parent: bool) -> int:
    """2.5: a differencing disk's table ends with the last chunk's sector bitmap, another's with the last payload
    block."""
    ratio = (1 << 23) * logical_sector // block_size
    payload = -(-virtual_size // block_size)
    if has_parent:
        return -(-payload // ratio) * (ratio + 1)
    return payload + (payload - 1) // ratio


def read_header(fd: int, name: str) -> tuple[Header, int]:
    """The current header and which of the two it is (2.2.2).

    :raises DiskError: FILE_CORRUPT where neither is valid, VHD_FORMAT_VERSION for another version.
    """
    found: list[tuple[Header, int]] = []
    for number, where in enumerate(HEADER_OFFSETS):
        raw = os.pread(fd, HEADER_SIZE, where)
        if len(raw) < HEADER_SIZE or raw[:4] != b"head" or not _checksum_fits(raw):
            continue
        _, _, sequence, file_id, data_id, log_id, log_version, version, log_length, log_offset = HEADER.unpack_from(raw)
        if version != 1 or (log_version and log_id != NO_GUID.bytes_le):
            raise DiskError(errors.VHD_FORMAT_VERSION, name)
        guids = [uuid.UUID(bytes_le=value) for value in (file_id, data_id, log_id)]
        found.append((Header(sequence, guids[0], guids[1], guids[2], log_length, log_offset), number))
    if not found:
        raise _corrupt(name, "no valid header")
    return max(found, key=lambda pair: pair[0].sequence)


def _checksum_fits(raw: bytes) -> bool:
    return crc32c(raw[:4] + bytes(4) + raw[8:]) == int.from_bytes(raw[4:8], "little")


def read_regions(fd: int, name: str) -> dict[uuid.UUID, tuple[int, int]]:
    """File offset and length of the table's regions (2.2.3); both known ones are there.

    :raises DiskError: FILE_CORRUPT; NOT_SUPPORTED for a required region that nobody knows.
    """
    raw = next(
        (
            table
            for table in (os.pread(fd, REGION_SIZE, where) for where in REGION_OFFSETS)
            if len(table) == REGION_SIZE and table[:4] == b"regi" and _checksum_fits(table)
        ),
        None,
    )
    if raw is None:
        raise _corrupt(name, "no valid region table")
    _, _, count, _ = REGION_HEAD.unpack_from(raw)
    if count > 2047:
        raise _corrupt(name, "too many regions")
    end = os.fstat(fd).st_size
    found: dict[uuid.UUID, tuple[int, int]] = {}
    for number in range(count):
        key, offset, length, required = REGION_ENTRY.unpack_from(raw, REGION_HEAD.size + REGION_ENTRY.size * number)
        region = uuid.UUID(bytes_le=key)
        if region not in (BAT_REGION, METADATA_REGION):
            if required & 1:
                raise DiskError(errors.NOT_SUPPORTED, name, f"unknown region {region}")
            continue
        if region in found or offset % MIB or length % MIB or offset < MIB or not length or offset + length > end:
            raise _corrupt(name, f"region {region} is misplaced")
        found[region] = (offset, length)
    if len(found) != 2:
        raise _corrupt(name, "a region is missing")
    return found


def encode_regions(regions: Mapping[uuid.UUID, tuple[int, int]]) -> bytes:
    entries = b"".join(REGION_ENTRY.pack(key.bytes_le, offset, length, 1) for key, (offset, length) in regions.items())
    plain = (REGION_HEAD.pack(b"regi", 0, len(regions), 0) + entries).ljust(REGION_SIZE, b"\0")
    return plain[:4] + struct.pack("<I", crc32c(plain)) + plain[8:]


def read_metadata_items(fd: int, name: str, region_offset: int, region_length: int) -> dict[uuid.UUID, tuple[int, int]]:
    """File offset and length of the known system items (2.6.1).

    :raises DiskError: FILE_CORRUPT; NOT_SUPPORTED for a required item that nobody knows.
    """
    signature, _, count = METADATA_HEAD.unpack(os.pread(fd, METADATA_HEAD.size, region_offset))
    if signature != b"metadata" or count > 2047:
        raise _corrupt(name, "metadata table")
    raw = os.pread(fd, METADATA_ENTRY.size * count, region_offset + METADATA_HEAD.size)
    found: dict[uuid.UUID, tuple[int, int]] = {}
    for key, offset, length, flags in METADATA_ENTRY.iter_unpack(raw):
        item = uuid.UUID(bytes_le=key)
        if item not in KNOWN_ITEMS or flags & IS_USER:
            if flags & IS_REQUIRED:
                raise DiskError(errors.NOT_SUPPORTED, name, f"unknown metadata item {item}")
            continue
        if item in found or offset < 64 * KIB or not 0 < length <= MIB or offset + length > region_length:
            raise _corrupt(name, f"metadata item {item} is misplaced")
        found[item] = (region_offset + offset, length)
    return found


def encode_metadata_table(items: Mapping[uuid.UUID, tuple[int, int]]) -> bytes:
    """:param items: offset within the region and length."""
    head = METADATA_HEAD.pack(b"metadata", 0, len(items))
    return head + b"".join(
        METADATA_ENTRY.pack(key.bytes_le, offset, length, IS_REQUIRED | KNOWN_ITEMS[key])
        for key, (offset, length) in items.items()
    )


def encode_locator(entries: Mapping[str, str]) -> bytes:
    """2.6.2.6: header, entries, then the texts."""
    position = LOCATOR_HEAD.size + LOCATOR_ENTRY.size * len(entries)
    table, texts = b"", b""
    for key, value in entries.items():
        raw_key, raw_value = key.encode("utf-16-le"), value.encode("utf-16-le")
        table += LOCATOR_ENTRY.pack(position, position + len(raw_key), len(raw_key), len(raw_value))
        texts += raw_key + raw_value
        position += len(raw_key) + len(raw_value)
    return LOCATOR_HEAD.pack(VHDX_LOCATOR_TYPE.bytes_le, 0, len(entries)) + table + texts


def decode_locator(raw: bytes, name: str) -> dict[str, str]:
    """:raises DiskError: FILE_CORRUPT."""
    try:
        kind, _, count = LOCATOR_HEAD.unpack_from(raw)
        if kind != VHDX_LOCATOR_TYPE.bytes_le:
            raise _corrupt(name, "parent locator of an unknown type")
        entries = {}
        for number in range(count):
            at = LOCATOR_HEAD.size + LOCATOR_ENTRY.size * number
            key_at, value_at, key_length, value_length = LOCATOR_ENTRY.unpack_from(raw, at)
            key = raw[key_at : key_at + key_length].decode("utf-16-le")
            entries[key] = raw[value_at : value_at + value_length].decode("utf-16-le")
    except (struct.error, UnicodeDecodeError) as error:
        raise _corrupt(name, f"parent locator: {error}") from error
    return entries
