"""VHD and VHDX files of a guest, opened by a process of their own and given to QEMU over NBD.

QEMU gives a machine's memory away (to be saved, to migrate) only where all of its disks allow it, and its drivers for
VHD and VHDX do not: a process that has such a file open can't be saved. So QEMU's storage daemon has it open, one
process per file, and QEMU sees a network disk on a socket in the guest's own folder.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from hyperv_simulator import children
from hyperv_simulator.guests.base import UNSPECIFIED, GuestError

BlockDevice = dict[str, Any]
_FORBID_MIGRATION = ("vhdx", "vpc")
# The daemon closes its file in order when it is asked to end.
_CLOSE_TIMEOUT_S = 30.0


class Export:
    """One disk as QEMU shall open it.

    :ivar blockdev: QEMU's description, without a node name.
    :param folder: the guest's own.  :param name: the drive's, for the socket.
    :raises GuestError: qemu-storage-daemon is missing.
    """

    def __init__(self, blockdev: BlockDevice, folder: Path, name: str) -> None:
        self._socket = folder / f"{name}.nbd"
        self._daemon: subprocess.Popen[bytes] | None = None
        self.blockdev = self._replaced(blockdev)

    def close(self) -> None:
        """The file is closed when this returns. Only after QEMU has let go of the disk; a second time does nothing."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            children.end(daemon, timeout_s=_CLOSE_TIMEOUT_S)
            self._socket.unlink(missing_ok=True)

    def _replaced(self, node: BlockDevice) -> BlockDevice:
        """The chain with its base, the only file in one of these formats, taken over NBD."""
        if node["driver"] in _FORBID_MIGRATION:
            return self._served(node)
        backing = node.get("backing")
        return node if backing is None else {**node, "backing": self._replaced(backing)}

    def _served(self, node: BlockDevice) -> BlockDevice:
        read_only = bool(node.get("read-only"))
        with socket.socket(socket.AF_UNIX) as listener:
            self._socket.unlink(missing_ok=True)
            listener.bind(str(self._socket))
            listener.listen()  # whoever connects waits here until the daemon is there
            self._daemon = self._start(node, listener, writable=not read_only)
        server = {"type": "unix", "path": str(self._socket)}
        return {"driver": "nbd", "server": server, "export": "disk", "read-only": read_only}

    @staticmethod
    def _start(node: BlockDevice, listener: socket.socket, *, writable: bool) -> subprocess.Popen[bytes]:
        export = f"type=nbd,id=export,node-name=disk,name=disk,writable={'on' if writable else 'off'}"
        command = ["qemu-storage-daemon", "--blockdev", json.dumps({**node, "node-name": "disk"})]
        command += ["--nbd-server", f"addr.type=fd,addr.str={listener.fileno()}", "--export", export]
        try:
            return children.start(command, pass_fds=[listener.fileno()])
        except FileNotFoundError as error:
            raise GuestError(UNSPECIFIED, f"{error.filename} is missing: install qemu-utils.") from error
