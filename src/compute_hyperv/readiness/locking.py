"""Does a lock service lock? Two processes ask for the same lock, through tooz, as the services of a cluster do.

Run as a program, this file is the second process: it says whether it got the lock.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass

_GOT, _REFUSED = "got it", "refused"
_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class LockProof:
    """:param backend: the URL, without a password.  :param failure: why nothing could be tried; empty if it could."""

    backend: str
    excludes: bool = False
    failure: str = ""


_proving = threading.Lock()


def prove_locking(url: str) -> LockProof:
    """Takes a lock of its own name, has a second process ask for it, gives it back, and has that ask once more."""
    if re.match(r"file:/+[A-Za-z]:/", url):
        return LockProof(url, failure=f"{url} is a folder of Windows: nova-compute runs on this machine, not there")
    shown = re.sub(r"(?<=:)[^:/@]+(?=@)", "***", url)
    name = f"compute-hyperv-check-{uuid.uuid4().hex}"
    with _proving:
        try:
            from tooz import coordination
        except ImportError:
            return LockProof(shown, failure="tooz is not installed here; pip install tooz")
        try:
            coordinator = coordination.get_coordinator(url, f"check-{uuid.uuid4().hex}".encode())
            coordinator.start()
            try:
                lock = coordinator.get_lock(name.encode())
                if not lock.acquire(blocking=False):
                    return LockProof(shown, failure=f"{shown} refuses a lock that nobody can have")
                try:
                    second = _ask(url, name)
                finally:
                    lock.release()
                afterwards = _ask(url, name)
            finally:
                coordinator.stop()
        except Exception as error:
            # each backend has exceptions of its own
            return LockProof(shown, failure=f"{shown} does not answer: {_short(error)}")
    if afterwards != _GOT or second not in (_GOT, _REFUSED):
        return LockProof(shown, failure=f"{shown}: a second process could not lock: {second or afterwards}")
    return LockProof(shown, excludes=second == _REFUSED)


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


def _ask(url: str, name: str) -> str:
    """What the second process says. The URL, which may hold a password, goes by its input."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=f"{url}\n{name}\n",
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    answer = done.stdout.strip()
    return answer if answer in (_GOT, _REFUSED) else (done.stderr.strip().splitlines() or ["no answer"])[-1]


def main() -> None:
    from tooz import coordination

    url, name = sys.stdin.read().splitlines()
    coordinator = coordination.get_coordinator(url, f"check-{uuid.uuid4().hex}".encode())
    coordinator.start()
    try:
        lock = coordinator.get_lock(name.encode())
        if lock.acquire(blocking=False):
            lock.release()
            sys.stdout.write(_GOT)
        else:
            sys.stdout.write(_REFUSED)
    finally:
        coordinator.stop()


if __name__ == "__main__":
    main()
