"""The QEMU guests of one host: what they share, and what is kept of a machine while it is off."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from hyperv_simulator.guests.base import GuestListener, GuestSpec
from hyperv_simulator.guests.network import Wires
from hyperv_simulator.guests.qemu import QemuGuest
from hyperv_simulator.smb import run_folders
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

LOG = logging.getLogger(__name__)


class QemuRunner:
    """Makes `QemuGuest`s for one host.

    :param wires: shared by all hosts whose guests shall meet.
    :param folder: what machines keep while they are off (a TPM's memory); without one they keep it as long as the
        runner is there.
    """

    def __init__(
        self, disks: DiskStore, pipes: PipeServer, wires: Wires | None = None, folder: Path | None = None
    ) -> None:
        self._folder = folder or run_folders.make("kept")
        self._is_ours = folder is None
        self._disks = disks
        self._pipes = pipes
        self._wires = wires or Wires()
        self._guests: list[QemuGuest] = []

    def create(self, spec: GuestSpec, listener: GuestListener) -> QemuGuest:
        guest = QemuGuest(spec, listener, self._disks, self._pipes, self._wires, self._kept(spec.machine_id))
        self._guests = [other for other in self._guests if other.running]
        self._guests.append(guest)
        return guest

    def _kept(self, machine_id: str) -> Path:
        """The folder of what a machine keeps while it is off."""
        return self._folder / machine_id

    def forget(self, machine_id: str) -> None:
        shutil.rmtree(self._kept(machine_id), ignore_errors=True)

    def close(self) -> None:
        for guest in self._guests:
            try:
                guest.power_off()
            except DiskError as error:
                LOG.error("%s", error)
        self._guests = []
        if self._is_ours:
            shutil.rmtree(self._folder, ignore_errors=True)
