"""Child processes (QEMU, smbd) that never outlive the simulator.

Rule: whoever needs a process for longer than one call starts it here. However the simulator ends, by Ctrl-C, by SIGTERM
or killed, the kernel then sends the child the signal chosen here (PR_SET_PDEATHSIG, set by util-linux's ``setpriv``).

The kernel means the *thread* that forked, not the process: a child forked by the thread of a connection would die with
that connection. So all of them are forked by one thread, which lives as long as the process. And it sends nothing to a
child that asks only after its parent has died: a shell looks, before the program takes its place.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Literal

_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


def start(
    arguments: Sequence[str | Path],
    *,
    death_signal: Literal["KILL", "TERM"] = "KILL",
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    new_group: bool = True,
) -> subprocess.Popen[bytes]:
    """Starts a program.

    :param death_signal: what it gets when the simulator dies: KILL, or TERM for a program that has children of its own
        to end (smbd).
    :param new_group: a process group of its own, so that Ctrl-C in the terminal reaches the simulator only, which then
        ends the child in order.
    :raises OSError: there is no such program, or no ``setpriv`` to start it with.
    """
    program = str(arguments[0])
    if shutil.which(program) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    orphans_end = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())]
    command = ["setpriv", "--pdeathsig", death_signal, "--", *orphans_end, *map(str, arguments)]
    return _forker.submit(
        subprocess.Popen[bytes],
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        pass_fds=tuple(pass_fds),
        process_group=0 if new_group else None,
    ).result()


def end(child: subprocess.Popen[bytes], *, timeout_s: float = 2.0) -> None:
    """Ends a child: asks first (SIGTERM), kills after the timeout. Nothing happens to one that has ended."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
