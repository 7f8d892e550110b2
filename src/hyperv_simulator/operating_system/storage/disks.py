r"""The disks that Windows shows: MSFT_Disk, MSFT_PhysicalDisk, Win32_DiskDrive, and Hyper-V's Msvm_DiskDrive.

Rule 1: there is one disk per path. A LUN with two paths (two entries with one ``unique_id``, or two iSCSI sessions) is
two disks with the same UniqueId, numbers of their own and no common sense of what is written (prerequisites,
"Multipath IO"); once MPIO has claimed the device, all of its paths are one disk.
Rule 2: whether a disk that appears is online is the SAN policy's decision, unless hosts.toml says it of this disk.
Rule 3: Hyper-V offers for pass-through what is offline, and nothing else (real-instances 1.5).
Rule 4: what was done to a disk is remembered for as long as the host's state is kept, also while the disk is away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.storage import BusType, DiskConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.storage.names import DISK_INTERFACE, STORAGE, object_id
from hyperv_simulator.operating_system.storage.san_policy import SanPolicies
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.luns import Lun

DISK = "MSFT_Disk"
CIMV2 = "root/cimv2"
HYPER_V_DISK_DRIVES = "353B3BE8-310C-4cf4-839E-4E1B14616136"  # real-instances 1.5, mixed case as there
_GIB = 1024**3
_BUS: dict[BusType, int] = {"scsi": 1, "fc": 6, "raid": 8, "iscsi": 9, "sas": 10, "sata": 11, "nvme": 17}
_STYLE = {"raw": 0, "mbr": 1, "gpt": 2}
_ONLINE, _OFFLINE = 0xD010, 0xD013  # MSFT_Disk.OperationalStatus
_BY_POLICY = 1  # MSFT_Disk.OfflineReason
_NAA = 3  # UniqueIdFormat: FCPH Name
_SECTION = "disks"
_REMEMBERED = ("IsOffline", "IsReadOnly", "PartitionStyle", "Guid", "Signature")


@dataclass(frozen=True, slots=True)
class SeenDisk:
    """One disk as Windows shows it.

    :param paths: how many paths it has; more than one only where MPIO has claimed it.
    :param session: number of the iSCSI session that it is seen through; 0: none.
    """

    config: DiskConfig
    number: int
    session: int = 0
    paths: int = 1

    @property
    def key(self) -> tuple[int, int]:
        return self.config.number, self.session


Sessions = Callable[[str], int]
Claimed = Callable[[DiskConfig], bool]


class Disks:
    """Keeps the disks in step with sessions and claims. Safe for threads.

    :param sessions: how many sessions there are to a target.
    :param claimed: whether MPIO has claimed such a device.
    """

    def __init__(self, repository: Repository, facts: HostFacts, policies: SanPolicies, kept: KeptState) -> None:
        self._repository = repository
        self._facts = facts
        self._policies = policies
        self._kept = kept
        self._lock = threading.RLock()
        self._seen: dict[tuple[int, int], SeenDisk] = {}
        self.sessions: Sessions = lambda _target: 0
        self.claimed: Claimed = lambda _disk: False
        for class_name in (DISK, "MSFT_PhysicalDisk"):
            repository.serve(class_name, STORAGE)

    @property
    def seen(self) -> tuple[SeenDisk, ...]:
        """The disks that are there, by number."""
        return tuple(sorted(self._seen.values(), key=lambda disk: disk.number))

    def lun(self, number: int) -> Lun | None:
        """What is behind a disk number, for whom it is passed to."""
        for disk in self.seen:
            if disk.number == number:
                return Lun(self.unique_id(disk.config), disk.config.size_gb * _GIB)
        return None

    def refresh(self) -> None:
        """Looks what is there now: disks come and go, and paths become one disk or several."""
        with self._lock:
            wanted = self._visible()
            for key in [key for key, disk in self._seen.items() if wanted.get(key) != disk]:
                self._remove(self._seen.pop(key))
            for key, disk in wanted.items():
                if key not in self._seen:
                    self._seen[key] = disk
                    self._add(disk)

    def show(self, disk: CimReference, *, offline: bool) -> None:
        """Puts a disk online or takes it offline, here and on Hyper-V's side."""
        changes: dict[str, CimValue] = {
            "IsOffline": offline,
            "OfflineReason": _BY_POLICY if offline else None,
            "OperationalStatus": [_OFFLINE if offline else _ONLINE],
        }
        self.change(disk, changes)

    def change(self, disk: CimReference, changes: Mapping[str, CimValue]) -> None:
        """Changes a disk for good."""
        after = self._repository.change(disk, changes)
        done = {name: after.get(name) for name in _REMEMBERED}
        self._kept.keep(_SECTION, {**self._kept.section(_SECTION), after.text("Path"): done})
        self._offer(after.integer("Number"), offered=after.get("IsOffline") is True)

    # Inside

    def _visible(self) -> dict[tuple[int, int], SeenDisk]:
        system = DiskConfig(0, self._facts.config.disk_gb, model="System Disk", offline=False, partition_style="gpt")
        configured = {disk.number: disk for disk in self._facts.config.disk}
        for volume in self._facts.config.volume:  # what has a volume is online, and so is the disk of C:
            if volume.disk in configured:
                configured[volume.disk] = replace(configured[volume.disk], offline=False, partition_style="gpt")
        configured[0] = replace(configured.get(0, system), offline=False, partition_style="gpt")
        ways = [SeenDisk(disk, disk.number, session) for disk in configured.values() for session in self._ways(disk)]
        wanted: dict[tuple[int, int], SeenDisk] = {}
        by_lun: dict[str, tuple[int, int]] = {}
        for way in sorted(ways, key=lambda way: (way.session, way.number)):
            lun = self.unique_id(way.config)
            if lun in by_lun and self.claimed(way.config):
                first = wanted[by_lun[lun]]
                wanted[by_lun[lun]] = replace(first, paths=first.paths + 1)
                continue
            by_lun.setdefault(lun, way.key)
            wanted[way.key] = replace(way, number=self._number(way, configured, wanted))
        return wanted

    def _ways(self, disk: DiskConfig) -> Iterable[int]:
        """The sessions through which a disk is seen; one way without a session for what is no target's."""
        return range(1, self.sessions(disk.target) + 1) if disk.target else (0,)

    def _number(self, way: SeenDisk, configured: dict[int, DiskConfig], wanted: dict[tuple[int, int], SeenDisk]) -> int:
        """Its own for the first path to an entry, for further ones the first that nobody has."""
        if way.session <= 1:
            return way.config.number
        before = self._seen.get(way.key)
        if before is not None:
            return before.number
        taken = {*configured, *(disk.number for disk in (*wanted.values(), *self._seen.values()))}
        return next(number for number in range(len(taken) + 1) if number not in taken)

    def serial(self, disk: DiskConfig) -> str:
        """The serial number; the same on every host for what hosts share."""
        owner = disk.target or (self._facts.config.cluster.name if disk.clustered else self._facts.name)
        return disk.serial or ids.stable_guid(owner, "disk", str(disk.number)).replace("-", "")[:16]

    def unique_id(self, disk: DiskConfig) -> str:
        return disk.unique_id.upper() or "6" + sha256(self.serial(disk).encode()).hexdigest()[:31].upper()

    def device_path(self, disk: SeenDisk) -> str:
        r"""The device's interface path; ``\\?\mpio#...`` where MPIO is in between (old-driver 5.5)."""
        vendor, product = (text.lower().replace(" ", "_") for text in (disk.config.vendor, disk.config.model))
        unique_id = self.unique_id(disk.config).lower()
        if self.claimed(disk.config):
            return f"\\\\?\\mpio#disk&ven_{vendor}&prod_{product}&rev_0001#1&7f6ac24&0&{unique_id}#{DISK_INTERFACE}"
        instance = f"5&{unique_id[1:9]}&0&{disk.session:02x}{disk.config.number:04x}"
        return f"\\\\?\\scsi#disk&ven_{vendor}&prod_{product}#{instance}#{DISK_INTERFACE}"

    def _add(self, disk: SeenDisk) -> None:
        config = disk.config
        path, unique_id = self.device_path(disk), self.unique_id(config)
        remembered: dict[str, CimValue] = self._kept.section(_SECTION).get(path, {})
        offline = self._policies.takes_offline(config) if config.offline is None else config.offline
        offline = bool(remembered.get("IsOffline", offline))
        name = f"{config.vendor} {config.model}"
        common: dict[str, CimValue] = {
            "UniqueId": unique_id,
            "UniqueIdFormat": _NAA,
            "FriendlyName": name,
            "Manufacturer": config.vendor,
            "Model": config.model,
            "SerialNumber": self.serial(config),
            "FirmwareVersion": "0001",
            "Size": config.size_gb * _GIB,
            "AllocatedSize": config.size_gb * _GIB if config.partition_style != "raw" else 0,
            "BusType": _BUS[config.bus_type],
            "HealthStatus": 0,
            "LogicalSectorSize": 512,
            "PhysicalSectorSize": 512,
        }
        self._store(DISK, STORAGE, {**common, **self._disk_values(disk, path, offline), **remembered})
        self._store("MSFT_PhysicalDisk", STORAGE, {**common, **self._physical_values(disk, path)})
        self._store("Win32_DiskDrive", CIMV2, self._drive_values(disk, name))
        self._offer(disk.number, offered=offline)

    def _disk_values(self, disk: SeenDisk, path: str, offline: bool) -> dict[str, CimValue]:
        config = disk.config
        is_system = config.number == 0
        guid = "{" + ids.stable_guid(self.unique_id(config), "gpt").lower() + "}"
        return {
            "ObjectId": object_id(self._facts.name, "Disk", "DI", path),
            "Path": path,
            "Location": f"Integrated : Bus 0 : Device {disk.session} : Function 0 : Adapter 0 : Port 0 : "
            f"Target {disk.session} : LUN {config.number}",
            "Number": disk.number,
            "LargestFreeExtent": 0,
            "NumberOfPartitions": len(self._partitions(disk.number)),
            "ProvisioningType": 2,
            "OperationalStatus": [_OFFLINE if offline else _ONLINE],
            "PartitionStyle": _STYLE[config.partition_style],
            "Guid": guid if config.partition_style == "gpt" else None,
            "Signature": int(self.unique_id(config)[-8:], 16) if config.partition_style == "mbr" else None,
            "IsOffline": offline,
            "OfflineReason": _BY_POLICY if offline else None,
            "IsReadOnly": config.read_only,
            "IsSystem": is_system,
            "IsBoot": is_system,
            "BootFromDisk": is_system,
            "IsClustered": config.clustered,
            "IsHighlyAvailable": config.clustered,
            "IsScaleOut": False,
        }

    def _partitions(self, number: int) -> list[CimInstance]:
        partitions = self._repository.instances("MSFT_Partition", STORAGE)
        return [item for item in partitions if item.get("DiskNumber") == number]

    def _physical_values(self, disk: SeenDisk, path: str) -> dict[str, CimValue]:
        can_pool = disk.config.number != 0 and disk.config.partition_style == "raw" and not disk.config.clustered
        return {
            "ObjectId": object_id(self._facts.name, "PhysicalDisk", "PD", path),
            "DeviceId": str(disk.number),
            "MediaType": 4 if disk.config.bus_type in ("nvme", "sata") else 0,
            "Usage": 1,
            "OperationalStatus": [2],
            "CanPool": can_pool,
            "CannotPoolReason": [] if can_pool else [5 if disk.config.clustered else 7],
            "PhysicalLocation": f"Integrated : Adapter 0 : Port 0 : Target {disk.session} : LUN {disk.config.number}",
        }

    def _drive_values(self, disk: SeenDisk, name: str) -> dict[str, CimValue]:
        config = disk.config
        suffix = "Multi-Path Disk Device" if disk.paths > 1 or self.claimed(config) else "SCSI Disk Device"
        return {
            "DeviceID": f"\\\\.\\PHYSICALDRIVE{disk.number}",
            "Name": f"\\\\.\\PHYSICALDRIVE{disk.number}",
            "Index": disk.number,
            "Caption": f"{name} {suffix}",
            "Model": f"{name} {suffix}",
            "Description": "Disk drive",
            "Manufacturer": "(Standard disk drives)",
            "InterfaceType": "SCSI",
            "MediaType": "Fixed hard disk media",
            "SerialNumber": self.serial(config),
            "Size": config.size_gb * _GIB,
            "BytesPerSector": 512,
            "Partitions": len(self._partitions(disk.number)),
            "SCSILogicalUnit": config.number,
            "SCSITargetId": disk.session,
            "SCSIPort": 0,
            "SCSIBus": 0,
            "Status": "OK",
            "SystemName": self._facts.name,
            "CreationClassName": "Win32_DiskDrive",
            "SystemCreationClassName": "Win32_ComputerSystem",
        }

    def _store(self, class_name: str, namespace: str, values: dict[str, CimValue]) -> None:
        self._repository.add(new_instance(self._repository.catalogue, class_name, values, namespace))

    def _remove(self, disk: SeenDisk) -> None:
        keyed = (
            (STORAGE, DISK, "Number", disk.number),
            (STORAGE, "MSFT_PhysicalDisk", "DeviceId", str(disk.number)),
            (CIMV2, "Win32_DiskDrive", "Index", disk.number),
        )
        for namespace, class_name, name, value in keyed:
            for instance in self._repository.instances(class_name, namespace):
                if instance.get(name) == value:
                    self._repository.remove(self._repository.reference_of(instance))
        self._offer(disk.number, offered=False)

    def _offer(self, number: int, *, offered: bool) -> None:
        """Msvm_DiskDrive: what Hyper-V may pass to a machine."""
        keys = {
            "SystemCreationClassName": "Msvm_ComputerSystem",
            "SystemName": self._facts.name,
            "CreationClassName": "Msvm_DiskDrive",
            "DeviceID": f"Microsoft:{HYPER_V_DISK_DRIVES}\\{number}",
        }
        if not offered:
            self._repository.remove(CimReference("Msvm_DiskDrive", dict(keys)))
            return
        values: dict[str, CimValue] = {
            **keys,
            "DriveNumber": number,
            "ElementName": f"Disk {number}",
            "Name": f"Disk {number}",
            "Caption": "Hard Drive",
            "Description": "Microsoft Hard Drive",
            "EnabledDefault": 2,
            "EnabledState": 2,
            "HealthState": 5,
            "OperationalStatus": [2],
            "RequestedState": 12,
            "Status": "OK",
            "StatusDescriptions": ["OK"],
        }
        self._repository.add(new_instance(self._repository.catalogue, "Msvm_DiskDrive", values))
