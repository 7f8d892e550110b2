"""A server that is shelved and comes back, and then shuts itself down."""

import time

from demo.guests import Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line

# What the tour's program in a guest obeys (guest.sh).
SHUT_DOWN = "Tour.ShutDown"


class Shelving:
    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._openstack = guide.openstack
        self._guest = guest
        self._mark = ""

    def line(self) -> Line:
        name = self._guest.name
        return (
            Line()
            .then(f"shelve {name}: nothing of it is left on the host", self._shelve)
            .then(f"unshelve {name}: it is back with its data", self._unshelve)
            .then(f"{name} shuts itself down: Nova knows", self._shut_down)
        )

    def _shelve(self) -> str:
        side, server_id = self._guide.side_of(self._guest), self._watch.server_id(self._guest)
        machine = side.machine(server_id)
        self._mark = self._root_mark()
        command = self._openstack.show("server", "shelve", self._guest.name)
        self._watch.status(self._guest, "SHELVED_OFFLOADED")
        left = [*side.files_of(machine.name), *([machine.name] if side.find(server_id) else [])]
        expect(not left, f"{side.name} still has {', '.join(left)}")
        return f"{command}\non {side.name}: no {machine.name} any more"

    def _unshelve(self) -> str:
        command = self._openstack.show("server", "unshelve", self._guest.name)
        self._watch.status(self._guest, "ACTIVE")
        mark = self._root_mark()
        expect(mark == self._mark, f"it came back with the disk {mark}, not with {self._mark}")
        return f"{command}\non {self._guide.side_of(self._guest).name}, first disk: {mark}"

    def _shut_down(self) -> str:
        side = self._guide.side_of(self._guest)
        machine = side.machine(self._watch.server_id(self._guest))
        side.hyperv.guest_exchange.tell(machine.machine_id, SHUT_DOWN, "now")
        told_at = time.monotonic()
        self._watch.status(self._guest, "SHUTOFF")
        return f"SHUTOFF {time.monotonic() - told_at:.1f} s after it was told to, by a key-value pair"

    def _root_mark(self) -> str:
        return self._watch.until(self._guest, "its disks", lambda boot: boot.marks and boot.marks[0])
