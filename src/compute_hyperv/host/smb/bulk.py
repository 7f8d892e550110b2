"""Large files to a server at the speed of C: child processes with libsmbclient, watched by this one.

A server that hangs cannot hang us: a child that reports no progress for ``stall_s`` is killed. The password goes
through the child's stdin; it is in no command line, environment or file.

Two streams, because one waits for the server's answer after each block: on this project's two-core machine two moved
1 GiB in 1.5 s, one in 1.9 s, ``smbclient put`` took 2.0 s (medians, all of them with noise).
"""

from __future__ import annotations

import contextlib
import ctypes.util
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from compute_hyperv.cim.errors import TimedOut, Unreachable
from compute_hyperv.host.paths import SmbPath
from compute_hyperv.host.smb import bulk_child
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.host.smb.status import error_of_errno

STREAMS = 2
WHAT = "Uploading"
_STALL_GRACE_S = 5.0

Progress = Callable[[int, int], None]

# Nothing of the machine's own smb.conf may change what we do; broadcasts and WINS only cost time.
_CONFIGURATION = "[global]\n  client min protocol = SMB3\n  client signing = required\n  name resolve order = host\n"


def available() -> bool:
    """Whether libsmbclient is installed."""
    return ctypes.util.find_library("smbclient") is not None


def upload(
    endpoint: SmbEndpoint,
    local_path: Path,
    target: SmbPath,
    *,
    size_bytes: int,
    progress: Progress | None = None,
    stall_s: float | None = None,
) -> None:
    """Fill a remote file, which exists and has its final size, from a local one.

    :param progress: called now and then with the bytes sent and the size; what it raises ends the upload.
    :param stall_s: how long no byte may move; by default a little longer than a request may take.
    """
    patience_s = stall_s if stall_s is not None else endpoint.timeout_s + _STALL_GRACE_S
    with _configuration() as configuration, contextlib.ExitStack() as children:
        streams = [
            _Stream(children, _request(endpoint, local_path, target, size_bytes, number, configuration))
            for number in range(STREAMS)
        ]
        moved_at = time.monotonic()
        while open_streams := [stream for stream in streams if not stream.done]:
            ready = select.select([stream.output for stream in open_streams], [], [], 1.0)[0]
            for stream in open_streams:
                if stream.output in ready and stream.read(str(target)):
                    moved_at = time.monotonic()
            if time.monotonic() - moved_at > patience_s:
                raise TimedOut(f"{WHAT} {target} failed: no byte moved for {patience_s:.0f} s.")
            if progress and ready:
                progress(sum(stream.sent for stream in streams), size_bytes)


class _Stream:
    """One child and what it has said so far. It is killed when the exit stack unwinds, unless it has ended."""

    def __init__(self, children: contextlib.ExitStack, request: dict[str, object]) -> None:
        self.sent = 0
        self.done = False
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", bulk_child.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libsmbclient's own debugging
        )
        children.callback(self._end)
        given, said = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self.output = said.fileno()
        with contextlib.suppress(BrokenPipeError):  # it died at once: read() says so
            given.write(json.dumps(request).encode())
            given.close()

    def read(self, target: str) -> bool:
        """Take what the child said; whether bytes moved. Raises what it failed with."""
        chunk = os.read(self.output, 65536)
        if not chunk:
            raise Unreachable(f"{WHAT} {target} failed: the upload process died.")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        before = self.sent
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "failed":
                number, _, text = rest.partition(" ")
                raise error_of_errno(int(number), WHAT, target, detail=text)
            self.sent = int(rest)
            self.done = self.done or word == "done"
        return self.done or self.sent > before

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _request(
    endpoint: SmbEndpoint, local_path: Path, target: SmbPath, size_bytes: int, stream: int, configuration: Path
) -> dict[str, object]:
    domain, user = _account(endpoint.username or "")
    return {
        "server": target.server,
        "port": endpoint.port_of(target.server),
        "share": target.share,
        "rest": target.rest,
        "local_path": str(local_path),
        "size": size_bytes,
        "stream": stream,
        "streams": STREAMS,
        "user": user,
        "domain": domain,
        "password": endpoint.password or "",
        # A local account has no ticket to look for, and looking for one asks DNS for a realm.
        "kerberos": not endpoint.username or "@" in endpoint.username or bool(domain),
        "encrypt": endpoint.encrypt,
        "timeout_s": endpoint.timeout_s,
        "configuration": str(configuration),
    }


def _account(username: str) -> tuple[str, str]:
    """Domain and user of ``DOMAIN\\user``; a ``user@REALM`` stays whole."""
    domain, backslash, user = username.partition("\\")
    return (domain, user) if backslash else ("", username)


@contextlib.contextmanager
def _configuration() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="compute-hyperv-") as folder:
        path = Path(folder) / "smb.conf"
        path.write_text(_CONFIGURATION)
        yield path
