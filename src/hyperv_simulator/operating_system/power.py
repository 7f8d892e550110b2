"""Restarting and shutting down: who asks, what is noted, and Win32_OperatingSystem's methods.

Windows answers first and goes down then; what happens is the business of whoever runs the host (``host``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from hyperv_simulator.operating_system.accounts import CIMV2, Accounts
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done

PowerAction: TypeAlias = Literal["restart", "shut down"]

_SECTION = "power"
_PRIVILEGE_NOT_HELD = 1314  # ERROR_PRIVILEGE_NOT_HELD
_INVALID_PARAMETER = 87
# Win32Shutdown's Flags: 1 shut down, 2 reboot, 8 power off; 4 forces. 0 logs off, which ends nothing here.
_LOG_OFF, _SHUT_DOWN, _REBOOT, _FORCED, _POWER_OFF = 0, 1, 2, 4, 8


class Power:
    """The power of one host, from one start to the next.

    :param reboot_pending: hosts.toml says that an update waits for a restart.
    """

    def __init__(self, kept: KeptState, *, reboot_pending: bool) -> None:
        self._kept = kept
        noted = kept.section(_SECTION)
        self.restarts = int(noted.get("restarts", 0))
        self.running_at_shutdown: tuple[str, ...] = tuple(noted.get("running", ()))
        self.update_pending = reboot_pending and self.restarts == 0
        self.listener: Callable[[PowerAction], None] | None = None

    def request(self, action: PowerAction) -> None:
        """Windows is told to go down; it does so after this has returned."""
        if self.listener is not None:
            self.listener(action)

    def note(self, running: Sequence[str]) -> None:
        """Writes down that Windows goes down, and which machines ran."""
        self._kept.keep(_SECTION, {"restarts": self.restarts + 1, "running": list(running)})


class OperatingSystemProvider(Provider):
    """The methods of Win32_OperatingSystem; that only administrators may is Windows' default."""

    class_name = "Win32_OperatingSystem"
    namespace = CIMV2

    def __init__(self, power: Power, clock: HostClock, accounts: Accounts) -> None:
        self._power = power
        self._clock = clock
        self._accounts = accounts

    def methods(self) -> Mapping[str, Method]:
        return {
            "Reboot": lambda call: self._go(call, "restart"),
            "Shutdown": lambda call: self._go(call, "shut down"),
            "Win32Shutdown": self._win32_shutdown,
            "Win32ShutdownTracker": self._win32_shutdown,
            "SetDateTime": self._set_date_time,
        }

    def _win32_shutdown(self, call: Call) -> Outputs:
        flags = call.integer("Flags", _LOG_OFF) & ~_FORCED
        if flags == _LOG_OFF:
            return done()
        if flags not in (_SHUT_DOWN, _REBOOT, _POWER_OFF, _SHUT_DOWN | _POWER_OFF):
            return {"ReturnValue": _INVALID_PARAMETER}
        return self._go(call, "restart" if flags == _REBOOT else "shut down")

    def _go(self, call: Call, action: PowerAction) -> Outputs:
        if not self._accounts.is_administrator(call.caller.user):
            return {"ReturnValue": _PRIVILEGE_NOT_HELD}
        self._power.request(action)
        return done()

    def _set_date_time(self, call: Call) -> Outputs:
        if not self._accounts.is_administrator(call.caller.user):
            return {"ReturnValue": _PRIVILEGE_NOT_HELD}
        given = call.given("LocalDateTime")
        if not isinstance(given, dt.datetime):
            return {"ReturnValue": _INVALID_PARAMETER}
        self._clock.set(given if given.tzinfo is not None else given.replace(tzinfo=dt.UTC))
        return done()
