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
        (system,) = self._session.query_references(select(_CLASS), namespace=CIMV2)
        try:
            result = self._session.invoke(system, "Win32Shutdown", {"Flags": _REBOOT | _FORCED, "Reserved": 0})
        except Unreachable:
            result = None  # it may have been quicker than its answer: the time of its start tells
        if result is not None and result.return_value:
            raise MethodFailed("Restarting Windows failed.", code=result.return_value)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if not same_boot(self._inventory.booted_at(), before):
                    return
            except _NOT_BACK as error:
                last: CimError | None = error
            else:
                last = None
            if time.monotonic() >= deadline:
                why = f" ({last.message})" if last is not None else ""
                raise TimedOut(f"Windows is not back {timeout_s:.0f} s after its restart{why}.")
            time.sleep(_LOOK_EVERY_S)
