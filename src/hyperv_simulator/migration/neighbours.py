"""The hosts that a host can reach, and how many migrations each has under way.

Rule: slots are taken at both ends at once, so that hosts that send machines to each other never wait for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.guests.base import GuestRunner
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.newcomers import NewcomerHost
from hyperv_simulator.machines.planning import Planning
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.operating_system.cluster.state import Clusters

SERVICE_SETTINGS = "Msvm_VirtualSystemMigrationServiceSettingData"
SlotKind = Literal["VirtualSystem", "Storage"]
_POLL_S = 0.05


class MigrationHost(NewcomerHost, Protocol):
    """What a migration needs of either host."""

    @property
    def config(self) -> HostConfig: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def planning(self) -> Planning: ...

    @property
    def guests(self) -> GuestRunner: ...

    @property
    def memory(self) -> HostMemory: ...

    def shared_folder(self, share: str) -> Path | None:
        """What is behind one of its shares; None where there is no such share."""

    def keep(self) -> None:
        """What the host is now survives from here on, whatever happens to the simulator."""


def service_settings(host: MigrationHost) -> CimInstance:
    """How the host's migration service is set."""
    reference = CimReference(SERVICE_SETTINGS, {"InstanceID": ids.settings_id(host.host_name)})
    return host.repository.get(reference)


class Neighbours:
    """The running hosts of one simulator, by name and address, and their clusters. Safe for threads."""

    def __init__(self) -> None:
        self._hosts: dict[str, MigrationHost] = {}
        self._known: set[str] = set()
        self._active: dict[tuple[str, SlotKind], int] = {}
        self._changed = threading.Condition()
        self.clusters = Clusters()

    def add(self, host: MigrationHost) -> None:
        with self._changed:
            for name in _names(host):
                self._hosts[name] = host
                self._known.add(name)

    def remove(self, host: MigrationHost) -> None:
        with self._changed:
            for name in _names(host):
                self._hosts.pop(name, None)

    def find(self, name: str) -> MigrationHost | None:
        with self._changed:
            return self._hosts.get(name.lower())

    def shared_folder(self, server: str, share: str) -> Path | None:
        """What is behind a share; None where no host of that name runs, or it has no such share."""
        host = self.find(server)
        return host.shared_folder(share) if host is not None else None

    def is_known(self, name: str) -> bool:
        """Whether there is, or was, a host of this name: one that is down can't be reached, but its name resolves."""
        with self._changed:
            return name.lower() in self._known

    def active(self, host_name: str, kind: SlotKind) -> int:
        """The migrations under way at a host."""
        with self._changed:
            return self._active.get((host_name, kind), 0)

    @contextmanager
    def slots(self, hosts: tuple[MigrationHost, ...], kind: SlotKind, check: Callable[[], None]) -> Iterator[None]:
        """One migration at all of these hosts; waits while one of them has as many as it may (assumption: it waits).

        :param check: called while it waits; what it raises ends the waiting.
        """
        with self._changed:
            while not all(self._has_room(host, kind) for host in hosts):
                check()
                self._changed.wait(_POLL_S)
            self._count(hosts, kind, 1)
        try:
            yield
        finally:
            with self._changed:
                self._count(hosts, kind, -1)
                self._changed.notify_all()

    def _has_room(self, host: MigrationHost, kind: SlotKind) -> bool:
        most = service_settings(host).integer(f"MaximumActive{kind}Migration", 2)
        return self._active.get((host.host_name, kind), 0) < most

    def _count(self, hosts: tuple[MigrationHost, ...], kind: SlotKind, change: int) -> None:
        for host in hosts:
            key = (host.host_name, kind)
            self._active[key] = self._active.get(key, 0) + change


def _names(host: MigrationHost) -> set[str]:
    config = host.config
    names = {config.name, config.address}
    if config.domain:
        names.add(f"{config.name}.{config.domain}")
    return {name.lower() for name in names}
