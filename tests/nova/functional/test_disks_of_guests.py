"""What guests find on their disks after snapshots and rescue, with QEMU behind the machines.

Nothing is booted to its end: reads and writes go through the guests' own disk controllers, as theirs would.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.cloud import Image, Observer
from tests.simulated import free_address

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

AT = 4 << 20


@pytest.fixture
def qemu_host(tmp_path_factory) -> Iterator[Observer]:
    config = HostConfig(name="hv1", address=free_address(), disk_gb=100, guests="qemu")
    with Simulator([config], tmp_path_factory.mktemp("qemu")) as simulator:
        observer = Observer(simulator.hosts[0])
        yield observer
        observer.close()


def guest_io(host, server, disk, command):
    """:param disk: ``scsi-<controller>-<slot>``."""
    guest = host.simulated.inside.machines.find(host.machine(server).machine_id).guest
    return guest._qmp.execute("human-monitor-command", command_line=f'qemu-io -d {disk} "{command}"')


def write(host, server, value, disk="scsi-0-0"):
    said = guest_io(host, server, disk, f"write -P {value} {AT} 4k")
    assert not said, said


def reads(host, server, value, disk="scsi-0-0"):
    said = guest_io(host, server, disk, f"read -P {value} {AT} 4k")
    failed = "Pattern verification failed" in said
    assert failed or not said, said
    return not failed


def test_an_image_holds_what_the_guest_had_then_and_rescue_shows_what_it_has_now(cloud, qemu_host, disk_image):
    cloud.flags(shutdown_timeout=1)  # nobody in the guest listens
    cloud.start_compute(qemu_host)
    image_id = cloud.add_image(Image(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))
    flavor_id = cloud.add_flavor(memory_mb=64)
    server = cloud.boot(image_id, flavor_id)
    write(qemu_host, server, 0x41)

    created = cloud.api.post_server_action(server["id"], {"createImage": {"name": "snapshot"}})
    cloud.wait_for(server, "ACTIVE")
    write(qemu_host, server, 0x42)

    other = cloud.boot(created["image_id"], flavor_id)
    assert reads(qemu_host, other, 0x41)
    assert reads(qemu_host, server, 0x42)
    cloud.delete(other)

    cloud.api.post_server_action(server["id"], {"rescue": {"rescue_image_ref": image_id}})
    cloud.wait_for(server, "RESCUE")
    assert reads(qemu_host, server, 0x42, disk="scsi-0-1")
    write(qemu_host, server, 0x43, disk="scsi-0-1")

    cloud.act(server, "ACTIVE", unrescue=None)
    assert reads(qemu_host, server, 0x43)
    cloud.delete(server)
    assert qemu_host.remains() == set()
