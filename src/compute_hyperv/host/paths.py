"""Windows paths, as plain text: nothing here touches a file.

Rules that hold for all of the package: paths compare without regard to letter case, ``/`` is the same as ``\\``, and a
path that leaves this package as a result is normalised (``\\`` only, no doubled or trailing separators).

How a host's path is reached over SMB (facts: old-driver 4): ``C:\\x`` is ``\\\\host\\C$\\x``; a path on a cluster
shared volume (``C:\\ClusterStorage\\Volume1``) is one on the system drive and goes the same way; a UNC path stays as
it is.
"""

from __future__ import annotations

import ntpath
import re
from dataclasses import dataclass

_DRIVE = re.compile(r"[A-Za-z]:\\")
_UNC = re.compile(r"\\\\[^\\]+\\[^\\]+")
_PIPE = re.compile(r"\\\\[^\\]+\\pipe\\(.+)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SmbPath:
    """Where a file is for an SMB client: the server, the share and the path within it (no leading separator)."""

    server: str
    share: str
    rest: str

    def __str__(self) -> str:
        base = f"\\\\{self.server}\\{self.share}"
        return f"{base}\\{self.rest}" if self.rest else base


def normalise(path: str) -> str:
    """The one spelling of a path: backslashes, no doubled, dotted or trailing separators; letter case is kept."""
    return ntpath.normpath(path.replace("/", "\\")) if path else path


def join(folder: str, *names: str) -> str:
    return normalise(ntpath.join(folder, *names))


def parent(path: str) -> str:
    """The folder that holds ``path``; of a root it is the root itself."""
    return ntpath.dirname(normalise(path))


def name(path: str) -> str:
    """The last part of a path."""
    return ntpath.basename(normalise(path))


def extension(path: str) -> str:
    """``"vhdx"`` of ``C:\\x\\root.VHDX``: lower case, without the dot."""
    return ntpath.splitext(path)[1].lower().removeprefix(".")


def same(one: str, other: str) -> bool:
    return normalise(one).lower() == normalise(other).lower()


def is_unc(path: str) -> bool:
    return _UNC.match(normalise(path)) is not None


def is_absolute(path: str) -> bool:
    """Whether this is a Windows path that says where it starts: a drive with a root, or a share."""
    plain = normalise(path)
    return bool(_DRIVE.match(plain) or _UNC.match(plain))


def is_cluster_volume(path: str) -> bool:
    """Whether the path is on a cluster shared volume (``<drive>:\\ClusterStorage\\<volume>``)."""
    return re.match(r"[A-Za-z]:\\ClusterStorage\\.", normalise(path), re.IGNORECASE) is not None


def volume_root(path: str) -> str:
    """The folder at which the volume that holds ``path`` is mounted, as far as the path's text tells:
    ``C:\\``, ``C:\\ClusterStorage\\Volume1``, ``\\\\server\\share``."""
    plain = normalise(path)
    if is_cluster_volume(plain):
        return "\\".join(plain.split("\\")[:3])
    if found := _UNC.match(plain):
        return found[0]
    if _DRIVE.match(plain):
        return plain[:2].upper() + "\\"
    raise ValueError(f"{path!r} is not an absolute Windows path")


def on_smb(host: str, path: str) -> SmbPath:
    """Where an SMB client finds a path of this host. Raises ValueError for a path that is not absolute."""
    plain = normalise(path)
    if _UNC.match(plain):
        server, share, *rest = plain[2:].split("\\", 2)
        return SmbPath(server, share, rest[0] if rest else "")
    if _DRIVE.match(plain):
        return SmbPath(host, f"{plain[0].upper()}$", plain[3:])
    raise ValueError(f"{path!r} is not an absolute Windows path")


def unc(host: str, path: str) -> str:
    """``C:\\x`` on host ``h`` as ``\\\\h\\C$\\x``; a UNC path as it is."""
    return str(on_smb(host, path))


def pipe_name(path: str) -> str:
    """``name`` of ``\\\\.\\pipe\\name``; a bare name as it is."""
    found = _PIPE.fullmatch(path.replace("/", "\\"))
    return found[1] if found else path


def refused_name(file_name: str) -> str | None:
    """Why Windows would refuse a file of this name; None for a good one (Microsoft: Naming Files, Paths, and
    Namespaces)."""
    if not file_name or file_name in (".", ".."):
        return "it is empty or a dot name"
    if "\\" in file_name or "/" in file_name:
        return "it has a path separator"
    if found := _FORBIDDEN.search(file_name):
        return f"it has the character {found[0]!r}"
    if file_name[-1] in " .":
        return "it ends in a blank or a dot"
    if _RESERVED.fullmatch(file_name):
        return "it is the name of a device"
    return None
