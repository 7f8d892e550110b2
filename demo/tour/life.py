"""Second chapter: the life of servers, with each thing that a tenant or an operator does to one.

Every server has a line of its own through the chapter, and the lines run at the same time: what is waited for is mostly
guests that boot.
"""

from demo.graph import Step
from demo.tour.copies import Copies
from demo.tour.guide import Guide
from demo.tour.hardware import Dvd, Rich, Sealed
from demo.tour.names import FOREIGN_MACHINE, Servers
from demo.tour.outside import ByHand, Host, Stranger
from demo.tour.refusals import Refusals
from demo.tour.repairs import Repairs
from demo.tour.shelving import Shelving
from demo.tour.states import States

# More than there are processors: most steps wait for something.
WORKERS = 6


class Life:
    """:param servers: the first four of them run."""

    def __init__(self, guide: Guide, servers: Servers) -> None:
        self._guide = guide
        self._servers = servers
        self._stranger = Stranger(guide, guide.hosts[-1])

    def run(self) -> None:
        guide = self._guide
        guide.display.heading("The life of servers: each thing on one of them, several at a time")
        guide.do(Step(f"{FOREIGN_MACHINE}, a machine that is not OpenStack's", self._stranger.come))
        guide.do(*self._steps(), workers=WORKERS)
        guide.check(f"{FOREIGN_MACHINE} is as it was, and no server", self._stranger.is_untouched)
        self._stranger.go()

    def _steps(self) -> list[Step]:
        """Longest lines first."""
        guide, servers = self._guide, self._servers
        one, two, three, four = servers.first
        repairs = Repairs(guide, four).line()
        lines = (
            Rich(guide, servers.rich).line(),
            repairs,
            Copies(guide, one, servers.copy).line(),
            States(guide, two).line(),
            Shelving(guide, three).line(),
            Dvd(guide, servers.dvd).line(),
            Sealed(guide, servers.sealed).line(),
            Refusals(guide, servers.wrong).line(),
            Host(guide, guide.hosts[0]).line(),
            ByHand(guide, four, repairs.steps[-1].name).line(),
        )
        return [step for line in lines for step in line.steps]
