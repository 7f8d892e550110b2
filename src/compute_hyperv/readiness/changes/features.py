"""Roles and features of Windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.host.windows.features import FeatureState
from compute_hyperv.readiness.changes.base import HYPERV, Change, Effects, Stage, State
from compute_hyperv.readiness.readings import Readings

_STATES = {
    FeatureState.INSTALLED: "installed",
    FeatureState.INSTALL_PENDING: "installed after a restart",
    FeatureState.UNINSTALL_PENDING: "removed after a restart",
}
_ABSENT = "not installed"


@dataclass(frozen=True)
class FeatureInstalled(Change):
    """Stands for ``Install-WindowsFeature``, and ``Uninstall-WindowsFeature`` when it is undone.

    Hyper-V and Multipath I/O work after a restart only, whether or not Server Manager asks for it.

    :param name: as Install-WindowsFeature takes it, ``Hyper-V``.
    """

    kind: ClassVar[str] = "feature"
    stage: ClassVar[Stage] = Stage.FEATURES
    due: ClassVar[State] = _STATES[FeatureState.INSTALL_PENDING]

    name: str

    @property
    def title(self) -> str:
        return f"feature {self.name} is installed"

    @property
    def command(self) -> str:
        return f"Install-WindowsFeature {self.name}"

    @property
    def effects(self) -> Effects:
        return Effects(reboot=True)

    def state(self, host: Readings) -> State:
        found = next((each for each in host.host.features.all() if each.name.lower() == self.name.lower()), None)
        if found is None:
            raise NotFound(f"This Windows has no feature {self.name}.", remedy="Use an edition of Windows that has it.")
        return _STATES.get(found.state, _ABSENT)

    def is_done(self, state: State) -> bool:
        return bool(state == _STATES[FeatureState.INSTALLED])

    def tell(self, state: State) -> str:
        return str(state)

    def apply(self, host: Readings) -> None:
        host.host.features.install([self.name])

    def restore(self, host: Readings, previous: State) -> None:
        if previous != _ABSENT:
            host.host.features.install([self.name])
            return
        if self.name == HYPERV and self.is_done(self.state(host)) and (machines := host.host.machines.list()):
            raise InvalidRequest(
                f"Hyper-V is not removed: the host has {len(machines)} machines, {machines[0].name} among them.",
                remedy="Move or delete them first.",
            )
        host.host.features.remove([self.name])
