"""Virtual disks: what is made opens elsewhere, what can't be done is refused with Windows' code."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskFormat, DiskKind, DiskStore
from tests.simulator.devices.conftest import QemuIo

MIB = 1024**2
QEMU = {"vhd": "vpc", "vhdx": "vhdx"}
BASES: list[tuple[DiskKind, DiskFormat]] = [
    ("fixed", "vhd"),
    ("dynamic", "vhd"),
    ("fixed", "vhdx"),
    ("dynamic", "vhdx"),
]


def qemu_size(path: Path, format: DiskFormat) -> int:
    said = subprocess.run(
        ["qemu-img", "info", "--output=json", "-f", QEMU[format], str(path)], check=True, capture_output=True
    )
    size: int = json.loads(said.stdout)["virtual-size"]
    return size


def code_of(store: DiskStore, method: str, *arguments: object) -> int:
    with pytest.raises(DiskError) as refused:
        getattr(store, method)(*arguments)
    return refused.value.code


@pytest.mark.parametrize(("kind", "format"), BASES)
@pytest.mark.parametrize("size", [3 * MIB, 100 * MIB + 512, 5 * 1024 * MIB])
def test_a_new_disk_has_exactly_the_size_asked_for(
    store: DiskStore, folder: HostFolder, kind: DiskKind, format: DiskFormat, size: int
) -> None:
    path = rf"C:\disk.{format}"

    store.create(path, kind, format, size)

    info = store.info(path)
    assert (info.kind, info.format, info.virtual_size_bytes, info.parent_path) == (kind, format, size, None)
    assert qemu_size(folder.to_local(path), format) == size


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
def test_qemu_finds_no_fault_with_a_new_vhdx(store: DiskStore, folder: HostFolder, kind: DiskKind) -> None:
    store.create(r"C:\disk.vhdx", kind, "vhdx", 100 * MIB)

    subprocess.run(["qemu-img", "check", "-f", "vhdx", folder.to_local(r"C:\disk.vhdx")], check=True)


@pytest.mark.parametrize(("kind", "format"), BASES)
def test_a_grown_disk_keeps_its_content(
    store: DiskStore, folder: HostFolder, qemu_io: QemuIo, kind: DiskKind, format: DiskFormat
) -> None:
    path = rf"C:\disk.{format}"
    store.create(path, kind, format, 20 * MIB)
    node = json.dumps({"driver": QEMU[format], "file": {"driver": "file", "filename": str(folder.to_local(path))}})
    qemu_io(f"json:{node}", "write -P 7 19M 1M")

    store.resize(path, 3 * 1024 * MIB)

    assert store.info(path).virtual_size_bytes == qemu_size(folder.to_local(path), format) == 3 * 1024 * MIB
    qemu_io(f"json:{node}", "read -P 7 19M 1M", "read -P 0 20M 100M")


@pytest.mark.parametrize(("kind", "format"), BASES)
def test_a_disk_that_qemu_made_is_read_back(
    store: DiskStore, folder: HostFolder, kind: DiskKind, format: DiskFormat
) -> None:
    path = folder.to_local(rf"C:\made.{format}")
    options = f"subformat={kind}" + (",force_size=on" if format == "vhd" else "")
    subprocess.run(["qemu-img", "create", "-q", "-f", QEMU[format], "-o", options, path, "64M"], check=True)

    info = store.info(rf"C:\made.{format}")

    assert (info.kind, info.virtual_size_bytes) == (kind, 64 * MIB)


def test_convert_copies_the_content_to_the_other_format(store: DiskStore, folder: HostFolder, qemu_io: QemuIo) -> None:
    store.create(r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB)
    with store.guest_view(r"C:\a.vhdx") as disk:
        qemu_io(f"json:{json.dumps(disk.blockdev)}", "write -P 9 5M 1M")

    store.convert(r"C:\a.vhdx", r"C:\b.vhd", "fixed", "vhd")

    assert store.info(r"C:\b.vhd").virtual_size_bytes == 20 * MIB
    assert folder.to_local(r"C:\b.vhd").read_bytes()[5 * MIB : 6 * MIB] == b"\x09" * MIB


def test_what_windows_refuses_is_refused_with_its_code(store: DiskStore, folder: HostFolder) -> None:
    store.create(r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB)
    folder.to_local(r"C:\raw.vhdx").write_bytes(b"not a disk" * 1000)
    folder.to_local(r"C:\empty.vhd").write_bytes(b"")
    folder.to_local(r"C:\renamed.vhd").write_bytes(folder.to_local(r"C:\a.vhdx").read_bytes())

    assert code_of(store, "create", r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB) == errors.FILE_EXISTS
    assert code_of(store, "create", r"C:\no\a.vhdx", "dynamic", "vhdx", 20 * MIB) == errors.PATH_NOT_FOUND
    assert code_of(store, "create", r"C:\b.vhdx", "dynamic", "vhdx", 1) == errors.VHD_INVALID_SIZE
    assert code_of(store, "create", r"C:\b.vhd", "dynamic", "vhd", 2041 * 1024**3) == errors.VHD_INVALID_SIZE
    assert code_of(store, "create", r"C:\b.vhdx", "differencing", "vhdx") == errors.INVALID_PARAMETER
    assert code_of(store, "resize", r"C:\a.vhdx", 10 * MIB) == errors.VHD_RESIZE_WOULD_TRUNCATE
    assert code_of(store, "info", r"C:\none.vhdx") == errors.FILE_NOT_FOUND
    assert code_of(store, "info", r"C:\no\none.vhdx") == errors.PATH_NOT_FOUND
    assert code_of(store, "info", r"C:\raw.vhdx") == errors.FILE_CORRUPT
    assert code_of(store, "info", r"C:\empty.vhd") == errors.FILE_CORRUPT
    assert code_of(store, "info", r"C:\renamed.vhd") == errors.FILE_CORRUPT
    assert code_of(store, "info", r"C:\Windows") == errors.ACCESS_DENIED


def test_a_disk_in_use_is_in_use(store: DiskStore) -> None:
    store.create(r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB)
    store.create(r"C:\child.vhdx", "differencing", "vhdx", parent_path=r"C:\a.vhdx")

    with store.hold(r"C:\child.vhdx"):
        assert code_of(store, "resize", r"C:\child.vhdx", 30 * MIB) == errors.SHARING_VIOLATION
        assert code_of(store, "hold", r"C:\child.vhdx") == errors.SHARING_VIOLATION
        assert code_of(store, "resize", r"C:\a.vhdx", 30 * MIB) == errors.SHARING_VIOLATION
        store.create(r"C:\other.vhdx", "differencing", "vhdx", parent_path=r"C:\a.vhdx")
        with store.hold(r"C:\other.vhdx"):  # a parent is shared
            assert store.info(r"C:\a.vhdx").in_use

    store.resize(r"C:\child.vhdx", 30 * MIB)


def test_a_vhdx_that_qemu_left_dirty_is_brought_up_to_date(
    store: DiskStore, folder: HostFolder, qemu_io: QemuIo
) -> None:
    store.create(r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB)
    local = folder.to_local(r"C:\a.vhdx")
    node = json.dumps({"driver": "vhdx", "file": {"driver": "file", "filename": str(local)}})
    with pytest.raises(subprocess.CalledProcessError):  # qemu-io kills itself, so its log is not emptied
        qemu_io(f"json:{node}", "write -P 5 1M 1M", "sigraise 9")

    store.resize(r"C:\a.vhdx", 30 * MIB)

    qemu_io(f"json:{node}", "read -P 5 1M 1M")


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (64 * 1024 + 8, b"\xff" * 8),  # a header's sequence number
        (192 * 1024 + 20, b"\xff" * 8),  # a region's place
        (2 * MIB + 10, b"\xff\xff"),  # the number of metadata items
        (2 * MIB + 48, b"\xff\xff\xff\x7f"),  # an item's place
        (2 * MIB + 64 * 1024, b"\x00\x00\x00\xff"),  # the block size
        (2 * MIB + 64 * 1024 + 8, b"\x01" * 8),  # the virtual size
        (3 * MIB, struct.pack("<Q", 1 << 60 | 6)),  # a block's place
    ],
)
def test_a_vhdx_with_forged_tables_is_refused_or_read_but_nothing_breaks(
    store: DiskStore, folder: HostFolder, offset: int, value: bytes
) -> None:
    store.create(r"C:\a.vhdx", "dynamic", "vhdx", 20 * MIB)
    with folder.to_local(r"C:\a.vhdx").open("r+b") as file:
        for copy in {offset, offset + 64 * 1024} if offset < MIB else {offset}:
            file.seek(copy)
            file.write(value)

    with pytest.raises(DiskError):
        store.validate(r"C:\a.vhdx")
