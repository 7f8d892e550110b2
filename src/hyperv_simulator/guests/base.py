"""What a machine's inside looks like to the providers, whatever runs in it.

A `GuestRunner` makes a `Guest` from a `GuestSpec`; the guest is off until `start`. Methods that the host calls return
when what they ask for is done (except `shutdown`, which asks the guest and returns); what the guest does by itself
comes through the `GuestListener`, called from a thread of the runner, never while one of the guest's methods is
executing in the same thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from hyperv_simulator.guests.console import Console
from hyperv_simulator.guests.exchange import Exchange

# E_FAIL: what is left where Windows has no better code.
UNSPECIFIED = 0x80004005


class GuestError(Exception):
    """The guest can't do what the host asked: it does not start, can't be saved …

    :param code: HRESULT that the host's job reports.  :param text: root cause, in Windows' words where they are known.
    """

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{text} (0x{code:08X})")


class StopReason(enum.Enum):
    """Why a guest is off without the host's having turned it off."""

    GUEST_POWERED_OFF = "the guest powered itself off (after a shutdown request or on its own)"
    CRASHED = "the virtual machine's worker process ended"


@dataclass(frozen=True, slots=True)
class GuestDiskSpec:
    r"""One drive with its medium.

    :param path: Windows path of VHD, VHDX or ISO; empty for a DVD drive without a medium.
    :param controller: number of the controller on its bus.  :param slot: AddressOnParent.
    """

    path: str
    bus: Literal["IDE", "SCSI"]
    controller: int
    slot: int
    kind: Literal["disk", "dvd"] = "disk"


@dataclass(frozen=True, slots=True)
class GuestNicSpec:
    """One network adapter and the wire it hangs on.

    :param mac: 12 hexadecimal digits, with or without separators.
    :param switch_name: ElementName of the switch.
    :param vlan_id: access VLAN; None is untagged.
    :param connected: False pulls the cable.
    :param network: what the switch is wired to: the physical network of an external switch (the same text on two
        simulated hosts is the same wire), or something unique to the host for an internal or private one. Empty means
        the switch's name.
    """

    mac: str
    switch_name: str
    vlan_id: int | None = None
    connected: bool = True
    network: str = ""


@dataclass(frozen=True, slots=True)
class GuestSpec:
    r"""A machine's hardware at the moment it starts.

    :param machine_id: GUID, upper case.
    :param serial: (COM number, pipe name) with the pipe as ``\\.\pipe\name`` or ``name``.
    :param boot_order: ``("disk", i)`` and ``("nic", i)``, by position in ``disks`` and ``nics``; what is not named is
        not booted from.
    :param secure_boot_template: GUID of the template, which says whose signatures count.
    :param tpm: whether there is a TPM 2.0 (generation 2).
    :param numa_nodes: virtual NUMA nodes, among which processors and memory are divided evenly.
    :param scsi_controllers: how many there are, those without a drive among them.
    """

    machine_id: str
    name: str
    generation: Literal[1, 2]
    processors: int
    memory_mb: int
    disks: tuple[GuestDiskSpec, ...] = ()
    nics: tuple[GuestNicSpec, ...] = ()
    serial: tuple[tuple[int, str], ...] = ()
    boot_order: tuple[tuple[Literal["disk", "nic"], int], ...] = ()
    secure_boot: bool = False
    secure_boot_template: str = ""
    tpm: bool = False
    numa_nodes: int = 1
    scsi_controllers: int = 0


class GuestListener(Protocol):
    """Hears what the guest does by itself."""

    def stopped(self, machine_id: str, reason: StopReason) -> None: ...

    def reset(self, machine_id: str) -> None:
        """The guest rebooted itself."""


class Guest(Protocol):
    """One machine's inside. Errors: `GuestError`, and `storage.errors.DiskError` for a disk that does not open."""

    @property
    def running(self) -> bool:
        """It exists as a process (paused counts)."""

    @property
    def process_id(self) -> int | None: ...

    @property
    def integration_ready(self) -> bool:
        """The guest listens to a shutdown request: Msvm_ShutdownComponent is there."""

    @property
    def hibernates(self) -> bool:
        """Its system can write its memory to its own disk and power off."""

    @property
    def has_crashed(self) -> bool:
        """Its operating system stands still, though the machine runs."""

    @property
    def console(self) -> Console:
        """Screen, keyboard, mouse of a guest that runs."""

    @property
    def exchange(self) -> Exchange:
        """Key-value pairs and files, of a guest that runs."""

    def start(self, restore_from: Path | None = None) -> None:
        """Turn on; or go on from what `save` wrote. The file is used up."""

    def power_off(self) -> None:
        """Pull the plug; the disks are consistent files when this returns. Nothing happens to a guest that is off."""

    def shutdown(self) -> None:
        """Ask the guest to shut down; returns at once. `GuestListener.stopped` tells when it obeyed."""

    def reset(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def save(self, state_file: Path) -> None:
        """Write the machine's memory and devices to a file, then end."""

    def change_disks(self, disks: tuple[GuestDiskSpec, ...]) -> None:
        """Plug in and pull out until the guest has exactly these (SCSI disks, DVD media)."""

    def switch_disks(self, change: Callable[[], tuple[GuestDiskSpec, ...]], state_file: Path | None = None) -> None:
        """Put other files under the same disks, unnoticed by what runs in the guest.

        :param change: called when the files hold what the guest has written up to now, and nobody has them open; what
            the guest writes from then on goes to the disks that it gives. If it raises, the guest keeps its own.
        :param state_file: where to write memory and devices of the same moment, as `save` does; None for nowhere.
        """

    def resize_disk(self, disk: GuestDiskSpec, size_bytes: int) -> None:
        """Tell the guest of a disk's new size; its file has it already."""

    def change_nics(self, nics: tuple[GuestNicSpec, ...]) -> None:
        """Plug in, pull out, connect, disconnect, move to another VLAN until the guest has exactly these."""

    def change_memory(self, memory_mb: int) -> None:
        """Give a guest that runs more memory, or less."""

    def change_serial(self, serial: tuple[tuple[int, str], ...]) -> None: ...


class GuestRunner(Protocol):
    """Makes guests of one kind for one simulated host."""

    def create(self, spec: GuestSpec, listener: GuestListener) -> Guest:
        """A guest that is off. Its disks are opened by `Guest.start`."""

    def forget(self, machine_id: str) -> None:
        """The machine is gone: throw away what was kept for it."""

    def close(self) -> None:
        """End every guest that is still there."""
