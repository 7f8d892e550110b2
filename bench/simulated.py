"""A simulated host in a process of its own, as an operator would start it, and our client for it."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulated import free_address

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint

USERNAME, PASSWORD = "Administrator", "Passw0rd!"
HTTP_PORT, SMB_PORT = 5985, 445
_START_TIMEOUT_S = 180  # fifty hosts take their time


@dataclass(frozen=True, slots=True)
class Host:
    """:param address: where it listens itself, without any distance."""

    name: str
    address: str


@contextlib.contextmanager
def simulated_hosts(*names: str, round_trip_ms: int = 0) -> Iterator[tuple[Host, ...]]:
    """Hosts with guests ``none``; they end, with all they keep, when the block does.

    :param round_trip_ms: what each of them waits before it answers a request.
    """
    hosts = tuple(Host(name, free_address()) for name in names)
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder:
        file = Path(folder) / "hosts.toml"
        each = '[[host]]\nname = "{0.name}"\naddress = "{0.address}"\nround_trip_ms = {1}\n'
        file.write_text("".join(each.format(host, round_trip_ms) for host in hosts))
        command = [sys.executable, "-m", "hyperv_simulator", "run", str(file), "--state", f"{folder}/state"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_ready(process)
            yield hosts
        finally:
            process.terminate()
            process.wait(30)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Returns when the process says ``ready``; raises RuntimeError if it ends before."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while line := lines.get(timeout=_START_TIMEOUT_S):
        if line.strip() == "ready":
            return
    raise RuntimeError(f"{process.args!r} ended with {process.wait()} before it was ready")


def connect(address: str) -> HyperVHost:
    """Our own host layer, as nova-compute has it, over HTTP with NTLM and sealed messages.

    HTTPS would need the relay's address in the host's certificate; it costs one round trip more per connection.
    """
    return HyperVHost(
        Endpoint(address, port=HTTP_PORT, scheme="http", username=USERNAME, password=PASSWORD),
        SmbEndpoint(address, port=SMB_PORT, username=USERNAME, password=PASSWORD),
    )
