r"""What is on the disks that a host passes through to machines: one sparse file per LUN.

A LUN is named as Windows names the disk, ``\\.\PHYSICALDRIVE2``. Its file bears its unique id, so that hosts that see
the same LUN find the same content; who may open it when, is for QEMU's locks and the hosts' own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

_DRIVE = re.compile(r"\\\\\.\\PHYSICALDRIVE(\d+)", re.IGNORECASE)


def lun_path(number: int) -> str:
    """The name of a disk, by its number."""
    return rf"\\.\PHYSICALDRIVE{number}"


def is_lun(path: str) -> bool:
    return _DRIVE.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Lun:
    unique_id: str
    size_bytes: int


class Luns:
    """The LUNs of one host.

    :param folder: shared by the hosts of a simulator.
    :param find: the LUN behind a disk number; None where the host has no such disk.
    """

    def __init__(self, folder: Path, find: Callable[[int], Lun | None]) -> None:
        self._folder = folder
        self._find = find

    def file(self, path: str) -> Path:
        """The file with the disk's content; made where nobody has used it yet.

        :raises DiskError: FILE_NOT_FOUND: there is no such disk.
        """
        match = _DRIVE.fullmatch(path)
        lun = self._find(int(match.group(1))) if match is not None else None
        if lun is None:
            raise DiskError(errors.FILE_NOT_FOUND, path)
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{lun.unique_id}.raw"
        with file.open("ab") as content:
            if content.tell() < lun.size_bytes:
                content.truncate(lun.size_bytes)
        return file
