r"""PCI devices that machines shall have for themselves.

Windows knows a device as ``PCI\...``, and as ``PCIP\...`` once Hyper-V holds it (real-instances 3.12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.readiness.changes.base import HYPERV, Change, Effects, State
from compute_hyperv.readiness.readings import Readings

_HOST, _DISABLED, _DISMOUNTED = "used by Windows", "disabled", "dismounted"


@dataclass(frozen=True)
class DeviceDismounted(Change):
    """Stands for ``Disable-PnpDevice`` and ``Dismount-VMHostAssignableDevice``; when it is undone, for
    ``Mount-VMHostAssignableDevice`` and ``Enable-PnpDevice``.

    :param device: instance path while Windows has it, ``PCI\\VEN_...``.
    :param location: location path.
    :param force: even without access control or a mitigation driver.
    """

    kind: ClassVar[str] = "device dismounted"

    device: str
    location: str
    force: bool = False

    @property
    def title(self) -> str:
        return f"device {self.device} is dismounted"

    @property
    def command(self) -> str:
        force = " -Force" if self.force else ""
        return (
            f"Disable-PnpDevice -InstanceId '{self.device}' -Confirm:$false; "
            f"Dismount-VMHostAssignableDevice -LocationPath '{self.location}'{force}"
        )

    @property
    def needs(self) -> str:
        return HYPERV

    @property
    def effects(self) -> Effects:
        return Effects(machines=True)

    def state(self, host: Readings) -> State:
        if self._dismounted_path(host):
            return _DISMOUNTED
        found = host.host.devices.state(self.device)
        if found is None:
            raise NotFound(f"The host has no device {self.device}.")
        return _HOST if found.enabled else _DISABLED

    def is_done(self, state: State) -> bool:
        return bool(state == _DISMOUNTED)

    def tell(self, state: State) -> str:
        return str(state)

    def apply(self, host: Readings) -> None:
        self.restore(host, _DISMOUNTED)

    def restore(self, host: Readings, previous: State) -> None:
        path = self._dismounted_path(host)
        if previous == _DISMOUNTED:
            if not path:
                host.host.devices.disable(self.device)
                host.host.assignable_devices.dismount(self.device, force=self.force)
            return
        if path:
            host.host.assignable_devices.mount(path)
        (host.host.devices.enable if previous == _HOST else host.host.devices.disable)(self.device)

    def _dismounted_path(self, host: Readings) -> str:
        found = host.host.assignable_devices.dismounted()
        return next((path for path, location in found.items() if location.lower() == self.location.lower()), "")
