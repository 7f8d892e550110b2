"""Disks that give space back: shrunk to their partitions, compacted to their content, and still whole for QEMU."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.layers import parse_disk
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskFormat, DiskKind, DiskStore

MIB = 1 << 20
QEMU = {"vhd": "vpc", "vhdx": "vhdx"}


def write(path: Path, *parts: tuple[int, bytes]) -> None:
    with path.open("r+b") as file:
        disk = parse_disk(file.fileno(), str(path))
        for offset, data in parts:
            disk.write(offset, data)


def read(path: Path, format: DiskFormat, tmp_path: Path) -> bytes:
    """The content, as QEMU reads it."""
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-f", QEMU[format], "-O", "raw", path, raw], check=True)
    return raw.read_bytes()


def mbr(start: int, count: int) -> bytes:
    """A table with one Linux partition, in sectors."""
    entry = struct.pack("<B3xB3xII", 0, 0x83, start, count)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def gpt(last_sector: int) -> bytes:
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, 128, 128) + bytes(424)
    entry = b"\x01" * 16 + bytes(16) + struct.pack("<QQ", 2048, last_sector) + bytes(80)
    return mbr(1, 0xFFFFFFFF).replace(b"\x83", b"\xee", 1) + header[:512] + entry + bytes(384)


@pytest.mark.parametrize(
    ("table", "smallest"),
    [
        (mbr(2048, 18432), 10 * MIB),
        (gpt(20479), 10 * MIB + 16 * 1024 + 512),
    ],
)
def test_a_disk_shrinks_to_its_last_partition(
    store: DiskStore, folder: HostFolder, tmp_path: Path, table: bytes, smallest: int
) -> None:
    path = r"C:\disk.vhdx"
    store.create(path, "dynamic", "vhdx", 64 * MIB, block_size=MIB)
    local = folder.to_local(path)
    write(local, (0, table), (9 * MIB, b"x" * 512), (40 * MIB, b"y" * MIB))
    before = local.stat().st_size

    assert store.smallest_size(path) == smallest
    with pytest.raises(DiskError) as refused:
        store.resize(path, smallest - 512)
    assert refused.value.code == errors.VHD_RESIZE_WOULD_TRUNCATE
    store.resize(path, smallest)

    assert store.info(path).virtual_size_bytes == smallest
    content = read(local, "vhdx", tmp_path)
    assert (len(content), content[9 * MIB : 9 * MIB + 512]) == (smallest, b"x" * 512)
    assert local.stat().st_size < before
    store.resize(path, 64 * MIB)
    assert not read(local, "vhdx", tmp_path)[smallest:].strip(b"\0"), "what was cut off does not come back"


def test_a_disk_without_partitions_does_not_shrink(store: DiskStore) -> None:
    store.create(r"C:\disk.vhdx", "dynamic", "vhdx", 64 * MIB)
    assert store.smallest_size(r"C:\disk.vhdx") is None
    with pytest.raises(DiskError) as refused:
        store.resize(r"C:\disk.vhdx", 32 * MIB)
    assert refused.value.code == errors.VHD_RESIZE_WOULD_TRUNCATE


def test_a_vhd_does_not_shrink(store: DiskStore, folder: HostFolder) -> None:
    store.create(r"C:\disk.vhd", "dynamic", "vhd", 64 * MIB)
    write(folder.to_local(r"C:\disk.vhd"), (0, mbr(2048, 18432)))
    with pytest.raises(DiskError) as refused:
        store.resize(r"C:\disk.vhd", 32 * MIB)
    assert refused.value.code == errors.VHD_INVALID_TYPE


@pytest.mark.parametrize("format", ["vhd", "vhdx"])
def test_compacting_drops_zeros_and_keeps_the_content(
    store: DiskStore, folder: HostFolder, tmp_path: Path, format: DiskFormat
) -> None:
    path = rf"C:\disk.{format}"
    store.create(path, "dynamic", format, 64 * MIB, block_size=2 * MIB if format == "vhd" else MIB)
    local = folder.to_local(path)
    write(local, *((n * 4 * MIB, bytes([n]) * MIB) for n in range(1, 12)), (8 * MIB, bytes(MIB)))
    before, content = local.stat().st_size, read(local, format, tmp_path)

    store.compact(path, find_zeros=False)
    assert local.stat().st_size == before
    store.compact(path)

    assert local.stat().st_size < before
    assert read(local, format, tmp_path) == content
    write(local, (60 * MIB, b"n" * 512))
    assert read(local, format, tmp_path)[60 * MIB :][:512] == b"n" * 512


def test_a_disk_that_was_compacted_is_still_the_parent_of_its_children(store: DiskStore, folder: HostFolder) -> None:
    store.create(r"C:\base.vhdx", "dynamic", "vhdx", 64 * MIB)
    write(folder.to_local(r"C:\base.vhdx"), (0, b"x" * 512), (33 * MIB, bytes(MIB)))
    store.create(r"C:\child.vhdx", "differencing", "vhdx", parent_path=r"C:\base.vhdx")
    store.compact(r"C:\base.vhdx")
    assert store.chain(r"C:\child.vhdx") == [r"C:\child.vhdx", r"C:\base.vhdx"]


def test_a_fixed_disk_is_not_compacted(store: DiskStore) -> None:
    store.create(r"C:\disk.vhdx", "fixed", "vhdx", 4 * MIB)
    with pytest.raises(DiskError) as refused:
        store.compact(r"C:\disk.vhdx")
    assert refused.value.code == errors.VHD_INVALID_TYPE


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
def test_sectors_of_4096_bytes_are_for_vhdx(store: DiskStore, kind: DiskKind) -> None:
    store.create(r"C:\4k.vhdx", kind, "vhdx", 64 * MIB, logical_sector=4096)
    info = store.info(r"C:\4k.vhdx")
    assert (info.logical_sector_bytes, info.physical_sector_bytes) == (4096, 4096)
    store.create(r"C:\child.vhdx", "differencing", "vhdx", parent_path=r"C:\4k.vhdx")
    assert store.info(r"C:\child.vhdx").logical_sector_bytes == 4096
    store.merge(r"C:\child.vhdx", r"C:\4k.vhdx")
    with pytest.raises(DiskError) as refused:
        store.create(r"C:\4k.vhd", kind, "vhd", 64 * MIB, logical_sector=4096)
    assert refused.value.code == errors.VHD_SECTOR_SIZE
    with pytest.raises(DiskError) as refused:
        store.guest_view(r"C:\4k.vhdx")
    assert refused.value.code == errors.NOT_SUPPORTED
