"""Which roles and features are installed, and which become so at the next restart.

Rule: a feature that needs a restart is pending until ``Features`` is made anew, which is what a restart does. What
comes with a feature (services, namespaces) is there from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.operating_system.feature_table import BY_NAME, FEATURES, FeatureEntry
from hyperv_simulator.repository.catalogue import CLUSTER_NAMESPACES

# Namespaces that come with a feature.
NAMESPACES: Mapping[str, frozenset[str]] = {
    "Hyper-V": frozenset({"root/virtualization/v2"}),
    "Failover-Clustering": CLUSTER_NAMESPACES,
    "FabricShieldedTools": frozenset({"root/msps"}),
}


class State(IntEnum):
    """``Installed`` of MSFT_ServerManagerServerComponent."""

    AVAILABLE = 0
    INSTALLED = 1
    UNINSTALL_PENDING = 2
    INSTALL_PENDING = 3


_AFTER_RESTART = {State.INSTALL_PENDING: State.INSTALLED, State.UNINSTALL_PENDING: State.AVAILABLE}


class PrerequisiteFailed(Exception):
    """The machine lacks what the feature needs; the text is Windows' own."""


class Features:
    """The features of one host since its last start.

    :param kept: states by name, from the last run.
    :param changed: is told what to keep.
    """

    def __init__(
        self, config: HostConfig, release: int, kept: Mapping[str, int], changed: Callable[[Any], None]
    ) -> None:
        self._config = config
        self._changed = changed
        self.known = tuple(entry for entry in FEATURES if entry.since <= release)
        self._states = dict.fromkeys((entry.name for entry in self.known), State.AVAILABLE)
        for name in (*config.features, *(("Failover-Clustering",) if config.cluster.name else ())):
            for entry in self._with_parents(BY_NAME[name.lower()]):
                if entry in self.known:
                    self._states[entry.name] = State.INSTALLED
        for name, state in kept.items():
            if name in self._states:
                self._states[name] = _AFTER_RESTART.get(State(state), State(state))
        self._at_start = frozenset(name for name, state in self._states.items() if state is State.INSTALLED)
        self.listeners: list[Callable[[FeatureEntry, State], None]] = []

    def state(self, name: str) -> State:
        return self._states.get(name, State.AVAILABLE)

    def works(self, name: str) -> bool:
        """Whether what it brings is there: installed, or on its way out only."""
        return self.state(name) in (State.INSTALLED, State.UNINSTALL_PENDING)

    def worked_at_start(self, name: str) -> bool:
        """Whether it was there when Windows started; what needs a restart to come or go follows this."""
        return name in self._at_start

    @property
    def restart_pending(self) -> bool:
        return any(state in _AFTER_RESTART for state in self._states.values())

    def absent_namespaces(self) -> frozenset[str]:
        """Those of features that were not there at the start."""
        missing = [spaces for name, spaces in NAMESPACES.items() if name not in self._at_start]
        return frozenset[str]().union(*missing)

    def add(self, entries: Iterable[FeatureEntry]) -> None:
        """Installs features with those above them.

        :raises PrerequisiteFailed: see there; nothing is installed then.
        """
        wanted = [above for entry in entries for above in self._with_parents(entry)]
        if any(entry.name == "Hyper-V" for entry in wanted) and not self.works("Hyper-V"):
            self._check_hardware()
        for entry in wanted:
            if self.works(entry.name):
                self._set(entry, State.INSTALLED)
            else:
                self._set(entry, State.INSTALL_PENDING if entry.restart_to_install else State.INSTALLED)

    def remove(self, entries: Iterable[FeatureEntry]) -> None:
        """Removes features with those below them."""
        for entry in [below for item in entries for below in self._with_children(item)]:
            if self.works(entry.name):
                self._set(entry, State.UNINSTALL_PENDING if entry.restart_to_remove else State.AVAILABLE)
            else:
                self._set(entry, State.AVAILABLE)

    def _set(self, entry: FeatureEntry, state: State) -> None:
        if self._states[entry.name] is state:
            return
        self._states[entry.name] = state
        self._changed({name: int(kept) for name, kept in self._states.items()})
        for listener in self.listeners:
            listener(entry, state)

    def _check_hardware(self) -> None:
        hardware, lacking = self._config.hardware, ""
        if not hardware.virtualization_enabled:
            lacking = "virtualization support is not enabled in the BIOS"
        elif not hardware.can_run_hypervisor:
            lacking = "the processor does not have required virtualization capabilities"
        if lacking:
            raise PrerequisiteFailed(
                "A prerequisite check for the Hyper-V feature failed.\r\n"
                f"1. Hyper-V cannot be installed because {lacking}."
            )

    @staticmethod
    def _with_parents(entry: FeatureEntry) -> list[FeatureEntry]:
        chain = [entry]
        while chain[0].parent:
            chain.insert(0, BY_NAME[chain[0].parent.lower()])
        return chain

    def _with_children(self, entry: FeatureEntry) -> list[FeatureEntry]:
        below = [item for item in self.known if item.parent == entry.name]
        return [entry, *(deeper for item in below for deeper in self._with_children(item))]
