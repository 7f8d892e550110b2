"""Windows services (class page Win32_BaseService)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from compute_hyperv.cim.errors import MethodFailed, NotFound, TimedOut
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.services import CIMV2

StartMode: TypeAlias = Literal["Automatic", "Manual", "Disabled"]

# What the class says, and what its method takes.
_START_MODES: Mapping[str, StartMode] = {"auto": "Automatic", "manual": "Manual", "disabled": "Disabled"}
_CLASS = "Win32_Service"
_ALREADY_RUNNING, _NOT_ACTIVE, _CANNOT_ACCEPT_CONTROL, _DEPENDENTS_RUNNING = 10, 6, 5, 3
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class ServiceState:
    """:param start_mode: None for one that Windows starts by itself (boot, system)."""

    name: str
    running: bool
    start_mode: StartMode | None


class WindowsServices:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def state(self, name: str) -> ServiceState | None:
        """None where there is no such service."""
        query = select(_CLASS, ["Name", "State", "StartMode"]).where(eq("Name", name))
        rows = self._session.query(query, namespace=CIMV2)
        return service_state(rows[0]) if rows else None

    def set_start_mode(self, name: str, mode: StartMode) -> None:
        self._invoke(name, "ChangeStartMode", {"StartMode": mode}, f"Setting the start mode of service {name}")

    def start(self, name: str, *, timeout_s: float = 60) -> None:
        """Starts it and waits until it runs; a running one is fine.

        :raises TimedOut: it does not come up in time.
        """
        self._invoke(name, "StartService", {}, f"Starting service {name}", fine=(_ALREADY_RUNNING,))
        self._wait(name, running=True, timeout_s=timeout_s)

    def stop(self, name: str, *, timeout_s: float = 60) -> None:
        """Stops it and waits until it has; a stopped one is fine.

        :raises MethodFailed: others that depend on it run.
        """
        try:
            self._invoke(name, "StopService", {}, f"Stopping service {name}", fine=(_NOT_ACTIVE,))
        except MethodFailed as error:
            state = self.state(name)
            # What is stopped can't accept the control either (hyperv-ops 17).
            if error.code != _CANNOT_ACCEPT_CONTROL or state is None or state.running:
                raise
        self._wait(name, running=False, timeout_s=timeout_s)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def _invoke(
        self, name: str, method: str, parameters: Mapping[str, str], what: str, fine: tuple[int, ...] = ()
    ) -> None:
        result = self._session.invoke(CimReference(_CLASS, {"Name": name}, CIMV2), method, dict(parameters))
        code = result.return_value or 0
        if code == _DEPENDENTS_RUNNING:
            raise MethodFailed(f"{what} failed: services that depend on it run.", remedy="Stop them first.", code=code)
        if code and code not in fine:
            raise MethodFailed(f"{what} failed with code {code}.", code=code)

    def _wait(self, name: str, *, running: bool, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            state = self.state(name)
            if state is None:
                raise NotFound(f"The host has no service {name}.")
            if state.running is running:
                return
            if time.monotonic() >= deadline:
                raise TimedOut(
                    f"Service {name} is not {'running' if running else 'stopped'} after {timeout_s:.0f} s.",
                    remedy="Look at the System event log of the host.",
                )
            time.sleep(_LOOK_EVERY_S)


def service_state(row: CimInstance) -> ServiceState:
    """A row of Win32_Service with Name, State and StartMode."""
    return ServiceState(
        row.text("Name"),
        row.text("State", "") == "Running",
        _START_MODES.get(row.text("StartMode", "").lower()),
    )
