"""Servers that boot from another image, so that their own disk can be repaired."""

from __future__ import annotations

import pytest

from compute_hyperv.host.model import Bus, MachineState
from hyperv_simulator.fault_rules import FaultRule
from tests.nova.functional.cloud import Image, eventually


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def image_of(cloud, disk_image):
    """Makes an image for a generation."""

    def add(generation, **properties):
        properties = {"hw_machine_type": f"hyperv-gen{generation}", **properties}
        return cloud.add_image(Image(disk_image.data, "qcow2", properties))

    return add


def drives(host, server):
    """Names of the files in the machine's drives, by their places."""
    layout = host.client.drives.layout(host.machine(server).machine_id)
    return {
        (drive.bus, drive.controller, drive.slot): drive.path.rpartition("\\")[2].lower() for drive in layout.drives
    }


def rescue(cloud, server, image_id, state="RESCUE"):
    cloud.api.post_server_action(server["id"], {"rescue": {"rescue_image_ref": image_id, "adminPass": "Secret1!"}})
    return cloud.wait_for(server, state)


@pytest.mark.parametrize(("generation", "bus"), [(1, Bus.IDE), (2, Bus.SCSI)])
def test_a_rescued_server_boots_from_the_image_and_has_its_disk_beside(
    cloud, compute, host1, image_of, flavor_id, generation, bus
):
    server = cloud.boot(image_of(generation), flavor_id, config_drive=True)
    before = drives(host1, server)

    rescue(cloud, server, image_of(generation))

    there = drives(host1, server)
    assert there[bus, 0, 0] == "root-rescue.vhdx"
    assert sorted(there.values()) == ["configdrive-rescue.vhd", "root-rescue.vhdx", "root.vhdx"]
    assert host1.machine(server).state is MachineState.RUNNING

    cloud.act(server, "ACTIVE", unrescue=None)

    assert drives(host1, server) == before
    assert not {name for name in host1.files(host1.machine(server).name) if "rescue" in name}
    assert host1.machine(server).state is MachineState.RUNNING


def test_a_hard_reboot_ends_a_rescue_that_nova_could_not_end(cloud, compute, host1, image_of, flavor_id):
    server = cloud.boot(image_of(2), flavor_id, config_drive=True)
    before = drives(host1, server)
    rescue(cloud, server, image_of(2))
    cut = host1.simulated.faults.add(FaultRule("fault", method="RemoveResourceSettings", fault="INVALID_PARAMETER"))
    cloud.act(server, "ERROR", unrescue=None)
    host1.simulated.faults.remove(cut)

    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})

    assert drives(host1, server) == before
    assert not {name for name in host1.files(host1.machine(server).name) if "rescue" in name}
    assert host1.machine(server).state is MachineState.RUNNING


def test_a_stable_rescue_leaves_everything_where_it_is(cloud, compute, host1, image_of, flavor_id):
    server = cloud.boot(image_of(2), flavor_id)
    before = drives(host1, server)

    rescue(cloud, server, image_of(2, hw_rescue_device="disk", hw_rescue_bus="scsi"))

    there = drives(host1, server)
    assert before.items() < there.items()
    assert set(there.values()) - set(before.values()) == {"root-rescue.vhdx"}

    cloud.delete(server)
    assert host1.remains() == set()


def test_what_cannot_be_rescued_is_told_why_and_is_not_touched(cloud, compute, host1, image_of, flavor_id):
    for generation, image_id, why in (
        (2, image_of(1), "is of generation 2"),
        (1, image_of(1, hw_rescue_device="disk"), "always boots from its first disk"),
    ):
        server = cloud.boot(image_of(generation), flavor_id)
        before = drives(host1, server)

        rescue(cloud, server, image_id, state="ERROR")

        assert why in cloud.fault_of(server)
        assert drives(host1, server) == before


def test_a_rescue_that_fails_is_undone(cloud, compute, host1, image_of, flavor_id):
    server = cloud.boot(image_of(2), flavor_id)
    before = drives(host1, server)
    host1.simulated.faults.add(FaultRule("fault", method="AddResourceSettings", fault="INVALID_PARAMETER"))

    rescue(cloud, server, image_of(2), state="ERROR")

    eventually(lambda: drives(host1, server) == before)
    assert host1.machine(server).state is MachineState.RUNNING
