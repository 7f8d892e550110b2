"""Block storage: ``[[host.disk]]``, ``[[host.volume]]``, ``[[host.iscsi_target]]``, ``[[host.fc_hba]]``,
``[host.mpio]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hyperv_simulator.config.errors import ConfigError

BusType = Literal["scsi", "fc", "iscsi", "sas", "sata", "nvme", "raid"]
PartitionStyle = Literal["raw", "mbr", "gpt"]
SanPolicy = Literal["online_all", "offline_shared", "offline_all", "offline_internal"]
FileSystem = Literal["NTFS", "ReFS", "CSVFS_NTFS", "CSVFS_ReFS"]
VolumeKind = Literal["local", "csv", "s2d"]
LoadBalancePolicy = Literal["fail_over_only", "round_robin", "least_queue_depth", "least_blocks"]
PortState = Literal["online", "offline", "linkdown"]

_WWN = re.compile(r"[0-9A-Fa-f]{16}")
_CSV_PATH = re.compile(r"C:\\ClusterStorage\\[^\\]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DiskConfig:
    """One path to one LUN, or one local disk. Two with the same ``unique_id`` are one LUN seen twice.

    :param number: disk number; 0 is the disk of C:, which a host has without saying so.
    :param size_gb: size, GiB.
    :param bus_type: what it hangs on.
    :param serial: serial number; made up from host and number where empty.
    :param unique_id: NAA id, upper-case hexadecimal digits; follows from the serial number where empty.
    :param vendor: vendor as the disk's inquiry says.
    :param model: product, likewise.
    :param target: IQN of the iSCSI target whose LUN it is: it is there while a session is, once per session.
    :param offline: whether it is offline; what is said here overrides the SAN policy.
    :param read_only: whether it is write protected.
    :param clustered: whether it is a disk of the host's cluster.
    :param partition_style: ``raw`` is a disk that nobody has initialized.
    """

    number: int
    size_gb: int = 100
    bus_type: BusType = "sas"
    serial: str = ""
    unique_id: str = ""
    vendor: str = "CONTOSO"
    model: str = "Virtual Disk"
    target: str = ""
    offline: bool | None = None
    read_only: bool = False
    clustered: bool = False
    partition_style: PartitionStyle = "raw"

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ConfigError(f"number is {self.number}; write a disk number, 0 or more")
        if self.size_gb < 1:
            raise ConfigError(f"size_gb is {self.size_gb}; write a whole number, 1 or more")
        if self.target and self.bus_type != "iscsi":
            raise ConfigError(f'bus_type is {self.bus_type!r}; write "iscsi" for a disk of an iSCSI target')


@dataclass(frozen=True, slots=True)
class VolumeConfig:
    r"""One volume besides C:.

    :param letter: drive letter of a local volume.
    :param path: mount path of a cluster shared volume: ``C:\ClusterStorage\Volume1``.
    :param label: the volume's name.
    :param size_gb: size, GiB; what its files leave of it is free.
    :param file_system: CSVFS_NTFS and CSVFS_ReFS are those of shared volumes.
    :param kind: ``local``, ``csv`` (on a LUN of the cluster) or ``s2d`` (on Storage Spaces Direct).
    :param disk: number of the disk that a local volume is on.
    """

    letter: str = ""
    path: str = ""
    label: str = ""
    size_gb: int = 500
    file_system: FileSystem = "NTFS"
    kind: VolumeKind = "local"
    disk: int = 0

    def __post_init__(self) -> None:
        if self.size_gb < 1:
            raise ConfigError(f"size_gb is {self.size_gb}; write a whole number, 1 or more")
        if self.kind == "local" and not re.fullmatch("[D-Z]", self.letter):
            raise ConfigError(f"letter is {self.letter!r}; write one of D to Z (C: is always there)")
        if self.kind != "local" and not _CSV_PATH.fullmatch(self.path):
            raise ConfigError(f"path is {self.path!r}; write a folder in C:\\ClusterStorage")
        if (self.kind != "local") != self.file_system.startswith("CSVFS"):
            raise ConfigError(
                f"file_system is {self.file_system!r}; write CSVFS_... for a shared volume, and only there"
            )


@dataclass(frozen=True, slots=True)
class IscsiTargetConfig:
    """One iSCSI target that the host can reach.

    :param iqn: its name.
    :param portals: addresses at which it answers, each with ``:port`` where that is not 3260.
    :param chap_username: account that it asks for; nobody has to log in where empty.
    :param chap_secret: its secret, 12 to 16 characters.
    :param sessions: persistent sessions that the host has from the start.
    :param discovered: the host knows all of its portals from the start.
    """

    iqn: str
    portals: tuple[str, ...] = ("127.0.3.1",)
    chap_username: str = ""
    chap_secret: str = ""
    sessions: int = 0
    discovered: bool = False

    def __post_init__(self) -> None:
        if not self.iqn.startswith(("iqn.", "eui.", "naa.")):
            raise ConfigError(f"iqn is {self.iqn!r}; write a name such as iqn.2024-01.org.example:store")
        if not self.portals:
            raise ConfigError("portals is empty; write at least one address")
        if self.sessions < 0:
            raise ConfigError(f"sessions is {self.sessions}; write a whole number, 0 or more")
        if bool(self.chap_username) != bool(self.chap_secret):
            raise ConfigError("chap_username stands alone; write chap_secret as well, or neither")

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """Address and port of each portal."""
        split = (portal.partition(":") for portal in self.portals)
        return tuple((address, int(port or 3260)) for address, _, port in split)


@dataclass(frozen=True, slots=True)
class FcHbaConfig:
    """One port of a Fibre Channel host bus adapter.

    :param wwpn: port name, 16 hexadecimal digits.
    :param wwnn: node name.
    :param fabric_wwn: name of the fabric that it is connected to.
    :param state: state of the port.
    :param speed_gbps: speed, Gbit/s.
    :param npiv_ports: how many virtual ports it can have; 0: it can't do NPIV.
    :param manufacturer: as the driver says.
    :param model: likewise.
    :param serial: serial number.
    :param firmware_version: version of the adapter's firmware.
    :param driver_version: version of its driver.
    """

    wwpn: str
    wwnn: str
    fabric_wwn: str = "1000000000000001"
    manufacturer: str = "Contoso"
    model: str = "FC32"
    serial: str = "FC0001"
    firmware_version: str = "12.8"
    driver_version: str = "9.4.4.20"
    state: PortState = "online"
    speed_gbps: Literal[1, 2, 4, 8, 10, 16, 32] = 16
    npiv_ports: int = 255

    def __post_init__(self) -> None:
        for name in ("wwpn", "wwnn", "fabric_wwn"):
            if not _WWN.fullmatch(getattr(self, name)):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; write 16 hexadecimal digits")


@dataclass(frozen=True, slots=True)
class MpioConfig:
    """Multipath I/O (``[host.mpio]``); it needs the feature MultipathIo.

    :param claimed: devices that Microsoft's module (MSDSM) claims: 8 characters vendor and up to 16 product, such as
        ``MSFT2005iSCSIBusType_0x9`` for everything on iSCSI.
    :param load_balance_policy: how it uses the paths of what it has claimed.
    """

    claimed: tuple[str, ...] = ()
    load_balance_policy: LoadBalancePolicy = "round_robin"
