"""Files and folders of a host, over SMB.

Paths are the host's own (``C:\\x``) or UNC. What changes a file's content is written to a temporary file beside it and
renamed over it, so that a reader sees the old content or the new one, whatever breaks meanwhile; a temporary file
that an interrupted attempt left is removed by the next one. Content never comes through us where the host can move it
itself.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from smbprotocol.exceptions import SMBException

from compute_hyperv.host import paths
from compute_hyperv.host.errors import (
    BadPath,
    FileDenied,
    FileInUse,
    FileMissing,
    FolderNotEmpty,
)
from compute_hyperv.host.local_data import local_data
from compute_hyperv.host.model import FileEntry, VolumeSpace
from compute_hyperv.host.paths import SmbPath
from compute_hyperv.host.remote_file import RemoteFile
from compute_hyperv.host.smb import handles
from compute_hyperv.host.smb.connection import SmbConnection
from compute_hyperv.host.smb.handles import Handle
from compute_hyperv.host.smb.pool import SmbPool

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")
Progress = Callable[[int, int], None]

Block = tuple[int, memoryview]  # offset and content

_PROGRESS_EVERY_S = 0.2
# A temporary file that nobody has open and nobody wrote to for this long was left by an attempt that broke off: between
# the last write and the rename there are milliseconds.
_LEFT_OVER_AFTER = dt.timedelta(minutes=2)
_RETRY_FIRST_S, _RETRY_MOST_S = 0.1, 1.0


class Files:
    """:param patience_s: how long to try again when somebody else has a file open (virus scanners, vmms letting go of a
    disk); facts: old-driver 10."""

    def __init__(self, pool: SmbPool, *, patience_s: float = 15.0) -> None:
        self._pool = pool
        self._patience_s = patience_s

    # --- looking

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder of that name."""
        try:
            self._look("Looking for", path)
        except FileMissing:
            return False
        return True

    def size(self, path: str) -> int:
        """The file's size in bytes. Raises FileMissing."""
        return self._look("Looking at", path).size_bytes

    def stat(self, path: str) -> FileEntry | None:
        """What a listing would say of this file or folder; None where there is none."""
        try:
            handle = self._look("Looking at", path)
        except FileMissing:
            return None
        return FileEntry(paths.name(path), handle.size_bytes, handle.is_folder, handle.modified_at, handle.is_link)

    def list(self, folder: str) -> list[FileEntry]:
        """What is in a folder, in the server's order. Raises FileMissing."""

        def listing(connection: SmbConnection, where: SmbPath) -> list[FileEntry]:
            with Handle(connection, where, handles.LIST, options=handles.FOLDER) as handle:
                return handle.entries()

        return self._run("Listing", folder, listing)

    def volume_space(self, path: str) -> VolumeSpace:
        """Size and free space of the volume that holds an existing folder or file, as our account may use it."""

        def space(connection: SmbConnection, where: SmbPath) -> VolumeSpace:
            with Handle(connection, where, handles.LOOK) as handle:
                return handle.volume_space()

        return self._run("Reading the free space at", path, space)

    def is_writable(self, folder: str) -> bool:
        """Whether our account can make files in a folder: one is made that goes away with its handle, whatever happens.
        Raises FileMissing where there is no such folder."""

        def trying(connection: SmbConnection, where: SmbPath) -> None:
            probe = SmbPath(where.server, where.share, paths.join(where.rest, f"{secrets.token_hex(8)}.part"))
            Handle(
                connection,
                probe,
                handles.WRITE | handles.DELETE,
                disposition=handles.CREATE,
                options=handles.FILE | handles.DELETE_ON_CLOSE,
            ).open_and_close()

        try:
            self._run("Making a file in", folder, trying)
        except FileDenied:
            return False
        return True

    # --- content

    def read(self, path: str) -> bytes:
        """All of a file. For small files: it is kept in memory."""

        def reading(connection: SmbConnection, where: SmbPath) -> bytes:
            with Handle(connection, where, handles.READ, options=handles.FILE) as handle:
                parts: list[bytes] = []
                position = 0
                while position < handle.size_bytes:
                    parts.append(handle.read(position, min(handles.PAYLOAD, handle.size_bytes - position)))
                    position += len(parts[-1])
                return b"".join(parts)

        return self._run("Reading", path, reading)

    def reading(self, path: str) -> RemoteFile:
        """A file to be read bit by bit, for large ones; use it in a ``with``."""
        return RemoteFile(self._pool, path, self._on_smb(path))

    def write(self, path: str, data: bytes) -> None:
        """Make a file with this content, or replace the content of the one that is there."""
        self._replace(path, len(data), lambda: [(0, memoryview(data))])

    def upload(self, local_path: Path | str, path: str, *, progress: Progress | None = None) -> None:
        """Copy a local file to the host, replacing what is there. Its holes are not sent, and read as zeros there.

        :param progress: called now and then with the bytes sent so far and the file's size, which is more where the
        file
            has holes; what it raises ends the upload.
        """
        local = Path(local_path)
        size = local.stat().st_size
        self._replace(path, size, lambda: _reported(local_data(local), size, progress))

    def copy_on_host(self, source: str, target: str, *, progress: Progress | None = None) -> None:
        """Have the file server copy a file, replacing what is at ``target``. Both are on one server.

        The bytes do not come through us (FSCTL_SRV_COPYCHUNK, [MS-SMB2] 3.3.5.15.6).
        """
        origin = self._on_smb(source)
        if origin.server.lower() != self._on_smb(target).server.lower():
            raise BadPath(
                f"Copying {source} to {target} failed: they are on two file servers.",
                path=target,
                remedy="Keep both on the same server, or upload the file instead.",
            )

        def copying(connection: SmbConnection, where: SmbPath) -> None:
            with (
                Handle(connection, origin, handles.READ, options=handles.FILE) as reading,
                self._temporary(
                    connection, where, access=handles.READ | handles.WRITE | handles.DELETE, share=handles.SHARE_NONE
                ) as writing,
            ):
                key = reading.resume_key()
                writing.set_size(reading.size_bytes)
                step = handles.COPY_CHUNK * handles.COPY_CHUNKS
                for position in range(0, reading.size_bytes, step):
                    length = min(step, reading.size_bytes - position)
                    writing.copy_from(key, position, length)
                    if progress:
                        progress(position + length, reading.size_bytes)
                writing.rename(where.rest, replace=True)

        self._patiently(lambda: self._run(f"Copying {source} to", target, copying))

    # --- names

    def rename(self, source: str, target: str, *, replace: bool = False) -> None:
        """Give a file or folder another name or place on the same share.

        :param replace: take the place of a file that is there; otherwise that is FileExists.
        """
        new = self._on_smb(target)
        old = self._on_smb(source)
        if (old.server.lower(), old.share.lower()) != (new.server.lower(), new.share.lower()):
            raise BadPath(f"Renaming {source} to {target} failed: they are on two shares.", path=target)

        def renaming(connection: SmbConnection, where: SmbPath, again: bool) -> None:
            try:
                with Handle(connection, where, handles.DELETE, options=handles.ITSELF) as handle:
                    handle.rename(new.rest, replace=replace)
            except Exception:
                # The first attempt may have done it before its answer was lost.
                if again and not self.exists(source) and self.exists(target):
                    return
                raise

        self._patiently(lambda: self._run_noting_repetition(f"Renaming to {target} of", source, renaming))

    def delete(self, path: str, *, missing_ok: bool = False) -> None:
        """Delete a file (of a link, the link). Waits for others to close it, as long as this object's patience
        lasts."""

        def deleting(connection: SmbConnection, where: SmbPath, _again: bool) -> None:
            _delete(connection, where)

        with contextlib.suppress(FileMissing) if missing_ok else contextlib.nullcontext():
            self._patiently(lambda: self._run_noting_repetition("Deleting", path, deleting))

    def delete_tree(self, folder: str) -> None:
        """Delete a folder and all that is in it; nothing happens where there is none. Links are removed, not
        followed."""
        with contextlib.suppress(FileMissing):
            self.delete_content(folder)
            self.delete_folder(folder)

    def delete_content(self, folder: str, *, keep: Callable[[str], bool] = lambda _name: False) -> None:
        """Delete what is in a folder, but for what is to be kept by its name. Raises FileMissing."""
        for entry in self.list(folder):
            inner = paths.join(folder, entry.name)
            if keep(entry.name):
                continue
            if entry.is_folder and not entry.is_link:
                self.delete_tree(inner)
            elif entry.is_folder:
                self.delete_folder(inner)
            else:
                self.delete(inner, missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it; one that is there already is fine."""

        def making(connection: SmbConnection, where: SmbPath) -> None:
            Handle(
                connection, where, handles.LOOK, disposition=handles.OPEN_OR_CREATE, options=handles.FOLDER
            ).open_and_close()

        try:
            self._run("Making the folder", path, making)
        except FileMissing:
            above = paths.parent(path)
            if paths.same(above, path):
                raise
            self.make_folder(above)
            self._run("Making the folder", path, making)

    def touch(self, path: str, moment: dt.datetime | None = None) -> None:
        """Set when a file was last written: now, unless a moment (with its zone) is given."""

        def touching(connection: SmbConnection, where: SmbPath) -> None:
            with Handle(connection, where, handles.SET_TIMES) as handle:
                handle.set_modified(moment or dt.datetime.now(dt.UTC))

        self._run("Touching", path, touching)

    # --- how

    def _look(self, what: str, path: str) -> Handle:
        def looking(connection: SmbConnection, where: SmbPath) -> Handle:
            handle = Handle(connection, where, handles.LOOK)
            handle.open_and_close()
            return handle

        return self._run(what, path, looking)

    def _replace(self, path: str, size: int, blocks: Callable[[], Iterable[Block]]) -> None:
        """Put a file of this size with these blocks in the place of what is there."""

        def replacing(connection: SmbConnection, where: SmbPath) -> None:
            with self._temporary(
                connection, where, access=handles.WRITE | handles.DELETE, share=handles.SHARE_NONE
            ) as handle:
                # A full volume is noticed before the bytes are sent. What is then never written reads as zeros; the
                # file is not marked sparse, because Hyper-V refuses disks that are (0xC03A001A; facts: real-instances
                # 3.7).
                handle.set_size(size)
                with handle.writing() as stream:
                    for offset, data in blocks():
                        stream.write(data, offset)
                handle.rename(where.rest, replace=True)

        self._patiently(lambda: self._run("Writing", path, replacing))

    @contextlib.contextmanager
    def _temporary(self, connection: SmbConnection, target: SmbPath, *, access: int, share: int) -> Iterator[Handle]:
        """A new file beside the target, open; deleted again when the block raises."""
        temporary = _temporary_beside(target)
        with Handle(
            connection, temporary, access, share=share, disposition=handles.CREATE, options=handles.FILE
        ) as handle:
            _remove_left_overs(connection, target, now=handle.modified_at)
            try:
                yield handle
            except BaseException as exc:
                if connection.usable and handles.still_answers(exc):
                    with contextlib.suppress(SMBException):  # why it failed matters more
                        handle.delete()
                raise

    def delete_folder(self, folder: str) -> None:
        """Remove an empty folder; one that is gone is fine. Raises FolderNotEmpty."""

        def deleting(connection: SmbConnection, where: SmbPath, _again: bool) -> None:
            # Delete-on-close would leave a folder that is not empty, without a word.
            with Handle(connection, where, handles.DELETE, options=handles.FOLDER | handles.ITSELF) as handle:
                handle.delete()

        with contextlib.suppress(FileMissing):
            self._patiently(lambda: self._run_noting_repetition("Deleting the folder", folder, deleting))

    def _on_smb(self, path: str) -> SmbPath:
        try:
            return paths.on_smb(self._pool.endpoint.host, path)
        except ValueError as exc:
            raise BadPath(f"{path!r} is no absolute Windows path.", path=path) from exc

    def _run(self, what: str, path: str, operation: Callable[[SmbConnection, SmbPath], Result]) -> Result:
        return self._run_noting_repetition(what, path, lambda connection, where, _again: operation(connection, where))

    def _run_noting_repetition(
        self, what: str, path: str, operation: Callable[[SmbConnection, SmbPath, bool], Result]
    ) -> Result:
        where = self._on_smb(path)

        def translated(connection: SmbConnection, again: bool) -> Result:
            with connection.translating(what, path):
                return operation(connection, where, again)

        return self._pool.run(where.server, translated)

    def _patiently(self, operation: Callable[[], Result]) -> Result:
        """Try again while somebody else has the file open or a folder's last file is still going away."""
        deadline = time.monotonic() + self._patience_s
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return operation()
            except (FileInUse, FolderNotEmpty):
                if time.monotonic() + pause_s > deadline:
                    raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MOST_S)


