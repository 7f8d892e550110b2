"""The volumes, as each of Windows' interfaces shows them: Win32_LogicalDisk, Win32_Volume, MSFT_Volume, MSFT_Partition.

Free space is measured at every read from the folder behind a volume. A cluster shared volume has no drive letter but a
path on C:, and its file system calls itself CSVFS.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.storage import FileSystem, VolumeConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.storage.names import STORAGE, object_id
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder

CIMV2 = "root/cimv2"
GIB = 1024**3
_MIB = 1024**2
# MSFT_Volume.FileSystemType, and what the other interfaces call the same
_FILE_SYSTEMS: Mapping[FileSystem, tuple[int, str]] = {
    "NTFS": (14, "NTFS"),
    "ReFS": (15, "ReFS"),
    "CSVFS_NTFS": (0x8000, "CSVFS"),
    "CSVFS_ReFS": (0x8001, "CSVFS"),
}
_BASIC_DATA = "{ebd0a0a2-b9e5-4433-87c0-68b6b72699c7}"
_EFI_SYSTEM = "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b}"
_MICROSOFT_RESERVED = "{e3c9e316-0b5c-4db8-817d-f92df00215ae}"


@dataclass(frozen=True, slots=True)
class Volume:
    r"""One volume of a host.

    :param mount: where it begins: ``C:\``, ``C:\ClusterStorage\Volume1\``.
    :param folder: what is behind it.
    :param disk: number of its disk.
    """

    config: VolumeConfig
    mount: str
    guid: str
    folder: Path
    size: int
    disk: int

    @property
    def path(self) -> str:
        return f"\\\\?\\Volume{{{self.guid}}}\\"

    @property
    def letter(self) -> str:
        return self.mount[0] if len(self.mount) == 3 else ""


def volumes_of(facts: HostFacts, folder: HostFolder) -> tuple[Volume, ...]:
    """C: and what hosts.toml has besides; the folders behind shared volumes are made."""
    system = Volume(
        VolumeConfig(letter="D"), "C:\\", _guid(facts.name, "C"), folder.to_local("C:\\"), folder.total_bytes("C"), 0
    )
    found = [system]
    for config in facts.config.volume:
        mount = f"{config.letter}:\\" if config.kind == "local" else config.path + "\\"
        # A shared volume is the same on every node, and so is the folder behind it.
        if config.kind == "local":
            behind = folder.to_local(mount)
        else:
            clusters = folder.root.parent.parent / "clusters"
            behind = clusters / facts.config.cluster.name.lower() / mount.rstrip("\\").rpartition("\\")[2]
            folder.mount(config.path, behind)
        owner = facts.name if config.kind == "local" else facts.config.cluster.name
        found.append(Volume(config, mount, _guid(owner, mount), behind, config.size_gb * GIB, config.disk))
    return tuple(found)


def _guid(owner: str, mount: str) -> str:
    return ids.stable_guid(owner.upper(), "volume", mount).lower()


class Volumes:
    """Puts the volumes in, and their free space at every read."""

    def __init__(
        self, repository: Repository, facts: HostFacts, volumes: tuple[Volume, ...], folder: HostFolder
    ) -> None:
        self._repository = repository
        self._folder = folder
        self._host = facts.name
        self._by_path = {volume.path: volume for volume in volumes}
        self._by_letter = {f"{volume.letter}:": volume for volume in volumes if volume.letter}
        for volume in volumes:
            self._add_volume(volume)
            self._add_cimv2(volume)
        self._add_partitions(volumes)
        free = self._free
        repository.add_dynamic("Win32_LogicalDisk", ("FreeSpace",), lambda item: free(item, "FreeSpace"), CIMV2)
        repository.add_dynamic("Win32_Volume", ("FreeSpace",), lambda item: free(item, "FreeSpace"), CIMV2)
        repository.add_dynamic("MSFT_Volume", ("SizeRemaining",), lambda item: free(item, "SizeRemaining"), STORAGE)

    def _free(self, item: CimInstance, name: str) -> Mapping[str, CimValue]:
        path = item.text("Path", "") or item.text("DeviceID", "")
        volume = self._by_letter.get(path) or self._by_path[path]
        return {name: self._folder.free_in(volume.folder, volume.size)}

    def _add(self, class_name: str, values: dict[str, CimValue], namespace: str) -> None:
        self._repository.add(new_instance(self._repository.catalogue, class_name, values, namespace))

    def _add_volume(self, volume: Volume) -> None:
        kind, name = _FILE_SYSTEMS[volume.config.file_system]
        self._add(
            "MSFT_Volume",
            {
                "ObjectId": object_id(self._host, "Volume", "VO", volume.path),
                "UniqueId": volume.path,
                "Path": volume.path,
                "DriveLetter": volume.letter or None,
                "DriveType": 3,
                "FileSystem": name,
                "FileSystemLabel": volume.config.label,
                "FileSystemType": kind,
                "AllocationUnitSize": 4096,
                "DedupMode": 4,
                "HealthStatus": 0,
                "OperationalStatus": [2],
                "Size": volume.size,
            },
            STORAGE,
        )

    def _add_cimv2(self, volume: Volume) -> None:
        serial = zlib.crc32(volume.guid.encode())
        file_system = _FILE_SYSTEMS[volume.config.file_system][1]
        letter = f"{volume.letter}:" if volume.letter else None
        self._add(
            "Win32_Volume",
            {
                "SystemName": self._host,
                "FileSystem": file_system,
                "Compressed": False,
                "DeviceID": volume.path,
                "Name": volume.mount,
                "Caption": volume.mount,
                "DriveLetter": letter,
                "DriveType": 3,
                "BlockSize": 4096,
                "Capacity": volume.size,
                "Label": volume.config.label,
                "SerialNumber": serial,
                "BootVolume": letter == "C:",
                "SystemVolume": False,
                "Automount": True,
                "DirtyBitSet": False,
                "MaximumFileNameLength": 255,
                "CreationClassName": None,
            },
            CIMV2,
        )
        if letter:
            self._add_logical_disk(volume, letter, serial)

    def _add_logical_disk(self, volume: Volume, letter: str, serial: int) -> None:
        self._add(
            "Win32_LogicalDisk",
            {
                "SystemName": self._host,
                "FileSystem": _FILE_SYSTEMS[volume.config.file_system][1],
                "Compressed": False,
                "DeviceID": letter,
                "Name": letter,
                "Caption": letter,
                "Description": "Local Fixed Disk",
                "CreationClassName": "Win32_LogicalDisk",
                "SystemCreationClassName": "Win32_ComputerSystem",
                "DriveType": 3,
                "MediaType": 12,
                "Access": 0,
                "MaximumComponentLength": 255,
                "Size": volume.size,
                "VolumeName": volume.config.label,
                "VolumeSerialNumber": f"{serial:08X}",
                "SupportsDiskQuotas": False,
                "SupportsFileBasedCompression": True,
            },
            CIMV2,
        )

    def _add_partitions(self, volumes: tuple[Volume, ...]) -> None:
        """A disk of volumes begins with 16 MiB reserved; that of C: with the partition that the firmware starts."""
        for disk in dict.fromkeys(volume.disk for volume in volumes if volume.config.kind == "local"):
            number, offset = 1, _MIB
            heads = [(_EFI_SYSTEM, 100 * _MIB)] if disk == 0 else []
            for gpt_type, size in [*heads, (_MICROSOFT_RESERVED, 16 * _MIB)]:
                self._add_partition(disk, number, offset, size, gpt_type, None)
                number, offset = number + 1, offset + size
            for volume in volumes:
                if volume.disk == disk and volume.config.kind == "local":
                    self._add_partition(disk, number, offset, volume.size, _BASIC_DATA, volume)
                    number, offset = number + 1, offset + volume.size

    def _add_partition(
        self, disk: int, number: int, offset: int, size: int, gpt_type: str, volume: Volume | None
    ) -> None:
        guid = "{" + ids.stable_guid(self._host, "partition", str(disk), str(offset)).lower() + "}"
        self._add(
            "MSFT_Partition",
            {
                "ObjectId": object_id(self._host, "Partition", "PR", f"{{{offset:012x}}}\\\\?\\Disk{disk}"),
                "UniqueId": guid,
                "DiskNumber": disk,
                "PartitionNumber": number,
                "DriveLetter": volume.letter if volume else None,
                "AccessPaths": [volume.mount, volume.path] if volume else [],
                "OperationalStatus": 1,
                "TransitionState": 1,
                "Offset": offset,
                "Size": size,
                "GptType": gpt_type,
                "Guid": guid,
                "IsReadOnly": False,
                "IsOffline": False,
                "IsSystem": gpt_type == _EFI_SYSTEM,
                "IsBoot": volume is not None and volume.letter == "C",
                "IsActive": False,
                "IsHidden": gpt_type == _MICROSOFT_RESERVED,
                "IsShadowCopy": False,
                "NoDefaultDriveLetter": gpt_type != _BASIC_DATA,
            },
            STORAGE,
        )
