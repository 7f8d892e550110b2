"""The disk files of a host: made, read, deleted.

What changes a disk's content or its place in a chain, and what a guest gets of it, is in `vhd`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyperv_simulator.storage import errors, vhd_format, vhdx
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.holds import Hold, Holds
from hyperv_simulator.storage.layers import Layer, locator_for, parent_path, read_chain, read_layer
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhdx_format import MAX_VIRTUAL_SIZE, MIB

DiskKind = Literal["fixed", "dynamic", "differencing"]
DiskFormat = Literal["vhd", "vhdx"]

# What CreateVirtualDisk allows (its documentation: 3 MB to 2040 GB for VHD, to 64 TB for VHDX).
MIN_SIZE = 3 * MIB
MAX_SIZE: dict[DiskFormat, int] = {"vhd": vhd_format.MAX_VIRTUAL_SIZE, "vhdx": MAX_VIRTUAL_SIZE}
# What Hyper-V takes where the caller says 0: 32 MiB, 2 MiB for a child.
VHDX_BLOCK_SIZE: dict[DiskKind, int] = {"fixed": 32 * MIB, "dynamic": 32 * MIB, "differencing": 2 * MIB}
VHD_KINDS: dict[DiskKind, int] = {
    "fixed": vhd_format.FIXED,
    "dynamic": vhd_format.DYNAMIC,
    "differencing": vhd_format.DIFFERENCING,
}


@dataclass(frozen=True, slots=True)
class VirtualDisk:
    """What GetVirtualHardDiskSettingData and GetVirtualHardDiskState tell.

    :param parent_path: full Windows path; None for a disk without parent.
    :param disk_id: VirtualDiskId, upper case without braces.
    """

    path: str
    format: DiskFormat
    kind: DiskKind
    virtual_size_bytes: int
    file_size_bytes: int
    parent_path: str | None
    block_size_bytes: int
    logical_sector_bytes: int
    physical_sector_bytes: int
    disk_id: str
    in_use: bool = False


class DiskFiles:
    """The disks in a host's folder.

    :param work_folder: where unfinished files are, on the same file system; not visible over SMB. Default: ``disks``
        beside the folder of volumes.
    """

    def __init__(self, folder: HostFolder, work_folder: Path | None = None) -> None:
        self.folder = folder
        self._work = work_folder or folder.root.parent / "disks"
        self._work.mkdir(parents=True, exist_ok=True)
        for leftover in self._work.glob("*.new"):
            leftover.unlink()
        self._holds = Holds()

    def create(
        self,
        path: str,
        kind: DiskKind,
        format: DiskFormat,
        size_bytes: int = 0,
        parent_path: str | None = None,
        block_size: int = 0,
        logical_sector: int = 0,
        physical_sector: int = 0,
    ) -> None:
        """Make a disk. A differencing one takes size and sectors from its parent (facts/hyperv-ops 4).

        :param size_bytes: virtual size, exact.  :param block_size: bytes; 0 is Hyper-V's default, as for the sectors.
        :raises DiskError: FILE_EXISTS, PATH_NOT_FOUND, INVALID_PARAMETER, VHD_INVALID_SIZE, NOT_SUPPORTED …
        """
        self.folder.for_new(path)
        if kind == "differencing":
            if not parent_path:
                raise DiskError(errors.INVALID_PARAMETER, path, "a differencing disk without ParentPath")
            self._create_child(path, format, parent_path, block_size)
            return
        if parent_path:
            raise DiskError(errors.INVALID_PARAMETER, path, "ParentPath is for differencing disks")
        logical_sector, physical_sector = logical_sector or 512, physical_sector or 4096
        check_sectors(path, format, logical_sector, physical_sector)
        if size_bytes % logical_sector or not MIN_SIZE <= size_bytes <= MAX_SIZE[format]:
            raise DiskError(errors.VHD_INVALID_SIZE, path, f"{size_bytes} bytes")
        with self._new_file(path) as fd:
            if format == "vhd":
                vhd_format.create(fd, kind=VHD_KINDS[kind], virtual_size=size_bytes, block_size=block_size)
            else:
                vhdx.create(
                    fd,
                    virtual_size=size_bytes,
                    block_size=_block_size(path, block_size or VHDX_BLOCK_SIZE[kind]),
                    logical_sector=logical_sector,
                    physical_sector=physical_sector,
                    fixed=kind == "fixed",
                )

    def _create_child(self, path: str, format: DiskFormat, parent_path: str, block_size: int) -> None:
        parent = read_chain(self.folder, parent_path)[0]
        if parent.format != format:
            raise DiskError(errors.INVALID_PARAMETER, path, f"the parent is a {parent.format}")
        locator = locator_for(self.folder.parse(path), parent)
        with self._new_file(path) as fd:
            if isinstance(parent.disk, vhdx.Vhdx):
                vhdx.create(
                    fd,
                    virtual_size=parent.disk.virtual_size,
                    block_size=_block_size(path, block_size or VHDX_BLOCK_SIZE["differencing"]),
                    logical_sector=parent.disk.logical_sector,
                    physical_sector=parent.disk.physical_sector,
                    locator=locator,
                )
            else:
                vhd_format.create(
                    fd,
                    kind=vhd_format.DIFFERENCING,
                    virtual_size=parent.disk.virtual_size,
                    block_size=block_size,
                    parent_id=parent.identity,
                    locator=locator,
                )

    def info(self, path: str) -> VirtualDisk:
        """:raises DiskError: FILE_NOT_FOUND, FILE_CORRUPT …; a missing parent is no error here."""
        layer = read_layer(self.folder, path)
        disk = layer.disk
        return VirtualDisk(
            path=str(layer.path),
            format=layer.format,
            kind=layer.kind,
            virtual_size_bytes=disk.virtual_size,
            file_size_bytes=layer.file_size_bytes,
            parent_path=parent_path(self.folder, layer),
            block_size_bytes=disk.block_size,
            logical_sector_bytes=disk.logical_sector,
            physical_sector_bytes=disk.physical_sector,
            disk_id=str(disk.disk_id).upper(),
            in_use=self._holds.in_use(layer.local),
        )

    def chain(self, path: str) -> list[str]:
        """Full paths of the disk and all its parents, the base last.

        :raises DiskError: the chain is broken.
        """
        return [str(layer.path) for layer in read_chain(self.folder, path)]

    def create_blank(self, path: str, size_bytes: int) -> None:
        """A file of zeros, such as a floppy disk.

        :raises DiskError: FILE_EXISTS, PATH_NOT_FOUND.
        """
        self.folder.for_new(path)
        with self._new_file(path) as fd:
            os.ftruncate(fd, size_bytes)

    def remove(self, path: str) -> None:
        """Delete a disk's file.

        :raises DiskError: SHARING_VIOLATION, FILE_NOT_FOUND.
        """
        local = self.folder.existing(path)
        with self._holds.take(exclusive=[local]):
            local.unlink()

    def in_use(self, path: str) -> bool:
        """A machine has it open, itself or as a parent. False where there is no such file."""
        return self.folder.exists(path) and self._holds.in_use(self.folder.to_local(path))

    def _take(self, *, exclusive: list[Layer], shared: list[Layer]) -> Hold:
        return self._holds.take(
            exclusive=[layer.local for layer in exclusive], shared=[layer.local for layer in shared]
        )

    def _unfinished(self) -> Path:
        return Path(tempfile.mktemp(dir=self._work, suffix=".new"))  # noqa: S306  (the folder is ours alone)

    @contextmanager
    def _new_file(self, path: str) -> Iterator[int]:
        with self._new_name(path) as new:
            fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                yield fd
            finally:
                os.close(fd)

    @contextmanager
    def _new_name(self, path: str) -> Iterator[Path]:
        """A name to write a file under, which gets its Windows path when it is complete, and never replaces another."""
        new = self._unfinished()
        try:
            yield new
            try:
                os.link(new, self.folder.for_new(path))
            except FileExistsError as error:
                raise DiskError(errors.FILE_EXISTS, path) from error
        except OSError as error:
            raise DiskError(errors.DISK_FULL, path, str(error)) from error
        finally:
            new.unlink(missing_ok=True)


def check_sectors(path: str, format: DiskFormat, logical: int, physical: int) -> None:
    """A VHD has sectors of 512 bytes; a VHDX such, or 4096 ([MS-VHDX] 2.6.2.4, 2.6.2.5)."""
    known = ((512, 512), (512, 4096), (4096, 4096)) if format == "vhdx" else ((512, 512), (512, 4096))
    if (logical, physical) not in known:
        raise DiskError(errors.VHD_SECTOR_SIZE, path, f"sectors of {logical} and {physical} bytes")


def _block_size(path: str, block_size: int) -> int:
    if not MIB <= block_size <= 256 * MIB or block_size & (block_size - 1):
        raise DiskError(errors.VHD_INVALID_BLOCK_SIZE, path, f"{block_size} bytes")
    return block_size
