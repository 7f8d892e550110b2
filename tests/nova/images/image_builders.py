"""Builds VHD, VHDX, VMDK and qcow2 files byte by byte, valid in every checksum, with one thing wrong where asked for.

Written from the specifications, on its own: nothing here comes from the readers under test but the CRC-32C, which is
checked against its published test vector.
"""

from __future__ import annotations

import struct
import subprocess
import uuid
from pathlib import Path

from compute_hyperv.nova.images.vhdx import crc32c

MIB = 1 << 20


def sum_complement(data: bytes) -> int:
    return ~sum(data) & 0xFFFFFFFF


def vhd_footer(disk_type: int, size: int, data_offset: int = 0xFFFFFFFFFFFFFFFF, saved_state: int = 0) -> bytes:
    fields = struct.pack(
        ">8sIIQI4sI4sQQIII16sB",
        *(b"conectix", 2, 0x10000, data_offset, 0, b"win ", 0xA0000, b"Wi2k", size, size, 0x01000410, disk_type, 0),
        *(uuid.uuid4().bytes, saved_state),
    ).ljust(512, b"\0")
    return fields[:64] + struct.pack(">I", sum_complement(fields)) + fields[68:]


def fixed_vhd(size: int = MIB, *, start: bytes = b"", disk_type: int = 2) -> bytes:
    return start.ljust(size, b"\0") + vhd_footer(disk_type, size)


def dynamic_vhd(
    size: int = 10 * MIB,
    *,
    disk_type: int = 3,
    parent_id: bytes = b"",
    parent_name: str = "",
    locator: bytes = b"",
    front_type: int | None = None,
    front_size: int | None = None,
    saved_state: int = 0,
    entries: int | None = None,
    block_size: int = 2 * MIB,
) -> bytes:
    """``front_*`` make the copy at the start differ from the footer at the end, each with a right checksum."""
    entries = size // block_size if entries is None else entries
    header = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, 1536, 0x10000, entries, block_size, 0)
    header += parent_id.ljust(16, b"\0") + bytes(8) + parent_name.encode("utf-16-be").ljust(512, b"\0")
    header = (header + locator.ljust(192, b"\0")).ljust(1024, b"\0")
    header = header[:36] + struct.pack(">I", sum_complement(header)) + header[40:]
    footer = vhd_footer(disk_type, size, 512, saved_state)
    front = footer
    if front_type is not None or front_size is not None:
        front = vhd_footer(front_type or disk_type, front_size or size, 512, saved_state)
    return front + header + b"\xff" * 512 + footer


def guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


BAT = "2dc27766-f623-4200-9d64-115e9bfd4a08"
METADATA = "8b7ca206-4790-4b9a-b8fe-575f050f886e"
PARENT_LOCATOR = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"
STRANGE = "11111111-2222-3333-4444-555555555555"


