"""Hyper-V's services besides machines, disks and switches, put together: providers, associations and what feeds them.

What lives here and only here: which of these parts is given which. ``assembly`` takes them as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from hyperv_simulator.associations.collections import CollectionAssociations
from hyperv_simulator.associations.metrics import MetricAssociations
from hyperv_simulator.associations.resource_pools import ResourcePoolAssociations
from hyperv_simulator.associations.security import SecurityAssociations
from hyperv_simulator.associations.services import ServiceAssociations
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.instances import service_data
from hyperv_simulator.instances.collections import Collections
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.instances.reference_points import ReferencePoints
from hyperv_simulator.instances.resource_pools import ResourcePools
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.fibre_channel import FibreChannelRules
from hyperv_simulator.machines.resources.gpu_partition import GpuPartitionRules
from hyperv_simulator.machines.resources.markers import MarkerRules
from hyperv_simulator.machines.resources.pci_express import PciExpressRules
from hyperv_simulator.machines.resources.rules import ResourceHost, ResourceRules
from hyperv_simulator.machines.runtime_devices import RuntimeDevices
from hyperv_simulator.machines.security import SecurityDevices
from hyperv_simulator.metering import definitions
from hyperv_simulator.metering.measurements import Measurements, no_seconds, seconds_of_process
from hyperv_simulator.metering.meters import Meters
from hyperv_simulator.operating_system.computer import PROCESSOR_MHZ
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.pci.assignable import AssignableDevices
from hyperv_simulator.pci.devices import PciDevices
from hyperv_simulator.pci.gpus import Gpus
from hyperv_simulator.pci.limits import DeviceLimits
from hyperv_simulator.pci.plug_and_play import PlugAndPlay
from hyperv_simulator.providers.assignable_device_service import AssignableDeviceProvider
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.providers.collection_services import (
    CollectionManagementProvider,
    CollectionReferencePointProvider,
    CollectionSnapshotProvider,
)
from hyperv_simulator.providers.metric_service import MetricProvider
from hyperv_simulator.providers.replication_service import ReplicationProvider, refuse_replica_server
from hyperv_simulator.providers.resource_pool_configuration_service import ResourcePoolConfigurationProvider
from hyperv_simulator.providers.security_service import SecurityProvider
from hyperv_simulator.providers.service_settings import ServiceKind, ServiceSettings
from hyperv_simulator.providers.synthetic_3d_service import Synthetic3DProvider
from hyperv_simulator.providers.terminal_service import TerminalProvider
from hyperv_simulator.providers.transparent_bridging_service import TransparentBridgingProvider
from hyperv_simulator.providers.virtual_system_reference_point_service import ReferencePointProvider
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.shielding.provisioning import providers as shielded_provisioning


class ServiceHost(ResourceHost, Protocol):
    """What the services need of their host."""

    @property
    def config(self) -> HostConfig: ...

    @property
    def facts(self) -> HostFacts: ...

    @property
    def state_folder(self) -> Path: ...

    @property
    def devices(self) -> RuntimeDevices: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def memory(self) -> HostMemory: ...

    @property
    def jobs(self) -> Jobs: ...


class FurtherServices:
    """Made once the host's instances are there."""

    def __init__(self, host: ServiceHost) -> None:
        self._host = host
        self.kept = KeptState(host.state_folder / "services.json")
        repository = host.repository
        service_data.populate(repository, host.host_name)
        definitions.populate(repository)
        measurements = Measurements(
            host.disks, PROCESSOR_MHZ, seconds_of_process if host.config.guests == "qemu" else no_seconds
        )
        self.meters = Meters(repository, host.machines, host.memory, measurements, self.kept)
        SecurityDevices(repository, host.machines)
        self._devices = PciDevices(host.config, self.kept)
        self._assignable = AssignableDevices(repository, host.machines, self._devices, host.host_name)
        self.device_limits = DeviceLimits(self._assignable)
        self._gpus = Gpus(repository, host.machines, self._devices, self.kept)
        self._plug_and_play = PlugAndPlay(repository, self._devices, host.host_name)
        self._pools = ResourcePools(repository, host.machines, host.memory, host.facts, host.devices, self.kept)
        self._collections = Collections(repository, host.machines, self.kept)
        self.reference_points = ReferencePoints(repository, host.machines, self.kept)

    @property
    def device_rules(self) -> Mapping[str, ResourceRules]:
        return {
            "synthetic fibrechannel port": FibreChannelRules(),
            "fibrechannel connection": FibreChannelRules(),
            "virtual pci express port": PciExpressRules(self._host, self._assignable),
            "gpu partition": GpuPartitionRules(self._host, self._gpus),
            "msvm_batterysettingdata": MarkerRules(self._host, "Virtual Battery", most=1),
            "persistent memory controller": MarkerRules(self._host, "Persistent Memory Controller", "\\0"),
        }

    def providers(self) -> Iterator[Provider]:
        repository, machines, jobs = self._host.repository, self._host.machines, self._host.jobs
        yield SecurityProvider(repository, machines, jobs)
        yield from shielded_provisioning(repository, machines, self._host.disks.folder)
        yield MetricProvider(
            repository,
            self.meters,
            self._settings(ServiceKind("Msvm_MetricService", service_data.METRIC_SETTINGS)),
        )
        replication = ServiceKind(
            "Msvm_ReplicationService", service_data.REPLICATION_SETTINGS, tail="HVR", check=refuse_replica_server
        )
        yield ReplicationProvider(repository, machines, jobs, self._settings(replication))
        yield ResourcePoolConfigurationProvider(repository, self._pools, jobs)
        yield CollectionManagementProvider(repository, self._collections, self._host.host_name)
        yield CollectionSnapshotProvider()
        yield CollectionReferencePointProvider()
        yield TransparentBridgingProvider()
        yield ReferencePointProvider(repository, machines, self.reference_points, jobs)
        terminal = ServiceKind(
            "Msvm_TerminalService", service_data.TERMINAL_SETTINGS, parameter="ServiceSettingData", at_once=True
        )
        yield TerminalProvider(machines, self._settings(terminal), self.kept)
        yield Synthetic3DProvider(self._settings(ServiceKind("Msvm_Synthetic3DService", service_data.SYNTH3D_SETTINGS)))
        yield AssignableDeviceProvider(self._devices, self._assignable)
        yield self._plug_and_play
        yield self._gpus

    def associations(self, walks: Walks) -> Iterator[Association]:
        yield from SecurityAssociations(walks).rows()
        yield from MetricAssociations(walks.repository, self.meters).rows()
        yield from ServiceAssociations(walks).rows()
        yield from ResourcePoolAssociations(walks, self._pools).rows()
        yield from CollectionAssociations(walks, self._collections).rows()
        yield from self._plug_and_play.associations()

    def _settings(self, kind: ServiceKind) -> ServiceSettings:
        return ServiceSettings(self._host.repository, self._host.jobs, self._host.host_name, kind, self.kept)
