"""Msvm_MountedStorageImage: disk and ISO files that the host itself has opened.

What is simulated: the file is in use, the instance with its SCSI address is there until it is detached or the host ends
(Windows' own disks of it, MSFT_Disk and the like, are not). Codes: R16, R18 of hyperv-ops; keys: class page.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.outcomes import INVALID_PARAMETER, OBJECT_NOT_FOUND, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.holds import Hold
from hyperv_simulator.storage.vhd import DiskStore

MOUNTED_IMAGE = "Msvm_MountedStorageImage"
_BY_PATH = 2
_DISK, _ISO = 0, 1
_READ_ONLY, _READ_WRITE = 1, 2
_MAX_IMAGES = 64  # LUNs of one bus (assumption)


@dataclass(frozen=True, slots=True)
class _Mounted:
    reference: CimReference
    hold: Hold


class MountedImages:
    """What is mounted, by the file's key. Safe for threads."""

    def __init__(self, repository: Repository, store: DiskStore) -> None:
        self._repository = repository
        self._store = store
        self._lock = threading.Lock()
        self._mounted: dict[str, _Mounted] = {}
        repository.serve(MOUNTED_IMAGE)

    def attach(self, path: str, *, read_only: bool) -> None:
        """:raises DiskError: SHARING_VIOLATION where it is in use or mounted already; what is wrong with it."""
        is_iso = path.lower().endswith(".iso")
        key = self._store.folder.parse(path).key()
        with self._lock:
            if key in self._mounted:
                raise DiskError(errors.SHARING_VIOLATION, path)
            taken = {str(item.reference.keys["Lun"]) for item in self._mounted.values()}
            lun = next((number for number in range(_MAX_IMAGES) if str(number) not in taken), None)
            if lun is None:
                raise DiskError(errors.NOT_SUPPORTED, path, f"{_MAX_IMAGES} images are mounted")
            hold = self._store.hold(path, read_only=read_only or is_iso)
            reference = self._repository.add(
                new_instance(
                    self._repository.catalogue,
                    MOUNTED_IMAGE,
                    {
                        "Name": str(self._store.folder.parse(path)),
                        "Type": _ISO if is_iso else _DISK,
                        "Access": _READ_ONLY if read_only or is_iso else _READ_WRITE,
                        "PortNumber": 0,
                        "PathId": 0,
                        "TargetId": 0,
                        "Lun": lun,
                    },
                )
            )
            self._mounted[key] = _Mounted(reference, hold)

    def find(self, path: str) -> CimReference | None:
        try:
            key = self._store.folder.parse(path).key()
        except DiskError:
            return None
        with self._lock:
            mounted = self._mounted.get(key)
        return mounted.reference if mounted is not None else None

    def detach(self, reference: CimReference) -> bool:
        """Whether it was mounted."""
        with self._lock:
            key = next((key for key, item in self._mounted.items() if item.reference == reference), None)
            if key is None:
                return False
            self._mounted.pop(key).hold.close()
            return self._repository.remove(reference)

    def methods(self) -> Mapping[str, Method]:
        """What the image service does with them besides mounting."""
        return {"FindMountedStorageImageInstance": self._find}

    def _find(self, call: Call) -> Outputs:
        if call.integer("CriterionType") != _BY_PATH:
            raise Refused(INVALID_PARAMETER, "images are found by path only")
        found = self.find(call.text("SelectionCriterion"))
        if found is None:
            raise Refused(OBJECT_NOT_FOUND, "not mounted")
        return done(Image=found)


class MountedStorageImageProvider(Provider):
    class_name = MOUNTED_IMAGE

    def __init__(self, images: MountedImages) -> None:
        self._images = images

    def methods(self) -> Mapping[str, Method]:
        return {"DetachVirtualHardDisk": self._detach}

    def _detach(self, call: Call) -> Outputs:
        if not self._images.detach(call.reference):
            raise Refused(1, "not mounted")  # the class's own code for a failure
        return done()
