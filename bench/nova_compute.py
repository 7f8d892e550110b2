"""nova_compute: what one nova-compute with our driver holds in memory, and what it burns while nothing happens.

A process of its own imports all that nova-compute imports and runs the driver as the service does: start, resource
reports, states of all machines. No message bus and no database are there, so Nova's share is a little less than in
production; Nova's FakeDriver in the same harness shows which part is ours.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.measurements import Measurement
from bench.simulated import connect, simulated_hosts

_MACHINES = 20
_IDLE_S = 30
# Nova's defaults are 60 s for resources and 600 s for states; both come more often here, which is no advantage for us.
_REPORT_EVERY_S = 10
_ROOT = Path(__file__).resolve().parent.parent


def measure() -> Iterator[Measurement]:
    with simulated_hosts("hv1") as (host,):
        ours = _run("compute_hyperv.driver.HyperVDriver", host.address)
        client = connect(host.address)
        try:
            machines = len(client.machines.list())
        finally:
            client.close()
    fake = _run("fake.FakeDriver", "127.0.0.1")
    case = f"{machines} machines"
    yield Measurement("nova_compute.rss_mib", ours["rss_mib"], "MiB", case)
    yield Measurement("nova_compute.rss_mib", fake["rss_mib"], "MiB", "Nova's FakeDriver")
    yield Measurement("nova_compute.idle_cpu", ours["cpu_percent"], "%", case, note="of one CPU")


def _run(driver: str, address: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.nova_compute", driver, address]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=_ROOT)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _serve(name: str, address: str) -> dict[str, float]:
    """In the child: starts the driver, builds machines if it is ours, then idles."""
    # Here, as the parent needs none of it: first what chooses native threads, then all that the service imports.
    from bench import driver as nova

    importlib.import_module("nova.cmd.compute")
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder:
        image = nova.small_image(Path(folder))
        with nova.nova_settings(address), nova.stand_ins(image), nova.running_driver(name) as driver:
            if name == nova.HYPERV:
                for number in range(1, 1 + _MACHINES):
                    nova.spawn(driver, number)
            _report(driver)
            return _idle(driver)


def _report(driver: Any) -> None:
    for node in driver.get_available_nodes():
        driver.get_available_resource(node)
    driver.list_instance_uuids()


def _idle(driver: Any) -> dict[str, float]:
    process = psutil.Process()
    before, started = process.cpu_times(), time.monotonic()
    while time.monotonic() - started < _IDLE_S:
        time.sleep(_REPORT_EVERY_S)
        _report(driver)
    after, seconds = process.cpu_times(), time.monotonic() - started
    used = after.user + after.system - before.user - before.system
    return {"rss_mib": process.memory_info().rss / (1 << 20), "cpu_percent": 100 * used / seconds}


if __name__ == "__main__":
    print(json.dumps(_serve(*sys.argv[1:3])))
