"""A guest's TPM 2.0: a process of swtpm, which ends with QEMU. What it keeps outlives it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from hyperv_simulator import children
from hyperv_simulator.guests.base import UNSPECIFIED, GuestError


class Tpm:
    """:ivar end: QEMU's end of the control channel; the caller passes it on and closes it.

    :param folder: the TPM's memory; made if it is not there.
    :raises GuestError: swtpm is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.end, own = socket.socketpair()
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--flags", "not-need-init,startup-clear"]
        command += ["--ctrl", f"type=unixio,clientfd={own.fileno()}", "--terminate"]
        try:
            self._process: subprocess.Popen[bytes] = children.start(command, pass_fds=[own.fileno()])
        except FileNotFoundError as error:
            self.end.close()
            raise GuestError(UNSPECIFIED, f"{error.filename} is missing: install swtpm.") from error
        finally:
            own.close()

    def close(self) -> None:
        """QEMU is gone."""
        self.end.close()
        children.end(self._process)


def arguments(descriptor: int) -> list[str]:
    """The TPM on QEMU's command line."""
    return [
        "-chardev", f"socket,id=tpm,fd={descriptor}",
        "-tpmdev", "emulator,id=tpm0,chardev=tpm",
        "-device", "tpm-crb,tpmdev=tpm0",
    ]  # fmt: skip
