"""Plain values in Hyper-V's words: what services of this package take and return.

No behaviour, no CIM, no I/O. Units are in the names. Paths are Windows paths (``C:\\x``, ``\\\\server\\share\\x``).
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass
from typing import Literal


class MachineState(enum.Enum):
    """Msvm_ComputerSystem.EnabledState, as far as it is documented for v2 (facts: hyperv-ops 6, real-instances 3.2)."""

    OTHER = 1
    RUNNING = 2
    OFF = 3
    SHUTTING_DOWN = 4
    SAVED = 6
    PAUSED = 9
    STARTING = 10
    SAVING = 32773
    PAUSING = 32776
    RESUMING = 32777
    FAST_SAVED = 32779
    FAST_SAVING = 32780


class Bus(enum.Enum):
    IDE = "IDE"
    SCSI = "SCSI"


class DriveKind(enum.Enum):
    DISK = "disk"
    DVD = "dvd"


class SecureBootTemplate(enum.Enum):
    """Whose signatures the firmware accepts: Msvm_VirtualSystemSettingData.SecureBootTemplateId (facts: old-driver
    3.3)."""

    WINDOWS = "1734c6e8-3154-4dda-ba5f-a874cc483422"
    UEFI_CA = "272e7447-90a4-4563-a4b9-8e4ab00526ce"


@dataclass(frozen=True, slots=True)
class Memory:
    """Static where all three are equal, else dynamic.

    :param buffer_percent: what dynamic memory keeps free for the guest; None: the host's default.
    :param numa_node_mb: most of a virtual NUMA node; None: as much as the host's own nodes have.
    """

    startup_mb: int
    minimum_mb: int
    maximum_mb: int
    buffer_percent: int | None = None
    numa_node_mb: int | None = None

    @property
    def dynamic(self) -> bool:
        return self.minimum_mb != self.maximum_mb


@dataclass(frozen=True, slots=True)
class Processor:
    """All virtual processors of a machine.

    :param limit_features: CPU compatibility mode.
    :param expose_virtualization: nested virtualization.
    :param weight: share of the host's processors where there are not enough for all, 1 to 10000.
    :param limit_percent: most that each may take of a logical processor; ``reserved_percent`` is kept for it.
    :param numa_node_processors: most of a virtual NUMA node; None: as many as the host's own nodes have.
    """

    count: int
    limit_features: bool = False
    expose_virtualization: bool = False
    weight: int = 100
    limit_percent: float = 100
    reserved_percent: float = 0
    numa_node_processors: int | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive with its medium: a VHD or VHDX on a disk drive, an ISO on a DVD drive.

    :param iops_limit: at most so many normalised (8 KB) I/O operations a second; 0 for no limit. Disks only.
    """

    path: str
    bus: Bus
    controller: int
    slot: int
    kind: DriveKind = DriveKind.DISK
    iops_limit: int = 0


@dataclass(frozen=True, slots=True)
class Nic:
    """A synthetic network adapter and what its switch port shall be.

    :param name: ElementName of adapter and port; Nova puts the Neutron port's UUID there.
    :param mac_address: 12 hexadecimal digits, no separators, upper case.
    :param switch_name: None leaves the adapter unconnected.
    :param vlan_id: access VLAN, None for untagged; of a trunk, the VLAN of what comes untagged.
    :param trunk_vlans: what else passes, tagged, in ascending order; empty makes no trunk.
    :param mac_spoofing: the guest may send from other addresses than its own.
    :param limit_kbps: most that the guest may send, 0 without limit.
    :param sriov: take a virtual function of the host's adapter while there is one.
    """

    name: str
    mac_address: str
    switch_name: str | None = None
    vlan_id: int | None = None
    trunk_vlans: tuple[int, ...] = ()
    mac_spoofing: bool = False
    limit_kbps: int = 0
    sriov: bool = False


