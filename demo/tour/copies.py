"""A server that marks its disk, and what is copied from it while it runs: a snapshot, another server, backups."""

import re

from demo.guests import Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import BACKUPS, FLAVOR, SNAPSHOT


class Copies:
    """:param copy: the server that is made of the snapshot."""

    def __init__(self, guide: Guide, guest: Guest, copy: Guest) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._openstack = guide.openstack
        self._guest = guest
        self._copy = copy

    def line(self) -> Line:
        name = self._guest.name
        return (
            Line()
            .then(f"snapshot of {name} while it runs: no checkpoint is left on the host", self._snapshot)
            .then(f"server {self._copy.name} from the snapshot has the data of {name}", self._boot_copy)
            .then(f"two backups of {name}, of which one is kept", self._back_up)
            .then(f"an interrupt for {name}, as for a crash dump: its kernel takes it", self._interrupt)
        )

    def _snapshot(self) -> str:
        boots = self._watch.boots(self._guest)
        command = self._openstack.show("server", "image", "create", "--wait", "--name", SNAPSHOT, self._guest.name)
        self._watch.status(self._guest, "ACTIVE")
        expect(self._watch.boots(self._guest) == boots, f"{self._guest.name} has booted again")
        image = self._guide.api.image.find_image(SNAPSHOT, ignore_missing=False)
        return f"{command}\n{image.disk_format} of {image.size >> 20} MiB; {self._expect_nothing_left()}"

    def _boot_copy(self) -> str:
        command = self._guide.create(self._copy, FLAVOR, image=SNAPSHOT)
        mark = self._watch.until(self._guest, "its disk", lambda boot: boot.marks and boot.marks[0])
        copied = self._watch.until(self._copy, "its disk", lambda boot: boot.marks and boot.marks[0])
        expect(copied == mark, f"the disk of {self._copy.name} has the mark {copied}, not {mark}")
        return f"{command}\non both disks: {mark}"

    def _back_up(self) -> str:
        command = ("server", "backup", "create", "--type", "daily", "--rotate", "1", "--wait", self._guest.name)
        shown = [self._openstack.show(*command[:3], "--name", name, *command[3:]) for name in BACKUPS]
        self._watch.status(self._guest, "ACTIVE")
        kept = sorted(image.name for image in self._guide.api.image.images() if image.name in BACKUPS)
        expect(kept == [BACKUPS[1]], f"the backups {kept} are there, not only {BACKUPS[1]}")
        return "\n".join([*shown, f"kept: {kept[0]}; {self._expect_nothing_left()}"])

    def _interrupt(self) -> str:
        command = self._openstack.show("server", "dump", "create", self._guest.name)
        pattern = re.compile(r"[^\r\n]*NMI received[^\r\n]*")
        return f"{command}\n{self._watch.console_with(self._guest, pattern)}"

    def _expect_nothing_left(self) -> str:
        """No checkpoint, no disk that a checkpoint began, no export."""
        side = self._guide.side_of(self._guest)
        machine = side.machine(self._watch.server_id(self._guest))
        checkpoints = side.hyperv.snapshots.list(machine.machine_id)
        expect(not checkpoints, f"{side.name} still has the checkpoints {checkpoints}")
        files = side.files_of(machine.name)
        left = [name for name in files if name.lower().endswith((".avhdx", ".avhd")) or name.startswith("export")]
        expect(not left, f"{side.name} still has {left}")
        return f"on {side.name}: no checkpoint"
