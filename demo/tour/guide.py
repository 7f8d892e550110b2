"""What every chapter works with: the client, the view into servers and their guests, and steps that are shown."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from demo import graph
from demo.client import Client
from demo.cloud.config import client_environment
from demo.cloud.processes import DemoError, Processes
from demo.display import Display
from demo.graph import Step
from demo.guests import Guest, Watch
from demo.settings import DemoHost, State

if TYPE_CHECKING:
    from openstack.connection import Connection


class Guide:
    """Safe to use from several threads.

    :ivar openstack: the client, as the cloud's administrator.
    """

    def __init__(self, processes: Processes, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self.state = state
        self.hosts = hosts
        self.display = display
        self.openstack = Client(processes, state, "openstack", client_environment(state))
        self.readiness = Client(processes, state, "compute-hyperv", {})
        self.watch = Watch(state, hosts)

    @cached_property
    def api(self) -> "Connection":
        """For what is looked up between the client's commands: starting the client takes a second or two."""
        return self.watch.api

    def check(self, what: str, action: Callable[[], str]) -> None:
        self.do(Step(what, action, check=True))

    def check_each(self, guests: Sequence[Guest], what: str, action: Callable[[Guest], str]) -> None:
        steps = (Step(f"{guest.name} {what}", lambda guest=guest: action(guest), check=True) for guest in guests)
        self.do(*steps, workers=len(guests))

    def do(self, *steps: Step, workers: int = 2) -> None:
        with self.display.live():
            graph.run(steps, self.display, workers)


def expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise DemoError(otherwise)
