"""A child process that writes one local file, or every n-th block of it, to a remote file through libsmbclient.

It is run as a script by ``bulk.py`` (``python -I -S bulk_child.py``), imports nothing but the standard library, and
is a process of its own for three reasons: libsmbclient keeps global state that threads may not share, a server that
hangs can be answered by ending the process, and its speed is that of C whatever the parent's threads do.

What it speaks: one JSON object on stdin (the password comes this way and no other), then lines on stdout:
``progress <bytes>`` at least every few seconds while bytes move, and last ``done <bytes>``, or ``failed <errno>
<text>``.

The remote file exists and has its final size. Holes of the local file are not sent: bytes never written read as zeros
on every server. The remote file is not marked sparse, because Hyper-V refuses virtual disks that are (0xC03A001A;
facts: real-instances 3.7). Several children share one file block by block, not half by half: NTFS zeroes what lies
between the end of the valid data and a write far behind it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

_BLOCK = 4 * 1024 * 1024  # what libsmbclient cuts into pipelined writes of the negotiated size
_PROGRESS_EVERY_S = 0.2
_SHARE_READ_WRITE = 4  # SMBC_SHAREMODE_DENY_NONE: other children may write, nobody may delete or rename
_ENCRYPTION_DEFAULT, _ENCRYPTION_REQUIRED = -1, 2

_AuthCallback = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int,
)
_OpenFunction = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, use_errno=True
)
_WriteFunction = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, use_errno=True
)
_SeekFunction = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, use_errno=True
)
_CloseFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, use_errno=True)


class _Library:
    """libsmbclient with the signatures of libsmbclient.h (Samba 4.17), as far as an upload needs them."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libsmbclient.so.0", use_errno=True)
        self.new_context = self._function("smbc_new_context", ctypes.c_void_p)
        self.init_context = self._function("smbc_init_context", ctypes.c_void_p, ctypes.c_void_p)
        self.set_configuration = self._function("smbc_setConfiguration", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
        self.set_auth = self._function("smbc_setFunctionAuthDataWithContext", None, ctypes.c_void_p, _AuthCallback)
        self.set_port = self._function("smbc_setPort", None, ctypes.c_void_p, ctypes.c_uint16)
        self.set_timeout = self._function("smbc_setTimeout", None, ctypes.c_void_p, ctypes.c_int)
        self.set_share_mode = self._function("smbc_setOptionOpenShareMode", None, ctypes.c_void_p, ctypes.c_int)
        self.set_encryption = self._function("smbc_setOptionSmbEncryptionLevel", None, ctypes.c_void_p, ctypes.c_int)
        self.set_kerberos = self._function("smbc_setOptionUseKerberos", None, ctypes.c_void_p, ctypes.c_int)
        self.set_fallback = self._function("smbc_setOptionFallbackAfterKerberos", None, ctypes.c_void_p, ctypes.c_int)
        self.set_no_anonymous = self._function(
            "smbc_setOptionNoAutoAnonymousLogin", None, ctypes.c_void_p, ctypes.c_int
        )
        self.get_open = self._function("smbc_getFunctionOpen", _OpenFunction, ctypes.c_void_p)
        self.get_write = self._function("smbc_getFunctionWrite", _WriteFunction, ctypes.c_void_p)
        self.get_seek = self._function("smbc_getFunctionLseek", _SeekFunction, ctypes.c_void_p)
        self.get_close = self._function("smbc_getFunctionClose", _CloseFunction, ctypes.c_void_p)

    def _function(self, name: str, result: Any, *arguments: Any) -> Any:
        function = self._lib[name]
        function.restype = result
        function.argtypes = arguments
        return function


def _last_error(what: str) -> OSError:
    number = ctypes.get_errno() or errno.EIO
    return OSError(number, f"{what}: {os.strerror(number)}")


class _RemoteFile:
    """An existing remote file, opened for writing."""

    def __init__(self, request: dict[str, Any]) -> None:
        lib = _Library()
        self._context = lib.new_context()
        if not self._context:
            raise _last_error("libsmbclient gave no context")
        self._auth = _AuthCallback(_credentials(request))  # kept: C calls it after this method has returned
        lib.set_configuration(self._context, os.fsencode(request["configuration"]))
        lib.set_auth(self._context, self._auth)
        lib.set_port(self._context, request["port"])
        lib.set_timeout(self._context, int(request["timeout_s"] * 1000))
        lib.set_share_mode(self._context, _SHARE_READ_WRITE)
        lib.set_encryption(self._context, _ENCRYPTION_REQUIRED if request["encrypt"] else _ENCRYPTION_DEFAULT)
        lib.set_kerberos(self._context, int(request["kerberos"]))
        lib.set_fallback(self._context, 1)
        lib.set_no_anonymous(self._context, 1)
        if not lib.init_context(self._context):
            raise _last_error("libsmbclient does not start")
        self._write = lib.get_write(self._context)
        self._seek = lib.get_seek(self._context)
        self._close = lib.get_close(self._context)
        self._file = lib.get_open(self._context)(self._context, _url(request), os.O_WRONLY, 0)
        if not self._file:
            raise _last_error("open")

    def write(self, view: memoryview) -> None:
        sent = 0
        while sent < len(view):
            rest = (ctypes.c_char * (len(view) - sent)).from_buffer(view, sent)
            written = self._write(self._context, self._file, ctypes.addressof(rest), len(view) - sent)
            if written <= 0:
                raise _last_error("write")
            sent += written

    def seek(self, offset: int) -> None:
        if self._seek(self._context, self._file, offset, os.SEEK_SET) < 0:
            raise _last_error("seek")

    def close(self) -> None:
        if self._close(self._context, self._file) != 0:
            raise _last_error("close")


def _credentials(request: dict[str, Any]) -> Callable[..., None]:
    def fill(
        _context: int,
        _server: bytes,
        _share: bytes,
        workgroup: int,
        workgroup_size: int,
        user: int,
        user_size: int,
        password: int,
        password_size: int,
    ) -> None:
        for buffer, size, text in (
            (workgroup, workgroup_size, request["domain"]),
            (user, user_size, request["user"]),
            (password, password_size, request["password"]),
        ):
            raw = text.encode()[: size - 1] + b"\0"
            ctypes.memmove(buffer, raw, len(raw))

    return fill


def _url(request: dict[str, Any]) -> bytes:
    parts = [request["share"], *request["rest"].split("\\")]
    return f"smb://{request['server']}/{'/'.join(urllib.parse.quote(part, safe='') for part in parts)}".encode()


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of what is not a hole in the local file."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, end


def _blocks(descriptor: int, size: int, stream: int, streams: int) -> Iterator[tuple[int, int]]:
    """The blocks (start and end, none across a multiple of the block size) that are this child's to send."""
    for range_start, range_end in _data_ranges(descriptor, size):
        start = range_start
        while start < range_end:
            end = min(range_end, (start // _BLOCK + 1) * _BLOCK)
            if start // _BLOCK % streams == stream:
                yield start, end
            start = end


def _upload(request: dict[str, Any], report: Callable[[int], None]) -> int:
    with open(request["local_path"], "rb", buffering=0) as local:  # noqa: PTH123  no pathlib: it costs start-up time
        remote = _RemoteFile(request)
        buffer = memoryview(bytearray(_BLOCK))
        sent = 0
        for start, end in _blocks(local.fileno(), request["size"], request["stream"], request["streams"]):
            count = os.preadv(local.fileno(), [buffer[: end - start]], start)
            if count != end - start:
                raise OSError(errno.EIO, "the local file became shorter while it was read")
            remote.seek(start)
            remote.write(buffer[:count])
            sent += count
            report(sent)
        remote.close()
        return sent


def main() -> int:
    request = json.load(sys.stdin)
    reported_at = 0.0

    def report(position: int) -> None:
        nonlocal reported_at
        now = time.monotonic()
        if now - reported_at >= _PROGRESS_EVERY_S:
            reported_at = now
            print("progress", position, flush=True)  # a parent that is gone ends us here (BrokenPipeError)

    try:
        sent = _upload(request, report)
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            return 1
        print("failed", exc.errno or errno.EIO, exc.strerror or exc, flush=True)
        return 1
    print("done", sent, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
