"""Which shells there are, whose they are, how long they live, and the commands in them.

A command runs to its end when it starts, since none takes time; its output waits for Receive. What is sent to it is
dropped, as input that a command does not read is (MS-WSMV 3.1.4.13). A shell that nobody uses for its idle timeout is
gone (3.1.4.1.31.5); so is one over its lifetime.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from hyperv_simulator.operating_system.shell.context import Output
from hyperv_simulator.quotas import Quotas
from hyperv_simulator.server.winrs import faults


@dataclass(slots=True)
class Command:
    """One command of a shell.

    :param pending: its output is still to be fetched.
    """

    identifier: str
    output: Output
    pending: bool = True


@dataclass(slots=True)
class Shell:
    """One shell; times are of the clock of its owner.

    :param idle_s: how long it waits for the next request.
    :param encoding: Python's name of the code page in which its commands print.
    """

    identifier: str
    user: str
    name: str
    encoding: str
    idle_s: float
    input_streams: str
    output_streams: str
    opened_at: float
    used_at: float
    ends_at: float | None
    commands: dict[str, Command] = field(default_factory=dict)


class Shells:
    """The shells of one host. Safe for threads.

    :param clock: seconds, monotonic.
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self.clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Shell] = {}

    def open(
        self,
        user: str,
        *,
        identifier: str = "",
        name: str = "",
        encoding: str = "cp437",
        idle_s: float | None = None,
        lifetime_s: float | None = None,
        input_streams: str = "stdin",
        output_streams: str = "stdout stderr",
    ) -> Shell:
        """Raises the quota fault for a shell too many, or that of an identifier in use."""
        now = self.clock()
        shell = Shell(
            identifier=identifier or str(uuid.uuid4()).upper(),
            user=user,
            name=name,
            encoding=encoding,
            idle_s=self._quotas.shell_idle_timeout_ms / 1000 if idle_s is None else idle_s,
            input_streams=input_streams,
            output_streams=output_streams,
            opened_at=now,
            used_at=now,
            ends_at=None if lifetime_s is None else now + lifetime_s,
        )
        with self._lock:
            self._expire()
            if shell.identifier.lower() in self._open:
                raise faults.shell_exists()
            if sum(1 for each in self._open.values() if each.user == user) >= self._quotas.max_shells_per_user:
                raise faults.too_many_shells()
            self._open[shell.identifier.lower()] = shell
        return shell

    def find(self, identifier: str, user: str) -> Shell:
        """The shell, in use from now on. Raises the fault of a shell that does not exist."""
        with self._lock:
            self._expire()
            shell = self._open.get(identifier.lower())
            if shell is None or shell.user != user:
                raise faults.no_such_shell(identifier)
            shell.used_at = self.clock()
            return shell

    def close(self, identifier: str, user: str) -> None:
        """Ends a shell with its commands. Raises as ``find``."""
        self.find(identifier, user)
        with self._lock:
            self._open.pop(identifier.lower(), None)

    def all(self, user: str) -> list[Shell]:
        """This user's shells."""
        with self._lock:
            self._expire()
            return [each for each in self._open.values() if each.user == user]

    def start(self, shell: Shell, output: Output, identifier: str = "") -> Command:
        """Keeps a command for Receive. Raises the quota fault for one too many."""
        command = Command(identifier or str(uuid.uuid4()).upper(), output)
        with self._lock:
            if command.identifier.lower() in shell.commands:
                raise faults.command_exists()
            if len(shell.commands) >= self._quotas.max_processes_per_shell:
                raise faults.too_many_commands()
            shell.commands[command.identifier.lower()] = command
        return command

    def command(self, shell: Shell, identifier: str) -> Command:
        """Raises the fault of a command that does not exist."""
        with self._lock:
            command = shell.commands.get(identifier.lower())
        if command is None:
            raise faults.no_such_command()
        return command

    def end(self, shell: Shell, identifier: str) -> None:
        """Forgets a command; nothing happens where there is none."""
        with self._lock:
            shell.commands.pop(identifier.lower(), None)

    def opened_by(self, user: str) -> int:
        """How many commands a user has running: they count as operations (MS-WSMV 3.1.4.11)."""
        with self._lock:
            return sum(len(each.commands) for each in self._open.values() if each.user == user)

    def _expire(self) -> None:
        now = self.clock()
        for key, shell in list(self._open.items()):
            if now - shell.used_at > shell.idle_s or (shell.ends_at is not None and now > shell.ends_at):
                del self._open[key]
