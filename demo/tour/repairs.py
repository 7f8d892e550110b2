"""A server that is rescued and rebuilt: the mark on its disk tells which disk it is."""

from demo.guests import Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import IMAGE


class Repairs:
    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._openstack = guide.openstack
        self._guest = guest

    def line(self) -> Line:
        name = self._guest.name
        return (
            Line()
            .then(f"rescue {name}: it boots from the image and sees its own disk beside", self._rescue)
            .then(f"unrescue {name}: it boots from its own disk again", self._unrescue)
            .then(f"rebuild {name}: the same server, a new disk", self._rebuild)
        )

    def _rescue(self) -> str:
        mark = self._mark()
        boots = self._watch.boots(self._guest)
        command = self._openstack.show("server", "rescue", "--image", IMAGE, self._guest.name)
        self._watch.status(self._guest, "RESCUE")
        self._watch.boot(self._guest, boots + 1)
        marks = self._marks()
        expect(marks[0] != mark and mark in marks[1:], f"it sees disks with {marks}; its own has {mark}")
        return f"{command}\ndisks: {', '.join(marks)}"

    def _unrescue(self) -> str:
        boots, own = self._watch.boots(self._guest), self._marks()[1:]
        command = self._openstack.show("server", "unrescue", self._guest.name)
        self._watch.status(self._guest, "ACTIVE")
        self._watch.boot(self._guest, boots + 1)
        expect(self._mark() in own, f"it boots from the disk {self._mark()}, which is none of {own}")
        return f"{command}\nfirst disk: {self._mark()}"

    def _rebuild(self) -> str:
        mark, server_id = self._mark(), self._watch.server_id(self._guest)
        command = self._openstack.show("server", "rebuild", "--image", IMAGE, self._guest.name)
        self._watch.status(self._guest, "ACTIVE")
        new = self._watch.until(self._guest, "a new disk", lambda boot: [own for own in boot.marks[:1] if own != mark])
        boot = self._watch.boot(self._guest, 1)
        said, expected = (boot.uuid, boot.address), (server_id, self._guest.address)
        expect(said == expected, f"after the rebuild it says it is {said}, not {expected}")
        return f"{command}\nfirst disk: {new[0]}; still {boot.address}"

    def _mark(self) -> str:
        return self._marks()[0]

    def _marks(self) -> list[str]:
        return self._watch.until(self._guest, "its disks", lambda boot: boot.all_of("nics") and boot.marks)
