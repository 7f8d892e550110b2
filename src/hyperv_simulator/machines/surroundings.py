"""What a machine and its guest need of their host."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hyperv_simulator.guests.base import GuestRunner
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.reader import MachineReader
from hyperv_simulator.repository.instances import Repository


class Surroundings(Protocol):
    """One host, as far as its machines know it."""

    @property
    def host_name(self) -> str: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def guests(self) -> GuestRunner: ...

    @property
    def memory(self) -> HostMemory: ...

    @property
    def state_folder(self) -> Path: ...

    @property
    def hypervisor_runs(self) -> bool: ...

    @property
    def is_guarded(self) -> bool:
        """A guardian service gives it the keys of machines."""

    def check_devices(self, machine: MachineReader, action: str) -> None:
        """:raises OperationFailed: the host's devices that the machine has do not allow the action."""
