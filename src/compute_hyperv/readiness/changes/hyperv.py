"""How Hyper-V itself is set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.host.settings import MigrationSettings
from compute_hyperv.readiness.changes.base import HYPERV, Change, Effects, State
from compute_hyperv.readiness.readings import Readings

_SERVICE = "vmms"


@dataclass(frozen=True)
class NumaSpanning(Change):
    """Stands for ``Set-VMHost -NumaSpanningEnabled`` and ``Restart-Service vmms``, without which it does not count.
    Machines run on while the service restarts; each has the new rule from its next start on."""

    kind: ClassVar[str] = "NUMA spanning"

    enabled: bool

    @property
    def title(self) -> str:
        return f"NUMA spanning {self.tell(self.enabled)}"

    @property
    def command(self) -> str:
        return f"Set-VMHost -NumaSpanningEnabled {_boolean(self.enabled)}; Restart-Service {_SERVICE}"

    @property
    def effects(self) -> Effects:
        return Effects(restarts=(_SERVICE,), machines=True)

    @property
    def needs(self) -> str:
        return HYPERV

    def state(self, host: Readings) -> State:
        return host.host.settings.numa_spanning()

    def is_done(self, state: State) -> bool:
        return bool(state is self.enabled)

    def tell(self, state: State) -> str:
        return "enabled" if state else "disabled"

    def apply(self, host: Readings) -> None:
        self.restore(host, self.enabled)

    def restore(self, host: Readings, previous: State) -> None:
        # A service that was cut between stopping and starting does not answer.
        host.host.windows_services.start(_SERVICE)
        host.host.settings.set_numa_spanning(previous)
        host.host.windows_services.restart(_SERVICE)


@dataclass(frozen=True)
class LiveMigration(Change):
    """Stands for ``Enable-VMMigration`` and ``Set-VMHost`` with its parameters of migration.

    :param kerberos: else CredSSP; None leaves what is.
    :param machines_at_once: live migrations at the same time; None leaves what is.
    :param storages_at_once: storage migrations at the same time; None leaves what is.
    :param performance: how memory travels, TCPIP, Compression or SMB; None leaves what is.
    """

    kind: ClassVar[str] = "live migration"

    kerberos: bool | None = None
    machines_at_once: int | None = None
    storages_at_once: int | None = None
    performance: str | None = None

    @property
    def title(self) -> str:
        return f"live migration: {', '.join(('enabled', *self._wishes()))}"

    @property
    def command(self) -> str:
        parameters = {
            "VirtualMachineMigrationAuthenticationType": None
            if self.kerberos is None
            else ("Kerberos" if self.kerberos else "CredSSP"),
            "MaximumVirtualMachineMigrations": self.machines_at_once,
            "MaximumStorageMigrations": self.storages_at_once,
            "VirtualMachineMigrationPerformanceOption": self.performance,
        }
        given = "".join(f" -{name} {value}" for name, value in parameters.items() if value is not None)
        return "Enable-VMMigration" + (f"; Set-VMHost{given}" if given else "")

    @property
    def needs(self) -> str:
        return HYPERV

    def state(self, host: Readings) -> State:
        return dataclasses.asdict(host.host.settings.migration())

    def is_done(self, state: State) -> bool:
        return bool(self._wanted(state) == state)

    def tell(self, state: State) -> str:
        authentication = "Kerberos" if state["kerberos"] else "CredSSP"
        enabled = "enabled" if state["enabled"] else "disabled"
        counts = f"{state['machines_at_once']} machines, {state['storages_at_once']} storages at once"
        return f"{enabled}, {authentication}, {counts}, {_performance(state)}"

    def apply(self, host: Readings) -> None:
        self.restore(host, self._wanted(self.state(host)))

    def restore(self, host: Readings, previous: State) -> None:
        host.host.settings.set_migration(MigrationSettings(**previous))

    def _wanted(self, state: State) -> State:
        wanted = {**state, "enabled": True}
        for name in ("kerberos", "machines_at_once", "storages_at_once"):
            if getattr(self, name) is not None:
                wanted[name] = getattr(self, name)
        if self.performance is not None:
            wanted |= {"compression": self.performance == "Compression", "smb": self.performance == "SMB"}
        return wanted

    def _wishes(self) -> list[str]:
        wishes = []
        if self.kerberos is not None:
            wishes.append("Kerberos" if self.kerberos else "CredSSP")
        if self.machines_at_once is not None:
            wishes.append(f"{self.machines_at_once} machines at once")
        if self.storages_at_once is not None:
            wishes.append(f"{self.storages_at_once} storages at once")
        if self.performance is not None:
            wishes.append(self.performance)
        return wishes


@dataclass(frozen=True)
class MigrationNetworks(Change):
    """Stands for ``Add-VMMigrationNetwork`` and ``Remove-VMMigrationNetwork``.

    :param subnets: those over which machines move, ``10.0.0.0/24``, and no others.
    """

    kind: ClassVar[str] = "migration networks"

    subnets: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"machines move over {', '.join(self.subnets)}"

    @property
    def command(self) -> str:
        return "; ".join(f"Add-VMMigrationNetwork {subnet}" for subnet in self.subnets)

    @property
    def needs(self) -> str:
        return HYPERV

    def state(self, host: Readings) -> State:
        return sorted(host.host.settings.migration_networks())

    def is_done(self, state: State) -> bool:
        return bool(state == sorted(self.subnets))

    def tell(self, state: State) -> str:
        return ", ".join(state) or "any network"

    def apply(self, host: Readings) -> None:
        host.host.settings.set_migration_networks(self.subnets)

    def restore(self, host: Readings, previous: State) -> None:
        host.host.settings.set_migration_networks(previous)


def _boolean(value: bool) -> str:
    return "$true" if value else "$false"


def _performance(state: State) -> str:
    return "SMB" if state["smb"] else "Compression" if state["compression"] else "TCPIP"
