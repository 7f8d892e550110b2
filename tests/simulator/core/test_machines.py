"""Machines come, change state and go (hyperv-ops 1 and 6, real-instances 2 and 3)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.fault_rules import FaultRule, FaultRules
from tests.simulator.core.client import Client, drive, medium, settings_text
from tests.simulator.core.conftest import MakeHost

RUNNING, OFF, SAVED, PAUSED = 2, 3, 6, 9
START, TURN_OFF, SAVE, PAUSE, RESET = 2, 3, 6, 9, 11

# real-instances 2.1 and 1.3: what a machine has before anything is added
GENERATION_2 = {
    "Msvm_MemorySettingData": 1,
    "Msvm_ProcessorSettingData": 1,
    "Msvm_SerialPortSettingData": 2,
    "Msvm_SyntheticDisplayControllerSettingData": 1,
    "Msvm_HeartbeatComponentSettingData": 1,
    "Msvm_KvpExchangeComponentSettingData": 1,
    "Msvm_ShutdownComponentSettingData": 1,
    "Msvm_TimeSyncComponentSettingData": 1,
    "Msvm_VssComponentSettingData": 1,
    "Msvm_RdvComponentSettingData": 1,
    "Msvm_GuestServiceInterfaceComponentSettingData": 1,
    "Msvm_ResourceAllocationSettingData": 2,
}


class TestDefinition:
    def test_define_system_answers_at_once_with_the_machine(self, client: Client) -> None:
        machine = client.define("web")
        found = client.service.get(machine)
        assert (found.get("ElementName"), found.get("EnabledState"), found.get("Caption")) == (
            "web",
            OFF,
            "Virtual Machine",
        )
        assert found.get("Name") == found.text("Name").upper()

    def test_a_machine_that_never_ran_looks_like_one(self, client: Client, machine: CimReference) -> None:
        # recorded on a host: real-instances 3.2
        found = client.service.get(machine)
        assert found.get("EnabledDefault") == 3
        assert found.get("RequestedState") == 5
        assert found.get("StatusDescriptions") == ["Operating normally"]
        assert found.get("OnTimeInMilliseconds") == 0
        assert found.get("ProcessID") is None
        assert str(found.get("TimeOfLastStateChange")).startswith("1601-01-01")

    def test_generation_2_comes_without_ide_and_with_what_it_needs(self, client: Client, machine: CimReference) -> None:
        found: dict[str, int] = {}
        for item in client.settings(machine, "CIM_ResourceAllocationSettingData"):
            found[item.class_name] = found.get(item.class_name, 0) + 1
        assert found == GENERATION_2

    def test_generation_1_comes_with_two_ide_controllers(self, client: Client, old_machine: CimReference) -> None:
        controllers = client.settings(old_machine, "CIM_ResourceAllocationSettingData", "Emulated IDE Controller")
        assert [item.get("Address") for item in controllers] == ["0", "1"]
        assert [item.text("InstanceID")[-2:] for item in controllers] == ["\\0", "\\1"]

    def test_ids_have_the_letter_case_that_hosts_use(self, client: Client, machine: CimReference) -> None:
        # real-instances 1.1: memory and processor lower case, the rest upper case
        (memory,) = client.settings(machine, "Msvm_MemorySettingData")
        assert memory.text("InstanceID").endswith("\\4764334d-e001-4176-82ee-5594ec9b530e")

    def test_values_that_nobody_gave_are_the_hosts_defaults(self, client: Client, machine: CimReference) -> None:
        settings = client.system_settings(machine)
        assert settings.get("Notes") == [""]
        assert settings.get("AutomaticStartupAction") == 3
        assert settings.get("SecureBootEnabled") is True
        assert settings.get("VirtualSystemType") == "Microsoft:Hyper-V:System:Realized"
        assert settings.text("BIOSGUID").startswith("{")

    def test_resources_can_come_with_the_definition(self, client: Client) -> None:
        machine = client.define(
            resources=[
                settings_text("Msvm_MemorySettingData", VirtualQuantity=2048, Limit=2048, Reservation=2048),
                settings_text("Msvm_ProcessorSettingData", VirtualQuantity=4),
                settings_text(
                    "Msvm_ResourceAllocationSettingData",
                    ResourceType=6,
                    ResourceSubType="Microsoft:Hyper-V:Synthetic SCSI Controller",
                ),
                settings_text(
                    "Msvm_SerialPortSettingData",
                    ResourceSubType="Microsoft:Hyper-V:Serial Port",
                    Connection=["\\\\.\\pipe\\one"],
                ),
            ]
        )
        assert [item.get("VirtualQuantity") for item in client.settings(machine, "Msvm_MemorySettingData")] == [2048]
        assert [item.get("VirtualQuantity") for item in client.settings(machine, "Msvm_ProcessorSettingData")] == [4]
        assert len(client.settings(machine, "CIM_ResourceAllocationSettingData", "Synthetic SCSI Controller")) == 1
        ports = client.settings(machine, "Msvm_SerialPortSettingData")
        assert [item.get("Connection") for item in ports] == [["\\\\.\\pipe\\one"], [""]]

    def test_a_definition_whose_resources_fail_leaves_nothing(self, client: Client) -> None:
        text = settings_text("Msvm_MemorySettingData", VirtualQuantity=511)
        settings = settings_text("Msvm_VirtualSystemSettingData", ElementName="half")
        client.failed(client.management, "DefineSystem", SystemSettings=settings, ResourceSettings=[text])
        assert not client.query("select * from Msvm_VirtualSystemSettingData where ElementName = 'half'")
        assert len(client.query("select * from Msvm_ComputerSystem")) == 1

    def test_the_configuration_file_is_where_the_settings_say(self, client: Client) -> None:
        machine = client.define(ConfigurationDataRoot="C:\\Machines\\web")
        folder = client.inside.disks.folder
        path = f"C:\\Machines\\web\\Virtual Machines\\{machine.key('Name')}.vmcx"
        assert folder.exists(path)
        client.do(client.management, "DestroySystem", AffectedSystem=machine)
        assert not folder.exists(path)

    @pytest.mark.parametrize(
        "values",
        [
            {"VirtualSystemSubType": "Microsoft:Hyper-V:SubType:3"},
            {"Version": "99.0"},
            {"AutomaticStartupAction": 7},
            {"LowMmioGapSize": 134217728},  # bytes where MB are meant: real-instances 2.3
            {"SecureBootTemplateId": "00000000-0000-0000-0000-000000000000"},
        ],
    )
    def test_values_that_the_host_does_not_know_are_invalid_parameters(self, client: Client, values: dict) -> None:
        text = settings_text("Msvm_VirtualSystemSettingData", **values)
        assert client.refused(client.management, "DefineSystem", SystemSettings=text) == 32773

    def test_settings_as_an_element_tree_break_the_schema(self, client: Client) -> None:
        # real-instances 3.6: only text passes
        tree = CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "x"})
        with pytest.raises(SoapFault) as excinfo:
            client.call(client.management, "DefineSystem", SystemSettings=tree)
        assert excinfo.value.subcode == "w:SchemaValidationError"

    @pytest.mark.parametrize(
        "text",
        [
            "no xml",
            "<INSTANCE/>",
            '<INSTANCE CLASSNAME="Msvm_MemorySettingData"></INSTANCE>',
            '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"><PROPERTY NAME="Nonsense" TYPE="string"/></INSTANCE>',
        ],
    )
    def test_a_text_that_is_no_such_instance_is_an_invalid_parameter(self, client: Client, text: str) -> None:
        assert client.refused(client.management, "DefineSystem", SystemSettings=text) == 32773

    @pytest.mark.parametrize(
        "member",
        [
            '<PROPERTY NAME="AutomaticStartupAction" TYPE="string"><VALUE>2</VALUE></PROPERTY>',
            '<PROPERTY NAME="AutomaticStartupAction" TYPE="uint16"><VALUE>two</VALUE></PROPERTY>',
            '<PROPERTY NAME="AutomaticStartupActionDelay" TYPE="string"><VALUE>00000000000000.000000:000</VALUE>'
            "</PROPERTY>",
            '<PROPERTY NAME="AutomaticStartupActionDelay" TYPE="datetime"><VALUE>P0DT0H0M0S</VALUE></PROPERTY>',
            '<PROPERTY NAME="Notes" TYPE="string"><VALUE>x</VALUE></PROPERTY>',
        ],
    )
    def test_a_wrong_type_in_the_text_ends_the_job_with_32768(
        self, client: Client, machine: CimReference, member: str
    ) -> None:
        # real-instances 3.6
        text = (
            '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"><PROPERTY NAME="InstanceID" TYPE="string"><VALUE>'
            f"Microsoft:{machine.key('Name')}</VALUE></PROPERTY>{member}</INSTANCE>"
        )
        job = client.failed(client.management, "ModifySystemSettings", SystemSettings=text)
        assert job.get("ErrorCode") == 32768


class TestStates:
    def test_starting_is_a_job_and_ends_in_running(self, client: Client, machine: CimReference) -> None:
        outputs = client.call(machine, "RequestStateChange", RequestedState=START)
        assert outputs["ReturnValue"] == 4096
        job = client.ended_job(outputs)
        assert job.get("Description") == "Initializing and Starting Virtual Machine"
        found = client.service.get(machine)
        assert (found.get("EnabledState"), found.get("EnabledDefault"), found.get("RequestedState")) == (RUNNING, 2, 5)
        assert found.get("ProcessID")

    def test_uptime_grows_while_it_runs_and_is_nothing_while_it_is_off(
        self, client: Client, machine: CimReference
    ) -> None:
        client.change_state(machine, START)
        time.sleep(0.01)
        assert client.service.get(machine).integer("OnTimeInMilliseconds") >= 10
        client.change_state(machine, TURN_OFF)
        assert client.service.get(machine).get("OnTimeInMilliseconds") == 0

    @pytest.mark.parametrize(
        ("way", "end"),
        [
            ((START, TURN_OFF), OFF),
            ((START, PAUSE), PAUSED),
            ((START, PAUSE, START), RUNNING),
            ((START, PAUSE, TURN_OFF), OFF),
            ((START, SAVE), SAVED),
            ((START, SAVE, START), RUNNING),
            ((START, SAVE, TURN_OFF), OFF),
            ((START, PAUSE, SAVE), SAVED),
            ((START, RESET), RUNNING),
        ],
    )
    def test_every_documented_way_through_the_states(
        self, client: Client, machine: CimReference, way: tuple[int, ...], end: int
    ) -> None:
        for state in way:
            client.change_state(machine, state)
        assert client.state(machine) == end

    @pytest.mark.parametrize(
        ("way", "impossible"),
        [((), TURN_OFF), ((), PAUSE), ((), SAVE), ((), RESET), ((START,), START), ((START, SAVE), PAUSE)],
    )
    def test_a_state_that_cannot_be_reached_is_refused_with_32775(
        self, client: Client, machine: CimReference, way: tuple[int, ...], impossible: int
    ) -> None:
        # docker/for-win#14360: real-instances 3.6
        for state in way:
            client.change_state(machine, state)
        assert client.refused(machine, "RequestStateChange", RequestedState=impossible) == 32775

    def test_a_state_that_nobody_can_ask_for_is_an_invalid_parameter(
        self, client: Client, machine: CimReference
    ) -> None:
        assert client.refused(machine, "RequestStateChange", RequestedState=42) == 32773

    def test_a_start_without_enough_memory_fails_with_hyper_vs_own_words(self, make_host: MakeHost) -> None:
        # real-instances 3.6, 3.7
        client = make_host(memory_mb=4096)
        machine = client.define("big", resources=[settings_text("Msvm_MemorySettingData", VirtualQuantity=8192)])
        job = client.failed(machine, "RequestStateChange", RequestedState=START)
        assert job.get("ErrorCode") == 32788
        assert job.text("ErrorSummaryDescription").startswith("'big' failed to start.\n\n")
        assert "(0x8007000E)" in job.text("ErrorSummaryDescription")
        assert f"(Virtual machine ID {machine.key('Name')})" in job.text("ErrorDescription")
        assert job.get("JobStatus") == "Job is completed with errors"
        assert client.state(machine) == OFF

    def test_memory_is_taken_at_the_start_and_given_back_at_the_end(
        self, client: Client, machine: CimReference
    ) -> None:
        def free() -> int:
            (system,) = client.query("select * from Win32_OperatingSystem", "root/cimv2")
            return system.integer("FreePhysicalMemory")

        before = free()
        client.change_state(machine, START)
        assert free() == before - 1024 * 1024
        client.change_state(machine, TURN_OFF)
        assert free() == before

    def test_a_disk_that_is_gone_keeps_a_machine_from_starting(self, client: Client, machine: CimReference) -> None:
        path = client.create_disk("C:\\disk.vhdx")
        client.add_disk(machine, path)
        client.inside.disks.folder.to_local(path).unlink()
        job = client.failed(machine, "RequestStateChange", RequestedState=START)
        assert "Synthetic SCSI Controller: Failed to Power on with Error" in job.text("ErrorDescription")
        assert "The system cannot find the file specified.' (0x80070002)" in job.text("ErrorDescription")

    def test_a_disk_in_use_keeps_a_second_machine_from_starting(self, client: Client) -> None:
        path = client.create_disk("C:\\shared.vhdx")
        first, second = client.define("first"), client.define("second")
        client.add_disk(first, path)
        client.add_disk(second, path)
        client.change_state(first, START)
        job = client.failed(second, "RequestStateChange", RequestedState=START)
        assert "being used by another process.' (0x80070020)" in job.text("ErrorDescription")

    def test_the_shutdown_service_is_there_only_while_the_guest_listens(
        self, client: Client, machine: CimReference
    ) -> None:
        # hyperv-ops 6
        query = f"select * from Msvm_ShutdownComponent where SystemName = '{machine.key('Name')}'"
        assert client.query(query) == []
        client.change_state(machine, START)
        component = client.one(query)
        assert component.get("DeviceID") == "Microsoft:9F8233AC-BE49-4C79-8EE3-E7E1985B2077"
        outputs = client.call(
            client.service.reference_of(component), "InitiateShutdown", Force=True, Reason="no more work"
        )
        assert outputs == {"ReturnValue": 0}
        deadline = time.monotonic() + 5
        while client.state(machine) != OFF and time.monotonic() < deadline:
            time.sleep(0.005)
        assert client.state(machine) == OFF

    def test_a_job_that_is_made_to_fail_changes_nothing(self, make_host: MakeHost) -> None:
        rules = FaultRules(
            [FaultRule("job-error", "Msvm_ComputerSystem", "RequestStateChange", code=32788, message="no")]
        )
        client = make_host(rules=rules)
        machine = client.define()
        job = client.failed(machine, "RequestStateChange", RequestedState=START)
        assert (job.get("ErrorCode"), job.get("ErrorDescription")) == (32788, "no")
        assert client.state(machine) == OFF
        client.change_state(machine, START)


class TestDestruction:
    def test_a_destroyed_machine_is_gone_with_all_its_settings(self, client: Client, machine: CimReference) -> None:
        client.do(client.management, "DestroySystem", AffectedSystem=machine)
        assert client.settings(machine, "CIM_ResourceAllocationSettingData") == []
        with pytest.raises(SoapFault):
            client.service.get(machine)

    def test_a_running_machine_is_not_destroyed(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, START)
        assert client.refused(client.management, "DestroySystem", AffectedSystem=machine) == 32775

    def test_a_machine_that_is_being_destroyed_does_not_start(self, client: Client, machine: CimReference) -> None:
        with client.inside.repository.lock:  # holds the job up
            outputs = client.call(client.management, "DestroySystem", AffectedSystem=machine)
            assert client.refused(machine, "RequestStateChange", RequestedState=START) == 32775
            assert client.refused(client.management, "DestroySystem", AffectedSystem=machine) == 32775
        assert client.ended_job(outputs).get("JobState") == 7

    def test_a_destruction_that_is_made_to_fail_leaves_the_machine_usable(self, make_host: MakeHost) -> None:
        client = make_host(rules=FaultRules([FaultRule("job-error", method="DestroySystem", code=32768, message="no")]))
        machine = client.define()
        client.failed(client.management, "DestroySystem", AffectedSystem=machine)
        client.change_state(machine, START)

    def test_disks_stay(self, client: Client, machine: CimReference, tmp_path: Path) -> None:
        path = client.create_disk("C:\\kept.vhdx")
        client.add_disk(machine, path)
        client.do(client.management, "DestroySystem", AffectedSystem=machine)
        assert client.inside.disks.folder.exists(path)


class TestSystemSettings:
    def change(self, client: Client, machine: CimReference, **values: object) -> None:
        text = settings_text("Msvm_VirtualSystemSettingData", InstanceID=f"Microsoft:{machine.key('Name')}", **values)
        client.do(client.management, "ModifySystemSettings", SystemSettings=text)

    def test_a_new_name_shows_on_the_machine_too(self, client: Client, machine: CimReference) -> None:
        self.change(client, machine, ElementName="renamed")
        assert client.service.get(machine).get("ElementName") == "renamed"

    def test_an_empty_array_of_notes_changes_nothing_and_an_empty_text_clears_them(
        self, client: Client, machine: CimReference
    ) -> None:
        # real-instances 2.2
        self.change(client, machine, Notes=["x", "y"])
        self.change(client, machine, Notes=[])
        assert client.system_settings(machine).get("Notes") == ["x", "y"]
        self.change(client, machine, Notes=[""])
        assert client.system_settings(machine).get("Notes") == [""]

    def test_what_is_not_named_stays(self, client: Client, machine: CimReference) -> None:
        self.change(client, machine, AutomaticStartupAction=4)
        self.change(client, machine, AutomaticShutdownAction=2)
        assert client.system_settings(machine).get("AutomaticStartupAction") == 4

    def test_the_firmware_of_a_running_machine_cannot_be_changed(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, START)
        text = settings_text(
            "Msvm_VirtualSystemSettingData", InstanceID=f"Microsoft:{machine.key('Name')}", SecureBootEnabled=False
        )
        job = client.failed(client.management, "ModifySystemSettings", SystemSettings=text)
        assert "cannot be performed while the object is in its current state" in job.text("ErrorDescription")

    def test_a_boot_source_that_does_not_exist_is_an_element_not_found(
        self, client: Client, machine: CimReference
    ) -> None:
        # real-instances 3.6
        text = settings_text(
            "Msvm_VirtualSystemSettingData",
            InstanceID=f"Microsoft:{machine.key('Name')}",
            BootSourceOrder=[f'Msvm_BootSourceSettingData.InstanceID="Microsoft:{machine.key("Name")}\\\\X\\\\B"'],
        )
        job = client.failed(client.management, "ModifySystemSettings", SystemSettings=text)
        assert "(0x80070490)" in job.text("ErrorDescription")

    def test_the_boot_order_can_be_given_in_any_spelling_of_the_paths(
        self, client: Client, machine: CimReference
    ) -> None:
        controller = client.add_controller(machine)
        client.add_drive(machine, controller, 0)
        client.add_drive(machine, controller, 1)
        first, second = client.system_settings(machine).texts("BootSourceOrder")
        loose = second.split("\\", 3)[3].lower().replace("\\\\", "\\")
        self.change(client, machine, BootSourceOrder=[f"root/virtualization/v2:{loose.partition(':')[2]}", first])
        assert client.system_settings(machine).texts("BootSourceOrder") == [second, first]

    def test_adding_a_device_adds_its_boot_entry(self, client: Client, machine: CimReference) -> None:
        # real-instances 2.1
        nic = client.add_nic(machine)
        entry = client.one("select * from Msvm_BootSourceSettingData")
        assert entry.get("InstanceID") == nic.key("InstanceID") + "\\B"
        assert entry.get("BootSourceDescription") == "EFI Network"
        order = client.system_settings(machine).texts("BootSourceOrder")
        assert order == [client.path(entry)]
        client.do(client.management, "RemoveResourceSettings", ResourceSettings=[nic])
        assert client.system_settings(machine).texts("BootSourceOrder") == []

    def test_a_guest_is_told_the_boot_order(self, client: Client, machine: CimReference) -> None:
        controller = client.add_controller(machine)
        disk = client.create_disk("C:\\boot.vhdx")
        client.add_nic(machine)
        client.add(machine, **medium(client.path(client.add(machine, **drive(client.path(controller), 0))), disk))
        found = client.inside.machines.find(machine.key("Name"))
        assert found is not None
        assert found.reader.guest_spec("HV1").boot_order == (("nic", 0), ("disk", 0))
