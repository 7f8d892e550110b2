"""The tour from its beginning to its end."""

from collections.abc import Sequence

from demo import proof
from demo.cloud.processes import Processes
from demo.display import Display
from demo.settings import DemoHost, State
from demo.tour.guide import Guide
from demo.tour.leaving import Leaving
from demo.tour.names import first_guests
from demo.tour.networks import Networks
from demo.tour.preparing import Preparing


class Tour:
    def __init__(self, processes: Processes, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self._guide = Guide(processes, state, hosts, display)
        self._guests = first_guests(hosts)

    def run(self) -> None:
        """Raises DemoError at the first thing that does not work."""
        guide = self._guide
        self._remove_leftovers()
        preparing = Preparing(guide)
        preparing.make_hosts_ready()
        preparing.make_what_servers_need()
        before = {host.name: proof.inventory(guide.state, host) for host in guide.hosts}
        Networks(guide, self._guests).run()
        Leaving(guide, self._guests, before).run()

    def _remove_leftovers(self) -> None:
        names = {guest.name for guest in self._guests}
        servers = self._guide.api.compute
        if left := [server for server in servers.servers() if server.name in names]:
            with self._guide.display.step("removing what an interrupted tour left behind"):
                for server in left:
                    servers.delete_server(server)
                for server in left:
                    self._guide.watch.gone(server.id)
