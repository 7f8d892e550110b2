"""The tour's servers, and what they say of themselves on their consoles.

Waiting is done through the SDK: starting the ``openstack`` client takes longer than most of what is waited for.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from demo.cloud.identity import connect
from demo.cloud.processes import DemoError, tail
from demo.settings import DemoHost, State

if TYPE_CHECKING:
    from openstack.connection import Connection

T = TypeVar("T")

POLL_S = 0.7
# Ten times what it takes on two idle cores.
SETTLED_WITHIN_S = 180

# What the guest image says on its console (hyperv_simulator/guest_image/init.sh).
# A console is read while the guest writes: a line counts when it is whole.
READY = re.compile(r"GUEST-READY hostname=(\S+) address=(\S+) uuid=(\S+)\s")
PING = re.compile(r"PING (\S+) (ok|no answer)")


@dataclass(frozen=True)
class Guest:
    """A server of the tour, as it is planned."""

    name: str
    network: str
    address: str
    host: DemoHost


@dataclass(frozen=True)
class Boot:
    """What a guest has said since it booted the last time, its ``number``-th boot."""

    number: int
    hostname: str
    address: str
    uuid: str
    answers: dict[str, bool]


def last_boot(console: str) -> Boot | None:
    """What the console shows of the newest boot; None before the first."""
    marks = list(READY.finditer(console))
    if not marks:
        return None
    newest = marks[-1]
    answers = {address: answer == "ok" for address, answer in PING.findall(console[newest.end() :])}
    return Boot(len(marks), newest[1], newest[2], newest[3], answers)


class Watch:
    """Waits for servers and their guests; what does not come in time is a DemoError with console and logs."""

    def __init__(self, state: State, hosts: Sequence[DemoHost]) -> None:
        self._state = state
        self._hosts = hosts

    @cached_property
    def api(self) -> "Connection":
        return connect(self._state)

    def gone(self, server_id: str) -> None:
        self._wait(lambda: self.api.compute.find_server(server_id) is None, f"the end of server {server_id}")

    def status(self, guest: Guest, status: str) -> None:
        """Until the server is in this state and nothing is being done to it; its going wrong ends the wait."""

        def reached() -> bool:
            server = self.api.compute.get_server(self.server_id(guest))
            if server.status == "ERROR":
                reason = (server.fault or {}).get("message", "no reason given")
                log = self._state.log / f"nova-compute-{guest.host.name}.log"
                raise DemoError(f"{guest.name} is in state ERROR: {reason}\n{tail(log)}")
            return bool(server.status == status and server.task_state is None)

        self._wait(reached, f"{guest.name} being {status}", guest)

    def boot(self, guest: Guest, number: int) -> Boot:
        """Until the guest has shown its mark for the ``number``-th time."""
        return self._wait(
            lambda: (boot := last_boot(self.console(guest))) and boot.number >= number and boot,
            f"the mark of {guest.name} on its console",
            guest,
        )

    def answers(self, guest: Guest, addresses: Iterable[str]) -> dict[str, bool]:
        """Until the guest's newest boot has tried all these addresses; which of them answered."""
        wanted = set(addresses)
        boot = self._wait(
            lambda: (boot := last_boot(self.console(guest))) and boot.answers.keys() >= wanted and boot,
            f"the pings of {guest.name}",
            guest,
        )
        return boot.answers

    def boots(self, guest: Guest) -> int:
        boot = last_boot(self.console(guest))
        return boot.number if boot else 0

    def console(self, guest: Guest) -> str:
        return str(self.api.compute.get_server_console_output(self.server_id(guest))["output"] or "")

    def server_id(self, guest: Guest) -> str:
        return str(self.api.compute.find_server(guest.name, ignore_missing=False).id)

    def _wait(self, condition: Callable[[], T | bool | None], what: str, guest: Guest | None = None) -> T:
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not (outcome := condition()):
            if time.monotonic() > deadline:
                seen = f"\n--- the end of its console\n{self.console(guest)[-1500:]}" if guest else ""
                hosts = [guest.host] if guest else self._hosts
                logs = [self._state.log / f"nova-compute-{host.name}.log" for host in hosts]
                raise DemoError(f"waited {SETTLED_WITHIN_S} s in vain for {what}{seen}\n{tail(*logs)}")
            time.sleep(POLL_S)
        return outcome
