"""cmd's own ``mkdir`` and ``rmdir``, on the host's volumes."""

from __future__ import annotations

import shutil

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, complained
from hyperv_simulator.storage.errors import DiskError

_NOT_FOUND, _NOT_EMPTY = 2, 145


def mkdir(windows: Windows, command: Command) -> Output:
    """Makes a folder and those above it, as cmd does with its extensions."""
    if not command.arguments:
        return complained("The syntax of the command is incorrect.")
    path = command.arguments[0]
    try:
        local = windows.folder.to_local(path)
    except DiskError as error:
        return complained(error.text)
    if local.exists():
        return complained(f"A subdirectory or file {path} already exists.")
    local.mkdir(parents=True)
    return Output()


def rmdir(windows: Windows, command: Command) -> Output:
    """Takes an empty folder away; with ``/s`` whatever is in it."""
    paths = [argument for argument in command.arguments if not argument.startswith("/")]
    if not paths:
        return complained("The syntax of the command is incorrect.")
    try:
        local = windows.folder.to_local(paths[0])
    except DiskError as error:
        return complained(error.text)
    if not local.is_dir():
        return complained("The system cannot find the file specified.", exit_code=_NOT_FOUND)
    if "/s" in command.switches:
        shutil.rmtree(local)
    elif any(local.iterdir()):
        return complained("The directory is not empty.", exit_code=_NOT_EMPTY)
    else:
        local.rmdir()
    return Output()
