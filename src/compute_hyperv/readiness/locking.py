"""Does a lock service lock? Two processes ask for the same lock, through tooz, as the services of a cluster do.

Run as a program, this file is one of these processes: it takes the lock, says whether it got it, and gives it back when
its input ends. Neither is ours: a backend that does not answer, and its libraries, stay out of this process.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_GOT, _REFUSED = "got it", "refused"
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class LockProof:
    """:param backend: the URL, without a password.  :param failure: why nothing could be tried; empty if it could."""

    backend: str
    excludes: bool = False
    failure: str = ""


def prove_locking(url: str, *, patience_s: float = _PATIENCE_S) -> LockProof:
    """One process takes a lock of its own name, a second one asks for it, and once more when the first has ended.

    :param patience_s: how long each may take.
    """
    if re.match(r"file:/+[A-Za-z]:/", url):
        return LockProof(url, failure=f"{url} is a folder of Windows: nova-compute runs on this machine, not there")
    shown = re.sub(r"(?<=:)[^:/@]+(?=@)", "***", url)
    name = f"compute-hyperv-check-{uuid.uuid4().hex}"
    with _asking(url, name, patience_s) as first:
        if first != _GOT:
            return LockProof(shown, failure=f"{shown} does not answer: {first}")
        with _asking(url, name, patience_s) as second:
            pass
    with _asking(url, name, patience_s) as afterwards:
        pass
    if afterwards != _GOT or second not in (_GOT, _REFUSED):
        return LockProof(shown, failure=f"{shown}: a second process could not lock: {second}, then {afterwards}")
    return LockProof(shown, excludes=second == _REFUSED)


@contextmanager
def _asking(url: str, name: str, patience_s: float) -> Iterator[str]:
    """What a process says that asks for the lock; it has it for as long as this lasts. The URL, which may hold a
    password, goes by its input."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101 - both are pipes
        limit = threading.Timer(patience_s, process.kill)
        limit.start()
        try:
            try:
                process.stdin.write(f"{url}\n{name}\n")
                process.stdin.flush()
                answer = process.stdout.readline().strip()
            except OSError:
                answer = ""
            limit.cancel()
            yield answer or f"nothing within {patience_s:.0f} s"
        finally:
            limit.cancel()
            # its input ends, so it gives the lock back; what hangs meanwhile is ended
            limit = threading.Timer(patience_s, process.kill)
            limit.start()
            process.communicate()
            limit.cancel()


def main() -> None:
    url, name = (sys.stdin.readline().strip() for _ in range(2))
    try:
        from tooz import coordination

        coordinator = coordination.get_coordinator(url, f"check-{uuid.uuid4().hex}".encode())
        coordinator.start()
        lock = coordinator.get_lock(name.encode())
        got = lock.acquire(blocking=False)
    except Exception as error:
        # each backend has exceptions of its own
        _say(str(error).strip().split("\n")[0] or type(error).__name__)
        return
    _say(_GOT if got else _REFUSED)
    sys.stdin.read()
    if got:
        lock.release()
    coordinator.stop()


def _say(answer: str) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
