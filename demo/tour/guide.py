"""What every chapter works with: the client, the view into servers and their guests, the hosts, and steps that are
shown."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from demo import graph
from demo.client import Client
from demo.cloud.config import client_environment
from demo.cloud.processes import DemoError, Processes
from demo.display import Display
from demo.graph import Step
from demo.guests import Guest, Watch
from demo.proof import HostSide
from demo.settings import DemoHost, State
from demo.tour.names import IMAGE

if TYPE_CHECKING:
    from openstack.connection import Connection

PROGRAM = Path(__file__).with_name("guest.sh")


class Guide:
    """Safe to use from several threads.

    :ivar openstack: the client, as the cloud's administrator.
    :ivar sides: the hosts themselves, by name.
    """

    def __init__(self, processes: Processes, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self.state = state
        self.hosts = hosts
        self.display = display
        self.openstack = Client(processes, state, "openstack", client_environment(state))
        self.readiness = Client(processes, state, "compute-hyperv", {})
        self.watch = Watch(state, hosts)
        self.sides = {host.name: HostSide(state, host) for host in hosts}

    @cached_property
    def api(self) -> "Connection":
        """For what is looked up between the client's commands: starting the client takes a second or two."""
        return self.watch.api

    def create(
        self,
        guest: Guest,
        flavor: str,
        *more: str,
        image: str = IMAGE,
        tag: str = "",
        wish: str = "",
        user_data: str = "",
    ) -> str:
        """Has a server made on its host, with the tour's program in it; the command.

        :param more: options of the command.  :param tag: of its adapter.  :param wish: what `guest.sh` knows.
        :param user_data: what the guest image is told before the program.
        """
        interpreter, _, program = PROGRAM.read_text().partition("\n")
        file = self.state.run / f"{guest.name}.user-data"
        file.write_text(f"{user_data}{interpreter}\nwish={wish}\n{program}")
        nic = "none"
        if guest.network:
            nic = f"net-id={guest.network}"
            nic += f",v4-fixed-ip={guest.address}" if guest.address else ""
            nic += f",tag={tag}" if tag else ""
        place = ("--availability-zone", f"nova:{guest.host.name}")
        data = ("--use-config-drive", "--user-data", str(file))
        what = ("--image", image, "--flavor", flavor)
        return self.openstack.show("server", "create", guest.name, *what, "--nic", nic, *place, *data, *more)

    def side_of(self, guest: Guest) -> HostSide:
        """The host that the server is on now."""
        return self.sides[self.api.compute.get_server(self.watch.server_id(guest)).compute_host]

    def check(self, what: str, action: Callable[[], str]) -> None:
        self.do(Step(what, action, check=True))

    def check_each(self, guests: Sequence[Guest], what: str, action: Callable[[Guest], str]) -> None:
        steps = (Step(f"{guest.name} {what}", lambda guest=guest: action(guest), check=True) for guest in guests)
        self.do(*steps, workers=len(guests))

    def do(self, *steps: Step, workers: int = 2) -> None:
        with self.display.live():
            graph.run(steps, self.display, workers)

    def close(self) -> None:
        for side in self.sides.values():
            side.hyperv.close()


def expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise DemoError(otherwise)
