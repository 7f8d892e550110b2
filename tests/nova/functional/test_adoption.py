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
from tests.nova.functional.cloud import INSTANCES_PATH, Cloud, Observer, Server, eventually

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
def adopted(cloud: Cloud, host1: Observer, image_id: str, flavor_id: str) -> list[Adopted]:
    """One of each generation, running; the new nova-compute has just started."""
    cloud.start_compute(host1)
    servers = [cloud.boot(image_id, flavor_id, networks="auto") for _ in (1, 2)]
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


def use(cloud: Cloud, host: Observer, one: Adopted) -> None:
    """Everything that a server can be asked to do; each leaves the state that it should."""
    server = one.server
    eventually(lambda: shows(cloud, host, server, "login: "))
    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})
    cloud.act(server, "PAUSED", pause=None)
    cloud.act(server, "ACTIVE", unpause=None)
    cloud.act(server, "SUSPENDED", suspend=None)
    cloud.act(server, "ACTIVE", resume=None)
    cloud.act(server, "SHUTOFF", os_stop=None)
    port = cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"]["id"]
    cloud.api.attach_interface(server["id"], {"interfaceAttachment": {"port_id": port}})
    assert {nic.name for nic in host.nics(server)} == {one.nic.name, port}
    cloud.api.detach_interface(server["id"], port)
    eventually(lambda: host.nics(server) == [one.nic])
    cloud.act(server, "ACTIVE", os_start=None)
    assert host.machine(server).state is MachineState.RUNNING
    cloud.delete(server)


def shows(cloud: Cloud, host: Observer, server: Server, text: str) -> bool:
    """Lets the guest say it, and looks: a guest that nobody listens to yet is not heard."""
    host.guest_writes(server, text.encode())
    output = cloud.api.api_post(f"/servers/{server['id']}/action", {"os-getConsoleOutput": {}}).body["output"]
    return text in output


def test_adopted_servers_can_do_what_others_can(cloud, host1, adopted, image_id):
    for one in adopted:
        use(cloud, host1, one)

    assert host1.remains() == set()
    assert f"{image_id}.vhd" in host1.files("_base")
