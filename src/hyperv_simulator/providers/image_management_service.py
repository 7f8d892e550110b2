"""Msvm_ImageManagementService: virtual hard disk files, through ``storage.vhd``.

What changes a file is done in an Msvm_StorageJob, always (real-instances 3.5); what only reads answers at once.
Codes: R16 of hyperv-ops; a disk operation's own code stands in the job's error text and in JobCompletionStatusCode.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.outcomes import (
    FAILED,
    FILE_NOT_FOUND,
    INVALID_PARAMETER,
    METHOD_NOT_SUPPORTED,
    OperationFailed,
    Refused,
)
from hyperv_simulator.outcomes import VHD_CHAIN_CYCLE as VHD_CHAIN_CYCLE_CODE
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.mounted_storage_image import MountedImages
from hyperv_simulator.providers.online_resize import OnlineResize
from hyperv_simulator.providers.unsupported import service_control, vhd_sets
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.storage.errors import FILE_NOT_FOUND as FILE_NOT_FOUND_RESULT
from hyperv_simulator.storage.errors import NO_SHARING, PATH_NOT_FOUND, VHD_CHAIN_CYCLE, DiskError
from hyperv_simulator.storage.vhd import DiskFormat, DiskKind, DiskStore, VirtualDisk

_SETTINGS = "Msvm_VirtualHardDiskSettingData"
_KINDS: Mapping[int, DiskKind] = {2: "fixed", 3: "dynamic", 4: "differencing"}
_FORMATS: Mapping[int, DiskFormat] = {2: "vhd", 3: "vhdx"}
_KIND_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_FORMAT_NUMBERS = {name: number for number, name in _FORMATS.items()}
_FORMAT_SET = 4
_FLOPPY_BYTES = 1440 * 1024
# Modes of compacting: those in which blocks are looked through for zeros, and those that only give back what is marked.
_MODES_THAT_LOOK = {0: True, 1: False, 2: False, 3: False, 4: True}


def _job(verb: str, doing: str, job_type: int, what: str = "Virtual Hard Disk") -> JobKind:
    """:param job_type: value map of Msvm_StorageJob.JobType; 0 where it names nothing that fits."""
    return JobKind(f"{verb} {what}", f"{doing} {what}", job_type, "Msvm_StorageJob")


_CREATE = _job("Create", "Creating", 1)
_FLOPPY = _job("Create", "Creating", 2, "Virtual Floppy Disk")
_RESIZE = _job("Resize", "Resizing", 4)
_CONVERT = _job("Convert", "Converting", 6)
_MERGE = _job("Merge", "Merging", 5, "Virtual Disk")
_COMPACT = _job("Compact", "Compacting", 3)
_ATTACH = _job("Mount", "Mounting", 7)
_RECONNECT = _job("Set Parent", "Setting Parent of", 0)
_VALIDATE = _job("Validate", "Validating", 9)
_SHARING = _job("Validate Sharing", "Validating Sharing of", 0)
_SET = _job("Set Settings", "Setting Attributes of", 0)


class ImageManagementProvider(Provider):
    class_name = "Msvm_ImageManagementService"

    def __init__(
        self, disks: DiskStore, images: MountedImages, online: OnlineResize, jobs: Jobs, catalogue: HostCatalogue
    ) -> None:
        self._disks = disks
        self._online = online
        self._images = images
        self._jobs = jobs
        self._catalogue = catalogue

    def methods(self) -> Mapping[str, Method]:
        return {
            "CreateVirtualHardDisk": self._create,
            "GetVirtualHardDiskSettingData": self._settings,
            "GetVirtualHardDiskState": self._state,
            "SetVirtualHardDiskSettingData": self._set,
            "ResizeVirtualHardDisk": self._resize,
            "ConvertVirtualHardDisk": self._convert,
            "MergeVirtualHardDisk": self._merge,
            "CompactVirtualHardDisk": self._compact,
            "SetParentVirtualHardDisk": self._set_parent,
            "ValidateVirtualHardDisk": self._validate,
            "ValidatePersistentReservationSupport": self._validate_sharing,
            "AttachVirtualHardDisk": self._attach,
            "CreateVirtualFloppyDisk": self._create_floppy,
            **self._images.methods(),
            **vhd_sets(self._disks),
            **service_control(),
        }

    # Reading

    def _settings(self, call: Call) -> Outputs:
        disk = self._read(call.text("Path"))
        values: dict[str, CimValue] = {
            "InstanceID": None,
            "Caption": "Virtual Hard Disk Setting Data",
            "Description": "Setting Data for a Virtual Hard Disk.",
            "ElementName": disk.path.rpartition("\\")[2],
            "Path": disk.path,
            "Type": _KIND_NUMBERS[disk.kind],
            "Format": _FORMAT_NUMBERS[disk.format],
            "ParentPath": disk.parent_path or "",
            "ParentIdentifier": None,
            "MaxInternalSize": disk.virtual_size_bytes,
            "BlockSize": disk.block_size_bytes,
            "LogicalSectorSize": disk.logical_sector_bytes,
            "PhysicalSectorSize": disk.physical_sector_bytes,
            "VirtualDiskId": disk.disk_id,
        }
        return done(SettingData=self._text(_SETTINGS, values))

    def _state(self, call: Call) -> Outputs:
        disk = self._read(call.text("Path"))
        values: dict[str, CimValue] = {
            "FileSize": disk.file_size_bytes,
            "InUse": disk.in_use,
            "MinInternalSize": self._smallest_size(disk),
            "PhysicalSectorSize": disk.physical_sector_bytes,
            "Alignment": 1,
            "FragmentationPercentage": 0,
            "Timestamp": dt.datetime.now(dt.UTC),
        }
        return done(State=self._text("Msvm_VirtualHardDiskState", values))

    # Changing

    def _create(self, call: Call) -> Outputs:
        try:
            given = call.embedded("VirtualDiskSettingData", _SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_CREATE, failure, user=call.caller.user))
        path = self._path_in(given)
        kind, disk_format = self._kind_in(given), self._format_in(given)
        if not path.lower().endswith(f".{disk_format}"):
            # Also .avhdx, which only Hyper-V itself makes (HVWMI vhd_setparent).
            why = f"'{path}': The file extension is not valid."
            invalid = OperationFailed("Failed to create the virtual hard disk.", why, code=INVALID_PARAMETER)
            return job_started(self._jobs.failed(_CREATE, invalid, user=call.caller.user))
        parent = given.get("ParentPath")
        if kind == "differencing" and not parent:
            raise Refused(INVALID_PARAMETER, "a differencing disk without a parent")

        def create() -> None:
            self._disks.create(
                path,
                kind,
                disk_format,
                given.integer("MaxInternalSize", 0),
                parent_path=str(parent) if kind == "differencing" else None,
                block_size=given.integer("BlockSize", 0),
                logical_sector=given.integer("LogicalSectorSize", 0),
                physical_sector=given.integer("PhysicalSectorSize", 0),
            )

        return self._start(call, _CREATE, path, "create", create)

    def _create_floppy(self, call: Call) -> Outputs:
        path = call.text("Path")
        return self._start(call, _FLOPPY, path, "create", lambda: self._disks.create_blank(path, _FLOPPY_BYTES))

    def _attach(self, call: Call) -> Outputs:
        """A drive letter is not assigned: Windows' own view of the disk is not simulated."""
        path, read_only = call.text("Path"), call.boolean("ReadOnly")
        return self._start(call, _ATTACH, path, "mount", lambda: self._images.attach(path, read_only=read_only))

    def _set(self, call: Call) -> Outputs:
        """The attributes that can be set: VirtualDiskId and PhysicalSectorSize."""
        try:
            given = call.embedded("VirtualDiskSettingData", _SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_SET, failure, user=call.caller.user))
        path, disk_id, sector = self._path_in(given), given.get("VirtualDiskId"), given.integer("PhysicalSectorSize", 0)
        if not disk_id and not sector:
            raise Refused(METHOD_NOT_SUPPORTED, "nothing that can be set")

        def change() -> None:
            if disk_id:
                self._disks.set_disk_id(path, str(disk_id))
            if sector:
                self._disks.set_physical_sector(path, sector)

        return self._start(call, _SET, path, "set the attributes of", change)

    def _resize(self, call: Call) -> Outputs:
        path, size = call.text("Path"), call.integer("MaxInternalSize")
        return self._start(call, _RESIZE, path, "resize", lambda: self._online.resize(path, size))

    def _convert(self, call: Call) -> Outputs:
        source = call.text("SourcePath")
        try:
            given = call.embedded("VirtualDiskSettingData", _SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_CONVERT, failure, user=call.caller.user))
        target, kind, disk_format = self._path_in(given), self._kind_in(given), self._format_in(given)
        return self._start(
            call, _CONVERT, source, "convert", lambda: self._disks.convert(source, target, kind, disk_format)
        )

    def _merge(self, call: Call) -> Outputs:
        child, ancestor = call.text("SourcePath"), call.text("DestinationPath")
        return self._start(call, _MERGE, child, "merge", lambda: self._disks.merge(child, ancestor))

    def _compact(self, call: Call) -> Outputs:
        path, mode = call.text("Path"), call.integer("Mode", 0)
        if mode not in _MODES_THAT_LOOK:
            raise Refused(INVALID_PARAMETER, f"Mode {mode}")
        look = _MODES_THAT_LOOK[mode]
        return self._start(call, _COMPACT, path, "compact", lambda: self._disks.compact(path, find_zeros=look))

    def _set_parent(self, call: Call) -> Outputs:
        child, parent = call.text("ChildPath"), call.text("ParentPath")
        ignore = call.boolean("IgnoreIDMismatch")
        try:
            self._disks.set_parent(child, parent, ignore)
        except DiskError as error:
            failure = self._failure("set the parent of", child, error)
            return job_started(self._jobs.failed(_RECONNECT, failure, user=call.caller.user))
        return done()  # at once (HVWMI vhd_setparent)

    def _validate(self, call: Call) -> Outputs:
        path = call.text("Path")
        return self._start(call, _VALIDATE, path, "validate", lambda: self._disks.validate(path))

    def _validate_sharing(self, call: Call) -> Outputs:
        """Shared disks need a cluster's storage."""
        path = call.text("Path")

        def validate() -> None:
            self._disks.info(path)
            if not self._disks.folder.can_share(path):
                raise OperationFailed(f"Failed to validate '{path}'.", NO_SHARING, code=FAILED)

        return self._start(call, _SHARING, path, "validate", validate)

    # Inside

    def _smallest_size(self, disk: VirtualDisk) -> int | None:
        """NULL where nobody can say: no partitions (HVWMI vhd_info), or a parent is missing (assumption)."""
        try:
            return self._disks.smallest_size(disk.path)
        except DiskError:
            return None

    def _start(self, call: Call, kind: JobKind, path: str, verb: str, action: Callable[[], None]) -> Outputs:
        def work(_: JobControl) -> None:
            try:
                action()
            except (DiskError, GuestError) as error:
                raise self._failure(verb, path, error) from None

        return job_started(self._jobs.start(kind, work, user=call.caller.user, origin=(self.class_name, call.method)))

    @staticmethod
    def _failure(verb: str, path: str, error: DiskError | GuestError) -> OperationFailed:
        return OperationFailed(
            f"Failed to {verb} the virtual hard disk.",
            f"The system failed to {verb} '{path}': {error.text} (0x{error.code:08X}).",
            code=VHD_CHAIN_CYCLE_CODE if error.code == VHD_CHAIN_CYCLE else FAILED,
            result=error.code,
        )

    def _read(self, path: str) -> VirtualDisk:
        try:
            return self._disks.info(path)
        except DiskError as error:
            missing = error.code in (FILE_NOT_FOUND_RESULT, PATH_NOT_FOUND)
            raise Refused(FILE_NOT_FOUND if missing else FAILED, str(error)) from None

    def _text(self, class_name: str, values: Mapping[str, CimValue]) -> str:
        """Every property of the class, NULL or not, as GetText gives it (real-instances 3.11)."""
        instance = CimInstance(class_name)
        for name, _ in self._catalogue.property_names(instance.namespace, class_name):
            instance[name] = values.get(name)
        return instance_to_text(instance)

    @staticmethod
    def _path_in(given: CimInstance) -> str:
        path = given.get("Path")
        if not isinstance(path, str) or not path:
            raise Refused(INVALID_PARAMETER, "no Path")
        return path

    @staticmethod
    def _kind_in(given: CimInstance) -> DiskKind:
        kind = _KINDS.get(given.integer("Type", 0))
        if kind is None:
            raise Refused(INVALID_PARAMETER, f"Type {given.get('Type')!r}")
        return kind

    @staticmethod
    def _format_in(given: CimInstance) -> DiskFormat:
        if given.integer("Format", 0) == _FORMAT_SET:
            raise Refused(METHOD_NOT_SUPPORTED, "VHD sets")
        disk_format = _FORMATS.get(given.integer("Format", 0))
        if disk_format is None:
            raise Refused(INVALID_PARAMETER, f"Format {given.get('Format')!r}")
        return disk_format
