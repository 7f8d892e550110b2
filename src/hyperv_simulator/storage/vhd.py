"""Virtual disks of a simulated host, as Msvm_ImageManagementService and a starting machine need them.

All paths are Windows paths; all errors are `DiskError` with Windows' own code. What the files are: always true VHD and
VHDX files, differencing ones too, so that whatever is copied out over SMB opens anywhere else. While a machine runs,
what it writes to a differencing disk is kept in an overlay that QEMU understands (`guest_disks`); it is put into the
differencing file when the machine stops. Until then the file holds the state at the machine's start.

Not done, and said so by the error: disks with 4096-byte logical sectors are made and changed, but QEMU reads none, so
they are neither converted nor put into a guest. `compact` drops blocks of zeros; what a guest's file system has freed
without zeroing it stays.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hyperv_simulator.storage import errors, qemu_img, space, vhdx
from hyperv_simulator.storage.copying import copy_file
from hyperv_simulator.storage.disk_files import (
    MAX_SIZE,
    MIN_SIZE,
    VHDX_BLOCK_SIZE,
    DiskFiles,
    DiskFormat,
    DiskKind,
    VirtualDisk,
    check_sectors,
)
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.guest_disks import BlockDevice, GuestDisk, GuestDisks
from hyperv_simulator.storage.holds import Hold
from hyperv_simulator.storage.layers import Layer, locator_for, parse_disk, read_chain, read_layer, writable
from hyperv_simulator.storage.luns import Luns
from hyperv_simulator.storage.partitions import smallest_size
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd_format import Vhd
from hyperv_simulator.storage.vhdx_format import MIB

__all__ = ["DiskFormat", "DiskKind", "DiskStore", "VirtualDisk"]


class DiskStore(DiskFiles):
    """The disks in a host's folder, changed and given to guests.

    :param work_folder: see `DiskFiles`; overlays are there as well.
    """

    def __init__(self, folder: HostFolder, work_folder: Path | None = None) -> None:
        super().__init__(folder, work_folder)
        self._guests = GuestDisks(folder, self._work, self._holds)

    def smallest_size(self, path: str) -> int | None:
        """Bytes to which the disk can be shrunk; None where it has no partitions: it can't be then.

        :raises DiskError: as `info`; the chain is broken.
        """
        return smallest_size(read_chain(self.folder, path))

    def resize(self, path: str, size_bytes: int) -> None:
        """Grow or shrink; the same size is fine.

        :raises DiskError: VHD_RESIZE_WOULD_TRUNCATE for a size below `smallest_size`, VHD_INVALID_TYPE for a
            differencing VHD and a VHD that shall shrink, SHARING_VIOLATION while in use.
        """
        with self._exclusive(path) as chain:
            layer = chain[0]
            if size_bytes % layer.disk.logical_sector or not MIN_SIZE <= size_bytes <= MAX_SIZE[layer.format]:
                raise DiskError(errors.VHD_INVALID_SIZE, path, f"{size_bytes} bytes")
            if size_bytes > layer.disk.virtual_size:
                with writable(layer) as disk:
                    disk.grow(size_bytes)
            elif size_bytes < layer.disk.virtual_size:
                smallest = smallest_size(chain)
                if smallest is None or size_bytes < smallest:
                    raise DiskError(errors.VHD_RESIZE_WOULD_TRUNCATE, path)
                with self._replacing(layer) as disk:
                    space.shrink(disk, size_bytes)

    def convert(self, source: str, target: str, kind: DiskKind, format: DiskFormat) -> None:
        """Copy a disk's content, its parents' included, into a new disk without parent.

        :raises DiskError: INVALID_PARAMETER for a differencing target; FILE_EXISTS, SHARING_VIOLATION …
        """
        if kind == "differencing":
            raise DiskError(errors.INVALID_PARAMETER, target, "the simulator converts to fixed and dynamic disks")
        self.folder.for_new(target)
        options = f"subformat={kind}," + ("force_size=on" if format == "vhd" else f"block_size={VHDX_BLOCK_SIZE[kind]}")
        driver = {"vhd": "vpc", "vhdx": "vhdx"}[format]
        with self.guest_view(source, read_only=True) as disk, self._new_name(target) as new:
            node = qemu_img.json_name(disk.blockdev)
            qemu_img.run("convert", "-U", "-O", driver, "-o", options, node, str(new), path=source)

    def merge(self, child: str, ancestor: str, heirs: Sequence[str] = ()) -> None:
        """Write what the files from ``child`` up to below ``ancestor`` hold into ``ancestor``, and delete those files.

        (Assumption: deleted, as Merge-VHD leaves it.)

        :param heirs: other children of ``child``, which get ``ancestor`` for a parent.
        :raises DiskError: INVALID_PARAMETER where ``ancestor`` is not in the chain; SHARING_VIOLATION.
        """
        chain = read_chain(self.folder, child)
        target = self.folder.existing(ancestor)
        position = next((n for n, layer in enumerate(chain) if n and layer.local.samefile(target)), 0)
        if not position:
            raise DiskError(errors.INVALID_PARAMETER, ancestor, "not a parent of the source")
        merged, into = chain[:position], chain[position]
        orphans = [read_layer(self.folder, path) for path in heirs]
        with self._take(exclusive=[*merged, into, *orphans], shared=chain[position + 1 :]):
            with writable(into) as disk:
                disk.begin_writing()
                self._link(merged[-1], str(into.path))  # the chain is whole whenever this is cut off
                if merged[0].disk.virtual_size > disk.virtual_size:
                    disk.grow(merged[0].disk.virtual_size)
                for layer in reversed(merged):
                    _copy_own_content(layer, disk)
            for layer in orphans:
                self._link(layer, str(into.path))
            for layer in merged:
                layer.local.unlink()

    def _link(self, child: Layer, parent_path: str) -> None:
        parent = read_layer(self.folder, parent_path)
        locator = locator_for(child.path, parent)
        with writable(child) as disk:
            if isinstance(disk, vhdx.Vhdx):
                disk.set_locator(locator)
            else:
                disk.set_parent(parent.identity, locator)

    def set_parent(self, child: str, parent: str, ignore_id_mismatch: bool = False) -> None:
        """Reconnect a differencing disk.

        :raises DiskError: VHD_INVALID_TYPE for a disk without parent, VHD_PARENT_ID_MISMATCH, VHD_CHAIN_CYCLE.
        """
        layer = read_layer(self.folder, child)
        new = read_chain(self.folder, parent)
        if not layer.disk.has_parent or new[0].format != layer.format:
            raise DiskError(errors.VHD_INVALID_TYPE, child)
        if any(other.local.samefile(layer.local) for other in new):
            raise DiskError(errors.VHD_CHAIN_CYCLE, child)
        if not ignore_id_mismatch and not new[0].is_parent_of(layer):
            raise DiskError(errors.VHD_PARENT_ID_MISMATCH, child)
        with self._take(exclusive=[layer], shared=new):
            self._link(layer, parent)

    def set_disk_id(self, path: str, disk_id: str) -> None:
        """Give a VHDX another VirtualDiskId (SetVirtualHardDiskSettingData).

        :raises DiskError: INVALID_PARAMETER, VHD_INVALID_TYPE for a VHD.
        """
        with self._exclusive(path) as chain, writable(chain[0]) as disk:
            if not isinstance(disk, vhdx.Vhdx):
                raise DiskError(errors.VHD_INVALID_TYPE, path)
            try:
                disk.set_disk_id(uuid.UUID(disk_id))
            except ValueError as error:
                raise DiskError(errors.INVALID_PARAMETER, path, f"VirtualDiskId {disk_id!r}") from error

    def set_physical_sector(self, path: str, size: int) -> None:
        """Give a VHDX another PhysicalSectorSize.

        :raises DiskError: VHD_SECTOR_SIZE, VHD_INVALID_TYPE for a VHD.
        """
        with self._exclusive(path) as chain, writable(chain[0]) as disk:
            if not isinstance(disk, vhdx.Vhdx):
                raise DiskError(errors.VHD_INVALID_TYPE, path)
            check_sectors(path, "vhdx", disk.logical_sector, size)
            disk.set_physical_sector(size)

    def compact(self, path: str, *, find_zeros: bool = True) -> None:
        """Make the file as small as its content allows.

        :param find_zeros: look for blocks of zeros; False only moves together what is there.
        :raises DiskError: SHARING_VIOLATION, VHD_INVALID_TYPE for a fixed disk.
        """
        with self._exclusive(path) as chain:
            if chain[0].kind == "fixed":
                raise DiskError(errors.VHD_INVALID_TYPE, path)
            with self._replacing(chain[0]) as disk:
                space.pack(disk, find_zeros=find_zeros)

    def validate(self, path: str) -> None:
        """Read all of the chain's tables.

        :raises DiskError: whatever is wrong.
        """
        for layer in read_chain(self.folder, path):
            if layer.kind == "fixed" and layer.format == "vhd":
                continue
            with layer.local.open("rb") as file:
                layer.disk.fd = file.fileno()
                for _ in layer.disk.allocated():
                    pass

    def hold(self, path: str, *, read_only: bool = False) -> Hold:
        """Open a disk or an ISO as a machine that starts does, without looking at its content.

        :raises DiskError: FILE_NOT_FOUND, SHARING_VIOLATION, and what is wrong with the chain.
        """
        return self._guests.hold(path, read_only=read_only)

    def guest_view(self, path: str, *, read_only: bool = False) -> GuestDisk:
        """What QEMU opens for a disk or an ISO. Close it when QEMU has ended: a differencing disk gets its data then.

        :raises DiskError: as `hold`.
        """
        return self._guests.open(path, read_only=read_only)

    def serve_luns(self, luns: Luns) -> None:
        """What ``\\\\.\\PHYSICALDRIVE1`` means, from now on."""
        self._guests.luns = luns

    def branch(self, disk: GuestDisk) -> BlockDevice:
        """One more overlay for a disk that QEMU has open, see `guest_disks`."""
        return self._guests.branch(disk)

    def go_on(self, disk: GuestDisk, path: str) -> None:
        """The file that the disk's newest overlay belongs to."""
        self._guests.go_on(disk, path)

    @contextmanager
    def _exclusive(self, path: str) -> Iterator[list[Layer]]:
        chain = read_chain(self.folder, path)
        with self._take(exclusive=chain[:1], shared=chain[1:]):
            self._guests.replay_log(chain[0])
            yield read_chain(self.folder, path)

    @contextmanager
    def _replacing(self, layer: Layer) -> Iterator[Vhd | vhdx.Vhdx]:
        """A copy of the layer's file, opened for writing, that takes its place in the end."""
        new = self._unfinished()
        try:
            copy_file(layer.local, new)
            fd = os.open(new, os.O_RDWR | os.O_CLOEXEC)
            try:
                yield parse_disk(fd, str(layer.path))
            finally:
                os.close(fd)
            new.replace(layer.local)
        finally:
            new.unlink(missing_ok=True)


def _copy_own_content(layer: Layer, target: Vhd | vhdx.Vhdx) -> None:
    """Write what a differencing file itself holds into another disk."""
    source = layer.disk
    with layer.local.open("rb") as file:
        source.fd = file.fileno()
        for block in source.allocated():
            start = block.index * source.block_size
            sectors = min(source.block_size, source.virtual_size - start) // source.logical_sector
            for first, count in block.runs(sectors):
                within, end = first * source.logical_sector, (first + count) * source.logical_sector
                if block.file_offset is None:
                    target.write_zeros(start + within, end - within)
                    continue
                for part in range(within, end, 4 * MIB):
                    size = min(4 * MIB, end - part)
                    target.write(start + part, os.pread(source.fd, size, block.file_offset + part))
