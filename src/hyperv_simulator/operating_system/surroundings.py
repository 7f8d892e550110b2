"""Windows around Hyper-V, put together: storage, multipathing, SMB, network, cluster, guardian service.

What lives here and only here: which of these parts is given which.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.mpio import Mpio
from hyperv_simulator.operating_system.storage import subsystem
from hyperv_simulator.operating_system.storage.associations import StorageAssociations
from hyperv_simulator.operating_system.storage.disk_methods import DiskProvider
from hyperv_simulator.operating_system.storage.disks import Disks
from hyperv_simulator.operating_system.storage.fibre_channel import (
    FcpMappings,
    FibreChannel,
    HbaMethods,
    InitiatorPorts,
)
from hyperv_simulator.operating_system.storage.iscsi import Initiator
from hyperv_simulator.operating_system.storage.iscsi_provider import (
    IscsiInstances,
    SessionProvider,
    TargetPortalProvider,
    TargetProvider,
)
from hyperv_simulator.operating_system.storage.san_policy import SanPolicies, StorageSettingProvider
from hyperv_simulator.operating_system.storage.volumes import Volumes, volumes_of
from hyperv_simulator.operating_system.system import OperatingSystem
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder


class Surroundings:
    """The parts of one host.

    :param system: Windows itself: its registry, its features.
    """

    def __init__(
        self,
        repository: Repository,
        facts: HostFacts,
        folder: HostFolder,
        system: OperatingSystem,
    ) -> None:
        self._repository = repository
        config = facts.config
        subsystem.populate(repository, facts.name, facts.version.version)
        self.volumes = volumes_of(facts, folder)
        Volumes(repository, facts, self.volumes, folder)
        self._policies = SanPolicies(repository, system.registry)
        self.disks = Disks(repository, facts, self._policies)
        domain = f".{config.domain.lower()}" if config.domain else ""
        node_name = f"iqn.1991-05.com.microsoft:{config.name.lower()}{domain}"  # real-instances 5.2
        self.initiator = Initiator(
            config.iscsi_target, node_name, lambda: self._runs("MSiSCSI"), lambda: self.disks.refresh()
        )
        self.disks.sessions = self.initiator.sessions_to
        self._iscsi = IscsiInstances(repository, self.initiator)
        FibreChannel(repository, config.fc_hba)
        InitiatorPorts(repository, facts.name, config.fc_hba, self.initiator)
        self.mpio = Mpio(repository, self.disks, system.registry, lambda: system.features.works("Multipath-IO"))
        self.mpio.boot()

    def _runs(self, service: str) -> bool:
        found = self._repository.find(CimReference("Win32_Service", {"Name": service}, "root/cimv2"))
        return found is not None and found.get("State") == "Running"

    def providers(self) -> Iterator[Provider]:
        repository = self._repository
        yield StorageSettingProvider(repository, self._policies, self.disks.refresh)
        yield DiskProvider(repository, self.disks)
        for provider in (TargetPortalProvider, TargetProvider, SessionProvider):
            yield provider(repository, self.initiator, self._iscsi)
        yield HbaMethods()
        yield FcpMappings()

    def associations(self) -> Iterator[Association]:
        yield from StorageAssociations(self._repository, self.disks, self.initiator).rows()
