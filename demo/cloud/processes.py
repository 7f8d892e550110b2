"""The client of the keeper: starts, awaits and ends the cloud's programs.

Safe to use from several threads: every request has a connection of its own, except possession, which is one connection
that stays open as long as the cloud is ours.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.cloud import keeper
from demo.settings import CHECKOUT, VENV, State

LOG_LINES_SHOWN = 15
LOG_WIDTH_SHOWN = 300
# What fills logs and explains no failure: our own polling, and warnings that come with every request.
NOISE = ("Get console output", "neutronclient is deprecat")

# Order of ends: what serves others ends last.
LEVEL_BASE, LEVEL_IDENTITY, LEVEL_SERVICE, LEVEL_TASK = 0, 1, 2, 3


class DemoError(Exception):
    """Something in the demo did not work; the message says what, why, and where to look."""


class TimedOut(DemoError):
    """A command did not end in time."""


@dataclass(frozen=True)
class Status:
    """A program that the keeper knows. ``exit_status`` is None while it runs."""

    name: str
    process_id: int
    exit_status: int | None


class Processes:
    def __init__(self, state: State) -> None:
        self._state = state
        self._socket = state.run / keeper.SOCKET_NAME
        self._possession: socket.socket | None = None
        self._tasks = 0

    @property
    def kept(self) -> bool:
        """Whether a keeper is there."""
        try:
            self._connect().close()
        except OSError:
            return False
        return True

    def take_possession(self) -> None:
        """Starts a keeper if there is none. From now on everything ends when this process ends, until released."""
        if not self.kept:
            log = self._log("keeper")
            with log.open("ab") as out:
                keeper_process = subprocess.Popen(
                    [sys.executable, "-m", "demo.cloud.keeper", str(self._state.run)],
                    cwd=CHECKOUT,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            try:
                self.wait_until(
                    lambda: self.kept, 10, "the keeper of processes", [log], lambda: keeper_process.poll() is not None
                )
            except BaseException:  # Ctrl-C too: nobody else knows of the keeper yet
                keeper_process.kill()
                raise
        self._possession = self._connect()
        self._exchange(self._possession, {"do": "own"})

    def release(self) -> None:
        """The cloud goes on running when this process ends."""
        self._request(do="release")

    def stop(self) -> bool:
        """Ends everything and returns when it is gone. False: nothing was there."""
        try:
            connection = self._connect()
        except OSError:
            # A keeper that was killed could not end what its programs had started.
            return bool(keeper.end_leftovers(str(self._state.run)))
        with connection:
            connection.sendall(b'{"do": "stop"}\n')
            while connection.recv(4096):
                pass
        self._possession = None
        # The keeper closes its connections when it ends; its socket goes last.
        deadline = time.monotonic() + 5
        while self.kept and time.monotonic() < deadline:
            time.sleep(0.02)
        return True

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        level: int = LEVEL_SERVICE,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Starts a service; its output goes to ``log/NAME.log``."""
        self._start(name, argv, level, env or {}, self._log(name), self._log(name))

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        log: str,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 300,
        output: Path | None = None,
    ) -> None:
        """Runs a command to its end. Raises DemoError with the last lines of its log if it fails."""
        status = self.exit_status(argv, log=log, env=env, timeout_s=timeout_s, output=output)
        if status:
            raise DemoError(f"{command_line(argv)} failed with status {status}\n{tail(self._log(log))}")

    def exit_status(
        self,
        argv: Sequence[str | Path],
        *,
        log: str,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 300,
        output: Path | None = None,
    ) -> int:
        """Runs a command to its end. Raises TimedOut if that does not come in time; the command is ended then."""
        self._tasks += 1
        name = f"{Path(argv[0]).name} {os.getpid()}-{self._tasks}"
        log_file = self._log(log)
        self._start(name, argv, LEVEL_TASK, env or {}, output or log_file, log_file)
        with self._connect() as connection:
            connection.settimeout(timeout_s)
            try:
                status: int = self._exchange(connection, {"do": "wait", "name": name})["status"]
            except TimeoutError:
                self._request(do="end", names=[name])
                raise TimedOut(f"{command_line(argv)} did not end within {timeout_s:g} s\n{tail(log_file)}") from None
        return status

    def end(self, *names: str) -> None:
        self._request(do="end", names=list(names))

    def status(self) -> list[Status]:
        return [Status(row["name"], row["pid"], row["status"]) for row in self._request(do="list")["programs"]]

    def has_ended(self, name: str) -> bool:
        return all(row.exit_status is not None for row in self.status() if row.name == name)

    def wait_until(
        self,
        condition: Callable[[], bool],
        timeout_s: float,
        what: str,
        logs: Sequence[Path],
        hopeless: Callable[[], bool] = lambda: False,
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if hopeless():
                raise DemoError(f"{what} ended by itself\n{tail(*logs)}")
            if time.monotonic() > deadline:
                raise DemoError(f"{what} was not ready within {timeout_s:g} s\n{tail(*logs)}")
            time.sleep(0.1)

    def wait_for(self, name: str, condition: Callable[[], bool], timeout_s: float) -> None:
        """Until the program's condition holds; gives up at once when the program ends."""
        self.wait_until(condition, timeout_s, name, [self._log(name)], lambda: self.has_ended(name))

    def _log(self, name: str) -> Path:
        return self._state.log / f"{name}.log"

    def _start(
        self,
        name: str,
        argv: Sequence[str | Path],
        level: int,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
    ) -> None:
        self._request(
            do="start",
            name=name,
            level=level,
            argv=[str(word) for word in argv],
            env={"PATH": f"{VENV}/bin:{os.environ['PATH']}", **env},
            cwd=str(CHECKOUT),
            stdout=str(stdout),
            stderr=str(stderr),
        )

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with keeper.short_path(self._socket) as address:
            connection.connect(address)
        return connection

    def _request(self, **request: Any) -> dict[str, Any]:
        with self._connect() as connection:
            return self._exchange(connection, request)

    @staticmethod
    def _exchange(connection: socket.socket, request: Mapping[str, Any]) -> dict[str, Any]:
        line = b""
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            while not line.endswith(b"\n"):
                chunk = connection.recv(65536)
                if not chunk:
                    raise ConnectionError
                line += chunk
        except ConnectionError:
            raise DemoError("the keeper of processes has ended, and with it everything that it kept") from None
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DemoError(answer["error"])
        return answer


def command_line(argv: Sequence[str | Path]) -> str:
    return " ".join(str(word) for word in (Path(argv[0]).name, *argv[1:]))


def tail(*logs: Path) -> str:
    """The last lines of log files, each headed by its name."""
    parts = []
    for log in logs:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(no such file)"]
        telling = [line[:LOG_WIDTH_SHOWN] for line in lines if not any(words in line for words in NOISE)]
        parts.append("\n".join([f"--- the end of {log}", *telling[-LOG_LINES_SHOWN:]]))
    return "\n".join(parts)
