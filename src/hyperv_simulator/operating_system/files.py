"""CIM_DataFile and Win32_Directory: the files and folders of the host's volumes, as they are on the disk behind them.

Values: real-instances 4.4. Every query looks at every file: a host's folder is small. Copy, Rename and Delete are
there; compression, encryption and permissions are not simulated.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.errors import FILE_EXISTS, DiskError
from hyperv_simulator.storage.paths import HostFolder

FILE, DIRECTORY = "CIM_DataFile", "Win32_Directory"
_FULL_ACCESS = 18809343
_TYPES = {"vhd": "Disc Image File", "vhdx": "Hard Disk Image File", "iso": "Disc Image File", "txt": "Text Document"}
# Return codes of both classes' methods: 8 unspecified failure, 9 invalid name, 10 object exists.
_FAILED, _INVALID_NAME, _EXISTS = 8, 9, 10


def populate(repository: Repository, folder: HostFolder, host_name: str) -> None:
    """Declares both classes; their instances are computed at every read."""

    def files(_owner: str) -> Iterator[CimInstance]:
        for inner, _, names in os.walk(folder.root):
            if Path(inner) != folder.root:  # what stands beside the volumes is the simulator's own
                yield from (_instance(repository, folder, host_name, Path(inner) / name) for name in names)

    def directories(_owner: str) -> Iterator[CimInstance]:
        for inner, names, _ in os.walk(folder.root):
            if Path(inner) != folder.root:
                yield from (_instance(repository, folder, host_name, Path(inner) / name) for name in names)

    repository.add_source(FILE, lambda owner: list(files(owner)), CIMV2)
    repository.add_source(DIRECTORY, lambda owner: list(directories(owner)), CIMV2)


def _instance(repository: Repository, folder: HostFolder, host_name: str, local: Path) -> CimInstance:
    path = folder.to_windows(local).lower()
    found = local.lstat()
    is_folder = local.is_dir()
    above, _, name = path.rpartition("\\")
    stem, _, extension = name.rpartition(".") if "." in name and not is_folder else (name, "", "")
    changed = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
    return new_instance(
        repository.catalogue,
        DIRECTORY if is_folder else FILE,
        {
            "Name": path,
            "Caption": path,
            "Description": path,
            "Drive": path[:2],
            "Path": above[2:] + "\\",
            "FileName": stem,
            "Extension": extension,
            "FileType": "File Folder" if is_folder else _TYPES.get(extension, f"{extension.upper()} File".strip()),
            "FileSize": None if is_folder else found.st_size,
            "AccessMask": _FULL_ACCESS,
            "CreationClassName": "CIM_LogicalFile",
            "CSCreationClassName": "Win32_ComputerSystem",
            "CSName": host_name,
            "FSCreationClassName": "Win32_FileSystem",
            "FSName": "NTFS",
            "CreationDate": changed,
            "InstallDate": changed,
            "LastModified": changed,
            "LastAccessed": changed,
            "Archive": not is_folder,
            "Compressed": False,
            "Encrypted": False,
            "Hidden": False,
            "System": False,
            "Readable": True,
            "Writeable": True,
            "Status": "OK",
        },
        CIMV2,
    )


class FileProvider(Provider):
    """Copy, Rename and Delete of files and folders."""

    class_name = "CIM_LogicalFile"
    namespace = CIMV2

    def __init__(self, folder: HostFolder) -> None:
        self._folder = folder

    def methods(self) -> Mapping[str, Method]:
        return {
            "Delete": lambda call: self._done(lambda: _delete(self._here(call))),
            "Copy": lambda call: self._placed(call, _copy),
            "Rename": lambda call: self._placed(call, _move),
        }

    def _here(self, call: Call) -> Path:
        return self._folder.to_local(call.target.text("Name"))

    def _placed(self, call: Call, place: Callable[[Path, Path], None]) -> Outputs:
        return self._done(lambda: place(self._here(call), self._folder.for_new(call.text("FileName", ""))))

    @staticmethod
    def _done(action: Callable[[], None]) -> Outputs:
        try:
            action()
        except FileExistsError:
            return {"ReturnValue": _EXISTS}
        except DiskError as error:
            return {"ReturnValue": _EXISTS if error.code == FILE_EXISTS else _INVALID_NAME}
        except OSError:
            return {"ReturnValue": _FAILED}
        return {"ReturnValue": 0}


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _move(source: Path, target: Path) -> None:
    source.rename(target)
