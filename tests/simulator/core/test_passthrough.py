"""Disks of the host that a machine has for itself, and what storage QoS takes."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.config.storage import DiskConfig
from tests.simulator.core.client import PREFIX, Client, settings_text
from tests.simulator.core.conftest import MakeHost

START, TURN_OFF = 2, 3
DRIVE = "Msvm_ResourceAllocationSettingData"
MEDIUM = "Msvm_StorageAllocationSettingData"


@pytest.fixture
def client(make_host: MakeHost) -> Client:
    """A host with a LUN of 10 GiB that is offline."""
    return make_host(disk=(DiskConfig(number=3, size_gb=10, bus_type="fc", offline=True),))


def pass_through(client: Client, machine: CimReference) -> CimReference:
    (disk,) = client.query("select * from Msvm_DiskDrive where DriveNumber = 3")
    controller = client.add_controller(machine)
    return client.add(
        machine,
        DRIVE,
        ResourceType=17,
        ResourceSubType=f"{PREFIX}Physical Disk Drive",
        Parent=client.path(controller),
        AddressOnParent="0",
        HostResource=[client.path(disk)],
    )


class TestPassThrough:
    def test_a_machine_has_the_disk_while_it_runs(self, client: Client) -> None:
        machine = client.define()
        drive = pass_through(client, machine)
        client.change_state(machine, START)
        (device,) = client.query(f"select * from Msvm_DiskDrive where SystemName = '{machine.key('Name')}'")
        assert device.text("DeviceID").removeprefix("Microsoft:") in str(drive.key("InstanceID"))

    def test_two_machines_do_not_have_it_at_once(self, client: Client) -> None:
        first, second = client.define("first"), client.define("second")
        for machine in (first, second):
            pass_through(client, machine)
        client.change_state(first, START)
        job = client.failed(second, "RequestStateChange", RequestedState=START)
        assert "(0x80070020)" in job.text("ErrorDescription")
        client.change_state(first, TURN_OFF)
        client.change_state(second, START)

    def test_what_is_no_disk_of_the_host_is_refused(self, client: Client) -> None:
        machine = client.define()
        controller = client.path(client.add_controller(machine))
        addition = client.addition(
            machine,
            DRIVE,
            ResourceType=17,
            ResourceSubType=f"{PREFIX}Physical Disk Drive",
            Parent=controller,
            HostResource=[controller],
        )
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_it_is_part_of_no_checkpoint(self, client: Client) -> None:
        machine = client.define("web")
        pass_through(client, machine)
        request = {"AffectedSystem": machine, "SnapshotType": 2}
        job = client.failed(client.snapshots, "CreateSnapshot", SnapshotSettings="", **request)
        assert "physical hard disks" in job.text("ErrorDescription")
        text = settings_text("Msvm_VirtualSystemSnapshotSettingData", IgnoreNonSnapshottableDisks=True)
        client.do(client.snapshots, "CreateSnapshot", SnapshotSettings=text, **request)


class TestMedia:
    def test_a_drive_leads_to_what_is_in_it(self, client: Client) -> None:
        machine = client.define()
        client.add_disk(machine, client.create_disk("C:\\disk.vhdx"))
        client.change_state(machine, START)
        (drive,) = client.query(f"select * from Msvm_DiskDrive where SystemName = '{machine.key('Name')}'")
        (medium,) = client.query(f"associators of {{{client.path(drive)}}} where AssocClass = Msvm_MediaPresent")
        assert medium.class_name == "Msvm_LogicalDisk"
        (link,) = client.query("select * from Msvm_MediaPresent")
        assert link.get("FixedMedia") is True


class TestQos:
    @pytest.fixture
    def medium(self, client: Client) -> CimReference:
        return client.add_disk(client.define(), client.create_disk("C:\\disk.vhdx"))

    def change(self, medium: CimReference, **values: object) -> dict:
        return {"ResourceSettings": [settings_text(MEDIUM, InstanceID=medium.key("InstanceID"), **values)]}

    def test_limits_are_kept(self, client: Client, medium: CimReference) -> None:
        changes = self.change(medium, IOPSLimit=500, IOPSReservation=100, CachingMode=3)
        client.do(client.management, "ModifyResourceSettings", **changes)
        found = client.service.get(medium)
        assert [found.get(name) for name in ("IOPSLimit", "IOPSReservation", "CachingMode")] == [500, 100, 3]

    @pytest.mark.parametrize(
        "values", [{"IOPSLimit": 100, "IOPSReservation": 200}, {"CachingMode": 7}, {"WriteHardeningMethod": 4}]
    )
    def test_values_that_make_no_sense_are_refused(self, client: Client, medium: CimReference, values: dict) -> None:
        job = client.failed(client.management, "ModifyResourceSettings", **self.change(medium, **values))
        assert job.get("ErrorCode") == 32773
        assert client.service.get(medium).get("IOPSLimit") == 0
