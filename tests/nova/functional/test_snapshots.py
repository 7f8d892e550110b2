"""Images made of servers: what is in them, what they boot as, and that nothing of their making stays."""

from __future__ import annotations

import subprocess

import pytest

from compute_hyperv.host.model import MachineState, VolumeSpace
from hyperv_simulator.fault_rules import FaultRule
from tests.nova.functional.cloud import Image, eventually


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture(scope="session")
def marked_image(tmp_path_factory) -> Image:
    """16 MiB, recognisable, for generation 2."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "raw").write_bytes(b"A disk of a server".ljust(16 << 20, b"\0"))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "raw", folder / "qcow2"]
    subprocess.run(command, check=True)
    return Image((folder / "qcow2").read_bytes(), "qcow2", {"hw_machine_type": "hyperv-gen2", "os_type": "linux"})


@pytest.fixture
def server(cloud, compute, host1, marked_image, flavor_id):
    server = cloud.boot(cloud.add_image(marked_image), flavor_id)
    host1.notices()
    return server


def create_image(cloud, server, **more):
    answer = cloud.api.post_server_action(server["id"], {"createImage": {"name": "snapshot", **more}})
    return answer["image_id"]


def snapshot(cloud, server):
    """The id of an image that is ready."""
    image_id = create_image(cloud, server)
    cloud.wait_for(server, None)
    assert cloud.content_of(image_id)
    return image_id


def folder_of(host, server):
    return host.files(host.machine(server).name)


def assert_unharmed(host, server):
    """No checkpoint, nothing to merge, no copy."""
    machine = host.machine(server)
    assert host.client.snapshots.list(machine.machine_id) == []
    (root,) = (drive.path for drive in host.client.drives.layout(machine.machine_id).drives)
    assert root.endswith(r"\root.vhdx")
    assert {name for name in folder_of(host, server) if not name.startswith("Virtual")} <= {"root.vhdx", "Snapshots"}


def content(cloud, tmp_path, image_id, count=18):
    """The first bytes of the disk in an image."""
    image = cloud.image(image_id)
    (tmp_path / "image").write_bytes(cloud.content_of(image_id))
    driver = {"vhd": "vpc"}.get(image["disk_format"], image["disk_format"])
    command = ["qemu-img", "convert", "-f", driver, "-O", "raw", tmp_path / "image", tmp_path / "raw"]
    subprocess.run(command, check=True)
    with (tmp_path / "raw").open("rb") as file:
        return file.read(count), (tmp_path / "raw").stat().st_size


def test_an_image_of_a_running_server_holds_its_disk_and_boots_as_another(cloud, host1, server, flavor_id, tmp_path):
    image_id = snapshot(cloud, server)

    image = cloud.image(image_id)
    assert (image["disk_format"], image["container_format"]) == ("vhdx", "bare")
    assert image["properties"]["hw_machine_type"] == "hyperv-gen2"
    assert image["properties"]["os_type"] == "linux"
    assert content(cloud, tmp_path, image_id) == (b"A disk of a server", 1 << 30)
    assert host1.machine(server).state is MachineState.RUNNING
    assert_unharmed(host1, server)
    other = cloud.boot(image_id, flavor_id)
    assert host1.machine(other).state is MachineState.RUNNING


@pytest.mark.parametrize("state", ["SHUTOFF", "PAUSED"])
def test_a_server_that_does_not_run_is_taken_as_it_is(cloud, host1, server, state, tmp_path):
    action = {"SHUTOFF": "os-stop", "PAUSED": "pause"}[state]
    cloud.act(server, state, **{action: None})

    image_id = snapshot(cloud, server)

    assert content(cloud, tmp_path, image_id)[0] == b"A disk of a server"
    assert cloud.wait_for(server, state)
    assert_unharmed(host1, server)


def test_images_have_the_format_that_is_asked_for(cloud, compute, marked_image, flavor_id, tmp_path):
    server = cloud.boot(cloud.add_image(Image(marked_image.data, "qcow2", {})), flavor_id)
    for form in ("qcow2", "vhd"):
        cloud.flags(snapshot_image_format=form, group="hyperv")

        image_id = snapshot(cloud, server)

        assert cloud.image(image_id)["disk_format"] == form
        assert cloud.image(image_id)["properties"]["hw_machine_type"] == "hyperv-gen1"
        assert content(cloud, tmp_path, image_id) == (b"A disk of a server", 1 << 30)


def test_a_backup_replaces_the_oldest(cloud, host1, server):
    made = []
    for _ in range(3):
        backup = {"name": "backup", "backup_type": "daily", "rotation": 2}
        made.append(cloud.api.post_server_action(server["id"], {"createBackup": backup})["image_id"])
        cloud.wait_for(server, "ACTIVE")

    eventually(lambda: [image_id in cloud.glance.images for image_id in made] == [False, True, True])
    assert_unharmed(host1, server)


def test_a_shelved_server_leaves_its_host_and_comes_back_with_its_disk(cloud, host1, server, tmp_path):
    cloud.act(server, "SHELVED_OFFLOADED", shelve=None)
    assert host1.remains() == set()
    cached = host1.files("_base")

    cloud.act(server, "ACTIVE", unshelve=None)

    machine = host1.machine(server)
    root = host1.client.disks.info(rf"C:\OpenStack\Instances\{machine.name}\root.vhdx")
    assert (root.parent_path, root.virtual_size_bytes) == (None, 1 << 30)
    assert host1.files("_base") == cached
    assert [image for image in cloud.glance.images.values() if image["name"].endswith("-shelved")] == []


FAULTS = (
    FaultRule("job-error", method="CreateSnapshot", times=0, code=0x80004005),
    FaultRule("job-error", method="ConvertVirtualHardDisk", code=0x80004005),
    FaultRule("drop-after", method="CreateSnapshot"),
    FaultRule("drop-before", method="ConvertVirtualHardDisk"),
    FaultRule("drop-after", method="DestroySnapshot"),
)


def test_a_snapshot_that_fails_leaves_the_server_unharmed(cloud, host1, server):
    for rule in FAULTS:
        host1.simulated.faults.add(rule)

        create_image(cloud, server)
        cloud.wait_for(server, "ACTIVE")

        assert_unharmed(host1, server)
        host1.simulated.faults.clear()
    snapshot(cloud, server)


def test_a_shelving_that_fails_leaves_no_image(cloud, host1, server):
    images = len(cloud.glance.detail(None))
    rule = host1.simulated.faults.add(FaultRule("drop-before", method="ConvertVirtualHardDisk"))

    cloud.act(server, "SHUTOFF", shelve=None)

    assert len(cloud.glance.detail(None)) == images
    host1.simulated.faults.remove(rule)
    cloud.act(server, "SHELVED_OFFLOADED", shelve=None)


def test_an_image_that_is_deleted_meanwhile_ends_the_snapshot(cloud, host1, server):
    host1.simulated.faults.add(FaultRule("slow-job", method="ConvertVirtualHardDisk", delay_ms=1500))
    cloud.glance.delete(None, create_image(cloud, server))

    cloud.wait_for(server, "ACTIVE")

    assert_unharmed(host1, server)


@pytest.mark.parametrize("forced", [False, True])
def test_a_server_that_is_deleted_during_its_snapshot_leaves_nothing(cloud, compute, host1, server, forced):
    cloud.flags(force_destroy_instances=forced, group="hyperv")
    host1.simulated.faults.add(FaultRule("slow-job", method="ConvertVirtualHardDisk", delay_ms=3000))
    host1.simulated.requests.clear()
    image_id = create_image(cloud, server)
    eventually(lambda: any(request.method == "ConvertVirtualHardDisk" for request in host1.simulated.requests))

    cloud.delete(server)

    eventually(lambda: compute.driver._rooms.snapshots._under_way == {})
    assert image_id not in cloud.glance._imagedata
    cloud.report_resources()
    assert host1.remains() == set()


def test_what_a_killed_service_left_is_removed_by_the_next(cloud, compute, host1, server, monkeypatch):
    room = compute.driver._rooms.snapshots
    monkeypatch.setattr(room, "_clean_up", lambda _: None)  # as if the process had ended there
    host1.simulated.faults.add(FaultRule("job-error", method="ConvertVirtualHardDisk", code=0x80004005))
    create_image(cloud, server)
    cloud.wait_for(server, "ACTIVE")
    assert host1.client.snapshots.list(host1.machine(server).machine_id)
    host1.simulated.faults.clear()

    cloud.restart_compute(host1)
    cloud.report_resources()

    assert_unharmed(host1, server)


def test_a_volume_without_space_for_the_copy_is_left_alone(cloud, compute, host1, server, monkeypatch):
    files = compute.driver._rooms.host.files
    host1.simulated.requests.clear()
    monkeypatch.setattr(files, "volume_space", lambda _: VolumeSpace(total_bytes=1 << 40, free_bytes=1 << 20))

    create_image(cloud, server)
    cloud.wait_for(server, "ACTIVE")

    assert "ConvertVirtualHardDisk" not in {request.method for request in host1.simulated.requests}
    assert_unharmed(host1, server)
