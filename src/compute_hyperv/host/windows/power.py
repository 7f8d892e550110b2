"""Restarting Windows, and waiting until it is back."""

from __future__ import annotations

import time

from compute_hyperv.cim.errors import AccessDenied, Busy, CimError, MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import select
from compute_hyperv.host.inventory import Inventory, same_boot
from compute_hyperv.host.services import CIMV2

_CLASS = "Win32_OperatingSystem"
_REBOOT, _FORCED = 2, 4  # Win32Shutdown's flags
_LOOK_EVERY_S = 2.0
_ASK_AGAIN_AFTER_S = 60.0  # a host that goes on answering after a lost request
_NOT_BACK = (Unreachable, TimedOut, Busy, AccessDenied, NotFound)  # services come up one by one


class WindowsPower:
    def __init__(self, session: CimSession, inventory: Inventory) -> None:
        self._session = session
        self._inventory = inventory

    def restart(self, *, timeout_s: float = 1800) -> None:
        """Restarts Windows and waits until it answers again. Its machines go down as their settings say.

        :raises TimedOut: it does not come back in time.
        """
        before = self._inventory.booted_at()
        was_heard = self._ask()
        asked_at = time.monotonic()
        deadline = asked_at + timeout_s
        while True:
            last: CimError | None = None
            try:
                if not same_boot(self._inventory.booted_at(), before):
                    return
                if not was_heard and time.monotonic() - asked_at >= _ASK_AGAIN_AFTER_S:
                    asked_at = time.monotonic()
                    was_heard = self._ask()
            except _NOT_BACK as error:
                last = error
            if time.monotonic() >= deadline:
                why = f" ({last.message})" if last is not None else ""
                raise TimedOut(f"Windows is not back {timeout_s:.0f} s after its restart{why}.")
            time.sleep(_LOOK_EVERY_S)

    def _ask(self) -> bool:
        """Whether Windows has heard it, for certain. It may be quicker than its answer: the time of its start tells."""
        (system,) = self._session.query_references(select(_CLASS), namespace=CIMV2)
        try:
            result = self._session.invoke(system, "Win32Shutdown", {"Flags": _REBOOT | _FORCED, "Reserved": 0})
        except Unreachable:
            return False
        if result.return_value:
            raise MethodFailed("Restarting Windows failed.", code=result.return_value)
        return True
