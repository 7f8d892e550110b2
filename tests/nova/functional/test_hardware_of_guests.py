"""What hardware guests have that Nova asked for, with QEMU behind the machines. Nothing is booted to its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.cloud import Cloud, Image, Observer, running_cloud
from tests.nova.functional.test_hardware import CloudWithDevices
from tests.simulated import free_address

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]


@pytest.fixture
def qemu_host(tmp_path_factory) -> Iterator[Observer]:
    config = HostConfig(name="hv1", address=free_address(), disk_gb=100, numa_nodes=2, guests="qemu")
    with Simulator([config], tmp_path_factory.mktemp("qemu")) as simulator:
        observer = Observer(simulator.hosts[0])
        yield observer
        observer.close()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running_cloud(CloudWithDevices) as running:
        yield running


def test_a_guest_has_the_tpm_and_the_numa_nodes_of_its_flavor(cloud, qemu_host, disk_image):
    cloud.start_compute(qemu_host)
    image_id = cloud.add_image(Image(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))
    specs = {
        "hw:numa_nodes": "2",
        "hw:tpm_version": "2.0",
        "hw:tpm_model": "tpm-crb",
        "hw:tpm_secret_security": "host",
    }
    flavor_id = cloud._create_flavor(vcpu=2, memory_mb=128, disk=1, ephemeral=0, swap=0, extra_spec=specs)

    server = cloud.boot(image_id, flavor_id)

    guest = qemu_host.simulated.inside.machines.find(qemu_host.machine(server).machine_id).guest
    assert [tpm["model"] for tpm in guest._qmp.execute("query-tpm")] == ["tpm-crb"]
    assert guest._qmp.execute("human-monitor-command", command_line="info numa").startswith("2 nodes")
    cloud.delete(server)
    assert qemu_host.remains() == set()
