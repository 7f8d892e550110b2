"""boot20: twenty servers at once through all of Nova, on a simulated host and on Nova's FakeDriver.

API, scheduler, conductor, nova-compute and Placement run in this process, as in our functional tests; the simulated
host has a process of its own. Each server has a port and a config drive; the image is in the cache. Both drivers take
turns, each time in a cloud of their own; the ratio is the median of the pairs'.
"""

from __future__ import annotations

import bench.native_threads  # noqa: F401

# isort: split

import logging
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.nova.functional.cloud import Cloud, Image

from bench.measurements import Budget, Measurement
from bench.simulated import simulated_hosts

_SERVERS = 20
_PAIRS = 3
_TIMEOUT_S = 120
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class _Host:
    """What ``Cloud.start_compute`` needs to know of one."""

    name: str


class _FakeCloud(Cloud):
    compute_driver = "fake.FakeDriver"


def measure() -> Iterator[Measurement]:
    warnings.simplefilter("ignore")  # Nova's and SQLAlchemy's deprecations are not the benchmark's business
    image = _image()
    ours, fakes = [], []
    with simulated_hosts("hv1") as (host,):
        for _ in range(_PAIRS):
            fakes.append(_boot(_FakeCloud, "fake", image))
            ours.append(_boot(Cloud, host.address, image))
    ratios = [our_s / fake_s for our_s, fake_s in zip(ours, fakes, strict=True)]
    note = "pairs: " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
    yield Measurement("boot20.ratio_to_fake", statistics.median(ratios), "×", budget=Budget("at most", 1.3), note=note)
    yield Measurement("boot20.wall_s", statistics.median(ours), "s", "simulated host")
    yield Measurement("boot20.wall_s", statistics.median(fakes), "s", "Nova's FakeDriver")


def _image() -> Image:
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder:
        path = Path(folder) / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M"], check=True)
        return Image(path.read_bytes(), "qcow2", {})


def _boot(kind: type[Cloud], host: str, image: Image) -> float:
    """Seconds from the first request to the last server that is ACTIVE."""
    cloud = kind("runTest")
    logging.disable(logging.CRITICAL)  # as much work for both, and nobody reads it
    try:
        cloud.setUp()
        cloud.flags(config_drive_cdrom=True, group="hyperv")
        cloud.flags(instances=-1, cores=-1, ram=-1, group="quota")
        cloud.start_compute(_Host(host))
        image_id, flavor_id = cloud.add_image(image), cloud.add_flavor()
        # The first one fetches the image and opens the connections.
        cloud.delete(cloud.boot(image_id, flavor_id, networks="auto", config_drive=True))
        requests = [
            cloud._build_server(name=f"server-{number}", image_uuid=image_id, flavor_id=flavor_id, networks="auto")
            | {"config_drive": True}
            for number in range(_SERVERS)
        ]
        started = time.perf_counter()
        for request in requests:
            cloud.api.post_server({"server": request})
        _wait_until_all_are_active(cloud)
        seconds = time.perf_counter() - started
        for server in cloud.api.get_servers():
            cloud.delete(server)
        return seconds
    finally:
        cloud.doCleanups()
        logging.disable(logging.NOTSET)


def _wait_until_all_are_active(cloud: Cloud) -> None:
    """Asks for as little as possible: the API works in this process too."""
    deadline = time.monotonic() + _TIMEOUT_S
    while len(cloud.api.get_servers(detail=False, search_opts={"status": "ACTIVE"})) < _SERVERS:
        failed = cloud.api.get_servers(search_opts={"status": "ERROR"})
        if failed or time.monotonic() > deadline:
            raise RuntimeError(f"not all servers became ACTIVE: {[server.get('fault') for server in failed]}")
        time.sleep(_LOOK_EVERY_S)
