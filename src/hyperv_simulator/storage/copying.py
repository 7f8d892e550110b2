"""Copies of files, holes kept, with progress; under their name only when they are complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

_STEP = 4 * 1024**2


def copy_file(source: Path, target: Path, told: Callable[[int], None] = lambda _bytes: None) -> None:
    """Copies a file; the target's folder is made where it is missing.

    :param told: called with the bytes of each step; what it raises ends the copy, and nothing of it stays.
    :raises DiskError: FILE_EXISTS, FILE_NOT_FOUND, DISK_FULL.
    """
    if target.exists():
        raise DiskError(errors.FILE_EXISTS, target.name)
    temporary = target.with_name(target.name + ".copying")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as read, temporary.open("wb") as write:
            size = os.fstat(read.fileno()).st_size
            write.truncate(size)
            _copy_data(read.fileno(), write.fileno(), size, told)
        temporary.replace(target)
    except FileNotFoundError as error:
        raise DiskError(errors.FILE_NOT_FOUND, source.name) from error
    except OSError as error:
        raise DiskError(errors.DISK_FULL, target.name, str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _copy_data(source: int, target: int, size: int, told: Callable[[int], None]) -> None:
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but a hole follows
        end = os.lseek(source, start, os.SEEK_HOLE)
        for at in range(start, end, _STEP):
            data = os.pread(source, min(_STEP, end - at), at)
            os.pwrite(target, data, at)
            told(len(data))
        position = end
