"""The one error of this package, with the codes that Windows gives for each situation.

Source of the codes: winerror.h (Win32 codes as HRESULT 0x8007xxxx, facility VIRTDISK 0xC03Axxxx); which of them Hyper-V
shows in which situation: facts/real-instances 3.6 and 3.7. No other exception leaves this package for anything that a
client can cause.
"""

from __future__ import annotations

FILE_NOT_FOUND = 0x80070002
PATH_NOT_FOUND = 0x80070003
ACCESS_DENIED = 0x80070005
SHARING_VIOLATION = 0x80070020
NOT_SUPPORTED = 0x80070032
BAD_NETPATH = 0x80070035
FILE_EXISTS = 0x80070050
INVALID_PARAMETER = 0x80070057
DISK_FULL = 0x80070070
INVALID_NAME = 0x8007007B
ALREADY_EXISTS = 0x800700B7
FILE_CORRUPT = 0x80070570
VHD_FOOTER_MISSING = 0xC03A0001
VHD_FOOTER_CHECKSUM = 0xC03A0002
VHD_FOOTER_CORRUPT = 0xC03A0003
VHD_FORMAT_UNKNOWN = 0xC03A0004
VHD_FORMAT_VERSION = 0xC03A0005
VHD_HEADER_CHECKSUM = 0xC03A0006
VHD_HEADER_CORRUPT = 0xC03A0008
VHD_BAT_CORRUPT = 0xC03A000A
VHD_INVALID_BLOCK_SIZE = 0xC03A000B
VHD_PARENT_NOT_FOUND = 0xC03A000D
VHD_PARENT_ID_MISMATCH = 0xC03A000E
VHD_INVALID_SIZE = 0xC03A0012
VHD_NOT_VIRTUAL_DISK = 0xC03A0015
VHD_CHAIN_CYCLE = 0xC03A0018
VHD_CHAIN_ERROR_IN_PARENT = 0xC03A0019
VHD_INVALID_TYPE = 0xC03A001B
VHD_INVALID_STATE = 0xC03A001C
VHD_SECTOR_SIZE = 0xC03A001D
VHD_RESIZE_WOULD_TRUNCATE = 0xC03A0025

# Hyper-V's own sentence, with no code of Windows' behind it (HVWMI shared_vhd).
NO_SHARING = "The storage where the virtual hard disk is located does not support virtual hard disk sharing."

# One sentence per code, as FormatMessage gives it in English.
TEXTS: dict[int, str] = {
    FILE_NOT_FOUND: "The system cannot find the file specified.",
    PATH_NOT_FOUND: "The system cannot find the path specified.",
    ACCESS_DENIED: "General access denied error",
    SHARING_VIOLATION: "The process cannot access the file because it is being used by another process.",
    NOT_SUPPORTED: "The request is not supported.",
    BAD_NETPATH: "The network path was not found.",
    FILE_EXISTS: "The file exists.",
    INVALID_PARAMETER: "The parameter is incorrect.",
    DISK_FULL: "There is not enough space on the disk.",
    INVALID_NAME: "The filename, directory name, or volume label syntax is incorrect.",
    ALREADY_EXISTS: "Cannot create a file when that file already exists.",
    FILE_CORRUPT: "The file or directory is corrupted and unreadable.",
    VHD_FOOTER_MISSING: "The virtual hard disk is corrupted. The virtual hard disk drive footer is missing.",
    VHD_FOOTER_CHECKSUM: (
        "The virtual hard disk is corrupted. The virtual hard disk drive footer checksum does not match the "
        "on-disk checksum."
    ),
    VHD_FOOTER_CORRUPT: (
        "The virtual hard disk is corrupted. The virtual hard disk drive footer in the virtual hard disk is corrupted."
    ),
    VHD_FORMAT_UNKNOWN: "The system does not recognize the file format of this virtual hard disk.",
    VHD_FORMAT_VERSION: "The version does not support this version of the file format.",
    VHD_HEADER_CHECKSUM: (
        "The virtual hard disk is corrupted. The sparse header checksum does not match the on-disk checksum."
    ),
    VHD_HEADER_CORRUPT: "The virtual hard disk is corrupted. The sparse header in the virtual hard disk is corrupt.",
    VHD_BAT_CORRUPT: (
        "The virtual hard disk is corrupted. The block allocation table in the virtual hard disk is corrupt."
    ),
    VHD_INVALID_BLOCK_SIZE: "The system does not support the virtual hard disk block size.",
    VHD_PARENT_NOT_FOUND: (
        "The chain of virtual hard disks is corrupted. The system cannot locate the parent virtual hard disk "
        "for the differencing disk."
    ),
    VHD_PARENT_ID_MISMATCH: (
        "The chain of virtual hard disks is corrupted. There is a mismatch in the identifiers of the parent "
        "virtual hard disk and differencing disk."
    ),
    VHD_INVALID_SIZE: "The size of the virtual hard disk is not valid.",
    VHD_NOT_VIRTUAL_DISK: "The specified disk is not a virtual disk.",
    VHD_CHAIN_CYCLE: "A cycle was detected in the chain of virtual hard disks.",
    VHD_CHAIN_ERROR_IN_PARENT: (
        "The chain of virtual hard disks is inaccessible. There was an error opening a virtual hard disk "
        "further up the chain."
    ),
    VHD_INVALID_TYPE: "The requested operation cannot be performed on a virtual disk of this type.",
    VHD_INVALID_STATE: "The requested operation cannot be performed on the virtual disk in its current state.",
    VHD_SECTOR_SIZE: "The sector size of the physical disk on which the virtual disk resides is not supported.",
    VHD_RESIZE_WOULD_TRUNCATE: "The requested operation would cause data to be truncated.",
}


class DiskError(Exception):
    """A file or disk operation that Windows would have refused.

    :param code: HRESULT, unsigned (0x80070002, 0xC03A0012 …).
    :param path: the Windows path that it is about; empty where there is none.
    :param detail: what the simulator knows beyond Windows' own text; meant for a person who debugs.
    """

    def __init__(self, code: int, path: str = "", detail: str = "") -> None:
        self.code = code
        self.path = path
        self.detail = detail
        self.text = TEXTS.get(code, "Unspecified error")
        where = f" '{path}'" if path else ""
        super().__init__(f"{self.text} (0x{code:08X}){where}{f' [{detail}]' if detail else ''}")
