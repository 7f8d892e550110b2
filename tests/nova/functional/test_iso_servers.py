"""Servers that boot from an ISO image: the root disk behind it is what a snapshot keeps and a rescue repairs."""

from __future__ import annotations

import pytest

from compute_hyperv.host.model import Bus
from compute_hyperv.host.services import system_settings_reference
from compute_hyperv.nova.config_drive import iso_image
from hyperv_simulator.fault_rules import FaultRule
from tests.nova.functional.cloud import Image, eventually

GENERATIONS = [(1, Bus.IDE), (2, Bus.SCSI)]


@pytest.fixture
def installing(cloud, host1, flavor_id):
    """Makes a server that runs an installer, say; of the generation that is asked for."""
    cloud.start_compute(host1)

    def boot(generation, flavor=flavor_id):
        properties = {"hw_machine_type": f"hyperv-gen{generation}"}
        return cloud.boot(cloud.add_image(Image(iso_image({"README": b"boot me"}), "iso", properties)), flavor)

    return boot


@pytest.fixture
def rescue_image(cloud, disk_image):
    return lambda generation: cloud.add_image(
        Image(disk_image.data, "qcow2", {"hw_machine_type": f"hyperv-gen{generation}"})
    )


def drives(host, server):
    """Names of the files in the machine's drives, by their places."""
    layout = host.client.drives.layout(host.machine(server).machine_id)
    return {
        (drive.bus, drive.controller, drive.slot): drive.path.rpartition("\\")[2].lower() for drive in layout.drives
    }


def boot_order(host, server):
    system = host.client.cim.get(system_settings_reference(host.machine(server).machine_id))
    return system.texts("BootSourceOrder"), system.integers("BootOrder")


def rescue(cloud, server, image_id, state="RESCUE"):
    cloud.api.post_server_action(server["id"], {"rescue": {"rescue_image_ref": image_id, "adminPass": "Secret1!"}})
    return cloud.wait_for(server, state)


@pytest.mark.parametrize(("generation", "bus"), GENERATIONS)
def test_a_rescue_repairs_the_root_disk_and_ends_with_the_iso_first(
    cloud, host1, installing, rescue_image, generation, bus
):
    server = installing(generation)
    before, order = drives(host1, server), boot_order(host1, server)
    assert before == {(bus, 0, 0): "root.iso", (bus, 0, 1): "root.vhdx"}

    rescue(cloud, server, rescue_image(generation))

    there = drives(host1, server)
    assert (there.pop((bus, 0, 0)), there.pop((bus, 0, 1))) == ("root.iso", "root-rescue.vhdx")
    assert list(there.values()) == ["root.vhdx"]
    assert boot_order(host1, server) != order

    cloud.act(server, "ACTIVE", unrescue=None)

    assert (drives(host1, server), boot_order(host1, server)) == (before, order)


def test_a_rescue_that_fails_is_undone(cloud, host1, installing, rescue_image):
    server = installing(2)
    before, order = drives(host1, server), boot_order(host1, server)
    host1.simulated.faults.add(FaultRule("fault", method="AddResourceSettings", fault="INVALID_PARAMETER"))

    rescue(cloud, server, rescue_image(2), state="ERROR")

    eventually(lambda: (drives(host1, server), boot_order(host1, server)) == (before, order))


def test_shelving_keeps_the_root_disk_and_the_server_comes_back_without_the_iso(cloud, host1, installing):
    cloud.flags(shelved_offload_time=0)
    server = installing(2)
    host1.notices()

    cloud.act(server, "SHELVED_OFFLOADED", shelve=None)
    (image,) = (image for image in cloud.glance.images.values() if image["name"] == "server-shelved")
    assert image["disk_format"] == "vhdx"
    cloud.act(server, "ACTIVE", unshelve=None)

    assert drives(host1, server) == {(Bus.SCSI, 0, 0): "root.vhdx"}
    root = host1.client.drives.layout(host1.machine(server).machine_id).drives[0].path
    assert host1.client.disks.info(root).virtual_size_bytes == 1 << 30


def test_a_server_without_a_root_disk_is_told_why_it_cannot_be_rescued(cloud, host1, installing, rescue_image):
    server = installing(1, cloud.add_flavor(disk=0))
    before = drives(host1, server)

    rescue(cloud, server, rescue_image(1), state="ERROR")

    assert "needs a flavor with a root disk" in cloud.fault_of(server)
    assert drives(host1, server) == before == {(Bus.IDE, 0, 0): "root.iso"}
