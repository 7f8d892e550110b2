r"""Windows paths and the folder that stands for a host's volumes.

Rule 1: nothing outside the folder is ever reached: ``..`` is resolved on the text, as Windows does it, before the file
        system is asked, and a symbolic link anywhere on the way is refused, but for shared volumes (``mount``).
Rule 2: names are found without regard to case and keep the case they were made with, as on NTFS.
Rule 3: a path is a value (`parse`); looking it up is one method (`HostFolder.to_local`).
Rule 4: a share of a file server is a volume as well, where somebody knows the server (``find_share``). Whether the
        host's account may use it is not asked.

A volume is a folder named like its drive letter (``volumes/C``). What a fresh Windows Server has of folders is made at
the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

# What setup and the Hyper-V role leave on C: (facts/real-instances 2.8; DefaultVirtualHardDiskPath as Microsoft
# documents it).
FRESH_FOLDERS = (
    r"C:\PerfLogs",
    r"C:\Program Files",
    r"C:\Program Files (x86)",
    r"C:\ProgramData\Microsoft\Windows\Hyper-V",
    r"C:\Users\Administrator",
    r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks",
    r"C:\Windows\System32",
    r"C:\Windows\Temp",
)

_CLUSTER_STORAGE = "c:\\clusterstorage\\"
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]')
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)", re.IGNORECASE)
_DRIVE = re.compile(r"^([A-Za-z]):(\\|$)")


@dataclass(frozen=True, slots=True)
class WindowsPath:
    r"""A full path: ``drive`` is one upper-case letter, or ``\\server\share``; ``parts`` hold no ``.`` or ``..``."""

    drive: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        root = self.drive if self.is_remote else f"{self.drive}:"
        return f"{root}\\" + "\\".join(self.parts)

    @property
    def is_remote(self) -> bool:
        """On a share, not on a local drive."""
        return self.drive.startswith("\\\\")

    @property
    def folder(self) -> WindowsPath:
        return WindowsPath(self.drive, self.parts[:-1])

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else ""

    def key(self) -> str:
        """The same for every spelling of one file."""
        return str(self).casefold()


def parse(
    text: str,
    *,
    host_names: frozenset[str] = frozenset(),
    find_share: Callable[[str, str], Path | None] = lambda _server, _share: None,
) -> WindowsPath:
    r"""A full Windows path as a value.

    Accepts ``C:\x``, ``C:/x``, ``\\?\C:\x``, for the host's own names ``\\host\C$\x``, and shares that are found.

    :param host_names: names and addresses (lower case) by which this host is its own file server.
    :param find_share: the folder behind a server's share; None where there is none.
    :raises DiskError: INVALID_NAME for what is no full path, BAD_NETPATH for another server's share.
    """
    plain = text.strip().replace("/", "\\")
    if plain.lower().startswith("\\\\?\\unc\\"):
        plain = "\\\\" + plain[8:]
    elif plain.startswith(("\\\\?\\", "\\\\.\\")):
        plain = plain[4:]
    if plain.startswith("\\\\"):
        server, _, rest = plain[2:].partition("\\")
        share, _, rest = rest.partition("\\")
        if server.lower() in host_names and re.fullmatch(r"[A-Za-z]\$", share):
            plain = f"{share[0]}:\\{rest}"
        elif find_share(server, share) is not None:
            return WindowsPath(f"\\\\{server}\\{share}", _parts(rest, text))
        else:
            raise DiskError(errors.BAD_NETPATH, text)
    drive = _DRIVE.match(plain)
    if drive is None:
        raise DiskError(errors.INVALID_NAME, text)
    return WindowsPath(drive.group(1).upper(), _parts(plain[2:], text))


def _parts(plain: str, text: str) -> tuple[str, ...]:
    """:param plain: what follows the drive.  :param text: the path as it was given."""
    parts: list[str] = []
    for part in plain.split("\\"):
        if part in ("", "."):
            continue
        if part == "..":
            # Windows stops at the drive's root, it does not complain.
            del parts[-1:]
            continue
        # Win32 drops trailing dots and spaces of every part.
        part = part.rstrip(". ")
        if not part or _FORBIDDEN.search(part) or _RESERVED.match(part):
            raise DiskError(errors.INVALID_NAME, text)
        parts.append(part)
    return tuple(parts)


class HostFolder:
    r"""The folder that is the host's file system.

    :param root: holds one folder per drive letter; made if it is missing, with a fresh Windows' folders on ``C:``.
    :param capacity_bytes: size of ``C:`` as the host reports it; sparse, nothing is reserved.
    :param drives: the further drives and their sizes in bytes; their folders are made.
    :param host_names: names and addresses under which ``\\name\C$`` means this host.
    :param find_share: the folder behind a share of any server, this host included; None where there is none.
    """

    def __init__(
        self,
        root: Path,
        capacity_bytes: int = 500 * 1024**3,
        host_names: frozenset[str] = frozenset(),
        drives: Mapping[str, int] | None = None,
        find_share: Callable[[str, str], Path | None] = lambda _server, _share: None,
    ) -> None:
        self.root = root
        # While it is there, nothing new fits, whatever the files leave; a file, because smbd's script asks as well.
        self.full_marker = root / "full"
        self._capacity_bytes = {"C": capacity_bytes, **(drives or {})}
        self._mounts: set[Path] = set()
        self._host_names = frozenset(name.lower() for name in host_names)
        self._find_share = find_share
        for path in FRESH_FOLDERS:
            self.local_of(parse(path)).mkdir(parents=True, exist_ok=True)
        for drive in self._capacity_bytes:
            (root / drive).mkdir(exist_ok=True)

    def parse(self, windows_path: str) -> WindowsPath:
        """:raises DiskError: as the function `parse`."""
        return parse(windows_path, host_names=self._host_names, find_share=self._find_share)

    def to_local(self, windows_path: str) -> Path:
        """The local path of a Windows path; the file itself need not exist.

        :raises DiskError: INVALID_NAME, BAD_NETPATH; PATH_NOT_FOUND for a drive that the host lacks; ACCESS_DENIED for
            a link.
        """
        return self.local_of(self.parse(windows_path))

    def existing(self, windows_path: str) -> Path:
        """As `to_local`, and the file is there.

        :raises DiskError: FILE_NOT_FOUND, or PATH_NOT_FOUND where its folder is missing too; ACCESS_DENIED for a
            folder.
        """
        local = self.to_local(windows_path)
        if local.is_dir():
            raise DiskError(errors.ACCESS_DENIED, windows_path, "it is a folder")
        if not local.exists():
            raise DiskError(errors.FILE_NOT_FOUND if local.parent.is_dir() else errors.PATH_NOT_FOUND, windows_path)
        return local

    def for_new(self, windows_path: str) -> Path:
        """As `to_local`, for a file that is about to be made.

        :raises DiskError: DISK_FULL, FILE_EXISTS (facts/real-instances 3.6), PATH_NOT_FOUND without its folder.
        """
        local = self.to_local(windows_path)
        if self.full:
            raise DiskError(errors.DISK_FULL, windows_path)
        if local.exists():
            raise DiskError(errors.FILE_EXISTS, windows_path)
        if not local.parent.is_dir():
            raise DiskError(errors.PATH_NOT_FOUND, windows_path)
        return local

    def local_of(self, path: WindowsPath) -> Path:
        """:raises DiskError: as `to_local`."""
        local = self._volume(path)
        for part in path.parts:
            local = local / _found_name(local, part)
            if local.is_symlink() and local not in self._mounts:
                raise DiskError(errors.ACCESS_DENIED, str(path), "a symbolic link in the host's folder")
        return local

    def _volume(self, path: WindowsPath) -> Path:
        if path.is_remote:
            server, share = path.drive[2:].split("\\")
            found = self._find_share(server, share)
            if found is None:
                raise DiskError(errors.BAD_NETPATH, str(path))
            return found
        volume = self.root / path.drive
        if path.drive != "C" and not volume.is_dir():
            raise DiskError(errors.PATH_NOT_FOUND, str(path), "no such drive")
        return volume

    def mount(self, windows_path: str, folder: Path) -> Path:
        """Puts a folder from elsewhere there: a volume that several hosts share. The only link that is followed."""
        path = self.parse(windows_path)
        local = self.local_of(path.folder) / path.name
        self._mounts.add(local)
        folder.mkdir(parents=True, exist_ok=True)
        local.parent.mkdir(parents=True, exist_ok=True)
        if not local.is_symlink():
            local.symlink_to(folder, target_is_directory=True)
        return local

    @property
    def has_mounts(self) -> bool:
        return bool(self._mounts)

    def to_windows(self, local: Path) -> str:
        """The other way round, for a path inside the folder."""
        drive, *parts = local.relative_to(self.root).parts
        return str(WindowsPath(drive, tuple(parts)))

    def exists(self, windows_path: str) -> bool:
        """Whether a file or folder is there; False as well for what is no path on this host."""
        try:
            return self.to_local(windows_path).exists()
        except DiskError:
            return False

    def can_share(self, windows_path: str) -> bool:
        """Whether several machines can have a file on this volume at once: on a cluster's shared volumes only."""
        return self.parse(windows_path).key().startswith(_CLUSTER_STORAGE)

    @property
    def drives(self) -> tuple[str, ...]:
        return tuple(sorted(entry.name for entry in self.root.iterdir() if re.fullmatch("[A-Z]", entry.name)))

    def total_bytes(self, drive: str = "C") -> int:
        """Size of the volume, as configured."""
        self.local_of(WindowsPath(drive[0].upper(), ()))
        return self._capacity_bytes[drive[0].upper()]

    def free_bytes(self, drive: str = "C") -> int:
        """What the volume's files leave of its size; never more than the real disk below has."""
        volume = self.local_of(WindowsPath(drive[0].upper(), ()))
        return self.free_in(volume, self.total_bytes(drive))

    def free_in(self, folder: Path, capacity_bytes: int) -> int:
        """What is left of a volume of that size whose files are in that folder."""
        return 0 if self.full else free_bytes(folder, capacity_bytes)

    @property
    def full(self) -> bool:
        """Whether nothing new fits."""
        return self.full_marker.exists()

    @full.setter
    def full(self, full: bool) -> None:
        if full:
            self.full_marker.touch()
        else:
            self.full_marker.unlink(missing_ok=True)


def free_bytes(folder: Path, capacity_bytes: int) -> int:
    """What the files in a folder leave of a size; never more than the real disk below has."""
    used = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            try:
                used += os.lstat(os.path.join(inner, name)).st_blocks * 512  # noqa: PTH118  (hot loop)
            except FileNotFoundError:
                continue  # deleted over SMB while we looked
    below = os.statvfs(folder)
    return max(0, min(capacity_bytes - used, below.f_bavail * below.f_frsize))


def _found_name(folder: Path, name: str) -> str:
    """The name as it is on the disk, whatever its case; the name as given where there is none."""
    if os.path.lexists(folder / name):
        return name
    wanted = name.casefold()
    try:
        names = os.listdir(folder)  # noqa: PTH208  (hot: a folder has a file for each of thousands of machines)
    except (FileNotFoundError, NotADirectoryError):
        return name
    if wanted not in map(str.casefold, names):
        return name
    return next(found for found in names if found.casefold() == wanted)
