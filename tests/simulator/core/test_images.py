"""Msvm_ImageManagementService: what it does with disks besides making them, and what it says no to."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.storage.layers import locator_for, read_layer, writable
from hyperv_simulator.storage.vhdx import Vhdx
from tests.simulator.core.client import PREFIX, Client, settings_text

DISK = "Msvm_VirtualHardDiskSettingData"
MIB = 1 << 20


def settings(client: Client, path: str) -> CimInstance:
    return text_to_instance(str(client.do(client.images, "GetVirtualHardDiskSettingData", Path=path)["SettingData"]))


def state(client: Client, path: str) -> CimInstance:
    return text_to_instance(str(client.do(client.images, "GetVirtualHardDiskState", Path=path)["State"]))


class TestMounting:
    def test_a_mounted_disk_is_found_by_its_path_and_in_use(self, client: Client) -> None:
        path = client.create_disk("C:\\tools.vhdx")
        find = {"SelectionCriterion": path.lower(), "CriterionType": 2}
        assert client.refused(client.images, "FindMountedStorageImageInstance", **find) == 32789

        client.do(client.images, "AttachVirtualHardDisk", Path=path, AssignDriveLetter=False, ReadOnly=True)

        image = client.do(client.images, "FindMountedStorageImageInstance", **find)["Image"]
        assert isinstance(image, CimReference)
        mounted = client.service.get(image)
        assert (mounted.get("Name"), mounted.get("Type"), mounted.get("Access")) == (path, 0, 1)
        assert state(client, path).get("InUse") is True
        job = client.failed(client.images, "AttachVirtualHardDisk", Path=path)
        assert job.get("JobCompletionStatusCode") == 0x80070020

        client.do(image, "DetachVirtualHardDisk")

        assert state(client, path).get("InUse") is False
        assert client.query("select * from Msvm_MountedStorageImage") == []

    def test_images_have_addresses_of_their_own(self, client: Client) -> None:
        for name in ("a", "b"):
            client.do(client.images, "AttachVirtualHardDisk", Path=client.create_disk(f"C:\\{name}.vhdx"))
        found = client.query("select * from Msvm_MountedStorageImage")
        assert [(item.get("PathId"), item.get("TargetId"), item.get("Lun")) for item in found] == [(0, 0, 0), (0, 0, 1)]
        assert [item.get("Access") for item in found] == [2, 2]

    def test_what_is_not_there_is_not_mounted(self, client: Client) -> None:
        job = client.failed(client.images, "AttachVirtualHardDisk", Path="C:\\none.vhdx")
        assert job.get("JobCompletionStatusCode") == 0x80070002

    def test_images_are_found_by_path_only(self, client: Client) -> None:
        find = {"SelectionCriterion": "C:\\x.vhdx", "CriterionType": 0}
        assert client.refused(client.images, "FindMountedStorageImageInstance", **find) == 32773


class TestChanging:
    def test_a_disk_without_partitions_is_as_small_as_it_gets(self, client: Client) -> None:
        path = client.create_disk("C:\\disk.vhdx", 64 * MIB)
        assert state(client, path).get("MinInternalSize") is None  # seen on a host: HVWMI vhd_info
        job = client.failed(client.images, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=32 * MIB)
        assert job.get("JobCompletionStatusCode") == 0xC03A0025

    def test_only_hyper_v_makes_files_for_checkpoints(self, client: Client) -> None:
        # HVWMI vhd_setparent
        text = settings_text(DISK, Path="C:\\mine.avhdx", Type=4, Format=3, ParentPath=client.create_disk("C:\\p.vhdx"))
        job = client.failed(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        assert job.get("ErrorCode") == 32773

    def test_a_parent_is_set_at_once(self, client: Client) -> None:
        # HVWMI vhd_setparent: the new parent is a copy of the old one
        parent = client.create_disk("C:\\a.vhdx")
        text = settings_text(DISK, Path="C:\\child.vhdx", Type=4, Format=3, ParentPath=parent)
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        folder = client.inside.disks.folder
        folder.to_local("C:\\b.vhdx").write_bytes(folder.to_local(parent).read_bytes())
        request = {"ChildPath": "C:\\child.vhdx", "IgnoreIDMismatch": False}
        outputs = client.call(client.images, "SetParentVirtualHardDisk", ParentPath="C:\\b.vhdx", **request)
        assert outputs["ReturnValue"] == 0
        assert settings(client, "C:\\child.vhdx").get("ParentPath") == "C:\\b.vhdx"
        other = client.create_disk("C:\\other.vhdx")
        job = client.failed(client.images, "SetParentVirtualHardDisk", ParentPath=other, **request)
        assert job.get("JobCompletionStatusCode") == 0xC03A000E

    def test_a_disk_on_scsi_grows_under_a_running_machine(self, client: Client, machine: CimReference) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        client.add_disk(machine, path)
        client.change_state(machine, 2)
        client.do(client.images, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=128 * MIB)
        assert settings(client, path).get("MaxInternalSize") == 128 * MIB
        assert state(client, path).get("InUse") is True

    def test_a_disk_on_ide_does_not(self, client: Client, old_machine: CimReference) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        controller = client.settings(old_machine, "Msvm_ResourceAllocationSettingData", "Emulated IDE Controller")[0]
        client.add_disk(old_machine, path, client.service.reference_of(controller))
        client.change_state(old_machine, 2)
        job = client.failed(client.images, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=128 * MIB)
        assert job.get("JobCompletionStatusCode") == 0x80070020

    def test_sector_size_and_id_can_be_set(self, client: Client) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        new_id = "0A0B0C0D-0000-4000-8000-00000000000A"
        text = settings_text(DISK, Path=path, PhysicalSectorSize=512, VirtualDiskId=new_id)
        client.do(client.images, "SetVirtualHardDiskSettingData", VirtualDiskSettingData=text)
        found = settings(client, path)
        assert (found.get("PhysicalSectorSize"), found.get("VirtualDiskId")) == (512, new_id)

    def test_a_disk_can_have_sectors_of_4096_bytes(self, client: Client) -> None:
        text = settings_text(
            DISK, Path="C:\\4k.vhdx", Type=3, Format=3, MaxInternalSize=64 * MIB, LogicalSectorSize=4096
        )
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        assert settings(client, "C:\\4k.vhdx").get("LogicalSectorSize") == 4096

    @pytest.mark.parametrize("mode", range(5))
    def test_every_mode_of_compacting_is_taken(self, client: Client, mode: int) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        client.do(client.images, "CompactVirtualHardDisk", Path=path, Mode=mode)

    def test_another_mode_is_not(self, client: Client) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        assert client.refused(client.images, "CompactVirtualHardDisk", Path=path, Mode=5) == 32773

    def test_a_chain_that_bites_its_tail_has_its_own_code(self, client: Client) -> None:
        first, second = client.create_disk("C:\\a.vhdx"), "C:\\b.vhdx"
        for path, parent in ((second, first), ("C:\\c.vhdx", second)):
            text = settings_text(DISK, Path=path, Type=4, Format=3, ParentPath=parent)
            client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        folder = client.inside.disks.folder
        middle, last = read_layer(folder, second), read_layer(folder, "C:\\c.vhdx")
        with writable(middle) as disk:
            assert isinstance(disk, Vhdx)
            disk.set_locator(locator_for(middle.path, last))
        job = client.failed(client.images, "ValidateVirtualHardDisk", Path="C:\\c.vhdx")
        assert (job.get("ErrorCode"), job.get("JobCompletionStatusCode")) == (32787, 0xC03A0018)


class TestFloppies:
    def test_a_floppy_disk_is_made_and_put_into_the_drive(self, client: Client, old_machine: CimReference) -> None:
        client.do(client.images, "CreateVirtualFloppyDisk", Path="C:\\boot.vfd")
        assert client.inside.disks.folder.to_local("C:\\boot.vfd").stat().st_size == 1474560
        (drive,) = client.settings(old_machine, "Msvm_ResourceAllocationSettingData", "Synthetic Diskette Drive")
        medium = client.add_medium(
            old_machine, client.service.reference_of(drive), "C:\\boot.vfd", "Virtual Floppy Disk"
        )
        assert medium.key("InstanceID") == drive.text("InstanceID")[:-1] + "L"
        client.change_state(old_machine, 2)
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[medium])

    def test_it_goes_into_no_other_drive(self, client: Client, machine: CimReference) -> None:
        client.do(client.images, "CreateVirtualFloppyDisk", Path="C:\\boot.vfd")
        drive = client.add_drive(machine, client.add_controller(machine), kind="Synthetic DVD Drive")
        values = {"ResourceSubType": f"{PREFIX}Virtual Floppy Disk", "ResourceType": 31, "Parent": client.path(drive)}
        addition = client.addition(
            machine, "Msvm_StorageAllocationSettingData", HostResource=["C:\\boot.vfd"], **values
        )
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773


class TestRefusals:
    def test_sharing_needs_a_clusters_storage(self, client: Client) -> None:
        job = client.failed(
            client.images, "ValidatePersistentReservationSupport", Path=client.create_disk("C:\\disk.vhdx")
        )
        assert "does not support virtual hard disk sharing" in job.text("ErrorDescription")

    @pytest.mark.parametrize(
        ("method", "parameter"),
        [
            ("GetVHDSetInformation", "VHDSetPath"),
            ("OptimizeVHDSet", "VHDSetPath"),
            ("ConvertVirtualHardDiskToVHDSet", "VirtualHardDiskPath"),
            ("GetVirtualDiskChanges", "Path"),
        ],
    )
    def test_sets_and_change_tracking_are_not_supported(self, client: Client, method: str, parameter: str) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        assert client.refused(client.images, method, **{parameter: path}) == 32770
        assert client.refused(client.images, method, **{parameter: "C:\\none.vhds"}) == 32779

    def test_a_set_is_not_created(self, client: Client) -> None:
        text = settings_text(DISK, Path="C:\\x.vhds", Type=3, Format=4, MaxInternalSize=64 * MIB)
        assert client.refused(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text) == 32770

    @pytest.mark.parametrize("method", ["StartService", "StopService", "RequestStateChange"])
    def test_services_are_not_controlled_this_way(self, client: Client, method: str) -> None:
        assert client.refused(client.images, method) == 1
        assert client.refused(client.snapshots, method) == 1