@dataclass(frozen=True, slots=True)
class SerialPort:
    """:param number: 1 or 2 (COM1, COM2).  :param pipe: ``\\\\.\\pipe\\name``."""

    number: int
    pipe: str


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A device of the host that is dismounted, so that a machine can have it.

    :param address: ``0000:41:00.0``.  :param vendor_id: 4 hexadecimal digits in lower case; ``product_id`` likewise.
    :param location_path: where it is plugged in; does not change.
    """

    address: str
    vendor_id: str
    product_id: str
    name: str
    location_path: str


@dataclass(frozen=True, slots=True)
class MmioSpace:
    """Room in a guest's address space for the registers and memory of devices.

    :param low_mb: below 4 GiB.  :param high_mb: above.
    """

    low_mb: int
    high_mb: int


@dataclass(frozen=True, slots=True)
class Shielding:
    """By what a machine is protected and provisioned on a guarded host.

    :param shielded: its host is kept out altogether; else it is encrypted only.
    :param data_path: the owner's shielding data (a PDK), a file on the host.
    :param specialization_path: where on the host the specialization data (an FSK) are made.
    :param substitutions: placeholders in the data's answer file, and what to put there.
    """

    shielded: bool
    data_path: str
    specialization_path: str
    substitutions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """All of a machine, defined in few requests.

    :param name: ElementName.  :param notes: first line is the owner's id (Nova: instance UUID).
    :param folder: configuration, snapshots, swap and log all go there.
    :param boot_order: the drives and NICs in the order in which to boot from them, by their position in ``drives``
        (``("drive", 0)``) and ``nics`` (``("nic", 0)``).
    :param secure_boot: None where it is off; generation 2 only.
    :param tpm: a virtual TPM whose keys are the host's own; generation 2 only.
    :param shielding: a virtual TPM, and more, whose keys a guardian service has; with secure boot only.
    :param pci_devices: addresses (``0000:41:00.0``) of dismounted devices of the host that the machine gets.
    :param gpu_partitions: how many shares of the host's graphics cards it gets.
    :param mmio: None: the host's default.
    """

    name: str
    notes: tuple[str, ...]
    generation: Literal[1, 2]
    folder: str
    memory: Memory
    processor: Processor
    drives: tuple[Drive, ...] = ()
    nics: tuple[Nic, ...] = ()
    serial_ports: tuple[SerialPort, ...] = ()
    boot_order: tuple[tuple[Literal["drive", "nic"], int], ...] = ()
    secure_boot: SecureBootTemplate | None = None
    asset_tag: str = ""
    shutdown_on_host_stop: bool = False
    tpm: bool = False
    shielding: Shielding | None = None
    pci_devices: tuple[str, ...] = ()
    gpu_partitions: int = 0
    mmio: MmioSpace | None = None


@dataclass(frozen=True, slots=True)
class MachineSummary:
    """One row of the bulk queries.

    :param machine_id: the GUID that is Msvm_ComputerSystem.Name, upper case.
    :param healthy: False in a critical state (storage lost …).
    """

    machine_id: str
    name: str
    state: MachineState
    healthy: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriveLayout:
    """A machine's drives that hold a file."""

    generation: Literal[1, 2]
    drives: tuple[Drive, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """:param checkpoint_id: the GUID in the InstanceID of its settings, as the host writes it."""

    checkpoint_id: str
    name: str


@dataclass(frozen=True, slots=True)
class DiskInfo:
    path: str
    format: Literal["vhd", "vhdx", "vhdset"]
    kind: Literal["fixed", "dynamic", "differencing"]
    virtual_size_bytes: int
    file_size_bytes: int
    parent_path: str | None = None


@dataclass(frozen=True, slots=True)
class NumaNode:
    number: int
    processors: tuple[int, ...]
    memory_mb: int
    free_memory_mb: int


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What the host is; read once, cheap to keep.

    :param version: ``(10, 0, 20348)``.
    """

    name: str
    fqdn: str
    version: tuple[int, int, int]
    caption: str
    sockets: int
    cores_per_socket: int
    logical_processors: int
    processor_vendor: str
    processor_model: str
    memory_mb: int
    booted_at: dt.datetime
    numa_nodes: tuple[NumaNode, ...]


@dataclass(frozen=True, slots=True)
class MachineUse:
    """What a machine takes of its host now: nothing while it is off or saved."""

    machine_id: str
    notes: tuple[str, ...]
    processors: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class MachineVitals:
    """How a running machine does.

    :param processor_loads: percent, by virtual processor.
    :param memory_mb: what it holds now.
    :param uptime_s: since it was started; None where the host does not say.
    """

    processor_loads: tuple[int, ...]
    memory_mb: int
    uptime_s: int | None


@dataclass(frozen=True, slots=True)
class DiskTraffic:
    """What went through a virtual disk since its metrics were turned on. Hyper-V counts in MB.

    :param operations: in units of 8 KiB, read and written together; None before Windows Server 2016.
    """

    read_bytes: int
    written_bytes: int
    operations: int | None


@dataclass(frozen=True, slots=True)
class NicTraffic:
    """What went through a network adapter, as the guest sees it. Hyper-V knows no errors of adapters.

    :param received_dropped, sent_dropped: packets that the switch has not let through.
    """

    received_bytes: int
    received_packets: int
    received_dropped: int
    sent_bytes: int
    sent_packets: int
    sent_dropped: int


@dataclass(frozen=True, slots=True)
class HostUsage:
    """What of the host is in use; read at every resource report.

    :param free_memory_mb: as Windows sees it.
    :param consumable_memory_mb: what Hyper-V would still give to machines; None where it does not say.
    """

    free_memory_mb: int
    consumable_memory_mb: int | None
    machines: tuple[MachineUse, ...]

    @property
    def processors_assigned(self) -> int:
        return sum(machine.processors for machine in self.machines)

    @property
    def memory_assigned_mb(self) -> int:
        return sum(machine.memory_mb for machine in self.machines)


@dataclass(frozen=True, slots=True)
class VolumeSpace:
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One row of a folder's listing.

    :param is_link: a junction, symbolic link or mount point: what is below it is elsewhere.
    :param modified_at: by the file server's clock.
    """

    name: str
    size_bytes: int
    is_folder: bool
    modified_at: dt.datetime
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    switch_id: str
    name: str
    external: bool
