"""The tour from its beginning to its end."""

from collections.abc import Sequence

from demo.cloud.processes import Processes
from demo.display import Display
from demo.settings import DemoHost, State
from demo.tour import leftovers
from demo.tour.guide import Guide
from demo.tour.leaving import Leaving
from demo.tour.life import Life
from demo.tour.names import Servers
from demo.tour.networks import Networks
from demo.tour.preparing import Preparing


class Tour:
    def __init__(self, processes: Processes, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self._guide = Guide(processes, state, hosts, display)
        self._servers = Servers.on(hosts)

    def run(self) -> None:
        """Raises DemoError at the first thing that does not work."""
        try:
            self._run(self._guide, self._servers)
        finally:
            self._guide.close()

    @staticmethod
    def _run(guide: Guide, servers: Servers) -> None:
        leftovers.remove(guide, servers)
        preparing = Preparing(guide)
        preparing.make_hosts_ready()
        preparing.make_what_servers_need()
        before = {name: side.inventory() for name, side in guide.sides.items()}
        Networks(guide, servers.first).run()
        Life(guide, servers).run()
        Leaving(guide, servers, before).run()
