"""Everything behind the wire of one host, put together: instances, providers, jobs, disks, guests, persistence.

What lives here and only here: which part is given which. ``Inside`` is what ``host`` puts a listener before; tests that
need no wire take it as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from hyperv_simulator import persistence
from hyperv_simulator.associations.checkpoints import CheckpointAssociations
from hyperv_simulator.associations.host import HostAssociations
from hyperv_simulator.associations.machines import MachineAssociations
from hyperv_simulator.associations.media import MediaAssociations
from hyperv_simulator.associations.network import NetworkAssociations
from hyperv_simulator.associations.planned import PlannedAssociations
from hyperv_simulator.associations.templates import TemplateAssociations
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.further_services import FurtherServices
from hyperv_simulator.guests.base import GuestRunner
from hyperv_simulator.guests.none import NoneRunner
from hyperv_simulator.instances import hypervisor
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.instances.templates import Templates
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.checkpoints.automatic import AutomaticCheckpoints
from hyperv_simulator.machines.checkpoints.merging import Merging
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.checkpoints.tree import CheckpointTree
from hyperv_simulator.machines.companions import MachineCompanions
from hyperv_simulator.machines.device_kinds import DeviceKinds
from hyperv_simulator.machines.host_device_kinds import host_device_kinds
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.host_shutdown import resume_machines, stop_machines
from hyperv_simulator.machines.planning import Planning
from hyperv_simulator.machines.reader import MachineReader
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.rules import ResourceRules
from hyperv_simulator.machines.resources.table import ResourceTable
from hyperv_simulator.machines.runtime_devices import RuntimeDevices
from hyperv_simulator.machines.settings import SettingsFactory
from hyperv_simulator.migration import instances as migration_instances
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.cluster.node import ClusterNode
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.surroundings import Surroundings
from hyperv_simulator.operating_system.system import OperatingSystem
from hyperv_simulator.providers import guest_access, unsupported
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.providers.computer_system import ComputerSystemProvider, PlannedComputerSystemProvider
from hyperv_simulator.providers.concrete_job import JobProvider
from hyperv_simulator.providers.ethernet_switch_extension import EthernetSwitchExtensionProvider
from hyperv_simulator.providers.export import ExportMethods
from hyperv_simulator.providers.feature_scopes import MachineFeatures, SwitchFeatures
from hyperv_simulator.providers.features import FeatureSettings
from hyperv_simulator.providers.guest_network import GuestNetwork
from hyperv_simulator.providers.guest_services import GuestServices
from hyperv_simulator.providers.image_management_service import ImageManagementProvider
from hyperv_simulator.providers.mounted_storage_image import MountedImages, MountedStorageImageProvider
from hyperv_simulator.providers.online_resize import OnlineResize
from hyperv_simulator.providers.planned_systems import PlannedSystems
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.summary_information import SummaryInformation
from hyperv_simulator.providers.system_maintenance import SystemMaintenance
from hyperv_simulator.providers.system_settings import SystemSettings
from hyperv_simulator.providers.thumbnails import Thumbnails
from hyperv_simulator.providers.virtual_ethernet_switch_management_service import (
    VirtualEthernetSwitchManagementProvider,
)
from hyperv_simulator.providers.virtual_system_management_service import VirtualSystemManagementProvider
from hyperv_simulator.providers.virtual_system_migration_service import VirtualSystemMigrationProvider
from hyperv_simulator.providers.virtual_system_snapshot_service import VirtualSystemSnapshotProvider
from hyperv_simulator.providers.world_wide_names import WorldWideNames
from hyperv_simulator.recordings.replay import Replay
from hyperv_simulator.repository.associations import Association, Associations
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.service import CimService
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage.luns import Luns
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskStore
from hyperv_simulator.switches import Switches
from hyperv_simulator.switching.endpoints import Endpoints
from hyperv_simulator.switching.status import SwitchStatus
from hyperv_simulator.windows import RELEASES, WindowsVersion

_GIB = 1024**3


class Inside:
    """The parts of one host. Ends with ``close``."""

    def __init__(
        self,
        config: HostConfig,
        folder: Path,
        faults: FaultRules,
        guests: GuestRunner | None = None,
        clock: HostClock | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.config = config
        self.neighbours = neighbours or Neighbours()
        self.state_folder = folder
        self.facts = HostFacts(config, RELEASES[config.version])
        self.system = OperatingSystem(self.facts, KeptState(folder / "windows.json"), clock)
        self.catalogue = HostCatalogue(self.facts.version, self.system.features.absent_namespaces())
        self.repository = Repository(self.catalogue)
        self.kinds = DeviceKinds(self.facts.version, host_device_kinds(self.facts.version))
        self.memory = HostMemory(config.memory_mb)
        self.jobs = Jobs(self.repository, self.host_name, faults.for_job)
        names = frozenset({config.name, config.address, "localhost", "127.0.0.1"})
        drives = {volume.letter: volume.size_gb * _GIB for volume in config.volume if volume.letter}
        volumes = folder / "volumes"
        find_share = self.neighbours.shared_folder
        self.disks = DiskStore(HostFolder(volumes, config.disk_gb * _GIB, names, drives, find_share))
        self.pipes = PipeServer()
        self.guests: GuestRunner = guests or self._runner()
        self.factory = SettingsFactory(
            self.catalogue,
            self.kinds,
            processors_per_node=self.facts.processors_per_node,
            memory_per_node_mb=self.facts.memory_per_node_mb,
        )
        self.switches = Switches(self.repository, self.host_name, self.kinds)
        self.machines = Machines(self, self.factory, self.disks.folder)
        self.planning = Planning(self, self.machines)
        tree = CheckpointTree(self.repository, self.host_name)
        merging = Merging(self.repository, tree, self.disks, self.jobs)
        self.images = MountedImages(self.repository, self.disks)
        self.checkpoints = Checkpoints(self.repository, tree, self.disks, merging, folder)
        automatic = AutomaticCheckpoints(self.checkpoints, self.jobs)
        self.machines.before_start, self.machines.after_stop = automatic.before_start, automatic.after_stop
        self._populate()
        self.service = self._service()
        self._store = persistence.Store(self)
        self._closed = threading.Event()

    # What machines and resource rules ask of their host

    @property
    def host_name(self) -> str:
        return self.facts.name

    @property
    def version(self) -> WindowsVersion:
        return self.facts.version

    @property
    def hypervisor_runs(self) -> bool:
        return self.system.hypervisor_runs

    @property
    def is_guarded(self) -> bool:
        return self.surroundings.is_guarded

    @property
    def logical_processors(self) -> int:
        return self.config.threads

    def check_devices(self, machine: MachineReader, action: str) -> None:
        self.further.device_limits.check(machine, action)

    @property
    def device_rules(self) -> Mapping[str, ResourceRules]:
        return self.further.device_rules

    # Life

    def open(self) -> None:
        """Brings back what an earlier run left, and starts the machines that start by themselves."""
        replay = Replay(Path(self.config.recording), self.facts) if self.config.recording else None
        if replay is not None:
            replay.bring_state(self.state_folder, self.repository)
            replay.bring_instances(self.repository)
        self._store.restore()
        resume_machines(self.machines, self.system.power.running_at_shutdown)
        self.neighbours.add(self)
        if self.cluster is not None:
            self.cluster.join()

    def keep(self) -> None:
        """Writes down what shall survive, for who can't wait."""
        self._store.flush()

    def go_down(self) -> None:
        """Windows shuts down: a node is drained, machines end as they are set to, and what is pending is done at the
        next start.
        """
        if self.cluster is not None:
            self.cluster.member.drain()
        self.system.power.note(stop_machines(self.machines))
        self.close()

    def close(self) -> None:
        """Ends guests and jobs, and writes down what shall survive."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.neighbours.remove(self)
        if self.cluster is not None:
            self.cluster.leave()
        self.jobs.close()
        self._store.freeze()
        for machine in self.machines.all():
            machine.leave()
        self.guests.close()
        self.pipes.close()

    def shared_folder(self, share: str) -> Path | None:
        """What is behind one of its shares; None where there is no such share."""
        found = self.surroundings.shares.find(share)
        return self.disks.folder.to_local(found.path) if found is not None and not found.is_pipe else None

    # Putting together

    def _runner(self) -> GuestRunner:
        if self.config.guests == "none":
            return NoneRunner(self.disks, self.pipes, lambda _: self.config.guest)
        from hyperv_simulator.guests.qemu_runner import QemuRunner  # who has no guests needs nothing of QEMU

        return QemuRunner(self.disks, self.pipes, folder=self.state_folder / "guests")

    def _populate(self) -> None:
        self.system.populate(self.repository, self.memory, self.machines, self.disks.folder)
        hypervisor.populate(self.repository, self.facts, self.memory, self.switches)
        self.surroundings = Surroundings(self.repository, self.facts, self.disks.folder, self.system)
        self.cluster = ClusterNode.of(self, self.neighbours, self.state_folder.parent, self.surroundings.volumes)
        self.disks.serve_luns(Luns(self.state_folder.parent / "luns", self.surroundings.disks.lun))
        self.templates = Templates(self.repository, self.kinds, self.factory, self.facts)
        self.devices = RuntimeDevices(self.repository, self.machines)
        MachineCompanions(self.repository, self.machines)
        self.further = FurtherServices(self)
        migration_instances.populate(self, self.neighbours)
        self.machines.watch_uptime()

    def _service(self) -> CimService:
        return CimService(
            self.repository,
            Associations(self.repository, self._associations()),
            self._providers(),
            host_name=self.host_name,
            before_reading=(self.jobs.purge,),
            is_silent=self.system.is_silent,
        )

    def _associations(self) -> tuple[Association, ...]:
        walks = Walks(self.repository, self.machines, self.host_name)
        return (
            *MachineAssociations(walks, self.devices, self.jobs).rows(),
            *NetworkAssociations(walks).rows(),
            *self.switches.extensions.rows(),
            *Endpoints(self.repository, self.switches, self.machines).rows(),
            *SwitchStatus(self.repository, self.switches, self.machines).rows(),
            *HostAssociations(walks).rows(),
            *TemplateAssociations(walks, self.templates).rows(),
            *self.surroundings.associations(),
            *(self.cluster.associations() if self.cluster is not None else ()),
            *PlannedAssociations(walks).rows(),
            *migration_instances.rows(self.repository),
            *CheckpointAssociations(walks, self.checkpoints).rows(),
            *MediaAssociations(walks).rows(),
            *self.further.associations(walks),
            *self.system.associations(),
        )

    def _providers(self) -> tuple[Provider, ...]:
        repository, machines, jobs = self.repository, self.machines, self.jobs
        return (
            ComputerSystemProvider(machines, self.host_name),
            PlannedComputerSystemProvider(machines, self.host_name),
            VirtualSystemManagementProvider(
                repository,
                machines,
                jobs,
                ResourceTable(self),
                system_settings=SystemSettings(repository, self.host_name),
                features=FeatureSettings(repository, jobs, MachineFeatures(machines, self.switches)),
                summaries=SummaryInformation(repository, machines, self.memory, self.checkpoints.tree),
                guest_services=GuestServices(repository, machines, jobs),
                thumbnails=Thumbnails(machines),
                service_settings=ServiceSettings(repository, jobs, self.host_name, kept=self.further.kept),
                planned_systems=PlannedSystems(repository, machines, jobs, self.planning),
                exports=ExportMethods(self, machines, jobs),
                guest_network=GuestNetwork(machines, jobs),
                checkpoints=self.checkpoints,
                further=(
                    unsupported.management(),
                    unsupported.service_control(),
                    SystemMaintenance(repository, machines, jobs, self.checkpoints.merging).methods(),
                    WorldWideNames(repository, self.host_name, self.system.kept).methods(),
                ),
            ),
            VirtualSystemSnapshotProvider(machines, self.checkpoints, self.further.reference_points, jobs),
            VirtualEthernetSwitchManagementProvider(
                repository,
                self.switches,
                machines,
                jobs,
                FeatureSettings(repository, jobs, SwitchFeatures(self.switches)),
            ),
            EthernetSwitchExtensionProvider(repository),
            ImageManagementProvider(self.disks, self.images, OnlineResize(self.disks, machines), jobs, self.catalogue),
            MountedStorageImageProvider(self.images),
            VirtualSystemMigrationProvider(self, jobs, self.neighbours, self.further.kept),
            *guest_access.providers(repository, machines, jobs, self.disks.folder),
            *self.further.providers(),
            JobProvider(jobs, repository),
            *self.system.providers(),
            *self.surroundings.providers(),
            *(self.cluster.providers() if self.cluster is not None else ()),
        )


def assemble(
    config: HostConfig,
    folder: Path,
    faults: FaultRules,
    guests: GuestRunner | None = None,
    clock: HostClock | None = None,
    neighbours: Neighbours | None = None,
) -> Inside:
    """The inside of a host, with everything that it had when it last ended.

    :param folder: the host's own state folder.
    :param guests: another runner than the one that ``config.guests`` names, for tests.
    :param clock: the host's, which goes on over restarts; without one it begins as hosts.toml says.
    :param neighbours: the hosts that machines can move to; without any, no other host can be reached.
    """
    inside = Inside(config, folder, faults, guests, clock, neighbours)
    inside.open()
    return inside
