"""Two simulated hosts for all tests of a process, a new cloud for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.cloud import Cloud, CloudWithDevices, Image, Observer, running_cloud
from tests.simulated import free_address


@pytest.fixture(scope="session")
def simulator(tmp_path_factory) -> Iterator[Simulator]:
    hosts = [HostConfig(name=name, address=free_address(), disk_gb=100) for name in ("hv1", "hv2")]
    with Simulator(hosts, tmp_path_factory.mktemp("hosts")) as running:
        yield running


@pytest.fixture
def hosts(simulator) -> Iterator[tuple[Observer, ...]]:
    """Both hosts, without fault rules and without instances; the image cache stays from test to test."""
    observers = tuple(Observer(host) for host in simulator.hosts)
    yield observers
    for host in observers:
        host.simulated.faults.clear()
        for machine in host.machines():
            host.client.machines.destroy(machine.machine_id)
        for name in host.files() - {"_base"}:
            host.client.files.delete_tree(rf"C:\OpenStack\Instances\{name}")
        host.close()


@pytest.fixture
def host1(hosts) -> Observer:
    return hosts[0]


@pytest.fixture
def host2(hosts) -> Observer:
    return hosts[1]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running_cloud() as running:
        yield running


@pytest.fixture(scope="module")
def qemu_host(tmp_path_factory) -> Iterator[Observer]:
    """Machines of this one are guests of QEMU."""
    config = HostConfig(name="hv1", address=free_address(), disk_gb=100, numa_nodes=2, guests="qemu")
    with Simulator([config], tmp_path_factory.mktemp("qemu")) as simulator:
        observer = Observer(simulator.hosts[0])
        yield observer
        observer.close()


@pytest.fixture(scope="module")
def qemu_cloud(qemu_host) -> Iterator[Cloud]:
    """A cloud of that host alone, for all tests of a module: guests cost more than a new cloud for each."""
    with running_cloud(CloudWithDevices) as running:
        running.start_compute(qemu_host)
        yield running


@pytest.fixture(scope="session")
def disk_image(tmp_path_factory) -> Image:
    """16 MiB of zeros, as qcow2."""
    path = Path(tmp_path_factory.mktemp("image")) / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
    return Image(path.read_bytes(), "qcow2", {})


@pytest.fixture
def image_id(cloud, disk_image) -> str:
    return cloud.add_image(disk_image)


@pytest.fixture
def flavor_id(cloud) -> str:
    return cloud.add_flavor()


@pytest.fixture(scope="session")
def large_image(tmp_path_factory) -> Image:
    """3 GiB, of which none is written."""
    path = Path(tmp_path_factory.mktemp("image")) / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "3G"], check=True)
    return Image(path.read_bytes(), "qcow2", {})


@pytest.fixture(scope="session")
def image_with_backing_file(tmp_path_factory) -> Image:
    """Would show a file of the machine that converts it."""
    folder = Path(tmp_path_factory.mktemp("image"))
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", folder / "disk.qcow2"]
    subprocess.run(command, check=True)
    return Image((folder / "disk.qcow2").read_bytes(), "qcow2", {})
