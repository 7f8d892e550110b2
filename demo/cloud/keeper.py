"""The keeper: parent of every process of the demo cloud, so that none of them can outlive it unnoticed.

It is a process of its own (``python -m demo.cloud.keeper RUN_FOLDER``), because the cloud may go on running when
``make demo`` has ended. It starts programs, reaps them, and ends them, in the order of their levels:

* when a client says ``stop``;
* when the client that owns it goes away without ``release``, by Ctrl-C, a crash or ``kill -9``;
* when it is told to end by a signal.

It is the reaper of orphans (PR_SET_CHILD_SUBREAPER): a daemon that some program puts into the background becomes a
child of the keeper and ends with the rest. Each program gets SIGKILL when the keeper itself is killed
(PR_SET_PDEATHSIG), and carries ``MARK`` in its environment, by which a later keeper finds what may still be left.

Rules: one thread (PR_SET_PDEATHSIG is bound to the thread that forks), the standard library only, and no knowledge of
OpenStack. Requests and answers are one line of JSON each over a unix socket in the run folder.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "COMPUTE_HYPERV_DEMO"
SOCKET_NAME = "keeper.sock"

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# How long the programs of one level may take to end by themselves after SIGTERM.
PATIENCE_S = 6.0
# A keeper that nobody took possession of has lost the client that started it.
UNOWNED_LIMIT_S = 15.0

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Program:
    """A started program. Programs of a higher level use those of lower levels and are ended before them."""

    name: str
    level: int
    popen: subprocess.Popen[bytes]

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "pid": self.popen.pid, "status": self.popen.poll()}


class Keeper:
    def __init__(self, run_folder: Path) -> None:
        self._mark = str(run_folder)
        self._programs: dict[str, Program] = {}
        self._waiting: list[tuple[str, socket.socket]] = []
        self._owner: socket.socket | None = None
        self._released = False
        self._ending = False
        self._started_at = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = run_folder / SOCKET_NAME
        path.unlink(missing_ok=True)
        with short_path(path) as address:
            self._listener.bind(address)
        path.chmod(0o600)
        self._listener.listen(32)
        self._selector.register(self._listener, selectors.EVENT_READ)
        # A signal makes the selector return: the end of a program is noticed at once.
        self._wakeup, far_end = socket.socketpair()
        for end in (self._wakeup, far_end):
            end.setblocking(False)
        signal.set_wakeup_fd(far_end.fileno())
        self._far_end = far_end
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, self._end)

    def serve(self) -> None:
        """Until told to end; then everything that was started is gone."""
        while not self._ending:
            for key, _ in self._selector.select(timeout=5):
                if key.fileobj is self._listener:
                    self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                elif key.fileobj is self._wakeup:
                    self._wakeup.recv(4096)
                else:
                    self._hear(key.fileobj)  # type: ignore[arg-type]
            self._answer_waiting()
            self._reap_orphans()
            never_owned = self._owner is None and not self._released
            if never_owned and time.monotonic() - self._started_at > UNOWNED_LIMIT_S:
                self._ending = True
        self.end_programs(list(self._programs.values()))
        while orphans := children_of(os.getpid()):
            kill(orphans)
        end_leftovers(self._mark)

    def _end(self, *_: object) -> None:
        self._ending = True

    # Requests

    def _hear(self, client: socket.socket) -> None:
        line = b""
        with contextlib.suppress(ConnectionError):
            while not line.endswith(b"\n") and (chunk := client.recv(65536)):
                line += chunk
        if not line:
            self._forget(client)
            return
        request = json.loads(line)
        answer = getattr(self, "_do_" + request.pop("do"))(client, **request)
        if answer is not None:
            self._answer(client, answer)

    def _answer(self, client: socket.socket, answer: dict[str, Any]) -> None:
        # A client that went away in the meantime is noticed by its end of file.
        with contextlib.suppress(ConnectionError):
            client.sendall(json.dumps(answer).encode() + b"\n")

    def _forget(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        self._waiting = [(name, other) for name, other in self._waiting if other is not client]
        if client is self._owner:
            self._ending = True
        client.close()

    def _do_own(self, client: socket.socket) -> dict[str, Any]:
        self._owner, self._released = client, False
        return {}

    def _do_release(self, _client: socket.socket) -> dict[str, Any]:
        self._owner, self._released = None, True
        return {}

    def _do_start(
        self,
        _client: socket.socket,
        name: str,
        level: int,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        stdout: str,
        stderr: str,
    ) -> dict[str, Any]:
        known = self._programs.get(name)
        if known and known.popen.poll() is None:
            return {"error": f"{name} runs already, process {known.popen.pid}"}
        try:
            with open(stdout, "ab") as out, open(stderr, "ab") as err:  # noqa: PTH123 names, not paths, come in
                popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=cwd,
                    env={**os.environ, **env, MARK: self._mark},
                    start_new_session=True,
                    preexec_fn=_die_with_keeper,  # safe: this process has one thread
                )
        except OSError as error:
            return {"error": f"{argv[0]}: {error.strerror}"}
        self._programs[name] = Program(name, level, popen)
        return {"pid": popen.pid}

    def _do_wait(self, client: socket.socket, name: str) -> dict[str, Any] | None:
        if name not in self._programs:
            return {"error": f"no program {name}"}
        self._waiting.append((name, client))
        return None

    def _answer_waiting(self) -> None:
        """Who has been waited for and has ended is forgotten."""
        ended = [(name, client) for name, client in self._waiting if self._programs[name].popen.poll() is not None]
        for name, client in ended:
            self._waiting.remove((name, client))
            self._answer(client, {"status": self._programs.pop(name).popen.returncode})

    def _do_list(self, _client: socket.socket) -> dict[str, Any]:
        return {"programs": [program.describe() for program in self._programs.values()]}

    def _do_end(self, _client: socket.socket, names: list[str]) -> dict[str, Any]:
        self._waiting = [(name, other) for name, other in self._waiting if name not in names]
        self.end_programs([self._programs.pop(name) for name in names if name in self._programs])
        return {}

    def _do_stop(self, _client: socket.socket) -> None:
        """No answer but the end of file, when everything is gone."""
        self._ending = True

    # Ends

    def end_programs(self, programs: list[Program]) -> None:
        for level in sorted({program.level for program in programs}, reverse=True):
            batch = [program.popen for program in programs if program.level == level and program.popen.poll() is None]
            for popen in batch:
                popen.terminate()
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and any(popen.poll() is None for popen in batch):
                time.sleep(0.02)
            for popen in batch:
                # The session's other processes too: a program that has ended may have left workers behind.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                popen.wait()

    def _reap_orphans(self) -> None:
        """Collects processes that became our children because their own parents ended."""
        started = {program.popen.pid for program in self._programs.values()}
        for pid in children_of(os.getpid()) - started:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _die_with_keeper() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of(pid: int) -> set[int]:
    with contextlib.suppress(OSError):
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return set()


def marked(mark: str) -> set[int]:
    """Processes whose environment says that they belong to the cloud with this run folder, whoever started them."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
    return found


def end_leftovers(mark: str) -> set[int]:
    """Kills what is left of the cloud with this run folder, whoever is its parent now."""
    ended: set[int] = set()
    while left := marked(mark):
        kill(left)
        ended |= left
        time.sleep(0.02)
    return ended


def kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


@contextlib.contextmanager
def short_path(path: Path) -> Any:
    """A name for a socket that fits into the 108 bytes the kernel allows, however deep the checkout is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def main() -> None:
    run_folder = Path(sys.argv[1])
    end_leftovers(str(run_folder))
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    Keeper(run_folder).serve()
    (run_folder / SOCKET_NAME).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