def vhdx(
    size: int = 10 * MIB,
    *,
    has_parent: bool = False,
    parent_locator: bool = False,
    log_id: bytes = bytes(16),
    old_log_id: bytes = bytes(16),
    extra_region: tuple[str, bool] | None = None,
    extra_item: tuple[str, int] | None = None,
    second_table_differs: bool = False,
    block_size: int = 2 * MIB,
    sector: int = 512,
    metadata_at: int = 2 * MIB,
    file_flags: int = 0,
    version: int = 1,
) -> bytearray:
    """Log at 1 MiB, metadata at 2 MiB, block allocation table at 3 MiB, no data."""
    image = bytearray(4 * MIB)
    image[0:8] = b"vhdxfile"
    for number, (offset, log) in enumerate(((64 << 10, old_log_id), (128 << 10, log_id))):
        fields = struct.pack(
            "<4sIQ16s16s16sHHIQ",
            *(b"head", 0, number + 1, uuid.uuid4().bytes, uuid.uuid4().bytes, log, 0, version, MIB, MIB),
        )
        put_checked(image, offset, fields, 4096)
    regions = [(BAT, 3 * MIB, MIB, 1), (METADATA, metadata_at, MIB, 1)]
    if extra_region:
        image += bytes(MIB)
        regions.append((extra_region[0], 4 * MIB, MIB, int(extra_region[1])))
    for number, offset in enumerate((192 << 10, 256 << 10)):
        if number and second_table_differs:
            regions[1] = (METADATA, MIB, MIB, 1)
        fields = struct.pack("<4sIII", b"regi", 0, len(regions), 0)
        fields += b"".join(guid(region) + struct.pack("<QII", *rest) for region, *rest in regions)
        put_checked(image, offset, fields, 64 << 10)
    items = [
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", struct.pack("<II", block_size, file_flags | has_parent << 1), 4),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", struct.pack("<Q", size), 6),
        ("beca12ab-b2e6-4523-93ef-c309e000c746", uuid.uuid4().bytes, 6),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", struct.pack("<I", sector), 6),
        ("cda348c7-445d-4471-9cc9-e9885251c556", struct.pack("<I", 4096), 6),
    ]
    if parent_locator:
        path = r"\\?\C:\Windows\System32\config\SAM".encode("utf-16-le")
        key = "absolute_win32_path".encode("utf-16-le")
        entry = struct.pack("<IIHH", 32, 32 + len(key), len(key), len(path))
        locator = guid("b04aefb7-d19e-4a81-b789-25b8e9445913") + struct.pack("<HH", 0, 1) + entry + key + path
        items.append((PARENT_LOCATOR, locator, 4))
    if extra_item:
        items.append((extra_item[0], bytes(8), extra_item[1]))
    table = struct.pack("<8sHH", b"metadata", 0, len(items)).ljust(32, b"\0")
    place = 64 << 10
    for item, data, flags in items:
        table += guid(item) + struct.pack("<IIII", place, len(data), flags, 0)
        image[metadata_at + place : metadata_at + place + len(data)] = data
        place += len(data)
    image[metadata_at : metadata_at + len(table)] = table
    return image


def put_checked(image: bytearray, offset: int, fields: bytes, length: int) -> None:
    """Writes a structure whose CRC-32C stands at byte 4."""
    block = bytearray(fields.ljust(length, b"\0"))
    block[4:8] = struct.pack("<I", crc32c(bytes(block)))
    image[offset : offset + length] = block


def vmdk(
    *,
    create_type: str = "monolithicSparse",
    extents: tuple[str, ...] = ('RW 2048 SPARSE "disk.vmdk"',),
    capacity: int = 2048,
    parent: str = "",
    parent_cid: str = "ffffffff",
) -> bytes:
    descriptor = "\n".join(
        (
            "# Disk DescriptorFile\nversion=1\nCID=12345678",
            f"parentCID={parent_cid}",
            f'createType="{create_type}"',
            *((f'parentFileNameHint="{parent}"',) if parent else ()),
            *extents,
            'ddb.adapterType = "ide"\n',
        )
    ).encode()
    # grain 128 sectors, descriptor at sector 1 of 20, 512 entries, grain directory at 21, overhead 128
    header = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, 3, capacity, 128, 1, 20, 512, 0, 21, 128) + b"\0\n \r\n"
    return (header.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0")).ljust(256 << 10, b"\0")


def luks() -> bytes:
    """The header of a LUKS 1 volume and nothing in it."""
    names = b"aes".ljust(32, b"\0") + b"xts-plain64".ljust(32, b"\0") + b"sha256".ljust(32, b"\0")
    return (b"LUKS\xba\xbe" + struct.pack(">H", 1) + names + struct.pack(">II", 4096, 64)).ljust(3 * MIB, b"\0")


def qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def guest_disk(path: Path, size: int = 8 * MIB, *, partitioned: bool = True) -> Path:
    """A raw disk: an MBR with one partition, and data at its start, its middle and its end."""
    content = bytearray(size)
    if partitioned:
        content[446:462] = struct.pack("<B3BB3BII", 0x80, 0, 2, 0, 0x83, 0, 3, 0, 2048, 4096)
        content[510:512] = b"\x55\xaa"
    content[1 * MIB : 1 * MIB + 5] = b"first"
    content[size // 2 : size // 2 + 6] = b"middle"
    content[-4:] = b"last"
    path.write_bytes(content)
    return path
