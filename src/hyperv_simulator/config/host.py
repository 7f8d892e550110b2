"""``[[host]]``: one simulated host."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hyperv_simulator.config.certificate import CertificateMapping
from hyperv_simulator.config.cluster import ClusterConfig
from hyperv_simulator.config.devices import GpuConfig, PciDeviceConfig
from hyperv_simulator.config.domain import KerberosConfig
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.guest import GuestConfig
from hyperv_simulator.config.hgs import HgsConfig
from hyperv_simulator.config.migration import MigrationConfig
from hyperv_simulator.config.network import FirewallConfig, NicConfig, SwitchConfig, TeamConfig
from hyperv_simulator.config.operating_system import (
    AccountConfig,
    Edition,
    HardwareConfig,
    RegistryConfig,
    ServiceConfig,
)
from hyperv_simulator.config.smb import SmbConfig, SmbMappingConfig, SmbShareConfig
from hyperv_simulator.config.storage import (
    DiskConfig,
    FcHbaConfig,
    IscsiTargetConfig,
    MpioConfig,
    SanPolicy,
    VolumeConfig,
)
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.operating_system import feature_table
from hyperv_simulator.quotas import Quotas

WindowsVersion = Literal["2012r2", "2016", "2019", "2022", "2025"]
GuestKind = Literal["none", "qemu"]

_COMPUTER_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9-]{1,15}")
_BOUNDED_BELOW: Mapping[str, int] = {
    "sockets": 1,
    "cores": 1,
    "threads": 1,
    "numa_nodes": 1,
    "memory_mb": 512,
    "disk_gb": 1,
    "round_trip_ms": 0,
    "restart_s": 0,
}
_CLUSTERING = "Failover-Clustering"
PORTS = ("http_port", "https_port", "smb_port")
_FEATURES = ("Hyper-V", "Hyper-V-PowerShell", "FileAndStorage-Services", "Storage-Services", "Windows-Defender")
# Editions that are not sold for every release.
_EDITION_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "hyperv": ("2012r2", "2016", "2019"),
    "azure": ("2022", "2025"),
    "azure-core": ("2022", "2025"),
}


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One simulated host. Every field is a key of ``[[host]]``.

    :param name: computer name, at most 15 characters (NetBIOS).
    :param address: IPv4 address to listen on; every 127.x.y.z answers on Linux.
    :param version: Windows Server release.
    :param edition: of Windows; ``hyperv`` is Hyper-V Server, which ends with 2019, ``azure`` begins with 2022.
    :param domain: DNS name of the Active Directory domain that the host is a member of; empty: that of ``kerberos``, or
        a workgroup.
    :param username: the local administrator.
    :param password: its password.
    :param sockets: processor packages.
    :param cores: processor cores of all sockets together.
    :param threads: logical processors of all cores together.
    :param memory_mb: physical memory, MiB.
    :param numa_nodes: NUMA nodes.
    :param disk_gb: size of volume C:, GiB.
    :param guests: ``none`` (machines are state machines only) or ``qemu`` (they boot).
    :param guest: what guests ``none`` are like (``[host.guest]``).
    :param http_port: WinRM over HTTP.
    :param https_port: WinRM over HTTPS.
    :param smb_port: SMB; 445 needs root.
    :param samba: whether files and pipes are served at all.
    :param allow_basic: WinRM's ``Service/Auth/Basic``.
    :param allow_credssp: WinRM's ``Service/Auth/CredSSP``.
    :param allow_unencrypted: WinRM's ``Service/AllowUnencrypted``: plain SOAP over HTTP is accepted.
    :param round_trip_ms: latency added to every HTTP exchange, milliseconds.
    :param switch: virtual switches (``[[host.switch]]``).
    :param nic: physical network adapters (``[[host.nic]]``); without any, those that external switches name.
    :param team: teams of adapters (``[[host.team]]``).
    :param firewall: Windows' firewall (``[host.firewall]``).
    :param disk: disks besides that of C: (``[[host.disk]]``).
    :param volume: volumes besides C: (``[[host.volume]]``).
    :param san_policy: what happens to disks that appear.
    :param initiator_name: IQN of the host's iSCSI initiator; empty: as Windows makes it of name and domain.
    :param iscsi_target: iSCSI targets within reach (``[[host.iscsi_target]]``).
    :param fc_hba: Fibre Channel ports (``[[host.fc_hba]]``).
    :param mpio: multipath I/O (``[host.mpio]``).
    :param pci_device: PCI Express devices (``[[host.pci_device]]``).
    :param gpu: graphics cards that can be shared in partitions (``[[host.gpu]]``).
    :param smb: settings of the SMB server and client (``[host.smb]``).
    :param smb_share: shares (``[[host.smb_share]]``).
    :param smb_mapping: connections to other servers' shares (``[[host.smb_mapping]]``).
    :param cluster: the failover cluster that the host is a node of (``[host.cluster]``).
    :param hgs: the Host Guardian client (``[host.hgs]``).
    :param migration: moving machines to other hosts (``[host.migration]``).
    :param fault: fault rules in force from the start (``[[host.fault]]``).
    :param quotas: WinRM's limits (``[host.quotas]``).
    :param kerberos: the host is in a domain (``[host.kerberos]``).
    :param features: installed roles and features, by the names of Get-WindowsFeature.
    :param reboot_pending: an update waits for a restart.
    :param restart_s: how long the host is away when it restarts, seconds.
    :param clock_offset_s: how far its clock is ahead of this computer's, seconds; negative: behind.
    :param clock_drift_ppm: by how much its clock runs fast, microseconds a second.
    :param unreachable_time_servers: names of time servers that do not answer; ``*`` means none does.
    :param service: Windows' services that are other than by default (``[[host.service]]``).
    :param registry: registry values that are other than by default (``[[host.registry]]``).
    :param account: more local accounts (``[[host.account]]``).
    :param hardware: the machine under Windows (``[host.hardware]``).
    :param recording: file of a recorded host (``hyperv-simulator dump``), whose machines and instances it has.
    :param client_ca_file: PEM file of an authority; certificates that it signed let clients in.
    :param certificate_mapping: as whom (``[[host.certificate_mapping]]``); without any, as ``username``.
    """

    name: str = "hv1"
    address: str = "127.0.1.1"
    version: WindowsVersion = "2022"
    edition: Edition = "datacenter"
    domain: str = ""
    username: str = "Administrator"
    password: str = field(default="Passw0rd!", repr=False)
    sockets: int = 1
    cores: int = 8
    threads: int = 16
    memory_mb: int = 65536
    numa_nodes: int = 1
    disk_gb: int = 500
    guests: GuestKind = "none"
    guest: GuestConfig = field(default_factory=GuestConfig)
    http_port: int = 5985
    https_port: int = 5986
    smb_port: int = 445
    samba: bool = True
    allow_basic: bool = False
    allow_credssp: bool = False
    allow_unencrypted: bool = False
    round_trip_ms: int = 0
    switch: tuple[SwitchConfig, ...] = (SwitchConfig("external"),)
    nic: tuple[NicConfig, ...] = ()
    team: tuple[TeamConfig, ...] = ()
    firewall: FirewallConfig = field(default_factory=FirewallConfig)
    disk: tuple[DiskConfig, ...] = ()
    volume: tuple[VolumeConfig, ...] = ()
    san_policy: SanPolicy = "offline_shared"
    initiator_name: str = ""
    iscsi_target: tuple[IscsiTargetConfig, ...] = ()
    fc_hba: tuple[FcHbaConfig, ...] = ()
    mpio: MpioConfig = field(default_factory=MpioConfig)
    pci_device: tuple[PciDeviceConfig, ...] = ()
    gpu: tuple[GpuConfig, ...] = ()
    smb: SmbConfig = field(default_factory=SmbConfig)
    smb_share: tuple[SmbShareConfig, ...] = ()
    smb_mapping: tuple[SmbMappingConfig, ...] = ()
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    hgs: HgsConfig = field(default_factory=HgsConfig)
    fault: tuple[FaultRule, ...] = ()
    migration: MigrationConfig = field(default_factory=MigrationConfig)
    quotas: Quotas = field(default_factory=Quotas)
    kerberos: KerberosConfig = field(default_factory=KerberosConfig)
    recording: str = ""
    client_ca_file: str = ""
    certificate_mapping: tuple[CertificateMapping, ...] = ()
    features: tuple[str, ...] = _FEATURES
    reboot_pending: bool = False
    restart_s: float = 1.0
    clock_offset_s: float = 0.0
    clock_drift_ppm: float = 0.0
    unreachable_time_servers: tuple[str, ...] = ()
    service: tuple[ServiceConfig, ...] = ()
    registry: tuple[RegistryConfig, ...] = ()
    account: tuple[AccountConfig, ...] = ()
    hardware: HardwareConfig = field(default_factory=HardwareConfig)

    def __post_init__(self) -> None:
        if self.kerberos.keytab and not self.domain:
            object.__setattr__(self, "domain", self.kerberos.realm.lower())
        self._check_names()
        self._check_storage()
        self._check_cluster()
        self._check_numbers()

    def _check_names(self) -> None:
        if not _COMPUTER_NAME.fullmatch(self.name):
            raise self._error("name", "a computer name: 1 to 15 letters, digits or hyphens, not digits only")
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            raise self._error("address", "an IPv4 address such as 127.0.1.1") from None
        if not self.username or "\\" in self.username or ":" in self.username:
            raise self._error("username", "an account name without domain, backslash or colon")
        names = [switch.name.lower() for switch in self.switch]
        if len(set(names)) != len(names):
            raise self._error("switch", "switches with different names")

        if self.version not in _EDITION_VERSIONS.get(self.edition, (self.version,)):
            raise self._error("edition", f"an edition that Windows Server {self.version} has")
        known = [entry.name for entry in feature_table.FEATURES]
        if not {name.lower() for name in self.features} <= {name.lower() for name in known}:
            raise self._error("features", f"some of {', '.join(known)}")
        if self.domain and "." not in self.domain:
            raise self._error("domain", "a domain's DNS name such as hv.test, or nothing for a workgroup")

        adapters = {nic.name for nic in self.nic}
        for switch in self.switch:
            for adapter in switch.adapters:
                if adapters and adapter not in adapters:
                    choice = ", ".join(sorted(adapters))
                    raise ConfigError(f"host {self.name}: switch is on {adapter!r}; write one of {choice}")
            if switch.teamed_with and self.version == "2012r2":
                raise ConfigError(f"host {self.name}: switch teams adapters; write version 2016 or later")

    def _check_storage(self) -> None:
        numbers = [disk.number for disk in self.disk]
        if len(set(numbers)) != len(numbers):
            raise self._error("disk", "disks with different numbers")
        targets = {target.iqn for target in self.iscsi_target}
        for disk in self.disk:
            if disk.target and disk.target not in targets:
                where = f"disk {disk.number} is on {disk.target!r}"
                raise ConfigError(f"host {self.name}: {where}; write a target of [[host.iscsi_target]]")
        for volume in self.volume:
            if volume.kind == "local" and volume.disk and volume.disk not in numbers:
                raise ConfigError(f"host {self.name}: volume is on disk {volume.disk}; write a disk of [[host.disk]]")

    def _check_cluster(self) -> None:
        if self.cluster.name and _CLUSTERING not in self.features:
            raise self._error("features", f'"{_CLUSTERING}" among them, for a node of {self.cluster.name}')
        shared = [volume for volume in self.volume if volume.kind != "local"]
        if shared and not self.cluster.name:
            raise ConfigError(f"host {self.name}: volume {shared[0].path} is shared; write [host.cluster] with a name")

    def _check_numbers(self) -> None:
        if bool(self.kerberos.keytab) != bool(self.kerberos.realm):
            raise ConfigError(f"host {self.name}: kerberos needs both keytab and realm")
        for name, least in _BOUNDED_BELOW.items():
            if getattr(self, name) < least:
                raise self._error(name, f"a whole number, {least} or more")
        for name in PORTS:
            if not 1 <= getattr(self, name) <= 65535:
                raise self._error(name, "a port number, 1 to 65535")
        if len({getattr(self, name) for name in PORTS}) < len(PORTS):
            raise ConfigError(f"host {self.name}: {', '.join(PORTS)} must differ from each other")
        for part, whole in (("sockets", "cores"), ("cores", "threads"), ("numa_nodes", "threads")):
            if getattr(self, whole) % getattr(self, part):
                raise self._error(whole, f"a multiple of {part}, which is {getattr(self, part)}")

    def _error(self, name: str, wanted: str) -> ConfigError:
        return ConfigError(f"host {self.name}: {name} is {getattr(self, name)!r}; write {wanted}")
