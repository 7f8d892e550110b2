"""Resources of a machine: what may be added where, changed when, and removed in which order (hyperv-ops 2, 3, 5)."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import PREFIX, Client, connection, drive, medium, settings_text
from tests.simulator.core.conftest import MakeHost

START = 2
VLAN = "Msvm_EthernetSwitchPortVlanSettingData"
OFFLOAD = "Msvm_EthernetSwitchPortOffloadSettingData"


@pytest.fixture
def disk(client: Client) -> str:
    return client.create_disk("C:\\disk.vhdx")


class TestControllers:
    def test_a_machine_has_four_scsi_controllers_at_most(self, client: Client, machine: CimReference) -> None:
        for _ in range(4):
            client.add_controller(machine)
        values = {"ResourceType": 6, "ResourceSubType": f"{PREFIX}Synthetic SCSI Controller"}
        addition = client.addition(machine, "Msvm_ResourceAllocationSettingData", **values)
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_ide_controllers_are_neither_added_nor_removed(self, client: Client, old_machine: CimReference) -> None:
        (first, _) = client.settings(old_machine, "CIM_ResourceAllocationSettingData", "Emulated IDE Controller")
        job = client.failed(
            client.management, "RemoveResourceSettings", ResourceSettings=[client.service.reference_of(first)]
        )
        assert job.get("ErrorCode") == 32773


class TestDrives:
    def test_a_drives_id_tells_its_place(self, client: Client, machine: CimReference, disk: str) -> None:
        # real-instances 1.2
        controller = client.add_controller(machine)
        added = client.add_drive(machine, controller, 5)
        assert added.key("InstanceID") == controller.key("InstanceID") + "\\5\\D"
        inside = client.add_medium(machine, added, disk)
        assert inside.key("InstanceID") == controller.key("InstanceID") + "\\5\\L"

    @pytest.mark.parametrize("slot", [64, "x", "-1"])
    def test_a_slot_that_scsi_does_not_have_is_refused(self, client: Client, machine: CimReference, slot: Any) -> None:
        controller = client.add_controller(machine)
        addition = client.addition(machine, **drive(client.path(controller), slot))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_ide_has_two_slots_and_the_controllers_number_in_the_id(
        self, client: Client, old_machine: CimReference
    ) -> None:
        (_, second) = client.settings(old_machine, "CIM_ResourceAllocationSettingData", "Emulated IDE Controller")
        added = client.add_drive(old_machine, client.service.reference_of(second), 1)
        assert added.key("InstanceID").endswith("83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\1\\1\\D")
        addition = client.addition(old_machine, **drive(client.path(second), 2))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_a_slot_takes_one_drive(self, client: Client, machine: CimReference) -> None:
        controller = client.add_controller(machine)
        client.add_drive(machine, controller, 0)
        addition = client.addition(machine, **drive(client.path(controller), 0))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    @pytest.mark.parametrize(
        "parent", [None, "", "no path", 'Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:other"']
    )
    def test_a_drive_without_a_controller_of_its_machine_is_refused(
        self, client: Client, machine: CimReference, parent: Any
    ) -> None:
        # real-instances 3.6
        values = {**drive("", 0), "Parent": parent}
        addition = client.addition(machine, **values)
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_another_machines_controller_is_not_taken(self, client: Client, machine: CimReference) -> None:
        foreign = client.add_controller(client.define("other"))
        addition = client.addition(machine, **drive(client.path(foreign), 0))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_several_drives_come_in_one_call_or_none_does(self, client: Client, machine: CimReference) -> None:
        controller = client.add_controller(machine)
        texts = [settings_text(**drive(client.path(controller), slot)) for slot in (0, 1, 64)]
        outputs = client.call(
            client.management,
            "AddResourceSettings",
            AffectedConfiguration=client.system_settings_reference(machine),
            ResourceSettings=texts,
        )
        assert outputs["ReturnValue"] == 32773
        assert client.settings(machine, "CIM_ResourceAllocationSettingData", "Synthetic Disk Drive") == []
        outputs = client.do(
            client.management,
            "AddResourceSettings",
            AffectedConfiguration=client.system_settings_reference(machine),
            ResourceSettings=texts[:2],
        )
        assert len(outputs["ResultingResourceSettings"]) == 2  # type: ignore[arg-type]

    def test_a_drive_with_a_medium_is_not_removed(self, client: Client, machine: CimReference, disk: str) -> None:
        # real-instances 3.6: the medium first, then the drive
        added = client.add_drive(machine, client.add_controller(machine))
        inside = client.add_medium(machine, added, disk)
        job = client.failed(client.management, "RemoveResourceSettings", ResourceSettings=[added])
        assert "(0x80041001)" in job.text("ErrorDescription")
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[inside])
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[added])
        assert client.settings(machine, "CIM_ResourceAllocationSettingData", "Synthetic Disk Drive") == []

    def test_removing_what_is_not_there_is_refused(self, client: Client, machine: CimReference) -> None:
        gone = CimReference("Msvm_ResourceAllocationSettingData", {"InstanceID": "Microsoft:gone"})
        assert client.refused(client.management, "RemoveResourceSettings", ResourceSettings=[gone]) == 32773


class TestMedia:
    def test_a_file_that_is_not_there_is_named_by_the_job(self, client: Client, machine: CimReference) -> None:
        added = client.add_drive(machine, client.add_controller(machine))
        addition = client.addition(machine, **medium(client.path(added), "C:\\none.vhdx"))
        job = client.failed(client.management, "AddResourceSettings", **addition)
        assert "'C:\\none.vhdx'" in job.text("ErrorDescription")
        assert "(0x80070002)" in job.text("ErrorDescription")

    def test_a_disk_that_a_running_machine_uses_is_not_attached(self, client: Client, disk: str) -> None:
        first, second = client.define("first"), client.define("second")
        client.add_disk(first, disk)
        client.change_state(first, START)
        added = client.add_drive(second, client.add_controller(second))
        addition = client.addition(second, **medium(client.path(added), disk))
        job = client.failed(client.management, "AddResourceSettings", **addition)
        assert "(0x80070020)" in job.text("ErrorDescription")

    def test_a_disk_does_not_go_into_a_dvd_drive(self, client: Client, machine: CimReference, disk: str) -> None:
        added = client.add_drive(machine, client.add_controller(machine), kind="Synthetic DVD Drive")
        addition = client.addition(machine, **medium(client.path(added), disk))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_an_image_is_swapped_by_modification_and_ejected_by_removal(
        self, client: Client, machine: CimReference
    ) -> None:
        folder = client.inside.disks.folder
        for name in ("one", "two"):
            folder.to_local(f"C:\\{name}.iso").write_bytes(b"iso")
        added = client.add_drive(machine, client.add_controller(machine), kind="Synthetic DVD Drive")
        inside = client.add_medium(machine, added, "C:\\one.iso", "Virtual CD/DVD Disk")
        client.change_state(machine, START)
        change = settings_text(
            "Msvm_StorageAllocationSettingData", InstanceID=inside.key("InstanceID"), HostResource=["C:\\two.iso"]
        )
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=[change])
        assert client.service.get(inside).get("HostResource") == ["C:\\two.iso"]
        empty = settings_text(
            "Msvm_StorageAllocationSettingData", InstanceID=inside.key("InstanceID"), HostResource=[""]
        )
        job = client.failed(client.management, "ModifyResourceSettings", ResourceSettings=[empty])
        assert job.get("ErrorCode") == 32773
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[inside])

    def test_a_disk_can_be_added_to_a_running_machine_on_scsi(self, client: Client, disk: str) -> None:
        machine = client.define()
        controller = client.add_controller(machine)
        client.change_state(machine, START)
        client.add_medium(machine, client.add_drive(machine, controller), disk)
        assert client.inside.disks.in_use(disk)


class TestMemory:
    def change(self, client: Client, machine: CimReference, **values: Any) -> dict[str, Any]:
        (memory,) = client.settings(machine, "Msvm_MemorySettingData")
        text = settings_text("Msvm_MemorySettingData", InstanceID=memory.get("InstanceID"), **values)
        return client.call(client.management, "ModifyResourceSettings", ResourceSettings=[text])

    def test_a_size_that_is_no_multiple_of_two_fails(self, client: Client, machine: CimReference) -> None:
        job = client.ended_job(self.change(client, machine, VirtualQuantity=1023))
        assert job.get("JobState") == 10
        assert job.text("ErrorSummaryDescription").startswith("Failed to modify device 'Memory'.")

    def test_the_answer_is_a_job_without_results(self, client: Client, machine: CimReference) -> None:
        # real-instances 3.5: every other output is NULL
        outputs = self.change(client, machine, VirtualQuantity=2048)
        assert outputs["ReturnValue"] == 4096
        assert outputs["ResultingResourceSettings"] is None
        assert client.ended_job(outputs).get("JobState") == 7

    def test_dynamic_memory_needs_virtual_numa_to_be_off(self, client: Client) -> None:
        machine = client.define()
        dynamic = {"DynamicMemoryEnabled": True, "VirtualQuantity": 1024, "Reservation": 512, "Limit": 2048}
        assert client.ended_job(self.change(client, machine, **dynamic)).get("JobState") == 10
        flat = client.define("flat", VirtualNumaEnabled=False)
        assert client.ended_job(self.change(client, flat, **dynamic)).get("JobState") == 7

    def test_the_startup_size_lies_between_minimum_and_maximum(self, client: Client) -> None:
        machine = client.define(VirtualNumaEnabled=False)
        values = {"DynamicMemoryEnabled": True, "VirtualQuantity": 4096, "Reservation": 512, "Limit": 2048}
        assert client.ended_job(self.change(client, machine, **values)).get("JobState") == 10

    def test_a_machine_that_runs_takes_more_from_its_host_or_keeps_what_it_has(
        self, client: Client, machine: CimReference
    ) -> None:
        client.change_state(machine, START)

        assert client.ended_job(self.change(client, machine, VirtualQuantity=2048)).get("JobState") == 7
        assert client.inside.memory.assigned_mb(machine.key("Name")) == 2048
        job = client.ended_job(self.change(client, machine, VirtualQuantity=1 << 20))
        assert "(0x8007000E)" in job.text("ErrorDescription")
        assert client.inside.memory.assigned_mb(machine.key("Name")) == 2048
        assert client.settings(machine, "Msvm_MemorySettingData")[0].get("VirtualQuantity") == 2048

    def test_memory_of_a_machine_that_runs_is_fixed_before_2016(self, make_host: MakeHost) -> None:
        client = make_host(version="2012r2")
        machine = client.define()
        client.change_state(machine, START)
        assert client.ended_job(self.change(client, machine, VirtualQuantity=2048)).get("ErrorCode") == 32775


class TestProcessors:
    @pytest.mark.parametrize("count", [0, 17])
    def test_a_machine_has_no_more_processors_than_the_host(
        self, client: Client, machine: CimReference, count: int
    ) -> None:
        (processor,) = client.settings(machine, "Msvm_ProcessorSettingData")
        text = settings_text("Msvm_ProcessorSettingData", InstanceID=processor.get("InstanceID"), VirtualQuantity=count)
        client.failed(client.management, "ModifyResourceSettings", ResourceSettings=[text])

    def test_their_number_does_not_change_while_the_machine_runs(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, START)
        (processor,) = client.settings(machine, "Msvm_ProcessorSettingData")
        text = settings_text("Msvm_ProcessorSettingData", InstanceID=processor.get("InstanceID"), VirtualQuantity=2)
        job = client.failed(client.management, "ModifyResourceSettings", ResourceSettings=[text])
        assert job.get("ErrorCode") == 32775


class TestNetwork:
    def test_an_adapter_gets_an_address_of_hyper_v(self, client: Client, machine: CimReference) -> None:
        found = client.service.get(client.add_nic(machine))
        other = client.service.get(client.add_nic(machine))
        assert found.text("Address").startswith("00155D")
        assert len(found.text("Address")) == 12
        assert found.get("Address") != other.get("Address")
        assert found.texts("VirtualSystemIdentifiers")[0].startswith("{")

    def test_a_static_address_is_kept(self, client: Client, machine: CimReference) -> None:
        nic = client.add_nic(machine, Address="fa163e000001", StaticMacAddress=True)
        assert client.service.get(nic).get("Address") == "FA163E000001"

    @pytest.mark.parametrize("address", ["fa:16:3e:00:00:01", "FA163E00000", "01005E000001", "nonsense"])
    def test_an_address_in_another_form_is_refused(self, client: Client, machine: CimReference, address: str) -> None:
        addition = client.addition(
            machine,
            "Msvm_SyntheticEthernetPortSettingData",
            ResourceSubType=f"{PREFIX}Synthetic Ethernet Port",
            Address=address,
            StaticMacAddress=True,
        )
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    @pytest.mark.parametrize(("version", "most"), [("2016", 8), ("2019", 64)])
    def test_a_machine_has_so_many_adapters_at_most(self, make_host: MakeHost, version: str, most: int) -> None:
        # Microsoft's page on Hyper-V's scalability in 2016 and 2019
        client = make_host(version=version)
        machine = client.define()
        for _ in range(most):
            client.add_nic(machine)
        addition = client.addition(
            machine, "Msvm_SyntheticEthernetPortSettingData", ResourceSubType=f"{PREFIX}Synthetic Ethernet Port"
        )
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_dynamic_addresses_come_from_the_hosts_range(self, client: Client, machine: CimReference) -> None:
        settings = settings_text(
            "Msvm_VirtualSystemManagementServiceSettingData",
            MinimumMacAddress="00155DAABB00",
            MaximumMacAddress="00155DAABB01",
        )
        client.do(client.management, "ModifyServiceSettings", SettingData=settings)
        found = {client.service.get(client.add_nic(machine)).get("Address") for _ in range(2)}
        assert found == {"00155DAABB00", "00155DAABB01"}
        addition = client.addition(
            machine, "Msvm_SyntheticEthernetPortSettingData", ResourceSubType=f"{PREFIX}Synthetic Ethernet Port"
        )
        job = client.failed(client.management, "AddResourceSettings", **addition)
        assert "MAC addresses" in job.text("ErrorDescription")

    def test_a_connection_is_named_after_its_adapter(self, client: Client, machine: CimReference) -> None:
        nic = client.add_nic(machine)
        cable = client.connect(machine, nic)
        assert cable.key("InstanceID") == nic.key("InstanceID") + "\\C"
        found = client.service.get(cable)
        assert found.get("HostResource") == [client.switch_path()]
        assert found.get("EnabledState") == 2

    def test_an_adapter_that_is_connected_is_not_connected_again(self, client: Client, machine: CimReference) -> None:
        # real-instances 3.4
        nic = client.add_nic(machine)
        client.connect(machine, nic)
        addition = client.addition(machine, **connection(client.path(nic), client.switch_path()))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_a_switch_that_is_not_there_is_refused(self, client: Client, machine: CimReference) -> None:
        nic = client.add_nic(machine)
        path = client.switch_path().replace(client.switch_path()[-12:-1], "00000000000")
        addition = client.addition(machine, **connection(client.path(nic), path))
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32773

    def test_a_fresh_connection_has_the_offload_feature_and_no_other(
        self, client: Client, machine: CimReference
    ) -> None:
        # real-instances 3.13
        cable = client.connect(machine, client.add_nic(machine))
        text = f"associators of {{{client.path(cable)}}} where AssocClass = Msvm_EthernetPortSettingDataComponent"
        assert [item.class_name for item in client.query(text)] == [OFFLOAD]

    def test_a_vlan_is_set_read_back_changed_and_taken_away(self, client: Client, machine: CimReference) -> None:
        cable = client.connect(machine, client.add_nic(machine))
        outputs = client.do(
            client.management,
            "AddFeatureSettings",
            AffectedConfiguration=cable,
            FeatureSettings=[settings_text(VLAN, OperationMode=1, AccessVlanId=100)],
        )
        (vlan,) = outputs["ResultingFeatureSettings"]  # type: ignore[misc]
        assert vlan.key("InstanceID").startswith(cable.key("InstanceID") + "\\952C5004-")  # type: ignore[union-attr]
        found = client.inside.machines.find(machine.key("Name"))
        assert found is not None
        assert found.reader.guest_nics("HV1")[0].vlan_id == 100
        change = settings_text(VLAN, InstanceID=vlan.key("InstanceID"), AccessVlanId=200)  # type: ignore[union-attr]
        client.do(client.management, "ModifyFeatureSettings", FeatureSettings=[change])
        assert client.service.get(vlan).get("AccessVlanId") == 200  # type: ignore[arg-type]
        assert client.service.get(vlan).get("OperationMode") == 1  # type: ignore[arg-type]
        client.do(client.management, "RemoveFeatureSettings", FeatureSettings=[vlan])
        assert found.reader.guest_nics("HV1")[0].vlan_id is None

    def test_a_port_has_one_vlan_setting(self, client: Client, machine: CimReference) -> None:
        cable = client.connect(machine, client.add_nic(machine))
        feature = settings_text(VLAN, OperationMode=1, AccessVlanId=100)
        parameters = {"AffectedConfiguration": cable, "FeatureSettings": [feature]}
        client.do(client.management, "AddFeatureSettings", **parameters)
        assert client.refused(client.management, "AddFeatureSettings", **parameters) == 32773

    def test_a_vlan_above_4094_is_refused(self, client: Client, machine: CimReference) -> None:
        cable = client.connect(machine, client.add_nic(machine))
        feature = settings_text(VLAN, OperationMode=1, AccessVlanId=4095)
        code = client.refused(
            client.management, "AddFeatureSettings", AffectedConfiguration=cable, FeatureSettings=[feature]
        )
        assert code == 32773

    def test_a_disabled_connection_is_a_pulled_cable(self, client: Client, machine: CimReference) -> None:
        cable = client.connect(machine, client.add_nic(machine))
        found = client.inside.machines.find(machine.key("Name"))
        assert found is not None
        assert found.reader.guest_nics("HV1")[0].connected
        change = settings_text(
            "Msvm_EthernetPortAllocationSettingData", InstanceID=cable.key("InstanceID"), EnabledState=3
        )
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=[change])
        assert not found.reader.guest_nics("HV1")[0].connected

    def test_removing_an_adapter_takes_its_connection_and_features(self, client: Client, machine: CimReference) -> None:
        nic = client.add_nic(machine)
        client.connect(machine, nic)
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[nic])
        assert client.settings(machine, "Msvm_EthernetPortAllocationSettingData") == []
        assert client.query(f"select * from {OFFLOAD} where InstanceID like 'Microsoft:{machine.key('Name')}%'") == []

    def test_a_running_machine_of_generation_1_takes_no_adapter(
        self, client: Client, old_machine: CimReference
    ) -> None:
        client.change_state(old_machine, START)
        addition = client.addition(
            old_machine, "Msvm_SyntheticEthernetPortSettingData", ResourceSubType=f"{PREFIX}Synthetic Ethernet Port"
        )
        assert client.refused(client.management, "AddResourceSettings", **addition) == 32775


class TestSerialPorts:
    def test_a_port_is_connected_to_a_pipe_and_disconnected_by_an_empty_text(
        self, client: Client, machine: CimReference
    ) -> None:
        (first, _) = client.settings(machine, "Msvm_SerialPortSettingData")
        for pipe, expected in (("\\\\.\\pipe\\web", ((1, "\\\\.\\pipe\\web"),)), ("", ())):
            text = settings_text("Msvm_SerialPortSettingData", InstanceID=first.get("InstanceID"), Connection=[pipe])
            client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
            found = client.inside.machines.find(machine.key("Name"))
            assert found is not None
            assert found.reader.serial_pipes() == expected

    def test_a_connection_that_is_no_pipe_fails(self, client: Client, machine: CimReference) -> None:
        (first, _) = client.settings(machine, "Msvm_SerialPortSettingData")
        text = settings_text("Msvm_SerialPortSettingData", InstanceID=first.get("InstanceID"), Connection=["COM9"])
        client.failed(client.management, "ModifyResourceSettings", ResourceSettings=[text])


def test_resources_of_2012_r2_have_the_classes_of_2012_r2(make_host: MakeHost) -> None:
    client = make_host(version="2012r2")
    machine = client.define(generation=1)
    (first, _) = client.settings(machine, "Msvm_ResourceAllocationSettingData", "Serial Port")
    text = settings_text(
        "Msvm_ResourceAllocationSettingData", InstanceID=first.get("InstanceID"), Connection=["\\\\.\\pipe\\old"]
    )
    client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
    assert client.service.get(client.service.reference_of(first)).get("Connection") == ["\\\\.\\pipe\\old"]
