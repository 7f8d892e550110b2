r"""What Multipath I/O takes for itself.

``MPIOSupportedDeviceList`` below ``Control\MPDEV`` is where ``mpclaim`` and Enable-MSDSMAutomaticClaim write to
(hyperv-ops 15, real-instances 5.2); the list counts from the next start of Windows on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.readiness.changes.base import Change, Effects, Stage, State
from compute_hyperv.readiness.readings import Readings

KEY, VALUE = r"SYSTEM\CurrentControlSet\Control\MPDEV", "MPIOSupportedDeviceList"
FEATURE = "Multipath-IO"
#: The entry by which the bus itself is claimed, whatever devices are on it.
ISCSI = "MSFT2005iSCSIBusType_0x9"
_LEFT_BY_SETUP = "Vendor 8Product       16"


@dataclass(frozen=True)
class MultipathClaim(Change):
    """Stands for ``Enable-MSDSMAutomaticClaim -BusType iSCSI`` and ``mpclaim -r -i -d``.

    :param device: vendor in 8 characters and product in up to 16.
    """

    kind: ClassVar[str] = "multipath claim"
    stage: ClassVar[Stage] = Stage.BEFORE_RESTART

    device: str = ISCSI

    @property
    def title(self) -> str:
        return f"MPIO claims {self.device}"

    @property
    def command(self) -> str:
        if self.device == ISCSI:
            return "Enable-MSDSMAutomaticClaim -BusType iSCSI"
        return f'mpclaim -r -i -d "{self.device}"'

    @property
    def effects(self) -> Effects:
        return Effects(reboot=True)

    @property
    def needs(self) -> str:
        return FEATURE

    def state(self, host: Readings) -> State:
        """What is claimed. That there is no list at all, and one with the entry that setup leaves, are the same."""
        return [entry for entry in self._list(host) if not _same(entry, _LEFT_BY_SETUP)]

    def is_done(self, state: State) -> bool:
        return any(_same(entry, self.device) for entry in state)

    def tell(self, state: State) -> str:
        return ", ".join(entry.strip() for entry in state) or "nothing is claimed"

    def apply(self, host: Readings) -> None:
        claimed = self.state(host)
        if not self.is_done(claimed):
            self.restore(host, [*claimed, self.device])

    def restore(self, host: Readings, previous: State) -> None:
        there = self._list(host)
        wanted = [*(entry for entry in there if _same(entry, _LEFT_BY_SETUP)), *previous]
        if wanted != there:
            host.host.registry.set_value(KEY, VALUE, "REG_MULTI_SZ", wanted)

    @staticmethod
    def _list(host: Readings) -> list[str]:
        found = host.host.registry.value(KEY, VALUE, "REG_MULTI_SZ")
        return [str(entry) for entry in found] if isinstance(found, list) else []


def _same(one: str, other: str) -> bool:
    return one.rstrip().lower() == other.rstrip().lower()
