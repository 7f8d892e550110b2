"""Open files of one connection: the few SMB 2 requests that file work is made of.

Requests that belong together go out as one compound ([MS-SMB2] 3.2.4.1.4), so that looking at a file is one round trip.
Everything here raises smbprotocol's errors; callers stand inside ``SmbConnection.translating``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from smbprotocol.exceptions import (
    AccessDenied,
    CannotDelete,
    DeletePending,
    FileClosed,
    NoMoreFiles,
    NoSuchFile,
    ObjectNameNotFound,
    SharingViolation,
    SMBException,
    SMBResponseException,
)
from smbprotocol.file_info import (
    FileAttributes,
    FileBasicInformation,
    FileDirectoryInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileFsFullSizeInformation,
    FileInformationClass,
    FileRenameInformation,
    FileSystemInformationClass,
    InfoType,
)
from smbprotocol.ioctl import (
    CtlCode,
    IOCTLFlags,
    SMB2IOCTLRequest,
    SMB2IOCTLResponse,
    SMB2SrvCopyChunk,
    SMB2SrvCopyChunkCopy,
    SMB2SrvRequestResumeKey,
)
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    DirectoryAccessMask,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    QueryDirectoryFlags,
    ShareAccess,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2SetInfoRequest,
)

from compute_hyperv.host.model import FileEntry, VolumeSpace
from compute_hyperv.host.paths import SmbPath
from compute_hyperv.host.smb.connection import SmbConnection
from compute_hyperv.host.smb.stream import WriteStream

READ = FilePipePrinterAccessMask.GENERIC_READ
WRITE = FilePipePrinterAccessMask.GENERIC_WRITE | FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
DELETE = FilePipePrinterAccessMask.DELETE | FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
LOOK = FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
SET_TIMES = FilePipePrinterAccessMask.FILE_WRITE_ATTRIBUTES
LIST = DirectoryAccessMask.FILE_LIST_DIRECTORY | DirectoryAccessMask.FILE_READ_ATTRIBUTES

SHARE_ALL = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
SHARE_READ = ShareAccess.FILE_SHARE_READ
SHARE_READ_WRITE = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE
SHARE_NONE = 0

OPEN = CreateDisposition.FILE_OPEN
CREATE = CreateDisposition.FILE_CREATE
OPEN_OR_CREATE = CreateDisposition.FILE_OPEN_IF

FILE = CreateOptions.FILE_NON_DIRECTORY_FILE
FOLDER = CreateOptions.FILE_DIRECTORY_FILE
ITSELF = CreateOptions.FILE_OPEN_REPARSE_POINT  # a link is the link, not what it points to
DELETE_ON_CLOSE = CreateOptions.FILE_DELETE_ON_CLOSE

PAYLOAD = 1024 * 1024  # per read: 16 credits, which every server grants
COPY_CHUNK = 1024 * 1024  # Windows' limits for one FSCTL_SRV_COPYCHUNK: 1 MiB per chunk,
COPY_CHUNKS = 16  # 16 MiB in all ([MS-SMB2] 3.3.3, ServerSideCopyMaxDataSize)

# How a server says that a file is not ours to delete just now, or is gone already.
NOT_DELETED = (AccessDenied, CannotDelete, DeletePending, ObjectNameNotFound, SharingViolation)

_FILETIME_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


def still_answers(error: BaseException | None) -> bool:
    """Whether to go on talking to the server after this: not when it fell silent, that would take as long again."""
    return not isinstance(error, SMBException) or isinstance(error, SMBResponseException)


class Handle:
    """An open file or folder; closes itself at the end of a ``with``."""

    def __init__(
        self,
        connection: SmbConnection,
        path: SmbPath,
        access: int,
        *,
        share: int = SHARE_ALL,
        disposition: int = OPEN,
        options: int = 0,
        attributes: int = FileAttributes.FILE_ATTRIBUTE_NORMAL,
    ) -> None:
        self._connection = connection
        self._wire = connection.wire
        self._tree = connection.tree(path.share)
        self._open = Open(self._tree, path.rest)
        self._create = (ImpersonationLevel.Impersonation, access, attributes, share, disposition, options)

    def __enter__(self) -> Handle:
        self._open.create(*self._create)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection.usable and still_answers(error):
            self._open.close()

    # What the server said about the file when it was opened.

    @property
    def size_bytes(self) -> int:
        return int(self._open.end_of_file)

    @property
    def is_folder(self) -> bool:
        return bool(self._open.file_attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY)

    @property
    def is_link(self) -> bool:
        return bool(self._open.file_attributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT)

    @property
    def modified_at(self) -> dt.datetime:
        written: dt.datetime = self._open.last_write_time
        return written

    def open_and_close(self) -> None:
        """Open and close in one round trip; what the server said stays readable."""
        create, created = self._open.create(*self._create, send=False)
        close, closed = self._open.close(send=False)
        first, second = self._compound(create, close)
        try:
            created(first)
        finally:
            _settle(closed, second)

    def read(self, offset: int, length: int) -> bytes:
        data: bytes = self._open.read(offset, length)
        return data

    @contextlib.contextmanager
    def writing(self) -> Iterator[WriteStream]:
        """A way to write much; everything is written when the block ends without an error."""
        stream = WriteStream(self._connection, self._open)
        try:
            yield stream
            stream.finish()
        except BaseException as exc:
            stream.abandon(wait=still_answers(exc))
            raise

    def set_size(self, size_bytes: int) -> None:
        information = FileEndOfFileInformation()
        information["end_of_file"] = size_bytes
        self._set_information(FileInformationClass.FILE_END_OF_FILE_INFORMATION, information)

    def set_modified(self, moment: dt.datetime) -> None:
        # Every other field stays 0, which leaves that time or attribute as it is ([MS-FSCC] 2.4.7).
        information = FileBasicInformation()
        information["last_write_time"] = int((moment - _FILETIME_EPOCH) / dt.timedelta(microseconds=1)) * 10
        self._set_information(FileInformationClass.FILE_BASIC_INFORMATION, information)

    def rename(self, rest: str, *, replace: bool) -> None:
        """:param rest: the new path within the share."""
        information = FileRenameInformation()
        information["replace_if_exists"] = replace
        information["file_name"] = rest
        self._set_information(FileInformationClass.FILE_RENAME_INFORMATION, information)

    def delete(self) -> None:
        """Have the file deleted when this handle closes."""
        information = FileDispositionInformation()
        information["delete_pending"] = True
        self._set_information(FileInformationClass.FILE_DISPOSITION_INFORMATION, information)

    def entries(self, pattern: str = "*") -> list[FileEntry]:
        found: list[FileEntry] = []
        flags = QueryDirectoryFlags.SMB2_RESTART_SCANS
        while True:
            try:
                batch = self._open.query_directory(
                    pattern, FileInformationClass.FILE_DIRECTORY_INFORMATION, flags=flags
                )
            except (NoMoreFiles, NoSuchFile):
                return found
            flags = 0
            found += [entry for entry in map(_entry, batch) if entry.name not in (".", "..")]

    def volume_space(self) -> VolumeSpace:
        query = SMB2QueryInfoRequest()
        query["info_type"] = InfoType.SMB2_0_INFO_FILESYSTEM
        query["file_info_class"] = FileSystemInformationClass.FILE_FS_FULL_SIZE_INFORMATION
        query["output_buffer_length"] = 32
        query["file_id"] = self._open.file_id
        answer = SMB2QueryInfoResponse()
        answer.unpack(self._call(query)["data"].get_value())
        sizes = FileFsFullSizeInformation()
        sizes.unpack(answer["buffer"].get_value())
        unit = sizes["sectors_per_unit"].get_value() * sizes["bytes_per_sector"].get_value()
        return VolumeSpace(
            total_bytes=sizes["total_allocation_units"].get_value() * unit,
            free_bytes=sizes["caller_available_units"].get_value() * unit,
        )

    def resume_key(self) -> bytes:
        """What names this file as the source of a server-side copy."""
        answer = SMB2SrvRequestResumeKey()
        answer.unpack(self._control(CtlCode.FSCTL_SRV_REQUEST_RESUME_KEY, b"", 32))
        key: bytes = answer["resume_key"].get_value()
        return key

    def copy_from(self, key: bytes, offset: int, length: int) -> None:
        """Have the server copy up to COPY_CHUNK * COPY_CHUNKS bytes from the file of ``key`` into this one."""
        request = SMB2SrvCopyChunkCopy()
        request["source_key"] = key
        chunks = []
        for start in range(offset, offset + length, COPY_CHUNK):
            chunk = SMB2SrvCopyChunk()
            chunk["source_offset"] = start
            chunk["target_offset"] = start
            chunk["length"] = min(COPY_CHUNK, offset + length - start)
            chunks.append(chunk)
        request["chunks"] = chunks
        self._control(CtlCode.FSCTL_SRV_COPYCHUNK_WRITE, request, 12)

    def _compound(self, *messages: Any) -> list[Any]:
        requests: list[Any] = self._wire.send_compound(
            list(messages), self._tree.session.session_id, self._tree.tree_connect_id, related=True
        )
        return requests

    def _call(self, message: Any) -> Any:
        request = self._wire.send(message, self._tree.session.session_id, self._tree.tree_connect_id)
        return self._wire.receive(request)

    def _set_information(self, information_class: int, information: Any) -> None:
        request = SMB2SetInfoRequest()
        request["info_type"] = InfoType.SMB2_0_INFO_FILE
        request["file_info_class"] = information_class
        request["file_id"] = self._open.file_id
        request["buffer"] = information.pack()
        self._call(request)

    def _control(self, code: int, data: Any, answer_size: int) -> bytes:
        request = SMB2IOCTLRequest()
        request["ctl_code"] = code
        request["file_id"] = self._open.file_id
        request["max_output_response"] = answer_size
        request["flags"] = IOCTLFlags.SMB2_0_IOCTL_IS_FSCTL
        request["buffer"] = data
        answer = SMB2IOCTLResponse()
        answer.unpack(self._call(request)["data"].get_value())
        buffer: bytes = answer["buffer"].get_value()
        return buffer


def _settle(closed: Any, request: Any) -> None:
    """Take the answer of the close in a compound whose create failed: nothing was open then."""
    try:
        closed(request)
    except FileClosed:
        return


def _entry(raw: FileDirectoryInformation) -> FileEntry:
    attributes = raw["file_attributes"].get_value()
    return FileEntry(
        name=raw["file_name"].get_value().decode("utf-16-le"),
        size_bytes=raw["end_of_file"].get_value(),
        is_folder=bool(attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY),
        is_link=bool(attributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT),
        modified_at=raw["last_write_time"].get_value(),
    )
