"""Reads a VMDK's descriptor and refuses one that leads to other files.

Source: "Virtual Disk Format 5.0", VMware (the specification), and what QEMU's block/vmdk.c makes of a descriptor: a
header without capacity makes it open the extents by name, a parentFileNameHint becomes a backing file. oslo.utils
checks the sub-format and the lines of the descriptor; this file checks what those lines name.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from compute_hyperv.nova.images.structures import SECTOR_BYTES, BoundedFile, Refused

SIGNATURE = b"KDMV"

_MAX_DESCRIPTOR_BYTES = 1 << 20  # as QEMU and oslo.utils read it
_SINGLE_FILE_TYPES = ("monolithicsparse", "streamoptimized")
_EXTENT = re.compile(r'(rw|rdonly|noaccess)\s+(\d+)\s+(\w+)\s+"([^"]*)"(.*)')
_REMEDY = (
    "convert the disk to one file (qemu-img convert -O vmdk -o subformat=streamOptimized, or -O qcow2) and upload that"
)


def read(file: BinaryIO, size_bytes: int) -> None:
    """:raises Refused: unless the disk is one sparse extent, held in this file, without a parent."""
    disk = BoundedFile(file, size_bytes, _REMEDY)
    header = disk.read(0, SECTOR_BYTES, "header")
    signature, _version, _flags, capacity, _grain, start, sectors = struct.unpack_from("<4sIIQQQQ", header, 0)
    if signature != SIGNATURE:
        raise Refused("is a VMDK descriptor that names other files", _REMEDY)
    if not capacity:
        raise Refused("is a VMDK without capacity, which makes readers follow its descriptor to other files", _REMEDY)
    length = sectors * SECTOR_BYTES
    if not 0 < length <= _MAX_DESCRIPTOR_BYTES:
        raise Refused(f"has a VMDK descriptor of {length} bytes", _REMEDY)
    descriptor = disk.read(start * SECTOR_BYTES, length, "descriptor").split(b"\0", 1)[0]
    try:
        text = descriptor.decode("ascii").lower()
    except UnicodeDecodeError:
        raise Refused("has a VMDK descriptor that is not text", _REMEDY) from None
    _check_descriptor([line.strip() for line in text.splitlines()])


def _check_descriptor(lines: list[str]) -> None:
    types = [_value(line) for line in lines if line.startswith("createtype")]
    if len(types) != 1 or types[0] not in _SINGLE_FILE_TYPES:
        raise Refused(f"is a VMDK of type {', '.join(types)[:80] or 'unknown'}", _REMEDY)
    for line in lines:
        if line.startswith("parentfilenamehint") or (line.startswith("parentcid") and _value(line) != "ffffffff"):
            raise Refused("is a VMDK with a parent disk", "merge it with its parents and upload the result")
    extents = [line for line in lines if line.startswith(("rw", "rdonly", "noaccess"))]
    if len(extents) != 1:
        raise Refused(f"is a VMDK of {len(extents)} extents", _REMEDY)
    extent = _EXTENT.fullmatch(extents[0])
    if extent is None or extent[3] != "sparse" or extent[5].strip():
        raise Refused("is a VMDK whose extent is not sparse", _REMEDY)
    if any(mark in extent[4] for mark in ("/", "\\", ":", "..")):
        raise Refused("is a VMDK whose extent names a path", _REMEDY)


def _value(line: str) -> str:
    return line.partition("=")[2].strip().strip('"')
