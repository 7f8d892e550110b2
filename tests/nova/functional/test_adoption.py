"""A host full of instances that the retired driver made is taken over as it is (old-driver facts, section 4)."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest
from nova import context as nova_context

from compute_hyperv.host.model import (
    Bus,
    Drive,
    DriveKind,
    MachineSpec,
    MachineState,
    Memory,
    Nic,
    Processor,
    SerialPort,
)
from tests.nova.functional.cloud import INSTANCES_PATH, Cloud, Image, Observer, Server, eventually

GIB = 1024**3
READING = ("Get", "Show", "Check")  # methods that change nothing begin like this


@dataclasses.dataclass(frozen=True)
class Adopted:
    """What is on the host before the new nova-compute comes."""

    server: Server
    generation: Literal[1, 2]
    name: str
    nic: Nic

    @property
    def folder(self) -> str:
        return rf"{INSTANCES_PATH}\{self.name}"


def machine_of_the_retired_driver(host: Observer, server: Server, generation: Literal[1, 2], image_id: str) -> Adopted:
    """Puts in the place of the server's machine what the retired driver would have made of the same request."""
    client = host.client
    machine = host.machine(server)
    (nic,) = host.nics(server)
    adopted = Adopted(server, generation, machine.name, nic)
    client.machines.destroy(machine.machine_id)
    client.files.delete_tree(adopted.folder)
    client.files.make_folder(adopted.folder)
    drives = old_disks(host, adopted, image_id)
    machine_id = client.machines.create(
        MachineSpec(
            name=machine.name,
            notes=(server["id"],),
            generation=generation,
            folder=adopted.folder,
            memory=Memory(128, 128, 128),
            processor=Processor(1),
            drives=drives,
            nics=(nic,),
            serial_ports=(SerialPort(1, rf"\\.\pipe\{server['id']}_rw"),),
            boot_order=(("drive", 0), ("nic", 0)),
            asset_tag="OpenStack Nova",
        )
    )
    client.files.write(rf"{adopted.folder}\console.log", b"what the retired driver has logged\r\n")
    client.files.make_folder(rf"{adopted.folder}_revert\export")
    client.machines.start(machine_id)
    return adopted


def old_disks(host: Observer, adopted: Adopted, image_id: str) -> tuple[Drive, ...]:
    """Generation 1: a VHD over a copy of the image of the flavor's size, a config drive as VHD. Generation 2: a VHDX
    over the image, a config drive as ISO. Both have an ephemeral disk."""
    disks, files, folder = host.client.disks, host.client.files, adopted.folder
    ephemeral = rf"{folder}\eph0.vhdx"
    disks.create_dynamic(ephemeral, GIB)
    if adopted.generation == 1:
        for base in (f"{image_id}.vhd", f"{image_id}_1.vhd"):
            if not files.exists(rf"{INSTANCES_PATH}\_base\{base}"):
                disks.create_dynamic(rf"{INSTANCES_PATH}\_base\{base}", GIB)
        disks.create_differencing(rf"{folder}\root.vhd", rf"{INSTANCES_PATH}\_base\{image_id}_1.vhd")
        disks.create_fixed(rf"{folder}\configdrive.vhd", 4 * 1024**2)
        return (
            Drive(rf"{folder}\root.vhd", Bus.IDE, 0, 0),
            Drive(rf"{folder}\configdrive.vhd", Bus.IDE, 1, 0),
            Drive(ephemeral, Bus.SCSI, 0, 0),
        )
    disks.create_differencing(rf"{folder}\root.vhdx", rf"{INSTANCES_PATH}\_base\{image_id}.vhdx")
    disks.resize(rf"{folder}\root.vhdx", GIB)
    files.write(rf"{folder}\configdrive.iso", bytes(65536))
    return (
        Drive(rf"{folder}\root.vhdx", Bus.SCSI, 0, 0),
        Drive(ephemeral, Bus.SCSI, 0, 1),
        Drive(rf"{folder}\configdrive.iso", Bus.SCSI, 0, 2, DriveKind.DVD),
    )


@pytest.fixture
def adopted(cloud: Cloud, host1: Observer, image_id: str) -> list[Adopted]:
    """One of each generation, running; the new nova-compute has just started."""
    cloud.start_compute(host1)
    servers = [cloud.boot(image_id, cloud.add_flavor(ephemeral=1), networks="auto") for _ in (1, 2)]
    cloud.computes[host1.name].stop()
    found = [
        machine_of_the_retired_driver(host1, servers[0], 1, image_id),
        machine_of_the_retired_driver(host1, servers[1], 2, image_id),
    ]
    host1.simulated.requests.clear()
    cloud.restart_compute(host1)
    return found


def states(cloud: Cloud, adopted: list[Adopted]) -> set[str]:
    return {cloud.api.get_server(one.server["id"])["status"] for one in adopted}


def test_adopting_changes_no_machine(cloud, host1, adopted):
    compute = cloud.computes[host1.name]
    cloud.report_resources()
    compute.manager._sync_power_states(nova_context.get_admin_context())

    changing = {
        request.method
        for request in host1.simulated.requests
        if request.method and not request.method.startswith(READING)
    }
    assert changing == set()
    assert set(compute.manager.driver.list_instance_uuids()) == {one.server["id"] for one in adopted}
    assert states(cloud, adopted) == {"ACTIVE"}
    assert {machine.state for machine in host1.machines()} == {MachineState.RUNNING}
    for one in adopted:
        assert host1.nics(one.server) == [one.nic]
        assert "console.log" in host1.files(one.name)
        cloud.delete(one.server)
    assert host1.remains() == set()


