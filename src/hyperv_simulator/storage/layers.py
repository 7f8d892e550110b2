"""A disk's chain: the file itself, its parent, the parent's parent, each parsed and checked as Windows checks it on
opening."""

from __future__ import annotations

import ntpath
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder, WindowsPath
from hyperv_simulator.storage.vhd_format import SECTOR, Vhd
from hyperv_simulator.storage.vhdx import Vhdx
from hyperv_simulator.storage.vhdx_format import SIGNATURE

# More than Hyper-V makes (50 checkpoints and a base): what is longer is an attack or a mistake.
MAX_CHAIN = 128

_EXTENSIONS = {".vhd": "vhd", ".avhd": "vhd", ".vhdx": "vhdx", ".avhdx": "vhdx"}


@dataclass(frozen=True)
class Layer:
    """One file of a chain.

    :param disk: its tables; the file is closed again, only values of it may be used.
    """

    path: WindowsPath
    local: Path
    format: Literal["vhd", "vhdx"]
    disk: Vhd | Vhdx
    file_size_bytes: int

    @property
    def kind(self) -> Literal["fixed", "dynamic", "differencing"]:
        if self.disk.has_parent:
            return "differencing"
        return "fixed" if self.disk.leave_allocated else "dynamic"

    @property
    def identity(self) -> uuid.UUID:
        """What a child notes of this file: DataWriteGuid of a VHDX ([MS-VHDX] 2.6.2.6.3), unique id of a VHD."""
        return self.disk.header.data_write_id if isinstance(self.disk, Vhdx) else self.disk.disk_id

    def is_parent_of(self, child: Layer) -> bool:
        if isinstance(child.disk, Vhd):
            return child.disk.parent_id == self.identity
        noted = (child.disk.locator.get(key, "") for key in ("parent_linkage", "parent_linkage2"))
        return any(text.strip("{}").lower() == str(self.identity) for text in noted)


def parse_disk(fd: int, name: str) -> Vhd | Vhdx:
    """The tables of an open file, whichever format it is.

    :raises DiskError: what Windows says; FILE_CORRUPT for what is neither (facts: a raw image named .vhd).
    """
    if os.pread(fd, 8, 0) == SIGNATURE:
        return Vhdx.read(fd, name)
    end = os.fstat(fd).st_size
    if os.pread(fd, 8, max(0, end - SECTOR)) == b"conectix":
        return Vhd.read(fd, name)
    raise DiskError(errors.FILE_CORRUPT, name, "neither VHD nor VHDX")


@contextmanager
def writable(layer: Layer) -> Iterator[Vhd | Vhdx]:
    """The layer's file, opened for writing."""
    fd = os.open(layer.local, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield parse_disk(fd, str(layer.path))
    finally:
        os.close(fd)


def read_layer(folder: HostFolder, windows_path: str) -> Layer:
    """:raises DiskError: FILE_NOT_FOUND, FILE_CORRUPT …; FILE_CORRUPT as well where the extension names the other
    format."""
    local = folder.existing(windows_path)
    path = folder.parse(windows_path)
    extension = ntpath.splitext(path.name)[1].lower()
    if extension not in _EXTENSIONS:
        raise DiskError(errors.VHD_NOT_VIRTUAL_DISK, str(path))
    fd = os.open(local, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        disk = parse_disk(fd, str(path))
        size = os.fstat(fd).st_size
    finally:
        os.close(fd)
    found: Literal["vhd", "vhdx"] = "vhdx" if isinstance(disk, Vhdx) else "vhd"
    if found != _EXTENSIONS[extension]:
        raise DiskError(errors.FILE_CORRUPT, str(path), f"the file is a {found}")
    return Layer(path, local, found, disk, size)


def parent_candidates(layer: Layer) -> list[str]:
    """Where the parent may be, in the order in which Windows looks ([MS-VHDX] 2.6.2.6.3)."""
    locator = layer.disk.locator
    found = []
    if relative := locator.get("relative_path"):
        found.append(ntpath.join(str(layer.path.folder), relative))
    if absolute := locator.get("absolute_win32_path"):
        found.append(absolute)
    return found


def parent_path(folder: HostFolder, layer: Layer) -> str | None:
    """Full path of the parent: where it is, else where it was; None for a disk without parent."""
    if not layer.disk.has_parent:
        return None
    candidates = parent_candidates(layer)
    for candidate in candidates:
        if folder.exists(candidate):
            return str(folder.parse(candidate))
    return candidates[-1].removeprefix("\\\\?\\") if candidates else ""


def read_chain(folder: HostFolder, windows_path: str) -> list[Layer]:
    """The disk and all its parents, the base last.

    :raises DiskError: also VHD_PARENT_NOT_FOUND, VHD_PARENT_ID_MISMATCH, VHD_CHAIN_CYCLE, VHD_CHAIN_ERROR_IN_PARENT.
    """
    chain = [read_layer(folder, windows_path)]
    while chain[-1].disk.has_parent:
        child = chain[-1]
        where = parent_path(folder, child)
        if not where or not folder.exists(where):
            raise DiskError(errors.VHD_PARENT_NOT_FOUND, str(child.path), f"parent {where!r}")
        try:
            parent = read_layer(folder, where)
        except DiskError as error:
            raise DiskError(errors.VHD_CHAIN_ERROR_IN_PARENT, str(child.path), str(error)) from error
        if any(parent.local.samefile(layer.local) for layer in chain) or len(chain) >= MAX_CHAIN:
            raise DiskError(errors.VHD_CHAIN_CYCLE, str(child.path))
        if not parent.is_parent_of(child):
            raise DiskError(errors.VHD_PARENT_ID_MISMATCH, str(child.path), f"parent {where}")
        chain.append(parent)
    return chain


def locator_for(child: WindowsPath, parent: Layer) -> dict[str, str]:
    """The entries that lead from a child to its parent."""
    if child.drive == parent.path.drive:
        relative = ntpath.relpath(str(parent.path), str(child.folder))
        relative = relative if relative.startswith("..") else ".\\" + relative
    else:
        relative = str(parent.path)
    return {
        "parent_linkage": f"{{{parent.identity}}}",
        "relative_path": relative,
        "absolute_win32_path": f"\\\\?\\{parent.path}",
    }
