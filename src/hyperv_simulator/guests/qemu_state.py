"""A guest's memory and devices in a file: written by QEMU as if it migrated there, read as if it came from there.

::

    {"machine_id": "…", "layout": {…}}\\n     where devices sit that were plugged in while it ran
    QEMU's migration stream
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperv_simulator.guests.base import UNSPECIFIED, GuestError
from hyperv_simulator.guests.qemu_command import Layout
from hyperv_simulator.guests.qmp import Qmp, QmpError

# A translated processor stands still meanwhile; the largest guests have some GiB.
TIMEOUT_S = 300.0
_UNLIMITED_BYTES_PER_S = 1 << 40
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class SavedState:
    """What stands in front of the stream, and how QEMU comes to it.

    :param incoming: what QEMU's ``-incoming`` takes.
    """

    machine_id: str
    layout: Layout
    incoming: str

    @classmethod
    def read(cls, file: Path) -> SavedState:
        """:raises GuestError: this is no saved state."""
        try:
            with file.open("rb") as stream:
                head = stream.readline()
            document = json.loads(head)
            layout = Layout(**document["layout"])
            machine_id = str(document["machine_id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GuestError(UNSPECIFIED, f"The saved state can't be read: {error}") from error
        return cls(machine_id, layout, f"exec:tail -c +{len(head) + 1} {shlex.quote(str(file))}")


def write(qmp: Qmp, file: Path, machine_id: str, layout: Layout) -> None:
    """Saves a guest that stands still.

    :raises GuestError: QEMU can't; there is no file then.
    """
    try:
        file.write_text(json.dumps({"machine_id": machine_id, "layout": asdict(layout)}) + "\n")
        qmp.execute("migrate-set-parameters", max_bandwidth=_UNLIMITED_BYTES_PER_S)
        qmp.execute("migrate", uri=f"exec:cat >> {shlex.quote(str(file))}")
        _wait(qmp)
    except (OSError, QmpError) as error:
        file.unlink(missing_ok=True)
        raise GuestError(UNSPECIFIED, f"The state can't be saved: {error}") from error


def wait_until_read(qmp: Qmp) -> None:
    """Waits until a guest that was started from a file has its memory back; it stands still then.

    :raises QmpError: QEMU can't read it, and has ended.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while qmp.execute("query-status")["status"] == "inmigrate":
        if time.monotonic() > deadline:
            raise QmpError(f"the saved state was not read within {TIMEOUT_S:.0f} s")
        time.sleep(_POLL_S)


def _wait(qmp: Qmp) -> None:
    """Waits until all is written, and the guest could go on: that it has migrated, QEMU says a little earlier."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        progress = qmp.execute("query-migrate")
        if progress.get("status") == "completed" and qmp.execute("query-status")["status"] != "finish-migrate":
            return
        if progress.get("status") in ("failed", "cancelled") or time.monotonic() > deadline:
            raise QmpError(progress.get("error-desc", f"status {progress.get('status')}"))
        time.sleep(_POLL_S)
