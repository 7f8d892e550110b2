"""Differencing disks: true VHD and VHDX files at rest, whatever guests wrote, wherever they are moved."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hyperv_simulator.storage import errors, vhd
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.layers import read_layer
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskFormat, DiskStore
from tests.simulator.devices.conftest import QemuIo

MIB = 1024**2
FORMATS: list[DiskFormat] = ["vhd", "vhdx"]


class Family:
    """A base with content and a child, and what the child must read as."""

    def __init__(self, store: DiskStore, qemu_io: QemuIo, format: DiskFormat) -> None:
        self.store, self.qemu_io = store, qemu_io
        self.base, self.child = rf"C:\base.{format}", rf"C:\Users\child.{format}"
        store.create(self.base, "dynamic", format, 32 * MIB)
        self.guest_writes(self.base, "write -P 1 0 3M", "write -P 2 20M 1536")
        self.content = bytearray(b"\x01" * 3 * MIB + bytes(29 * MIB))
        self.content[20 * MIB : 20 * MIB + 1536] = b"\x02" * 1536
        store.create(self.child, "differencing", format, parent_path=self.base)

    def guest_writes(self, path: str, *commands: str) -> None:
        with self.store.guest_view(path) as disk:
            self.qemu_io(f"json:{json.dumps(disk.blockdev)}", *commands)

    def write(self, seed: int) -> None:
        """A run of a guest that writes here and there."""
        dice = random.Random(seed)
        commands = []
        for _ in range(10):
            offset = dice.randrange(len(self.content) // 512 - 3000) * 512
            length = dice.choice([512, 7 * 512, 64 * 1024, 3000 * 512])
            value = dice.randrange(3)
            commands.append(f"write -z {offset} {length}" if not value else f"write -P {value} {offset} {length}")
            self.content[offset : offset + length] = bytes([value]) * length
        self.guest_writes(self.child, *commands)

    def read(self, path: str | None = None) -> bytes:
        target = self.store.folder.root.parent / "read.raw"
        with self.store.guest_view(path or self.child, read_only=True) as disk:
            node = f"json:{json.dumps(disk.blockdev)}"
            subprocess.run(["qemu-img", "convert", "-O", "raw", node, target], check=True)
        return target.read_bytes()


@pytest.fixture(params=FORMATS)
def family(request: pytest.FixtureRequest, store: DiskStore, qemu_io: QemuIo) -> Family:
    return Family(store, qemu_io, request.param)


def test_a_child_has_its_parents_size_and_content(family: Family) -> None:
    info = family.store.info(family.child)

    assert (info.kind, info.parent_path, info.virtual_size_bytes) == ("differencing", family.base, 32 * MIB)
    assert family.read() == family.content


def test_what_guests_write_in_several_runs_is_in_the_file_and_not_in_the_parent(family: Family) -> None:
    before = family.read(family.base)

    for seed in range(3):
        family.write(seed)

    assert family.read() == family.content
    assert family.read(family.base) == before
    family.store.validate(family.child)
    assert not list((family.store.folder.root.parent / "disks").iterdir()), "overlays are left"


def test_a_guest_that_writes_nothing_leaves_the_file_as_it_was(family: Family) -> None:
    local = family.store.folder.to_local(family.child)
    before = local.read_bytes()

    family.guest_writes(family.child, "read 0 1M")

    assert local.read_bytes() == before


def test_a_copy_of_a_child_is_a_disk_of_its_own(family: Family) -> None:
    family.write(1)
    copy = family.child.replace("child", "copy")
    folder = family.store.folder
    folder.to_local(copy).write_bytes(folder.to_local(family.child).read_bytes())  # as over SMB
    expected = bytes(family.content)

    family.write(2)

    assert family.read(copy) == expected
    assert family.read() == family.content


def test_renaming_a_child_while_its_machine_runs_loses_nothing(family: Family) -> None:
    folder = family.store.folder
    moved = family.child.replace("child", "moved")
    with family.store.guest_view(family.child) as disk:
        family.qemu_io(f"json:{json.dumps(disk.blockdev)}", "write -P 6 1M 64k")
        folder.to_local(family.child).rename(folder.to_local(moved))
    family.content[MIB : MIB + 65536] = b"\x06" * 65536

    assert family.read(moved) == family.content


def test_deleting_a_child_while_its_machine_runs_leaves_no_overlay(family: Family) -> None:
    with family.store.guest_view(family.child) as disk:
        family.qemu_io(f"json:{json.dumps(disk.blockdev)}", "write -P 6 1M 64k")
        family.store.folder.to_local(family.child).unlink()

    assert not list((family.store.folder.root.parent / "disks").iterdir())


def test_a_grandchild_sees_through_to_the_base_and_merges_into_it(family: Family) -> None:
    family.write(1)
    grandchild = family.child.replace("child", "grandchild")
    family.store.create(grandchild, "differencing", family.store.info(family.child).format, parent_path=family.child)
    family.guest_writes(grandchild, "write -P 9 512 512")
    family.content[512:1024] = b"\x09" * 512
    assert family.read(grandchild) == family.content

    family.store.merge(grandchild, family.base)

    assert family.read(family.base) == family.content
    assert not family.store.folder.exists(family.child)


def test_a_merge_that_is_cut_off_leaves_the_chain_whole(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    family.write(1)
    grandchild = family.child.replace("child", "grandchild")
    family.store.create(grandchild, "differencing", family.store.info(family.child).format, parent_path=family.child)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vhd, "_copy_own_content", die)
        with pytest.raises(KeyboardInterrupt):
            family.store.merge(family.child, family.base, [grandchild])

    assert family.store.chain(grandchild) == [grandchild, family.child, family.base]
    family.store.merge(family.child, family.base, [grandchild])
    assert family.store.chain(grandchild) == [grandchild, family.base]
    assert family.read(grandchild) == family.content


def test_a_child_converts_to_a_disk_without_parent(family: Family) -> None:
    family.write(1)

    family.store.convert(family.child, r"C:\flat.vhdx", "dynamic", "vhdx")

    assert family.read(r"C:\flat.vhdx") == family.content


def test_a_vhdx_child_grows_beyond_its_parent(store: DiskStore, qemu_io: QemuIo) -> None:
    family = Family(store, qemu_io, "vhdx")

    store.resize(family.child, 40 * MIB)
    family.content += bytes(8 * MIB)
    family.write(4)

    assert store.info(family.child).virtual_size_bytes == 40 * MIB
    assert family.read() == family.content


def test_a_vhdx_child_of_tebibytes_gets_a_larger_table(store: DiskStore, qemu_io: QemuIo) -> None:
    family = Family(store, qemu_io, "vhdx")

    store.resize(family.child, 2 * 1024**4)
    family.guest_writes(family.child, f"write -P 5 {2 * 1024**4 - 65536} 64k")

    with store.guest_view(family.child, read_only=True) as disk:
        qemu_io(f"json:{json.dumps(disk.blockdev)}", f"read -P 5 {2 * 1024**4 - 65536} 64k", "read -P 1 0 3M")


def test_a_vhd_child_does_not_grow(store: DiskStore, qemu_io: QemuIo) -> None:
    family = Family(store, qemu_io, "vhd")

    with pytest.raises(DiskError) as refused:
        store.resize(family.child, 40 * MIB)

    assert refused.value.code == errors.VHD_INVALID_TYPE


def test_a_parent_that_moves_with_its_child_is_found_by_the_relative_path(family: Family) -> None:
    folder = family.store.folder
    new = folder.to_local(r"C:\elsewhere")
    (new / "Users").mkdir(parents=True)
    for path in (family.base, family.child):
        folder.to_local(path).rename(new / path.removeprefix("C:\\").replace("\\", "/"))

    assert family.read(family.child.replace("C:", r"C:\elsewhere")) == family.content


def test_a_parent_that_is_gone_or_changed_is_noticed(family: Family) -> None:
    family.guest_writes(family.base, "write -P 3 10M 1M")
    if family.base.endswith("vhdx"):  # a VHD notes no changes of its content
        with pytest.raises(DiskError) as changed:
            family.store.guest_view(family.child)
        assert changed.value.code == errors.VHD_PARENT_ID_MISMATCH

        family.store.set_parent(family.child, family.base, ignore_id_mismatch=True)
        family.store.validate(family.child)

    family.store.folder.to_local(family.base).unlink()
    with pytest.raises(DiskError) as gone:
        family.store.hold(family.child)
    assert gone.value.code == errors.VHD_PARENT_NOT_FOUND
    assert family.store.info(family.child).parent_path == family.base


def test_a_chain_that_bites_its_tail_is_refused(store: DiskStore, folder: HostFolder, qemu_io: QemuIo) -> None:
    family = Family(store, qemu_io, "vhdx")
    folder.to_local(family.base).unlink()
    folder.to_local(family.base).write_bytes(folder.to_local(family.child).read_bytes())

    with pytest.raises(DiskError) as refused:
        store.validate(family.child)

    assert refused.value.code in (errors.VHD_CHAIN_CYCLE, errors.VHD_PARENT_ID_MISMATCH, errors.VHD_PARENT_NOT_FOUND)


def test_the_parent_locator_says_what_the_specification_asks_for(store: DiskStore, qemu_io: QemuIo) -> None:
    family = Family(store, qemu_io, "vhdx")

    locator = read_layer(store.folder, family.child).disk.locator

    identity = read_layer(store.folder, family.base).identity
    assert locator == {
        "parent_linkage": f"{{{identity}}}",
        "relative_path": r"..\base.vhdx",
        "absolute_win32_path": r"\\?\C:\base.vhdx",
    }


def test_what_a_killed_simulator_left_is_put_into_the_file_at_the_next_start(family: Family, tmp_path: Path) -> None:
    script = f"""
        import json, os, subprocess, sys
        from pathlib import Path
        from hyperv_simulator.storage.paths import HostFolder
        from hyperv_simulator.storage.vhd import DiskStore
        disk = DiskStore(HostFolder(Path({str(family.store.folder.root)!r}))).guest_view({family.child!r})
        subprocess.run(["qemu-io", "-c", "write -P 8 2M 64k", "json:" + json.dumps(disk.blockdev)], check=True)
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True)
    assert list((tmp_path / "disks").iterdir())

    family.store = DiskStore(HostFolder(tmp_path / "volumes"))

    family.content[2 * MIB : 2 * MIB + 65536] = b"\x08" * 65536
    assert family.read() == family.content
    assert not list((tmp_path / "disks").iterdir())
