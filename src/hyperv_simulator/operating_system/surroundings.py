"""Windows around Hyper-V, put together: storage, multipathing, SMB, network, cluster, guardian service.

What lives here and only here: which of these parts is given which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system import host_guardian, interop
from hyperv_simulator.operating_system.guardians import Guardians, KeyProtectors
from hyperv_simulator.operating_system.host_guardian import HostGuardianClient, TpmProvider
from hyperv_simulator.operating_system.mpio import Mpio
from hyperv_simulator.operating_system.network_stack import adapters, offload, teams
from hyperv_simulator.operating_system.network_stack.adapter_settings import (
    SWITCHABLE,
    AdapterSettingProvider,
    AdapterSettings,
)
from hyperv_simulator.operating_system.network_stack.addresses import Addresses, ConnectionProfileProvider
from hyperv_simulator.operating_system.network_stack.firewall import (
    Firewall,
    FirewallProfileProvider,
    FirewallRuleProvider,
)
from hyperv_simulator.operating_system.network_stack.wiring import Wiring
from hyperv_simulator.operating_system.smb.client import SmbClient, SmbConstraintProvider, SmbMappingProvider
from hyperv_simulator.operating_system.smb.configuration import (
    ConfigurationProvider,
    client_defaults,
    server_defaults,
)
from hyperv_simulator.operating_system.smb.shares import Shares, SmbShareProvider
from hyperv_simulator.operating_system.storage import spaces_direct, subsystem
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
        self._system = system
        self._facts = facts
        self._storage(facts, folder)
        self._network(facts)
        self._smb(facts, folder)
        self._guardian = HostGuardianClient(repository, facts.config.hgs, system.kept)
        self._guardians = Guardians(repository, system.kept)
        host_guardian.populate(repository, facts.config.hgs)
        interop.populate(repository, has_hyperv=system.features.works("Hyper-V"))

    @property
    def is_guarded(self) -> bool:
        """A guardian service gives the host the keys of machines."""
        return self._guardian.instance().boolean("IsHostGuarded", False)

    def _storage(self, facts: HostFacts, folder: HostFolder) -> None:
        repository, system, config = self._repository, self._system, facts.config
        subsystem.populate(repository, facts.name, facts.version.version)
        self.volumes = volumes_of(facts, folder)
        Volumes(repository, facts, self.volumes, folder)
        self._policies = SanPolicies(repository, system.registry)
        spaces_direct.populate(repository, facts.name, config.cluster.name, self.volumes)
        self.disks = Disks(repository, facts, self._policies, system.kept)
        domain = f".{config.domain.lower()}" if config.domain else ""
        # real-instances 5.2
        node_name = config.initiator_name or f"iqn.1991-05.com.microsoft:{config.name.lower()}{domain}"
        self.initiator = Initiator(
            config.iscsi_target,
            node_name,
            lambda: self._runs("MSiSCSI"),
            lambda: self.disks.refresh(),
            system.kept.section("iscsi"),
            self._keeper("iscsi"),
        )
        self.disks.sessions = self.initiator.sessions_to
        self._iscsi = IscsiInstances(repository, self.initiator)
        FibreChannel(repository, config.fc_hba)
        InitiatorPorts(repository, facts.name, config.fc_hba, self.initiator)
        self.mpio = Mpio(
            repository,
            self.disks,
            system.registry,
            lambda: system.features.works("Multipath-IO"),
            config.mpio.load_balance_policy,
        )
        self.mpio.boot()

    def _network(self, facts: HostFacts) -> None:
        repository, system = self._repository, self._system
        self.wiring = Wiring(repository, facts)
        adapters.populate(repository, facts, self.wiring)
        teams.populate(repository, facts)
        offload.populate(repository)
        self._addresses = Addresses(repository, facts, self.wiring, system.kept)
        self._adapter_settings = AdapterSettings(repository, facts, self.wiring, system.kept)
        self._firewall = Firewall(
            repository, system.registry, system.kept, facts.config.firewall, system.features.works
        )

    def _smb(self, facts: HostFacts, folder: HostFolder) -> None:
        repository, system, config = self._repository, self._system, facts.config
        release, registry = facts.version.release, system.registry
        self._smb_server = ConfigurationProvider(
            "MSFT_SmbServerConfiguration", repository, registry, "LanmanServer", server_defaults(config.smb)
        )
        self._smb_configuration = ConfigurationProvider(
            "MSFT_SmbClientConfiguration",
            repository,
            registry,
            "LanmanWorkstation",
            client_defaults(config.smb, release),
        )
        self.shares = Shares(
            repository,
            facts.name,
            folder,
            self.volumes,
            config.smb_share,
            system.kept.section("shares"),
            self._keeper("shares"),
        )
        self._smb_client = SmbClient(
            repository,
            facts,
            self.wiring.interfaces,
            lambda: bool(self._smb_configuration.setting("EnableMultiChannel")),
            system.kept.section("smb_client"),
            self._keeper("smb_client"),
        )

    def _keeper(self, section: str) -> Callable[[Any], None]:
        return lambda value: self._system.kept.keep(section, value)

    def _runs(self, service: str) -> bool:
        found = self._repository.find(CimReference("Win32_Service", {"Name": service}, "root/cimv2"))
        return found is not None and found.get("State") == "Running"

    def providers(self) -> Iterator[Provider]:
        repository = self._repository
        yield StorageSettingProvider(repository, self._policies, self.disks.refresh)
        yield DiskProvider(self.disks)
        for provider in (TargetPortalProvider, TargetProvider, SessionProvider):
            yield provider(repository, self.initiator, self._iscsi)
        yield adapters.NetAdapterProvider(repository)
        yield ConnectionProfileProvider(self._addresses)
        for class_name in SWITCHABLE:
            yield AdapterSettingProvider(class_name, repository, self._adapter_settings)
        yield FirewallRuleProvider(self._firewall)
        yield FirewallProfileProvider(self._firewall)
        yield self._smb_server
        yield self._smb_configuration
        yield SmbShareProvider(repository, self.shares)
        yield SmbMappingProvider(repository, self._smb_client)
        yield SmbConstraintProvider(repository, self._smb_client)
        yield self._guardian
        yield self._guardians
        yield KeyProtectors(repository, self._guardians)
        yield TpmProvider()
        yield HbaMethods()
        yield FcpMappings()

    def associations(self) -> Iterator[Association]:
        yield from StorageAssociations(self._repository, self.disks, self.initiator).rows()
        yield from self._firewall.rows()
