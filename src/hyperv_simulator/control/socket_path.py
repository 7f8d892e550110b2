"""Where the control socket is, and how to reach it under any path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "control.sock"


@contextmanager
def address_in(state_folder: Path) -> Iterator[str]:
    """The socket's address. A Unix socket's path has at most 108 bytes, and folders of tests are longer: so the folder
    is named by a descriptor (proc(5))."""
    folder = os.open(state_folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
