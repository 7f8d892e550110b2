"""Whether a QEMU guest's system listens to its host: what Hyper-V's integration services are there for.

The sign is ACPI's power button. Both machine types have the PM1 enable register at the same port (firmware puts the
block at 0x600); the guest sets the power button's bit when it has a driver that listens to that button.
"""

from __future__ import annotations

import time

from hyperv_simulator.guests.qmp import Qmp, QmpError

_PM1_ENABLE_PORT, _POWER_BUTTON_ENABLED = 0x602, 1 << 8
_POLL_S = 0.25


class PowerButton:
    """What is known of the button of one QEMU process; who asks often is not told anything new each time."""

    def __init__(self, qmp: Qmp) -> None:
        self._qmp = qmp
        self._is_heard = False
        self._asked_at = 0.0

    @property
    def is_heard(self) -> bool:
        if self._is_heard or time.monotonic() - self._asked_at < _POLL_S:
            return self._is_heard
        try:
            said: str = self._qmp.execute("human-monitor-command", command_line=f"i /h {_PM1_ENABLE_PORT:#x}")
            enabled = int(said.rpartition("=")[2], 16)
        except (QmpError, ValueError):
            return False  # QEMU is just ending
        # All ones: the firmware has not put the registers there yet.
        self._is_heard = enabled != 0xFFFF and bool(enabled & _POWER_BUTTON_ENABLED)
        self._asked_at = time.monotonic()
        return self._is_heard

    def reset(self) -> None:
        """The machine starts anew."""
        self._is_heard, self._asked_at = False, 0.0
