"""NTSTATUS codes to the errors of this package: one table, and the function that reads it.

Source: [MS-ERREF] 2.3.1; which of them a file server gives when: [MS-SMB2] 3.3.5, [MS-FSA]. What is not in the table
becomes a plain FileError with the code.
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim import errors as cim_errors
from compute_hyperv.host import errors

_ACCOUNT = "Check [hyperv] username and password (smb_username and smb_password where they differ)."
_RIGHTS = (
    "Give the account full control of the folder and of the share; administrative shares need a local administrator."
)


@dataclass(frozen=True, slots=True)
class _Meaning:
    error: type[errors.FileError] | type[cim_errors.AccessDenied] | type[cim_errors.Unreachable]
    text: str
    remedy: str = ""


_MISSING = _Meaning(errors.FileMissing, "there is no such file or folder")
_IN_USE = _Meaning(
    errors.FileInUse,
    "the file is open elsewhere",
    "See who holds it (on the host: Get-SmbOpenFile, or a running machine that uses the disk), then try again.",
)
_DENIED = _Meaning(errors.FileDenied, "access is denied", _RIGHTS)
_BAD_PATH = _Meaning(
    errors.BadPath,
    "Windows does not accept this path",
    "Correct the path; a single name may have 255 characters, and a path 260 where long paths are not enabled.",
)
_NO_LOGON = _Meaning(cim_errors.AccessDenied, "the server refuses the credentials", _ACCOUNT)
_LOST = _Meaning(cim_errors.Unreachable, "the server ended the session")
_FULL = _Meaning(
    errors.VolumeFull, "the volume is full or a quota is exhausted", "Free space on the volume, or raise the quota."
)
_GONE_PIPE = _Meaning(errors.PipeClosed, "the other end of the pipe is closed")

_MEANINGS: dict[int, _Meaning] = {
    0xC000000F: _MISSING,  # NO_SUCH_FILE
    0xC0000034: _MISSING,  # OBJECT_NAME_NOT_FOUND
    0xC000003A: _MISSING,  # OBJECT_PATH_NOT_FOUND
    0xC0000225: _MISSING,  # NOT_FOUND
    0xC0000035: _Meaning(errors.FileExists, "there is a file or folder of that name already"),  # OBJECT_NAME_COLLISION
    0xC0000043: _IN_USE,  # SHARING_VIOLATION
    0xC0000054: _IN_USE,  # FILE_LOCK_CONFLICT
    0xC0000056: _IN_USE,  # DELETE_PENDING
    0xC00000AB: _IN_USE,  # INSTANCE_NOT_AVAILABLE: all instances of the pipe have a client
    0xC00000AC: _IN_USE,  # PIPE_NOT_AVAILABLE
    0xC00000AE: _IN_USE,  # PIPE_BUSY
    0xC0000022: _DENIED,  # ACCESS_DENIED
    0xC0000121: _Meaning(
        errors.FileDenied, "the file is marked read-only", "Clear its read-only attribute (on the host: attrib -r)."
    ),  # CANNOT_DELETE
    0xC0000101: _Meaning(errors.FolderNotEmpty, "the folder is not empty"),  # DIRECTORY_NOT_EMPTY
    0xC00000CC: _Meaning(
        errors.ShareMissing,
        "the server has no such share",
        "Create the share, or enable the administrative shares (AutoShareServer = 1) on the host.",
    ),  # BAD_NETWORK_NAME
    0xC000007F: _FULL,  # DISK_FULL
    0xC0000044: _FULL,  # QUOTA_EXCEEDED
    0xC0000033: _BAD_PATH,  # OBJECT_NAME_INVALID
    0xC0000039: _BAD_PATH,  # OBJECT_PATH_INVALID
    0xC000003B: _BAD_PATH,  # OBJECT_PATH_SYNTAX_BAD
    0xC0000106: _BAD_PATH,  # NAME_TOO_LONG
    0xC00000BA: _Meaning(errors.BadPath, "this is a folder, not a file"),  # FILE_IS_A_DIRECTORY
    0xC0000103: _Meaning(errors.BadPath, "this is a file, not a folder"),  # NOT_A_DIRECTORY
    0xC000006A: _NO_LOGON,  # WRONG_PASSWORD
    0xC000006D: _NO_LOGON,  # LOGON_FAILURE
    0xC000006E: _NO_LOGON,  # ACCOUNT_RESTRICTION
    0xC0000064: _NO_LOGON,  # NO_SUCH_USER
    0xC0000071: _Meaning(cim_errors.AccessDenied, "the password has expired", "Set a new password for the account."),
    0xC0000072: _Meaning(cim_errors.AccessDenied, "the account is disabled", "Enable the account."),
    0xC0000234: _Meaning(cim_errors.AccessDenied, "the account is locked out", "Unlock the account."),
    0xC000015B: _Meaning(
        cim_errors.AccessDenied,
        "the account may not log on over the network",
        "Grant it 'Access this computer from the network'.",
    ),  # LOGON_TYPE_NOT_GRANTED
    0xC00000C9: _LOST,  # NETWORK_NAME_DELETED
    0xC0000203: _LOST,  # USER_SESSION_DELETED
    0xC000020C: _IN_USE,  # CONNECTION_DISCONNECTED: what Samba has for a pipe that has a client already
    0xC000020D: _LOST,  # CONNECTION_RESET
    0xC000035C: _LOST,  # NETWORK_SESSION_EXPIRED: a Kerberos ticket ran out
    0xC0000011: _GONE_PIPE,  # END_OF_FILE
    0xC00000B0: _GONE_PIPE,  # PIPE_DISCONNECTED
    0xC00000B1: _GONE_PIPE,  # PIPE_CLOSING
    0xC000014B: _GONE_PIPE,  # PIPE_BROKEN
}


def error_of(status: int, what: str, path: str, *, detail: str = "") -> cim_errors.CimError:
    """The error for an NTSTATUS.

    :param what: what was tried, as the start of a sentence: ``"Deleting the file"``.
    :param path: the file's path as the caller gave it, or the server's name.
    """
    meaning = _MEANINGS.get(status)
    if meaning is None:
        return errors.FileError(
            f"{what} {path} failed: {detail or f'NTSTATUS 0x{status:08X}'}.", path=path, code=status
        )
    message = f"{what} {path} failed: {meaning.text}."
    if issubclass(meaning.error, errors.FileError):
        return meaning.error(message, path=path, remedy=meaning.remedy, code=status)
    return meaning.error(message, remedy=meaning.remedy, code=status)
