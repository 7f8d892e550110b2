r"""Where Windows has its time from.

``w32tm /config`` writes ``Parameters`` of W32Time (hyperv-ops 17); there is no class for it. What stands there counts
when the service is started anew, as the operators' document does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.readiness.changes.base import Change, Effects, Stage, State
from compute_hyperv.readiness.readings import Readings

SERVICE = "W32Time"
KEY = rf"SYSTEM\CurrentControlSet\Services\{SERVICE}\Parameters"
_VALUES = ("NtpServer", "Type")
_CLIENT_MODE = "0x8"


@dataclass(frozen=True)
class TimePeers(Change):
    """Stands for ``net stop w32time``, ``w32tm /config /manualpeerlist:... /syncfromflags:MANUAL`` (or ``DOMHIER``),
    ``net start w32time``.

    :param peers: names or addresses of time servers; none: the domain.
    """

    kind: ClassVar[str] = "time peers"
    stage: ClassVar[Stage] = Stage.SERVICES

    peers: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"the time comes from {', '.join(self.peers) or 'the domain'}"

    @property
    def command(self) -> str:
        source = (
            f'/manualpeerlist:"{self._peer_list}" /syncfromflags:MANUAL' if self.peers else "/syncfromflags:DOMHIER"
        )
        return f"net stop w32time & w32tm /config {source} & net start w32time"

    @property
    def effects(self) -> Effects:
        return Effects(restarts=(SERVICE,))

    @property
    def _peer_list(self) -> str:
        return " ".join(peer if "," in peer else f"{peer},{_CLIENT_MODE}" for peer in self.peers)

    def state(self, host: Readings) -> State:
        service = host.host.windows_services.state(SERVICE)
        values = {name: host.host.registry.value(KEY, name, "REG_SZ") for name in _VALUES}
        return {**values, "running": service is not None and service.running}

    def is_done(self, state: State) -> bool:
        return bool(state == self._wanted(state))

    def tell(self, state: State) -> str:
        stopped = "" if state["running"] else "; the service is stopped"
        return f"{state['Type']}, {state['NtpServer'] or 'no peers'}{stopped}"

    def apply(self, host: Readings) -> None:
        self.restore(host, self._wanted(self.state(host)))

    def restore(self, host: Readings, previous: State) -> None:
        for name in _VALUES:
            if previous[name] is None:
                host.host.registry.delete_value(KEY, name)
            else:
                host.host.registry.set_value(KEY, name, "REG_SZ", previous[name])
        host.host.windows_services.stop(SERVICE)
        if previous["running"]:
            host.host.windows_services.start(SERVICE)

    def _wanted(self, state: State) -> State:
        if not self.peers:
            return {**state, "Type": "NT5DS", "running": True}
        return {"NtpServer": self._peer_list, "Type": "NTP", "running": True}
