"""Virtual disks on a host: VHD and VHDX files, made and looked at by its image management service.

Sizes are virtual sizes throughout: what the guest sees. Sources: Msvm_ImageManagementService and
Msvm_VirtualHardDiskSettingData pages; facts: hyperv-ops 4.
"""

from __future__ import annotations

from typing import Literal

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimValue
from compute_hyperv.host import jobs, paths
from compute_hyperv.host.errors import BadPath
from compute_hyperv.host.jobs import Progress
from compute_hyperv.host.model import DiskInfo
from compute_hyperv.host.services import IMAGES

Format = Literal["vhd", "vhdx", "vhdset"]
Kind = Literal["fixed", "dynamic", "differencing"]

_FORMATS: dict[Format, int] = {"vhd": 2, "vhdx": 3, "vhdset": 4}
_KINDS: dict[Kind, int] = {"fixed": 2, "dynamic": 3, "differencing": 4}
_FORMAT_NAMES = {code: name for name, code in _FORMATS.items()}
_KIND_NAMES = {code: name for name, code in _KINDS.items()}
_EXTENSIONS: dict[str, Format] = {"vhd": "vhd", "avhd": "vhd", "vhdx": "vhdx", "avhdx": "vhdx", "vhds": "vhdset"}

# Copying a disk takes as long as its bytes; the others touch metadata only.
_COPY_TIMEOUT_S = 4 * 3600.0


class Disks:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def create_dynamic(self, path: str, size_bytes: int) -> None:
        """Make an empty disk that grows with its content. Its folder exists; the file does not."""
        self._create(path, "dynamic", {"MaxInternalSize": size_bytes})

    def create_fixed(self, path: str, size_bytes: int, *, progress: Progress | None = None) -> None:
        """Make an empty disk that has all of its bytes from the start."""
        self._create(path, "fixed", {"MaxInternalSize": size_bytes}, progress=progress)

    def create_differencing(self, path: str, parent_path: str) -> None:
        """Make a child of a disk of the same format; it has the parent's size until it is resized."""
        if disk_format(path) != disk_format(parent_path):
            raise BadPath(
                f"Creating the disk {path} failed: its parent {parent_path} has another format.",
                path=path,
                remedy="Give child and parent the same extension.",
            )
        self._create(path, "differencing", {"ParentPath": paths.normalise(parent_path)})

    def info(self, path: str) -> DiskInfo:
        """What the disk is. Reads the setting data and the state: two requests."""
        what = f"Reading the disk {path}"
        settings = self._embedded("GetVirtualHardDiskSettingData", path, "SettingData", what)
        state = self._embedded("GetVirtualHardDiskState", path, "State", what)
        format_code, kind_code = settings.integer("Format"), settings.integer("Type")
        if format_code not in _FORMAT_NAMES or kind_code not in _KIND_NAMES:
            raise ProtocolError(f"{what} failed: format {format_code} or type {kind_code} is not a documented one.")
        return DiskInfo(
            path=settings.text("Path", path),
            format=_FORMAT_NAMES[format_code],
            kind=_KIND_NAMES[kind_code],
            virtual_size_bytes=settings.integer("MaxInternalSize"),
            file_size_bytes=state.integer("FileSize", 0),
            parent_path=settings.text("ParentPath", "") or None,
        )

    def resize(self, path: str, size_bytes: int) -> None:
        """Give the disk another virtual size; shrinking goes down to what is in use, and with VHDX only."""
        jobs.run(
            self._session,
            IMAGES,
            "ResizeVirtualHardDisk",
            {"Path": paths.normalise(path), "MaxInternalSize": size_bytes},
            what=f"Resizing the disk {path}",
        )

    def convert(self, source: str, target: str, *, kind: Kind = "dynamic", progress: Progress | None = None) -> None:
        """Write a disk with all that its chain holds to a new file, in the format that the target's extension names."""
        settings = _settings(target, kind, {})
        jobs.run(
            self._session,
            IMAGES,
            "ConvertVirtualHardDisk",
            {"SourcePath": paths.normalise(source), "VirtualDiskSettingData": settings},
            what=f"Converting the disk {source} to {target}",
            timeout_s=_COPY_TIMEOUT_S,
            progress=progress,
        )

    def _create(self, path: str, kind: Kind, more: dict[str, CimValue], *, progress: Progress | None = None) -> None:
        jobs.run(
            self._session,
            IMAGES,
            "CreateVirtualHardDisk",
            {"VirtualDiskSettingData": _settings(path, kind, more)},
            what=f"Creating the disk {path}",
            timeout_s=_COPY_TIMEOUT_S if kind == "fixed" else jobs.DEFAULT_TIMEOUT_S,
            progress=progress,
        )

    def _embedded(self, method: str, path: str, output: str, what: str) -> CimInstance:
        """The instance that a reading method gives as text. It answers at once, or with a job and the text in neither
        place (Msvm_ImageManagementService pages name both): then a second call finds the disk's data at hand."""
        parameters: dict[str, CimValue] = {"Path": paths.normalise(path)}
        result = jobs.run(self._session, IMAGES, method, parameters, what=what)
        text = result[output]
        if not isinstance(text, str):
            text = jobs.run(self._session, IMAGES, method, parameters, what=what)[output]
        if not isinstance(text, str):
            raise ProtocolError(f"{what} failed: the host gave no {output}.")
        return cimxml.text_to_instance(text)


def disk_format(path: str) -> Format:
    """The format that Hyper-V expects in a file of this name. Raises BadPath for any other."""
    extension = paths.extension(path)
    if extension not in _EXTENSIONS:
        raise BadPath(f"{path} is not the name of a virtual disk.", path=path, remedy="Name it .vhdx or .vhd.")
    return _EXTENSIONS[extension]


def _settings(path: str, kind: Kind, more: dict[str, CimValue]) -> CimInstance:
    # Block and sector sizes stay out: 0 or absent is the host's default, 4096 bytes physical for VHDX.
    return CimInstance(
        "Msvm_VirtualHardDiskSettingData",
        {
            "Path": paths.normalise(path),
            "Type": _KINDS[kind],
            "Format": _FORMATS[disk_format(path)],
            **more,
        },
    )
