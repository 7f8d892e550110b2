"""What a Hyper-V host can refuse or fail at, beyond CIM itself; the same family as ``compute_hyperv.cim.errors``.

::

    CimError
    ├── MachineExists        a machine of that name is already there
    ├── UnsupportedByHost    this host lacks the feature (also InvalidRequest)
    ├── NoShieldingData      what a machine is to be shielded by is no such data (also InvalidRequest)
    └── FileError            a file operation over SMB failed; ``path`` names the file
        ├── FileMissing          no such file or folder (also NotFound)
        ├── FileExists           there is one already
        ├── FileInUse            somebody else has it open (also Busy)
        ├── FileDenied           the account may not (also AccessDenied)
        ├── FolderNotEmpty       a folder to remove still has content
        ├── ShareMissing         the server has no such share (also NotFound)
        ├── VolumeFull           no space left
        ├── BadPath              a name or path that Windows does not accept (also InvalidRequest)
        └── PipeClosed           the other end of a named pipe is closed

Lost connections to the file server are ``Unreachable`` and passed deadlines ``TimedOut``, as for CIM.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import AccessDenied, Busy, CimError, InvalidRequest, NotFound


class MachineExists(CimError):
    """A machine of that name is already on the host. ``machine_id`` says which."""

    def __init__(self, message: str, *, machine_id: str, remedy: str = "") -> None:
        self.machine_id = machine_id
        super().__init__(message, remedy=remedy)


class UnsupportedByHost(InvalidRequest):
    """The host lacks the feature; the message names the Windows version, or what else, that has it."""


class NoShieldingData(InvalidRequest):
    """The host finds no shielding data in the file that is said to hold them."""


class FileError(CimError):
    """A file operation failed. ``path`` is the file's, as the caller gave it."""

    def __init__(self, message: str, *, path: str, remedy: str = "", code: int | None = None) -> None:
        self.path = path
        super().__init__(message, remedy=remedy, code=code)


class FileMissing(FileError, NotFound):
    """There is no such file or folder."""


class FileExists(FileError):
    """There is a file or folder of that name already."""


class FileInUse(FileError, Busy):
    """Somebody else has the file open in a way that excludes this operation."""


class FileDenied(FileError, AccessDenied):
    """The account lacks the right on this file or share."""


class FolderNotEmpty(FileError):
    """The folder still has files in it."""


class ShareMissing(FileError, NotFound):
    """The file server has no share of that name."""


class VolumeFull(FileError):
    """The volume has no space left."""


class BadPath(FileError, InvalidRequest):
    """Windows does not accept this name or path."""


class PipeClosed(FileError):
    """The other end of the pipe is closed: the machine is off, or vmwp.exe has closed its serial port."""
