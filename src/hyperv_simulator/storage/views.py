"""A differencing file as QEMU can read it: qcow2 tables over a sparse copy of the file's own data.

QEMU opens no differencing VHD or VHDX. But a qcow2 image may keep its data in another file ("external data file"; each
cluster at its own place, QEMU allows no other) and with extended table entries may say for each 32nd of a cluster
whether it is there or the parent's. With clusters of 16 KiB a 32nd is one sector: exactly what VHD and VHDX note in
their sector bitmaps. So nothing of the parent is copied, and of the child only what it has.

Source: QEMU's docs/interop/qcow2.txt. The image is for reading only (no reference counts).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd_format import Vhd
from hyperv_simulator.storage.vhdx import Block, Vhdx

CLUSTER = 16 * 1024
SUBCLUSTERS = 32
ENTRIES = CLUSTER // 16  # of a table of the second level
SPAN = ENTRIES * CLUSTER  # what such a table describes

# magic, version, backing offset, backing size, cluster bits, size, encryption, L1 entries, L1 offset, refcount table
# offset, its clusters, snapshots, their offset, features: incompatible, compatible, autoclear; refcount order, length
HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
EXTERNAL_DATA_FILE, EXTENDED_L2 = 1 << 2, 1 << 4
COPIED = 1 << 63
ALL = (1 << SUBCLUSTERS) - 1


def write_view(disk: Vhd | Vhdx, view: Path, data: Path) -> None:
    """Write tables and data for a differencing disk that is open.

    :param view: the qcow2 file to write.  :param data: its data file.
    :raises DiskError: NOT_SUPPORTED for sectors that QEMU lacks; a damaged table.
    """
    if disk.logical_sector != 512:
        raise DiskError(errors.NOT_SUPPORTED, disk.name, f"logical sectors of {disk.logical_sector} bytes")
    tables: dict[int, bytearray] = {}
    with data.open("wb") as file:
        file.truncate(disk.virtual_size)
        for block in disk.allocated():
            _add(tables, disk, block)
            _copy(disk, block, file.fileno())
    l1_entries = -(-disk.virtual_size // SPAN)
    l1_clusters = -(-8 * l1_entries // CLUSTER)
    l1_offset, l2_offset = 2 * CLUSTER, (2 + l1_clusters) * CLUSTER
    l1 = bytearray(l1_clusters * CLUSTER)
    for number, span in enumerate(sorted(tables)):
        struct.pack_into(">Q", l1, 8 * span, (l2_offset + number * CLUSTER) | COPIED)
    header = HEADER.pack(
        b"QFI\xfb", 3, 0, 0, CLUSTER.bit_length() - 1, disk.virtual_size, 0, l1_entries, l1_offset, CLUSTER, 1, 0, 0,
        EXTERNAL_DATA_FILE | EXTENDED_L2, 0, 0, 4, HEADER.size,
    )  # fmt: skip
    with view.open("wb") as file:
        file.write(header.ljust(2 * CLUSTER, b"\0"))
        file.write(l1)
        for span in sorted(tables):
            file.write(tables[span])


def _add(tables: dict[int, bytearray], disk: Vhd | Vhdx, block: Block) -> None:
    present = block.present & ((1 << disk.sectors_per_block) - 1)
    start = block.index * disk.block_size
    for within in range(0, min(disk.block_size, disk.virtual_size - start), CLUSTER):
        bits = present >> (within // 512) & ALL
        if not bits:
            continue
        span, position = divmod(start + within, SPAN)
        table = tables.setdefault(span, bytearray(CLUSTER))
        reads_as_zeros = (0, bits << 32)
        entry = reads_as_zeros if block.file_offset is None else (start + within | COPIED, bits)
        struct.pack_into(">QQ", table, position // CLUSTER * 16, *entry)


def _copy(disk: Vhd | Vhdx, block: Block, target: int) -> None:
    if block.file_offset is None:
        return
    start = block.index * disk.block_size
    for first, count in block.runs(min(disk.block_size, disk.virtual_size - start) // 512):
        within, end = first * 512, (first + count) * 512
        while within < end:
            done = os.copy_file_range(disk.fd, target, end - within, block.file_offset + within, start + within)
            if not done:  # the file is shorter than its tables say: the rest reads as zeros
                break
            within += done
