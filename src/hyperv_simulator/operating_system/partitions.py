"""Win32_DiskPartition and what it lies between: Windows' older view of the partitions that MSFT_Partition shows.

The Microsoft reserved partition is none to these classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

PARTITION, DRIVE, VOLUME = "Win32_DiskPartition", "Win32_DiskDrive", "Win32_LogicalDisk"
STORAGE = "root/microsoft/windows/storage"
_RESERVED = "{e3c9e316-0b5c-4db8-817d-f92df00215ae}"
_KINDS = {
    "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b}": "GPT: System",
    "{ebd0a0a2-b9e5-4433-87c0-68b6b72699c7}": "GPT: Basic Data",
}
_SECTOR_BYTES = 512


class Partitions:
    """The partitions of one host, computed from what the storage classes show."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        self._host_name = host_name
        repository.add_source(PARTITION, lambda _owner: [item for _, item in self._all()], CIMV2)

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Win32_DiskDriveToDiskPartition",
            "Antecedent",
            DRIVE,
            "Dependent",
            PARTITION,
            lambda drive: [item for _, item in self._all() if item.get("DiskIndex") == drive.get("Index")],
            lambda partition: self._drives(partition.integer("DiskIndex")),
            namespace=CIMV2,
        )
        yield Association(
            "Win32_LogicalDiskToPartition",
            "Antecedent",
            PARTITION,
            "Dependent",
            VOLUME,
            self._volumes,
            lambda volume: [item for shown, item in self._all() if f"{_letter(shown)}:" == volume.get("DeviceID")],
            lambda partition, _volume: _extent(partition),
            CIMV2,
        )

    def _all(self) -> Iterator[tuple[CimInstance, CimInstance]]:
        """Each partition as MSFT_Partition and as Win32_DiskPartition."""
        numbers: dict[int, int] = {}
        for shown in self._repository.instances("MSFT_Partition", STORAGE):
            if shown.text("GptType", "") == _RESERVED:
                continue
            disk = shown.integer("DiskNumber")
            number = numbers[disk] = numbers.get(disk, -1) + 1
            yield shown, self._partition(shown, disk, number)

    def _partition(self, shown: CimInstance, disk: int, number: int) -> CimInstance:
        name = f"Disk #{disk}, Partition #{number}"
        size = shown.integer("Size")
        is_system = shown.boolean("IsSystem", False)
        return new_instance(
            self._repository.catalogue,
            PARTITION,
            {
                "DeviceID": name,
                "Name": name,
                "Caption": name,
                "Description": _KINDS.get(shown.text("GptType", ""), "Installable File System"),
                "Type": _KINDS.get(shown.text("GptType", ""), "Installable File System"),
                "CreationClassName": PARTITION,
                "SystemCreationClassName": "Win32_ComputerSystem",
                "SystemName": self._host_name,
                "DiskIndex": disk,
                "Index": number,
                "Size": size,
                "BlockSize": _SECTOR_BYTES,
                "NumberOfBlocks": size // _SECTOR_BYTES,
                "StartingOffset": shown.integer("Offset", 0),
                "Bootable": is_system,
                "BootPartition": is_system,
                "PrimaryPartition": True,
            },
            CIMV2,
        )

    def _drives(self, index: int) -> Iterable[CimInstance]:
        return [item for item in self._repository.instances(DRIVE, CIMV2) if item.get("Index") == index]

    def _volumes(self, partition: CimInstance) -> Iterable[CimInstance]:
        for shown, item in self._all():
            if item.get("DeviceID") == partition.get("DeviceID") and _letter(shown):
                keys = {"DeviceID": f"{_letter(shown)}:"}
                found = self._repository.find(CimReference(VOLUME, keys, CIMV2))
                yield from [found] if found is not None else []


def _letter(shown: CimInstance) -> str:
    letter = shown.get("DriveLetter")
    return letter if isinstance(letter, str) else ""


def _extent(partition: CimInstance) -> dict[str, CimValue]:
    start = partition.integer("StartingOffset")
    return {"StartingAddress": start, "EndingAddress": start + partition.integer("Size") - 1}
