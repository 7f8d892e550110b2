"""From a MachineSpec to the setting data that defines it. Pure: no I/O, no state.

What is written here is what differs from the host's defaults or must not depend on them (a fresh machine has dynamic
memory on one Windows version and not on another: facts real-instances 2.5). Setting data for an existing object carries
its InstanceID and only what changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from compute_hyperv.host import paths, versions
from compute_hyperv.host.model import Bus, Drive, DriveKind, MachineSpec, Nic, SecureBootTemplate, SerialPort
from compute_hyperv.host.services import SYSTEM, setting_path
from compute_hyperv.host.versions import Feature, Version

GENERATION_SUBTYPES = {1: "Microsoft:Hyper-V:SubType:1", 2: "Microsoft:Hyper-V:SubType:2"}

RASD = "Msvm_ResourceAllocationSettingData"
STORAGE = "Msvm_StorageAllocationSettingData"
PROCESSOR = "Msvm_ProcessorSettingData"
MEMORY = "Msvm_MemorySettingData"
ADAPTER = "Msvm_SyntheticEthernetPortSettingData"
CONNECTION = "Msvm_EthernetPortAllocationSettingData"
SERIAL = "Msvm_SerialPortSettingData"
PCI_EXPRESS = "Msvm_PciExpressSettingData"
GPU_PARTITION = "Msvm_GpuPartitionSettingData"
BOOT_SOURCE = "Msvm_BootSourceSettingData"

IDE_CONTROLLER = "Microsoft:Hyper-V:Emulated IDE Controller"
SCSI_CONTROLLER = "Microsoft:Hyper-V:Synthetic SCSI Controller"
DISK_DRIVE = "Microsoft:Hyper-V:Synthetic Disk Drive"
DVD_DRIVE = "Microsoft:Hyper-V:Synthetic DVD Drive"
HARD_DISK = "Microsoft:Hyper-V:Virtual Hard Disk"
DVD_DISK = "Microsoft:Hyper-V:Virtual CD/DVD Disk"
SERIAL_PORT = "Microsoft:Hyper-V:Serial Port"

CONTROLLERS_OF = {Bus.IDE: 2, Bus.SCSI: 4}
SLOTS_OF = {Bus.IDE: 2, Bus.SCSI: 64}
DRIVE_OF = {DriveKind.DISK: (17, DISK_DRIVE), DriveKind.DVD: (16, DVD_DRIVE)}
MEDIUM_OF = {DriveKind.DISK: HARD_DISK, DriveKind.DVD: DVD_DISK}

_START_NOTHING = 2  # AutomaticStartupAction: Nova decides what runs
_TURN_OFF, _SAVE, _SHUT_DOWN = 2, 3, 4  # AutomaticShutdownAction
_PERCENT = 1000  # Limit and Reservation of processors are in thousandths of a percent

# BootOrder of generation 1 (Msvm_VirtualSystemSettingData page); IDE disks before the network, as the old driver had
# it.
_BOOT_FLOPPY, BOOT_DVD, BOOT_DISK, _BOOT_NETWORK = 0, 1, 2, 3
_BOOT_DEFAULT = (BOOT_DISK, BOOT_DVD, _BOOT_NETWORK, _BOOT_FLOPPY)

MachineResources = list[CimInstance]
BootDevice = tuple[Literal["drive", "nic"], int]  # as in MachineSpec.boot_order


def check(spec: MachineSpec, version: Version, host: str) -> None:
    """Refuse what this host or Hyper-V cannot do, before anything is made.

    :raises UnsupportedByHost: the Windows version lacks something.
    :raises InvalidRequest: no Hyper-V has it.
    """
    if spec.generation == 2:
        versions.require(version, Feature.GENERATION_2, host=host)
    if spec.processor.expose_virtualization:
        versions.require(version, Feature.NESTED_VIRTUALIZATION, host=host)
    if spec.secure_boot is not None and spec.generation == 1:
        raise InvalidRequest(f"Machine {spec.name} cannot have secure boot: it is of generation 1.")
    if spec.secure_boot not in (None, SecureBootTemplate.WINDOWS):
        versions.require(version, Feature.SECURE_BOOT_LINUX, host=host)
    if spec.tpm:
        versions.require(version, Feature.VIRTUAL_TPM, host=host)
        if spec.generation == 1:
            raise InvalidRequest(f"Machine {spec.name} cannot have a TPM: it is of generation 1.")
    if spec.shielding:
        versions.require(version, Feature.SHIELDED_MACHINES, host=host)
        if spec.secure_boot is None or spec.tpm:
            raise InvalidRequest(f"Machine {spec.name} cannot be shielded: that takes secure boot, and its own TPM.")
    if spec.pci_devices:
        versions.require(version, Feature.DEVICE_ASSIGNMENT, host=host)
    if spec.gpu_partitions:
        versions.require(version, Feature.GPU_PARTITIONS, host=host)
    if spec.memory.dynamic and (spec.memory.numa_node_mb or spec.processor.numa_node_processors):
        raise InvalidRequest(f"Machine {spec.name} cannot have both dynamic memory and a NUMA topology.")
    if any(drive.iops_limit for drive in spec.drives):
        versions.require(version, Feature.DISK_IOPS_LIMIT, host=host)
    places = [(drive.bus, drive.controller, drive.slot) for drive in spec.drives]
    for drive, place in zip(spec.drives, places, strict=True):
        check_place(drive, spec.generation)
        if places.count(place) > 1:
            raise InvalidRequest(f"Two drives of machine {spec.name} are at {drive.bus.value} {place[1]}:{place[2]}.")


def check_place(drive: Drive, generation: int) -> None:
    """Refuse a drive where no generation of machine has a place for it."""
    if drive.bus is Bus.IDE and generation == 2:
        raise InvalidRequest(f"{drive.path} cannot be on IDE: a machine of generation 2 has none.", remedy="Use SCSI.")
    if not (0 <= drive.controller < CONTROLLERS_OF[drive.bus] and 0 <= drive.slot < SLOTS_OF[drive.bus]):
        raise InvalidRequest(
            f"There is no place {drive.bus.value} {drive.controller}:{drive.slot} for {drive.path}.",
            remedy=f"{drive.bus.value} has {CONTROLLERS_OF[drive.bus]} controllers of {SLOTS_OF[drive.bus]} slots.",
        )


def system_settings(spec: MachineSpec, version: Version) -> CimInstance:
    """What DefineSystem makes the machine from. Secure boot comes later, with the boot order
    (``firmware_settings``)."""
    folder = paths.normalise(spec.folder)
    values: dict[str, CimValue] = {
        "ElementName": spec.name,
        "Notes": list(spec.notes),
        "VirtualSystemSubType": GENERATION_SUBTYPES[spec.generation],
        "AutomaticStartupAction": _START_NOTHING,
        "AutomaticShutdownAction": _stop_action(spec),
        "VirtualNumaEnabled": not spec.memory.dynamic,  # the two exclude each other (facts: hyperv-ops 2)
    }
    roots = ["ConfigurationDataRoot", "LogDataRoot", "SnapshotDataRoot", "SuspendDataRoot", "SwapFileDataRoot"]
    values |= dict.fromkeys(roots, folder)
    if spec.asset_tag:
        values["ChassisAssetTag"] = spec.asset_tag
    if versions.has(version, Feature.AUTOMATIC_SNAPSHOTS):
        values["AutomaticSnapshotsEnabled"] = False
    if spec.mmio is not None:
        values |= {"LowMmioGapSize": spec.mmio.low_mb, "HighMmioGapSize": spec.mmio.high_mb}
    if spec.pci_devices or spec.gpu_partitions:
        values["GuestControlledCacheTypes"] = True  # what drivers of such devices ask for (hyperv-ops 13)
    if spec.generation == 1:
        values["BootOrder"] = list(boot_codes(spec))
    else:
        values |= _secure_boot(spec)
    return CimInstance(SYSTEM, values)


def _stop_action(spec: MachineSpec) -> int:
    if spec.pci_devices or spec.gpu_partitions:
        return _TURN_OFF  # a machine with devices of the host cannot be saved (facts: hyperv-ops 13)
    return _SHUT_DOWN if spec.shutdown_on_host_stop else _SAVE


def processor_settings(spec: MachineSpec, version: Version) -> CimInstance:
    values: dict[str, CimValue] = {
        "ResourceType": 3,
        "ResourceSubType": "Microsoft:Hyper-V:Processor",
        "VirtualQuantity": spec.processor.count,
        "Reservation": round(spec.processor.reserved_percent * _PERCENT),
        "Limit": round(spec.processor.limit_percent * _PERCENT),
        "Weight": spec.processor.weight,
        "LimitProcessorFeatures": spec.processor.limit_features,
    }
    if spec.processor.numa_node_processors is not None:
        values["MaxProcessorsPerNumaNode"] = spec.processor.numa_node_processors
    if versions.has(version, Feature.NESTED_VIRTUALIZATION):
        values["ExposeVirtualizationExtensions"] = spec.processor.expose_virtualization
    return CimInstance(PROCESSOR, values)


def memory_settings(spec: MachineSpec) -> CimInstance:
    """All in MB. Static memory is quantity = reservation = limit (facts: hyperv-ops 2)."""
    values: dict[str, CimValue] = {
        "ResourceType": 4,
        "ResourceSubType": "Microsoft:Hyper-V:Memory",
        "DynamicMemoryEnabled": spec.memory.dynamic,
        "VirtualQuantity": spec.memory.startup_mb,
        "Reservation": spec.memory.minimum_mb,
        "Limit": spec.memory.maximum_mb,
    }
    if spec.memory.buffer_percent is not None:
        values["TargetMemoryBuffer"] = spec.memory.buffer_percent
    if spec.memory.numa_node_mb is not None:
        values["MaxMemoryBlocksPerNumaNode"] = spec.memory.numa_node_mb
    return CimInstance(MEMORY, values)


def scsi_controllers(count: int) -> MachineResources:
    return [CimInstance(RASD, {"ResourceType": 6, "ResourceSubType": SCSI_CONTROLLER}) for _ in range(count)]


def scsi_controllers_needed(drives: Iterable[Drive]) -> int:
    """How many there must be. A machine always has one, for volumes that come later without a restart."""
    return max((drive.controller + 1 for drive in drives if drive.bus is Bus.SCSI), default=1)


def serial_ports(ports: Sequence[SerialPort], version: Version) -> MachineResources:
    """COM1 up to the last one that is asked for, in this order: ports have no other number until they are there."""
    class_name = SERIAL if versions.has(version, Feature.SERIAL_PORT_SETTING) else RASD
    pipes = {port.number: port.pipe for port in ports}
    return [
        CimInstance(
            class_name,
            {"ResourceType": 21, "ResourceSubType": SERIAL_PORT, "Connection": [pipes.get(number, "")]},
        )
        for number in range(1, max(pipes, default=0) + 1)
    ]


def drive_settings(drive: Drive, controller_path: str) -> CimInstance:
    resource_type, subtype = DRIVE_OF[drive.kind]
    return CimInstance(
        RASD,
        {
            "ResourceType": resource_type,
            "ResourceSubType": subtype,
            "Parent": controller_path,
            "AddressOnParent": str(drive.slot),
        },
    )


def medium_settings(drive: Drive, drive_path: str) -> CimInstance:
    values: dict[str, CimValue] = {
        "ResourceType": 31,
        "ResourceSubType": MEDIUM_OF[drive.kind],
        "Parent": drive_path,
        "HostResource": [paths.normalise(drive.path)],
    }
    if drive.iops_limit:
        values["IOPSLimit"] = drive.iops_limit
    return CimInstance(STORAGE, values)


def pci_device_settings(template: CimInstance, device_path: str) -> CimInstance:
    """:param template: the host's own default: no source says what its type is called (facts: hyperv-ops 0).
    :param device_path: WMI path of the host's Msvm_PciExpress.
    """
    types = {name: template.get(name) for name in ("ResourceType", "ResourceSubType")}
    return CimInstance(PCI_EXPRESS, {**types, "HostResource": [device_path]})


def gpu_partition_settings() -> CimInstance:
    """A share of whichever card the host chooses, as large as its partitions are: quantities cannot be given while it
    is added."""
    return CimInstance(GPU_PARTITION, {"ResourceType": 32770, "ResourceSubType": "Microsoft:Hyper-V:GPU Partition"})


def adapter_settings(nic: Nic, identifier: str) -> CimInstance:
    """:param identifier: a new GUID in braces: what the guest knows the adapter by."""
    return CimInstance(
        ADAPTER,
        {
            "ResourceType": 10,
            "ResourceSubType": "Microsoft:Hyper-V:Synthetic Ethernet Port",
            "ElementName": nic.name,
            "Address": nic.mac_address,
            "StaticMacAddress": True,
            "VirtualSystemIdentifiers": [identifier],
        },
    )


def connection_settings(nic: Nic, adapter_path: str, switch_path: str) -> CimInstance:
    return CimInstance(
        CONNECTION,
        {
            "ResourceType": 33,
            "ResourceSubType": "Microsoft:Hyper-V:Ethernet Connection",
            "ElementName": nic.name,
            "Parent": adapter_path,
            "HostResource": [switch_path],
            "EnabledState": 2,
        },
    )


def boot_sequence(spec: MachineSpec) -> list[BootDevice]:
    """All devices in the order in which to boot from them: what the spec names, then the rest."""
    rest: list[BootDevice] = [("drive", position) for position in range(len(spec.drives))]
    rest += [("nic", position) for position in range(len(spec.nics))]
    return [*spec.boot_order, *(device for device in rest if device not in spec.boot_order)]


def firmware_settings(spec: MachineSpec, drive_ids: Sequence[str], adapter_ids: Sequence[str]) -> CimInstance:
    """How a generation 2 machine's firmware shall be once its devices are there.

    :param drive_ids: InstanceIDs of the drives, in the order of ``spec.drives``; ``adapter_ids`` likewise.
    """
    ids = {"drive": drive_ids, "nic": adapter_ids}
    # A device's boot source has its settings id with \B behind it (facts: real-instances 1.4).
    sources: list[CimScalar] = [
        setting_path(BOOT_SOURCE, f"{ids[kind][position]}\\B") for kind, position in boot_sequence(spec)
    ]
    return CimInstance(SYSTEM, {"BootSourceOrder": sources, **_secure_boot(spec)})


def _secure_boot(spec: MachineSpec) -> dict[str, CimValue]:
    if spec.secure_boot is None:
        return {"SecureBootEnabled": False}
    return {"SecureBootEnabled": True, "SecureBootTemplateId": spec.secure_boot.value}


def boot_codes(spec: MachineSpec) -> tuple[int, ...]:
    """BootOrder of a generation 1 machine: kinds of devices, each once. SCSI disks cannot be booted from there."""
    wanted: list[int] = []
    for kind, position in spec.boot_order:
        if kind == "nic":
            code = _BOOT_NETWORK
        elif spec.drives[position].bus is not Bus.IDE:
            continue
        else:
            code = BOOT_DVD if spec.drives[position].kind is DriveKind.DVD else BOOT_DISK
        if code not in wanted:
            wanted.append(code)
    return (*wanted, *(code for code in _BOOT_DEFAULT if code not in wanted))