def _temporary_beside(target: SmbPath) -> SmbPath:
    return SmbPath(target.server, target.share, f"{target.rest}.{secrets.token_hex(4)}.part")


def _remove_left_overs(connection: SmbConnection, target: SmbPath, *, now: dt.datetime) -> None:
    """Delete the temporary files that earlier attempts at this target left.

    :param now: by the server's clock.
    """
    folder = SmbPath(target.server, target.share, paths.parent(target.rest))
    base = paths.name(target.rest)
    with Handle(connection, folder, handles.LIST, options=handles.FOLDER) as handle:
        entries = handle.entries(f"{base}.*.part")
    for entry in entries:
        if now - entry.modified_at > _LEFT_OVER_AFTER:
            with contextlib.suppress(*handles.NOT_DELETED):  # somebody is still writing it, or was faster
                _delete(connection, SmbPath(target.server, target.share, paths.join(folder.rest, entry.name)))


def _delete(connection: SmbConnection, where: SmbPath) -> None:
    Handle(
        connection, where, handles.DELETE, options=handles.FILE | handles.ITSELF | handles.DELETE_ON_CLOSE
    ).open_and_close()


def _reported(blocks: Iterable[Block], size: int, progress: Progress | None) -> Iterator[Block]:
    """The same blocks; what has been taken is reported now and then, and at the end."""
    sent = 0
    reported_at = 0.0
    for offset, data in blocks:
        yield offset, data
        sent += len(data)
        if progress and time.monotonic() - reported_at >= _PROGRESS_EVERY_S:
            reported_at = time.monotonic()
            progress(sent, size)
    if progress:
        progress(sent, size)
