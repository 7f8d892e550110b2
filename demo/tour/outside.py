"""Hosts beside Nova: one of its machines that somebody stops by hand, a machine that is not Nova's, the host itself."""

import re
import time

from compute_hyperv.host.model import MachineSpec, MachineState, Memory, Processor
from demo.guests import Guest
from demo.proof import HostSide
from demo.settings import DemoHost
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import FOREIGN_MACHINE

FOLDER = rf"C:\{FOREIGN_MACHINE}"
NOTES = ("Belongs to somebody else",)


class ByHand:
    """:param after: the last step of the server."""

    def __init__(self, guide: Guide, guest: Guest, after: str) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._guest = guest
        self._after = after

    def line(self) -> Line:
        what = f"somebody turns {self._guest.name} off on its host: Nova knows"
        return Line(self._after).then(what, self._turn_off)

    def _turn_off(self) -> str:
        side = self._guide.side_of(self._guest)
        machine = side.machine(self._watch.server_id(self._guest))
        side.hyperv.machines.turn_off(machine.machine_id)
        off_at = time.monotonic()
        self._watch.status(self._guest, "SHUTOFF")
        return f"{side.name}: {machine.name} turned off; SHUTOFF {time.monotonic() - off_at:.1f} s later"


class Host:
    """What Nova tells of a host."""

    def __init__(self, guide: Guide, host: DemoHost) -> None:
        self._guide = guide
        self._name = host.name

    def line(self) -> Line:
        return Line().then(f"{self._name}, as Nova sees it: how long it has been up", self._show)

    def _show(self) -> str:
        """Nova knows the host by the name that Windows has, in capital letters."""
        found = self._guide.openstack.json("hypervisor", "show", self._name.upper())
        seen = {name: found.get(name) for name in ("hypervisor_type", "state", "uptime", "host_time")}
        expect(seen["state"] == "up" and re.match(r"\d+ days, +\d+:\d\d$", str(seen["uptime"])) is not None, f"{seen}")
        told = ", ".join(f"{name} {value}" for name, value in seen.items())
        return f"$ openstack hypervisor show {self._name.upper()}: {told}"


class Stranger:
    """A machine on the host that Nova did not make: there before the chapter, and afterwards as it was."""

    def __init__(self, guide: Guide, host: DemoHost) -> None:
        self._guide = guide
        self._side: HostSide = guide.sides[host.name]

    def is_there(self) -> bool:
        return self._side.hyperv.machines.find(FOREIGN_MACHINE) is not None or self._side.hyperv.files.exists(FOLDER)

    def come(self) -> str:
        spec = MachineSpec(FOREIGN_MACHINE, NOTES, 2, FOLDER, Memory(512, 512, 512), Processor(1))
        self._side.hyperv.machines.create(spec)
        return f"made on {self._side.name} over WinRM, as an administrator of Windows would"

    def is_untouched(self) -> str:
        machine = self._side.hyperv.machines.find(FOREIGN_MACHINE)
        expect(machine is not None, f"{FOREIGN_MACHINE} is gone from {self._side.name}")
        found = (machine.state, machine.notes) if machine else None
        expect(found == (MachineState.OFF, NOTES), f"{FOREIGN_MACHINE} is {found} now")
        command = ("server", "list", "--all-projects", "--host", self._side.name)
        listed = sorted(row["Name"] for row in self._guide.openstack.json(*command))
        known = sorted(machine.name for machine in self._side.hyperv.machines.list() if machine.name != FOREIGN_MACHINE)
        expect(len(listed) == len(known), f"Nova lists {listed}, {self._side.name} has {known} besides")
        return f"$ openstack {' '.join(command)}: {', '.join(listed)}"

    def go(self) -> None:
        self._side.hyperv.machines.destroy(FOREIGN_MACHINE)
        if self._side.hyperv.files.exists(FOLDER):
            self._side.hyperv.files.delete_tree(FOLDER)
