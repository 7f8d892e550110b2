"""Windows as one part: its clock, registry, features, services and accounts, with their instances and providers.

What lives here and only here: in which order they are made, and what a change in one means for another (a feature that
is installed brings its services, a start mode stands in the registry).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.operating_system import (
    computer,
    files,
    hardware,
    links,
    namespaces,
    processes,
    registry_defaults,
    server_manager,
    service_provider,
    software,
    virtualization_registry,
)
from hyperv_simulator.operating_system.accounts import CIMV2, AccountInstances, Accounts
from hyperv_simulator.operating_system.boot import BootSettings
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.counters import Counters
from hyperv_simulator.operating_system.feature_table import FeatureEntry
from hyperv_simulator.operating_system.features import Features, State
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.partitions import Partitions
from hyperv_simulator.operating_system.power import OperatingSystemProvider, Power
from hyperv_simulator.operating_system.registry import Registry
from hyperv_simulator.operating_system.registry_provider import StdRegProvider
from hyperv_simulator.operating_system.services import Services
from hyperv_simulator.operating_system.shell.context import Windows
from hyperv_simulator.operating_system.shell.interpreter import Shell
from hyperv_simulator.operating_system.time_service import TimeService
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder

_VIRTUALIZATION = "root/virtualization/v2"
_SERVICING = rf"{registry_defaults.WINDOWS_VERSION}\Component Based Servicing"
_UPDATE = rf"{registry_defaults.WINDOWS_VERSION}\WindowsUpdate\Auto Update"


class OperatingSystem:
    """Windows on one host, from one start to the next.

    :param clock: of the host, which outlives a restart; without one it is made as hosts.toml says.
    """

    def __init__(self, facts: HostFacts, kept: KeptState, clock: HostClock | None = None) -> None:
        config: HostConfig = facts.config
        self.facts = facts
        self.kept = kept
        self.clock = clock or HostClock(config.clock_offset_s, config.clock_drift_ppm)
        self.accounts = Accounts(config)
        self.power = Power(kept, reboot_pending=config.reboot_pending)
        self.features = Features(config, facts.version.release, kept.section("features"), self._keeper("features"))
        self.boot = BootSettings(kept.section("boot"), self._keeper("boot"))
        self.registry = Registry(registry_defaults.values(facts, self.features.works), self._keeper("registry"))
        self.registry.restore(kept.section("registry"))
        self._note_pending_restart()

    @property
    def hypervisor_runs(self) -> bool:
        """The hypervisor was launched when Windows started."""
        launches = self.boot.at_start["hypervisorlaunchtype"].lower() == "auto"
        return launches and self.features.worked_at_start("Hyper-V") and self.facts.config.hardware.can_run_hypervisor

    def is_silent(self, namespace: str) -> bool:
        """Whether the service is stopped that knows what is in a namespace."""
        return namespace.replace("\\", "/").lower() == _VIRTUALIZATION and not self.services.runs("vmms")

    def populate(self, repository: Repository, memory: HostMemory, machines: Machines, folder: HostFolder) -> None:
        """Puts in every instance of it."""
        config, release = self.facts.config, self.facts.version.release
        self.services = Services(
            repository,
            config,
            release,
            self.features.works,
            self.kept.section("services"),
            self._keeper("services"),
            fresh=self.power.restarts == 0,
        )
        self.services.populate()
        self.services.bind(self.registry)
        self.features.listeners.append(self._feature_changed)
        self.time = TimeService(self.facts, self.clock, self.registry)
        self.services.on_start["w32time"] = self.time.begin
        self.shell = Shell(
            Windows(
                repository,
                self.facts,
                self.clock,
                self.registry,
                self.services,
                self.features,
                self.boot,
                self.power,
                self.time,
                self.accounts,
                folder,
            )
        )
        server_manager.populate(repository, self.features)
        self._repository = repository
        computer.populate(repository, self.facts, memory, self.clock, hypervisor=self.hypervisor_runs)
        hardware.populate(repository, self.facts)
        Counters(repository, self.facts, memory, machines).populate(hypervisor=self.hypervisor_runs)
        processes.populate(repository, self.facts)
        software.populate(repository, self.facts)
        namespaces.populate(repository)
        if self.features.worked_at_start("Hyper-V"):
            virtualization_registry.bind(self.registry, repository, self.facts.name)
        files.populate(repository, folder, self.facts.name)
        self._partitions = Partitions(repository, self.facts.name)
        self._folder = folder
        self._account_instances = AccountInstances(repository, self.facts, self.accounts)
        self._account_instances.populate()

    def associations(self) -> Iterator[Association]:
        yield from service_provider.rows(self.services)
        yield from self._account_instances.rows()
        yield from self._partitions.rows()
        yield from links.rows(self._repository)

    def providers(self) -> Iterator[Provider]:
        for namespace in ("root/default", CIMV2):
            yield StdRegProvider(self.registry, self.accounts, namespace)
        yield service_provider.ServiceProvider(self.services, self.accounts)
        yield files.FileProvider(self._folder)
        yield processes.ProcessProvider(self.shell, self.accounts)
        yield OperatingSystemProvider(self.power, self.clock, self.accounts)
        yield server_manager.DeploymentTasksProvider(self._repository, self.features)
        yield server_manager.ServerManagerTasksProvider(self._repository, self.features)

    def _keeper(self, section: str) -> Any:
        return lambda value: self.kept.keep(section, value)

    def _note_pending_restart(self) -> None:
        """The keys by which Windows, and everybody who asks, knows that a restart is due."""
        self.registry.mark(rf"{_SERVICING}\RebootPending", there=self.features.restart_pending)
        self.registry.mark(rf"{_UPDATE}\RebootRequired", there=self.power.update_pending)

    def _feature_changed(self, entry: FeatureEntry, state: State) -> None:
        self._note_pending_restart()
        if state is State.INSTALLED:
            self.registry.seed(registry_defaults.values(self.facts, self.features.works))
            self.services.install_feature(entry.name)
            self.services.bind(self.registry)
        elif state is State.AVAILABLE:
            self.services.remove_feature(entry.name)
