"""Services of Windows: how they start, and whether they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.host.windows.services import ServiceState, StartMode
from compute_hyperv.readiness.changes.base import HYPERV, Change, Stage, State
from compute_hyperv.readiness.readings import Readings

_OF_FEATURES = {"vmms": HYPERV}


@dataclass(frozen=True)
class ServiceStartMode(Change):
    """Stands for ``Set-Service -StartupType`` and ``sc.exe config start=``.

    :param mode: Automatic, Manual or Disabled.
    """

    kind: ClassVar[str] = "service start mode"
    stage: ClassVar[Stage] = Stage.SERVICES

    name: str
    mode: str = "Automatic"

    @property
    def title(self) -> str:
        return f"service {self.name}: start mode {self.mode}"

    @property
    def command(self) -> str:
        return f"Set-Service {self.name} -StartupType {self.mode}"

    @property
    def needs(self) -> str:
        return _OF_FEATURES.get(self.name, "")

    def state(self, host: Readings) -> State:
        return _service(host, self.name).start_mode

    def is_done(self, state: State) -> bool:
        return bool(state == self.mode)

    def tell(self, state: State) -> str:
        return str(state or "started by Windows")

    def apply(self, host: Readings) -> None:
        host.host.windows_services.set_start_mode(self.name, cast(StartMode, self.mode))

    def restore(self, host: Readings, previous: State) -> None:
        if previous is None:
            raise InvalidRequest(f"Service {self.name} was started by Windows itself; that can't be set.")
        host.host.windows_services.set_start_mode(self.name, previous)


@dataclass(frozen=True)
class ServiceRunning(Change):
    """Stands for ``Start-Service`` and ``net start``."""

    kind: ClassVar[str] = "service running"
    stage: ClassVar[Stage] = Stage.SERVICES

    name: str

    @property
    def title(self) -> str:
        return f"service {self.name} runs"

    @property
    def command(self) -> str:
        return f"Start-Service {self.name}"

    @property
    def needs(self) -> str:
        return _OF_FEATURES.get(self.name, "")

    def state(self, host: Readings) -> State:
        return _service(host, self.name).running

    def is_done(self, state: State) -> bool:
        return bool(state)

    def tell(self, state: State) -> str:
        return "running" if state else "stopped"

    def apply(self, host: Readings) -> None:
        host.host.windows_services.start(self.name)

    def restore(self, host: Readings, previous: State) -> None:
        if previous:
            host.host.windows_services.start(self.name)
        else:
            host.host.windows_services.stop(self.name)


def _service(host: Readings, name: str) -> ServiceState:
    found = host.host.windows_services.state(name)
    if found is None:
        raise NotFound(f"The host has no service {name}.", remedy="Install the feature that it belongs to.")
    return found
