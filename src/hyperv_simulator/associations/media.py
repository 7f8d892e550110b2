"""What is in the drives of machines that run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.repository.associations import Association

_DRIVES = ("Msvm_DiskDrive", "Msvm_DVDDrive", "Msvm_DisketteDrive")
_MEDIUM = "Msvm_LogicalDisk"


class MediaAssociations:
    r"""Drives and their media: ``…\D`` and ``…\L`` of one place (real-instances 1.2)."""

    def __init__(self, walks: Walks) -> None:
        self._walks = walks

    def rows(self) -> Iterator[Association]:
        for drive_class in _DRIVES:
            yield Association(
                "Msvm_MediaPresent",
                "Antecedent",
                drive_class,
                "Dependent",
                _MEDIUM,
                lambda drive: self._at(_MEDIUM, drive, "D", "L"),
                lambda medium, drive_class=drive_class: self._at(drive_class, medium, "L", "D"),  # type: ignore[misc]
                lambda drive, _medium: {"FixedMedia": drive.class_name == "Msvm_DiskDrive"},
            )

    def _at(self, class_name: str, device: CimInstance, own: str, other: str) -> Iterable[CimInstance]:
        place = device.text("DeviceID")
        if not place.endswith(f"\\{own}"):
            return  # a disk of the host
        wanted = place.removesuffix(own) + other
        for found in self._walks.repository.owned(class_name, device.text("SystemName")):
            if found.get("DeviceID") == wanted:
                yield found
