"""The tour's servers, and what they say of themselves on their consoles.

Waiting is done through the SDK: starting the ``openstack`` client takes longer than most of what is waited for.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from demo.cloud.identity import connect
from demo.cloud.processes import DemoError, tail
from demo.settings import DemoHost, State

if TYPE_CHECKING:
    from openstack.connection import Connection

T = TypeVar("T")

POLL_S = 0.7
# Ten times what it takes on two idle cores, where several guests boot at a time.
SETTLED_WITHIN_S = 300

# What the guest image says on its console (hyperv_simulator/guest_image/init.sh).
# A console is read while the guest writes: a line counts when it is whole.
READY = re.compile(r"GUEST-READY hostname=(\S+) address=(\S+) uuid=(\S+)\s")
PING = re.compile(r"PING (\S+) (ok|no answer)")
# And what the tour's program in it says (demo/tour/guest.sh).
SEES = re.compile(r"SEES (\S+) ([^\r\n]*)\r?\n")


@dataclass(frozen=True)
class Guest:
    """A server of the tour, as it is planned.

    :param network: empty where it has none; ``address`` likewise.
    """

    name: str
    host: DemoHost
    network: str = ""
    address: str = ""


@dataclass(frozen=True)
class Boot:
    """What a guest has said since it booted the last time, its ``number``-th boot.

    :param sees: what it sees: each word with what was said of it, in the order in which it was.
    """

    number: int
    hostname: str
    address: str
    uuid: str
    answers: dict[str, bool]
    sees: tuple[tuple[str, str], ...] = ()

    def all_of(self, word: str) -> list[str]:
        return [what for which, what in self.sees if which == word]

    @property
    def marks(self) -> list[str]:
        """Of its disks, the root disk first."""
        return [what.split(" ")[2] for what in self.all_of("disk")]


def last_boot(console: str) -> Boot | None:
    """What the console shows of the newest boot; None before the first."""
    marks = list(READY.finditer(console))
    if not marks:
        return None
    newest = marks[-1]
    since = console[newest.end() :]
    answers = {address: answer == "ok" for address, answer in PING.findall(since)}
    return Boot(len(marks), newest[1], newest[2], newest[3], answers, tuple(SEES.findall(since)))


class Watch:
    """Waits for servers and their guests; what does not come in time is a DemoError with console and logs."""

    def __init__(self, state: State, hosts: Sequence[DemoHost]) -> None:
        self._state = state
        self._hosts = hosts
        self._ids: dict[str, str] = {}

    @cached_property
    def api(self) -> "Connection":
        return connect(self._state)

    def gone(self, server_id: str) -> None:
        self.wait(lambda: self.api.compute.find_server(server_id) is None, f"the end of server {server_id}")

    def status(self, guest: Guest, status: str) -> None:
        """Until the server is in this state and nothing is being done to it; its going wrong ends the wait."""

        def reached() -> bool:
            server = self.api.compute.get_server(self.server_id(guest))
            if server.status == "ERROR":
                reason = (server.fault or {}).get("message", "no reason given")
                raise DemoError(f"{guest.name} is in state ERROR: {reason}\n{tail(*self._logs)}")
            return bool(server.status == status and server.task_state is None)

        self.wait(reached, f"{guest.name} being {status}", guest)

    def boot(self, guest: Guest, number: int) -> Boot:
        """Until the guest has shown its mark for the ``number``-th time."""
        return self.wait(
            lambda: (boot := last_boot(self.console(guest))) and boot.number >= number and boot,
            f"the mark of {guest.name} on its console",
            guest,
        )

    def answers(self, guest: Guest, addresses: Iterable[str]) -> dict[str, bool]:
        """Until the guest's newest boot has tried all these addresses; which of them answered."""
        wanted = set(addresses)
        boot = self.wait(
            lambda: (boot := last_boot(self.console(guest))) and boot.answers.keys() >= wanted and boot,
            f"the pings of {guest.name}",
            guest,
        )
        return boot.answers

    def until(self, guest: Guest, what: str, of_boot: Callable[[Boot], T | bool | None]) -> T:
        """Until what the guest has said since its last boot gives something; that."""
        return self.wait(
            lambda: (boot := last_boot(self.console(guest))) and of_boot(boot), f"{guest.name} seeing {what}", guest
        )

    def console_with(self, guest: Guest, pattern: re.Pattern[str]) -> str:
        """Until the console shows the pattern; what was found."""
        found = self.wait(
            lambda: pattern.search(self.console(guest)), f"{pattern.pattern!r} on the console of {guest.name}", guest
        )
        return found[0]

    def boots(self, guest: Guest) -> int:
        boot = last_boot(self.console(guest))
        return boot.number if boot else 0

    def console(self, guest: Guest) -> str:
        return str(self.api.compute.get_server_console_output(self.server_id(guest))["output"] or "")

    def server_id(self, guest: Guest) -> str:
        """Asked for once: whoever waits for a guest would ask all the time."""
        if guest.name not in self._ids:
            self._ids[guest.name] = str(self.api.compute.find_server(guest.name, ignore_missing=False).id)
        return self._ids[guest.name]

    def wait(self, condition: Callable[[], T | bool | None], what: str, guest: Guest | None = None) -> T:
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not (outcome := condition()):
            if time.monotonic() > deadline:
                seen = f"\n--- the end of its console\n{self.console(guest)[-1500:]}" if guest else ""
                raise DemoError(f"waited {SETTLED_WITHIN_S} s in vain for {what}{seen}\n{tail(*self._logs)}")
            time.sleep(POLL_S)
        return outcome

    @property
    def _logs(self) -> list[Path]:
        return [self._state.log / f"nova-compute-{host.name}.log" for host in self._hosts]
