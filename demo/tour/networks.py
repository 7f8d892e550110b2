"""First chapter: four servers, power, and networks.

Two servers on VLAN network ``blue`` and two on ``green``, one of each on each host. Both networks use the same
addresses, so that nothing but the VLAN keeps them apart. Every guest pings the other three: its own colour must answer,
the other must not.
"""

import re
from collections.abc import Sequence
from functools import partial

from demo.graph import Step
from demo.guests import READY, Guest
from demo.tour.guide import Guide, expect
from demo.tour.names import FLAVOR

# Terminal control sequences, which Nova has robbed of their escape characters, and carriage returns.
CONTROL = re.compile(r"\x1b?\[(?:[0-9;]+|=3)[A-Za-z]|\r")

# A guest gives up on a neighbour after this time, counted from its own start.
PING_TIMEOUT_S = 8


class Networks:
    def __init__(self, guide: Guide, guests: Sequence[Guest]) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._guests = guests

    def run(self) -> None:
        self._boot()
        self._switch_off_and_on()
        self._ping()

    def _boot(self) -> None:
        guide, guests = self._guide, self._guests
        guide.display.heading("Four servers: one of each network on each Hyper-V host")
        guide.do(*(Step(f"create {guest.name}", partial(self._create, guest)) for guest in guests))
        guide.check_each(guests, "is ACTIVE", self._is_active)
        guide.check_each(guests, "has booted and knows itself", self._knows_itself)
        guide.check(f"the console of {guests[0].name} comes with the client", partial(self._show_console, guests[0]))

    def _switch_off_and_on(self) -> None:
        check = self._guide.check
        self._guide.display.heading("Power")
        one, two, _, four = self._guests
        check(f"stop {two.name}", partial(self._stop, two))
        check(f"start {two.name}: it boots again", partial(self._boot_again, two, "start"))
        check(f"soft reboot of {one.name}: it boots again", partial(self._boot_again, one, "reboot", "--soft"))
        check(f"hard reboot of {four.name}: it boots again", partial(self._boot_again, four, "reboot", "--hard"))

    def _ping(self) -> None:
        """Of guests that booted while the others were up: no answer means that there is no way, not nobody there."""
        self._guide.display.heading("Networks: everybody pings everybody")
        one, two, three, four = self._guests
        for guest, neighbour in ((two, one), (one, two), (four, three)):
            what = f"{guest.name} reaches {neighbour.name} on the other host"
            self._guide.check(what, partial(self._reaches, guest, neighbour))
        for guest in (two, one, four):
            self._guide.check(f"{guest.name} reaches nobody on the other VLAN", partial(self._is_isolated, guest))

    def _create(self, guest: Guest) -> str:
        neighbours = " ".join(other.address for other in self._guests if other is not guest)
        wish = "ticks" if guest is self._guests[1] else ""
        data = f"ping {neighbours}\nping-timeout {PING_TIMEOUT_S}\n"
        return self._guide.create(guest, FLAVOR, wish=wish, user_data=data)

    def _is_active(self, guest: Guest) -> str:
        self._watch.status(guest, "ACTIVE")
        host = self._guide.api.compute.get_server(self._watch.server_id(guest)).compute_host
        expect(host == guest.host.name, f"{guest.name} is on {host}, not on {guest.host.name}")
        return f"on {host}"

    def _knows_itself(self, guest: Guest) -> str:
        boot = self._watch.boot(guest, 1)
        said = (boot.hostname, boot.address, boot.uuid)
        expected = (guest.name, guest.address, self._watch.server_id(guest))
        expect(said == expected, f"{guest.name} says of itself {said}, but the cloud gave it {expected}")
        return " ".join(said)

    def _show_console(self, guest: Guest) -> str:
        log = self._guide.openstack.run("console", "log", "show", guest.name)
        expect(READY.search(log) is not None, f"no mark of the guest in its console log:\n{log}")
        # The firmware clears its screen; ours shall stay.
        return f"$ openstack console log show {guest.name}\n{CONTROL.sub('', log).strip()}"

    def _stop(self, guest: Guest) -> str:
        command = self._guide.openstack.show("server", "stop", guest.name)
        self._watch.status(guest, "SHUTOFF")
        return command

    def _boot_again(self, guest: Guest, *command: str) -> str:
        boots = self._watch.boots(guest)
        line = self._guide.openstack.show("server", *command, guest.name)
        self._watch.boot(guest, boots + 1)
        self._watch.status(guest, "ACTIVE")
        return line

    def _reaches(self, guest: Guest, neighbour: Guest) -> str:
        answers = self._watch.answers(guest, [neighbour.address])
        expect(answers[neighbour.address], f"{guest.name} got no answer from {neighbour.name} at {neighbour.address}")
        return f"{guest.address} → {neighbour.address}: answers"

    def _is_isolated(self, guest: Guest) -> str:
        foreign = [other.address for other in self._guests if other.network != guest.network]
        answers = self._watch.answers(guest, foreign)
        reached = [address for address in foreign if answers[address]]
        expect(not reached, f"{guest.name} reached {', '.join(reached)} on another VLAN")
        return f"{guest.address} → {', '.join(foreign)}: no answer"
