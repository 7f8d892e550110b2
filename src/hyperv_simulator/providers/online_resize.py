"""Disks that change their size while a machine uses them.

Hyper-V does that since 2012 R2 for VHDX files on SCSI (Microsoft's overview of online resizing); any other disk in use
is left alone.
"""

from __future__ import annotations

from hyperv_simulator.guests.base import GuestDiskSpec
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore


class OnlineResize:
    def __init__(self, store: DiskStore, machines: Machines) -> None:
        self._store = store
        self._machines = machines

    def resize(self, path: str, size_bytes: int) -> None:
        """:raises DiskError: as `DiskStore.resize`.  :raises GuestError: the guest does not follow."""
        found = self._user(path)
        if found is None:
            self._store.resize(path, size_bytes)
            return
        machine, disk = found
        with machine.disks_lock:
            machine.switch_disks(lambda: self._store.resize(path, size_bytes))
            if machine.guest is not None:
                machine.guest.resize_disk(disk, size_bytes)

    def _user(self, path: str) -> tuple[Machine, GuestDiskSpec] | None:
        """The running machine that has the disk on SCSI, and where."""
        if not self._store.in_use(path) or self._store.info(path).format != "vhdx":
            return None
        wanted = self._store.folder.parse(path).key()
        for machine in self._machines.all():
            if machine.guest is None:
                continue
            for disk in machine.reader.guest_disks():
                if disk.bus == "SCSI" and disk.kind == "disk" and self._key(disk.path) == wanted:
                    return machine, disk
        return None

    def _key(self, path: str) -> str:
        try:
            return self._store.folder.parse(path).key()
        except DiskError:
            return ""  # no file: a disk that is passed through
