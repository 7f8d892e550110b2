"""Folders for one run: sockets and Samba's own files.

They are not in the state folder because the path of a unix socket has at most 107 bytes. A folder's name carries the
process id of the simulator that made it; what a killed simulator left is swept by the next one that makes a folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_PLACES = (Path("/run"), Path("/tmp"))  # noqa: S108  (mkdtemp makes the folder ours)
_PREFIX = "hvsim-"


def make(purpose: str) -> Path:
    """A new folder that only we can enter; whoever asked for it removes it.

    :param purpose: a word for people who look at it.
    """
    place = next(folder for folder in _PLACES if os.access(folder, os.W_OK))
    _sweep(place)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{purpose}-", dir=place))


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}[0-9]*"):
        process_id = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if process_id.isdigit() and not Path("/proc", process_id).exists():
            shutil.rmtree(folder, ignore_errors=True)