def change_state(cloud: Cloud, host: Observer, one: Adopted) -> None:
    cloud.act(one.server, "ACTIVE", reboot={"type": "SOFT"})
    cloud.act(one.server, "PAUSED", pause=None)
    cloud.act(one.server, "ACTIVE", unpause=None)
    cloud.act(one.server, "SUSPENDED", suspend=None)
    cloud.act(one.server, "ACTIVE", resume=None)
    cloud.act(one.server, "SHUTOFF", os_stop=None)
    cloud.act(one.server, "ACTIVE", os_start=None)


def talk_to_the_guest(cloud: Cloud, host: Observer, one: Adopted) -> None:
    """Its console, its password, how it does, and a crash dump, after which this guest stands still."""
    server_id = one.server["id"]
    eventually(lambda: shows(cloud, host, one.server, "login: "))
    cloud.api.post_server_action(server_id, {"changePassword": {"adminPass": "Geheim-1!"}})
    guest = host.simulated.inside.machines.find(host.machine(one.server).machine_id).guest
    assert guest.exchange.passwords == {"root": "Geheim-1!"}
    found = cloud.admin_api.api_get(f"/servers/{server_id}/diagnostics").body
    assert (found["state"], found["num_nics"], found["nic_details"][0]["rx_octets"]) == ("running", 1, 0)
    cloud.api.post_server_action(server_id, {"trigger_crash_dump": None})
    eventually(lambda: guest.console.crashed)
    cloud.act(one.server, "ACTIVE", reboot={"type": "HARD"})


def exchange_ports(cloud: Cloud, host: Observer, one: Adopted) -> None:
    """Generation 1 takes adapters only while it is off."""
    server_id = one.server["id"]
    cloud.act(one.server, "SHUTOFF", os_stop=None)
    port = cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"]["id"]
    cloud.api.attach_interface(server_id, {"interfaceAttachment": {"port_id": port}})
    assert {nic.name for nic in host.nics(one.server)} == {one.nic.name, port}
    cloud.api.detach_interface(server_id, port)
    eventually(lambda: host.nics(one.server) == [one.nic])
    cloud.act(one.server, "ACTIVE", os_start=None)


def make_images(cloud: Cloud, host: Observer, one: Adopted) -> None:
    for number, action in enumerate(("createImage", "createBackup")):
        host.notices()
        more = {"backup_type": "daily", "rotation": 1} if number else {}
        answer = cloud.api.post_server_action(one.server["id"], {action: {"name": "copy", **more}})
        cloud.wait_for(one.server, "ACTIVE")
        image = cloud.image(answer["image_id"])
        assert (image["disk_format"], image["status"]) == ("vhdx", "active")
        assert image["properties"]["hw_machine_type"] == f"hyperv-gen{one.generation}"


def rescue(cloud: Cloud, host: Observer, one: Adopted, image: str) -> None:
    cloud.act(one.server, "RESCUE", rescue={"rescue_image_ref": image})
    assert any("root-rescue." in name for name in host.files(one.name))
    cloud.act(one.server, "ACTIVE", unrescue=None)


def renew(cloud: Cloud, host: Observer, one: Adopted, image: str) -> None:
    """What gives the server another machine: it is one of ours from then on."""
    cloud.act(one.server, "SHUTOFF", os_stop=None)
    ephemeral = rf"{one.folder}\eph0.vhdx"
    host.client.disks.resize(ephemeral, 2 * GIB)
    body = {"rebuild": {"imageRef": image, "preserve_ephemeral": True}}
    cloud.admin_api.post_server_action(one.server["id"], body)
    cloud.wait_for(one.server, "SHUTOFF")
    assert host.client.disks.info(ephemeral).virtual_size_bytes == 2 * GIB
    cloud.act(one.server, "SHELVED_OFFLOADED", shelve=None)
    assert one.name not in host.files()
    cloud.act(one.server, "ACTIVE", unshelve=None)


def shows(cloud: Cloud, host: Observer, server: Server, text: str) -> bool:
    """Lets the guest say it, and looks: a guest that nobody listens to yet is not heard."""
    host.guest_writes(server, text.encode())
    output = cloud.api.api_post(f"/servers/{server['id']}/action", {"os-getConsoleOutput": {}}).body["output"]
    return text in output


def test_adopted_servers_can_do_what_others_can(cloud, host1, adopted, image_id, disk_image):
    cloud.flags(response_validation="warn", group="api")  # Nova's schema of diagnostics has forgotten hyperv
    cloud.flags(shelved_offload_time=0)
    for one in adopted:
        image = cloud.add_image(Image(disk_image.data, "qcow2", {"hw_machine_type": f"hyperv-gen{one.generation}"}))
        machine = host1.machine(one.server)
        before = host1.client.drives.layout(machine.machine_id)
        change_state(cloud, host1, one)
        talk_to_the_guest(cloud, host1, one)
        exchange_ports(cloud, host1, one)
        make_images(cloud, host1, one)
        rescue(cloud, host1, one, image)
        assert host1.machine(one.server) == machine
        assert host1.client.drives.layout(machine.machine_id) == before
        renew(cloud, host1, one, image)
        assert host1.machine(one.server).state is MachineState.RUNNING
        cloud.delete(one.server)

    assert host1.remains() == set()
    assert f"{image_id}.vhd" in host1.files("_base")
