"""A server in a process that has one core only, and what it takes of the computer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulated import free_address

from bench.simulated import wait_until_ready

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Server:
    """:param ready_after_s: how long its start took."""

    pid: int
    address: str
    ready_after_s: float

    @property
    def processor_s(self) -> float:
        """Processor time used so far, of all its threads, the kernel's work for it included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES


@contextlib.contextmanager
def simulated_host(folder: Path, settings: str) -> Iterator[Server]:
    """One host with guests ``none``, its state in ``folder``; ends when the block does.

    :param settings: further lines of its table in hosts.toml.
    """
    address = free_address()
    file = folder / "hosts.toml"
    file.write_text(f'[[host]]\nname = "hv1"\naddress = "{address}"\n{settings}')
    with _running(address, "hyperv_simulator", "run", str(file), "--state", str(folder / "state")) as server:
        yield server


@contextlib.contextmanager
def echo_server(port: int) -> Iterator[Server]:
    """What Python's own HTTP server takes for the same exchange."""
    address = free_address()
    with _running(address, "bench.plain_http", address, str(port)) as server:
        yield server


@contextlib.contextmanager
def _running(address: str, module: str, *arguments: str) -> Iterator[Server]:
    core = str(max(os.sched_getaffinity(0)))
    command = ["taskset", "--cpu-list", core, sys.executable, "-m", module, *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # taskset becomes the server: same id
    try:
        wait_until_ready(process)
        yield Server(process.pid, address, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(120)
