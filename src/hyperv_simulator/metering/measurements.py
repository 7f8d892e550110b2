"""What is measured: the memory and processor time that machines used, the size of their disks.

A run is noted when a machine starts and when it ends. Guests ``none`` do no work: their processors, disks and networks
stand still, and only memory and allocation are other than 0. Of QEMU's guests the processor time is that of their
process; their disk and network traffic is not measured.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

_MIB = 1024**2


@dataclass(slots=True)
class _Usage:
    """What a machine used since its metrics were reset."""

    seconds: float = 0.0
    megabyte_seconds: float = 0.0
    processor_seconds: float = 0.0
    minimum_mb: int = 0
    maximum_mb: int = 0
    running_since: float | None = None
    running_mb: int = 0
    processor_start: float = 0.0


class Measurements:
    """Safe for threads.

    :param processor_mhz: of the host, in which processor time is told.
    :param processor_seconds: how long the process of a guest has kept a processor busy.
    """

    def __init__(
        self,
        disks: DiskStore,
        processor_mhz: int,
        processor_seconds: Callable[[int], float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disks = disks
        self._processor_mhz = processor_mhz
        self._processor_seconds = processor_seconds
        self._now = now
        self._usage: dict[str, _Usage] = {}
        self._allocation: dict[str, int] = {}
        self._lock = threading.Lock()

    # Noting

    def started(self, machine_id: str, memory_mb: int) -> None:
        with self._lock:
            usage = self._of(machine_id)
            if usage.running_since is None:
                usage.running_since, usage.running_mb, usage.processor_start = self._now(), memory_mb, 0.0
                self._widen(usage)

    def ended(self, machine_id: str) -> None:
        with self._lock:
            usage = self._of(machine_id)
            if usage.running_since is not None:
                span = self._now() - usage.running_since
                usage.seconds += span
                usage.megabyte_seconds += span * usage.running_mb
                usage.running_since = None

    def reset(self, machine: Machine) -> None:
        """Everything of a machine counts from now on."""
        machine_id = machine.machine_id.lower()
        with self._lock:
            old = self._of(machine_id)
            fresh = self._usage[machine_id] = _Usage()
            for element in [name for name in self._allocation if machine_id in name]:
                del self._allocation[element]
            if old.running_since is not None:
                fresh.running_since, fresh.running_mb = self._now(), old.running_mb
                fresh.processor_start = self._busy(machine)
                self._widen(fresh)

    def forget(self, machine_id: str) -> None:
        with self._lock:
            self._usage.pop(machine_id.lower(), None)

    # Reading

    def value(self, key: str, machine: Machine, resource: CimInstance) -> int:
        """What has been measured of one resource, in the units of the metric."""
        if key == "disk_allocation":
            return self._allocated_mb(resource)
        if key.startswith(("disk_", "network_")):
            return 0
        with self._lock:
            usage = self._of(machine.machine_id)
            running = 0.0 if usage.running_since is None else self._now() - usage.running_since
            seconds = usage.seconds + running
            if key == "memory_average":
                if seconds <= 0:
                    return usage.running_mb if usage.running_since is not None else 0
                return round((usage.megabyte_seconds + running * usage.running_mb) / seconds)
            if key == "memory_maximum":
                return usage.maximum_mb
            if key == "memory_minimum":
                return usage.minimum_mb
            busy = self._busy(machine) - usage.processor_start if usage.running_since is not None else 0.0
            return round(max(busy, 0.0) / running * self._processor_mhz) if running > 0 else 0

    # Inside

    def _of(self, machine_id: str) -> _Usage:
        return self._usage.setdefault(machine_id.lower(), _Usage())

    @staticmethod
    def _widen(usage: _Usage) -> None:
        usage.maximum_mb = max(usage.maximum_mb, usage.running_mb)
        usage.minimum_mb = min(usage.minimum_mb or usage.running_mb, usage.running_mb)

    def _busy(self, machine: Machine) -> float:
        guest = machine.guest
        process_id = guest.process_id if guest is not None else None
        return self._processor_seconds(process_id) if process_id is not None else 0.0

    def _allocated_mb(self, disk: CimInstance) -> int:
        """The largest that the file has been, as far as anybody looked."""
        element = disk.text("InstanceID").lower()
        try:
            size = self._disks.info(host_resource(disk)).file_size_bytes // _MIB
        except DiskError:
            size = 0
        with self._lock:
            self._allocation[element] = max(size, self._allocation.get(element, 0))
            return self._allocation[element]


def no_seconds(_process_id: int) -> float:
    """Of guests that do nothing."""
    return 0.0


def seconds_of_process(process_id: int) -> float:
    """The processor time of a process on this computer; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
