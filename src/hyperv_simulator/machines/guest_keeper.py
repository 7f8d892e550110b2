"""The guest of one machine: started, saved and ended, with the host's memory that it holds.

Rule: nothing here decides whether something may be done now, or writes what a client sees: ``machine`` does. Whoever
changes the guest has made sure that nobody else does.
"""

from __future__ import annotations

import time
from pathlib import Path

from hyperv_simulator.guests.base import Guest, GuestError, GuestListener
from hyperv_simulator.guests.picture import Picture
from hyperv_simulator.machines.key_protectors import needs_guarded_host
from hyperv_simulator.machines.reader import MachineReader
from hyperv_simulator.machines.surroundings import Surroundings
from hyperv_simulator.outcomes import OUT_OF_MEMORY_RESULT, START_FAILED, OperationFailed
from hyperv_simulator.storage.errors import DiskError


class GuestKeeper:
    """:param listener: hears what the guest does by itself."""

    def __init__(self, host: Surroundings, machine_id: str, reader: MachineReader, listener: GuestListener) -> None:
        self.guest: Guest | None = None
        self.started_at = 0.0  # by the monotonic clock
        self.saved_file = host.state_folder / "saved" / f"{machine_id}.state"
        self._host = host
        self._machine_id = machine_id
        self._reader = reader
        self._listener = listener

    @property
    def is_alive(self) -> bool:
        return self.guest is not None and self.guest.running

    @property
    def saved_picture(self) -> Path:
        """What the screen showed when the memory was saved."""
        return self.saved_file.with_suffix(".png")

    def picture(self) -> Picture | None:
        """The saved one; None where there is none."""
        return Picture.read(self.saved_picture) if self.saved_picture.exists() else None

    def start(self, restore_from: Path | None = None) -> None:
        """:param restore_from: memory to go on from.
        :raises OperationFailed: it does not start; with the texts of Hyper-V.
        """
        if not self._host.hypervisor_runs:
            name = self._reader.name
            raise self._start_failed(
                f"Virtual machine '{name}' could not be started because the hypervisor is not running."
            )
        self._check_keys()
        spec = self._reader.guest_spec(self._host.host_name)
        if not self._host.memory.take(self._machine_id, spec.memory_mb):
            raise self._start_failed(
                f"Not enough memory in the system to start the virtual machine {spec.name} with ram size "
                f"{spec.memory_mb} megabytes.",
                "Could not initialize memory: Not enough memory resources are available to complete this operation. "
                f"(0x{OUT_OF_MEMORY_RESULT:08X}).",
            )
        guest = self._host.guests.create(spec, self._listener)
        try:
            guest.start(restore_from)
        except DiskError as error:
            raise self._attachment_failed(error) from None
        except GuestError as error:
            raise self._start_failed(cause_of(error)) from None
        guest.exchange.tell(self._reader.host_exchange_items())
        self.guest = guest
        self.started_at = time.monotonic()

    def restore(self) -> Path | None:
        """The memory to go on from, of a saved machine; None where only the state says so."""
        return self.saved_file if self.saved_file.exists() else None

    def end(self) -> None:
        """As pulling the plug does. :raises DiskError: a disk could not be closed in order."""
        guest, self.guest = self.guest, None
        try:
            if guest is not None:
                guest.power_off()
        finally:
            self.release()

    def save(self) -> None:
        """Writes memory and screen to files, and ends the guest. :raises GuestError: it can't."""
        if self.guest is not None:
            self.saved_file.parent.mkdir(parents=True, exist_ok=True)
            self.guest.console.picture().save(self.saved_picture)
            self.guest.save(self.saved_file)
        self.forget()

    def discard(self) -> None:
        """The saved memory goes."""
        self.saved_file.unlink(missing_ok=True)

    def reset(self, *, was_paused: bool) -> None:
        if self.guest is not None:
            self.guest.reset()
            if was_paused:
                self.guest.resume()

    def forget(self) -> None:
        """It has gone."""
        self.guest = None
        self.release()

    def release(self) -> None:
        """Gives the memory back to the host."""
        self._host.memory.give_back(self._machine_id)

    def _check_keys(self) -> None:
        settings = self._reader.security
        if settings is not None and needs_guarded_host(settings) and not self._host.is_guarded:
            # The text: as a host told it that lacked the keys of a TPM (an issue of Azure Stack HCI's users).
            raise self._start_failed(
                f"The key protector for the virtual machine '{self._reader.name}' could not be unwrapped. "
                "HostGuardianService returned: One or more arguments are invalid (0x80070057) . Details are included "
                "in the HostGuardianService-Client event log."
            )

    def _start_failed(self, *causes: str) -> OperationFailed:
        return OperationFailed(
            f"'{self._reader.name}' failed to start.", *causes, code=START_FAILED, machine_id=self._machine_id
        )

    def _attachment_failed(self, error: DiskError) -> OperationFailed:
        """A file is missing, damaged or open elsewhere (texts: real-instances 3.7)."""
        name = self._reader.name
        bus = next((drive.bus for drive in self._reader.drives() if drive.path.lower() == error.path.lower()), "SCSI")
        device = "Synthetic SCSI Controller" if bus == "SCSI" else "Emulated IDE Controller"
        cause = f"'{error.text}' (0x{error.code:08X})"
        return self._start_failed(
            f"'{name}' {device}: Failed to Power on with Error {cause}.",
            f"'{name}': Attachment '{error.path}' failed to open because of error: {cause}.",
        )


def cause_of(error: DiskError | GuestError) -> str:
    """An error as the reason of a failed operation."""
    return f"{error.text} (0x{error.code:08X})."
