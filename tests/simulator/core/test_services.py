"""The other services of Hyper-V: disks, switches, summaries, guest items, jobs, Windows' services."""

from __future__ import annotations

import datetime as dt

import pytest

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client, medium, settings_text

START = 2
DISK = "Msvm_VirtualHardDiskSettingData"
MIB = 1 << 20


class TestDisks:
    def test_creating_a_disk_is_a_storage_job(self, client: Client) -> None:
        # recorded on a host: real-instances 3.5
        text = settings_text(DISK, Path="C:\\new.vhdx", Type=3, Format=3, MaxInternalSize=64 * MIB)
        outputs = client.call(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        job = client.ended_job(outputs)
        assert job.class_name == "Msvm_StorageJob"
        assert job.get("Name") == "Create Virtual Hard Disk"
        assert job.get("Description") == "Creating Virtual Hard Disk"
        assert (job.get("JobState"), job.get("PercentComplete"), job.get("OperationalStatus")) == (7, 100, [17, 2])
        assert job.get("TimeBeforeRemoval") == dt.timedelta(minutes=5)
        assert job.get("Owner") == "HV1\\Administrator"

    def test_a_disk_that_is_there_is_not_made_again(self, client: Client) -> None:
        # real-instances 3.6
        path = client.create_disk("C:\\there.vhdx")
        text = settings_text(DISK, Path=path, Type=3, Format=3, MaxInternalSize=64 * MIB)
        job = client.failed(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        assert "(0x80070050)" in job.text("ErrorDescription")
        assert job.get("JobCompletionStatusCode") == 0x80070050

    def test_what_a_disk_is_can_be_read(self, client: Client) -> None:
        path = client.create_disk("C:\\base.vhdx", 100 * MIB)
        outputs = client.do(client.images, "GetVirtualHardDiskSettingData", Path=path)
        found = text_to_instance(str(outputs["SettingData"]))
        assert (found.get("Type"), found.get("Format"), found.get("MaxInternalSize")) == (3, 3, 100 * MIB)
        assert found.get("Path") == path
        state = text_to_instance(str(client.do(client.images, "GetVirtualHardDiskState", Path=path)["State"]))
        assert state.get("InUse") is False
        assert 0 < state.integer("FileSize") < 100 * MIB

    def test_a_differencing_disk_knows_its_parent_and_has_its_size(self, client: Client) -> None:
        base = client.create_disk("C:\\base.vhdx", 100 * MIB)
        text = settings_text(DISK, Path="C:\\child.vhdx", Type=4, Format=3, ParentPath=base)
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        outputs = client.do(client.images, "GetVirtualHardDiskSettingData", Path="C:\\child.vhdx")
        found = text_to_instance(str(outputs["SettingData"]))
        assert (found.get("ParentPath"), found.get("MaxInternalSize")) == (base, 100 * MIB)

    def test_a_disk_grows(self, client: Client) -> None:
        path = client.create_disk("C:\\base.vhdx")
        client.do(client.images, "ResizeVirtualHardDisk", Path=path, MaxInternalSize=128 * MIB)
        outputs = client.do(client.images, "GetVirtualHardDiskSettingData", Path=path)
        assert text_to_instance(str(outputs["SettingData"])).get("MaxInternalSize") == 128 * MIB

    def test_a_disk_in_use_says_so_and_is_left_alone(self, client: Client, machine: CimReference) -> None:
        path = client.create_disk("C:\\used.vhdx")
        client.add_disk(machine, path)
        client.change_state(machine, START)
        state = text_to_instance(str(client.do(client.images, "GetVirtualHardDiskState", Path=path)["State"]))
        assert state.get("InUse") is True
        job = client.failed(client.images, "CompactVirtualHardDisk", Path=path, Mode=0)
        assert "(0x80070020)" in job.text("ErrorDescription")

    def test_a_missing_file_has_its_own_code(self, client: Client) -> None:
        assert client.refused(client.images, "GetVirtualHardDiskSettingData", Path="C:\\none.vhdx") == 32779

    @pytest.mark.parametrize("values", [{"Type": 9}, {"Format": 7}, {"Path": ""}, {"Type": 4, "ParentPath": ""}])
    def test_a_disk_of_no_known_kind_is_an_invalid_parameter(self, client: Client, values: dict) -> None:
        text = settings_text(DISK, **{"Path": "C:\\x.vhdx", "Type": 3, "Format": 3, **values})
        assert client.refused(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text) == 32773

    def test_a_chain_is_validated_and_merged(self, client: Client) -> None:
        base = client.create_disk("C:\\base.vhdx")
        text = settings_text(DISK, Path="C:\\child.vhdx", Type=4, Format=3, ParentPath=base)
        client.do(client.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        client.do(client.images, "ValidateVirtualHardDisk", Path="C:\\child.vhdx")
        client.do(client.images, "MergeVirtualHardDisk", SourcePath="C:\\child.vhdx", DestinationPath=base)


class TestSwitches:
    def test_the_configured_switch_hangs_on_the_physical_adapter(self, client: Client) -> None:
        # real-instances 3.4
        switch = client.one("select * from Msvm_VirtualEthernetSwitch")
        assert (switch.get("ElementName"), switch.get("EnabledState"), switch.get("Dedicated")) == ("external", 5, [38])
        external, host = client.query(
            "select * from Msvm_EthernetPortAllocationSettingData "
            f"where InstanceID like 'Microsoft:{switch.get('Name')}%'"
        )
        assert "Msvm_ExternalEthernetPort" in external.texts("HostResource")[0]
        assert "Msvm_ComputerSystem" in host.texts("HostResource")[0]
        assert client.one("select * from Msvm_ExternalEthernetPort").get("IsBound") is True

    def test_a_private_switch_is_made_at_once(self, client: Client) -> None:
        # real-instances 3.4
        text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="inner")
        outputs = client.call(client.switching, "DefineSystem", SystemSettings=text)
        assert outputs["ReturnValue"] == 0
        switch = client.service.get(outputs["ResultingSystem"])  # type: ignore[arg-type]
        assert switch.get("ElementName") == "inner"

    def test_an_internal_switch_gives_the_host_a_port(self, client: Client) -> None:
        host = client.path(client.one("select * from Msvm_ComputerSystem where Name = 'HV1'"))
        port = settings_text("Msvm_EthernetPortAllocationSettingData", HostResource=[host])
        text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="inner")
        client.do(client.switching, "DefineSystem", SystemSettings=text, ResourceSettings=[port])
        assert client.one("select * from Msvm_InternalEthernetPort where ElementName = 'inner'")

    def test_an_adapter_has_one_switch(self, client: Client) -> None:
        adapter = client.path(client.one("select * from Msvm_ExternalEthernetPort"))
        port = settings_text("Msvm_EthernetPortAllocationSettingData", HostResource=[adapter])
        text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="second")
        code = client.refused(client.switching, "DefineSystem", SystemSettings=text, ResourceSettings=[port])
        assert code == 32773

    def test_the_result_of_an_external_switch_is_found_by_its_job(self, client: Client) -> None:
        switch = client.service.reference_of(client.one("select * from Msvm_VirtualEthernetSwitch"))
        client.do(client.switching, "DestroySystem", AffectedSystem=switch)
        adapter = client.path(client.one("select * from Msvm_ExternalEthernetPort where IsBound = FALSE"))
        port = settings_text("Msvm_EthernetPortAllocationSettingData", HostResource=[adapter])
        text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="again")
        outputs = client.do(client.switching, "DefineSystem", SystemSettings=text, ResourceSettings=[port])
        assert outputs["ResultingSystem"] is None
        job = client.path(outputs["Job"])  # type: ignore[arg-type]
        found = client.one(f"associators of {{{job}}} where AssocClass = Msvm_AffectedJobElement")
        assert found.get("ElementName") == "again"

    def test_a_wrong_type_in_its_settings_is_an_incorrect_data_type(self, client: Client) -> None:
        # real-instances 3.6
        text = (
            '<INSTANCE CLASSNAME="Msvm_VirtualEthernetSwitchSettingData">'
            '<PROPERTY NAME="IOVPreferred" TYPE="string"><VALUE>yes</VALUE></PROPERTY></INSTANCE>'
        )
        assert client.refused(client.switching, "DefineSystem", SystemSettings=text) == 32776

    def test_a_switch_that_a_running_machine_uses_stays(self, client: Client, machine: CimReference) -> None:
        client.connect(machine, client.add_nic(machine))
        client.change_state(machine, START)
        switch = client.service.reference_of(client.one("select * from Msvm_VirtualEthernetSwitch"))
        assert client.refused(client.switching, "DestroySystem", AffectedSystem=switch) == 32774

    def test_a_switch_gets_another_name(self, client: Client) -> None:
        settings = client.one("select * from Msvm_VirtualEthernetSwitchSettingData where ElementName = 'external'")
        text = settings_text(
            "Msvm_VirtualEthernetSwitchSettingData", InstanceID=settings.get("InstanceID"), ElementName="outer"
        )
        client.do(client.switching, "ModifySystemSettings", SystemSettings=text)
        assert client.one("select * from Msvm_VirtualEthernetSwitch").get("ElementName") == "outer"


class TestSummaries:
    def summary(self, client: Client, machine: CimReference, *wanted: int) -> CimInstance:
        outputs = client.do(
            client.management,
            "GetSummaryInformation",
            SettingData=[client.system_settings_reference(machine)],
            RequestedInformation=list(wanted),
        )
        (found,) = outputs["SummaryInformation"]  # type: ignore[misc]
        assert isinstance(found, CimInstance)
        return found

    def test_only_what_was_asked_for_is_filled(self, client: Client, machine: CimReference) -> None:
        # real-instances 3.10
        found = self.summary(client, machine, 1, 4, 100)
        filled = {name for name, value in found.items() if value is not None}
        assert filled == {"InstanceID", "ElementName", "NumberOfProcessors", "EnabledState"}

    def test_it_tells_what_a_running_machine_uses(self, client: Client, machine: CimReference) -> None:
        client.connect(machine, client.add_nic(machine))
        client.change_state(machine, START)
        found = self.summary(client, machine, 9, 103, 104, 105)
        assert (found.get("MemoryUsage"), found.get("Heartbeat")) == (1024, 2)
        assert found.get("VirtualSwitchNames") == ["external"]
        assert found.integer("UpTime") >= 0

    def test_without_references_all_machines_are_told(self, client: Client) -> None:
        client.define("a")
        client.define("b")
        outputs = client.do(client.management, "GetSummaryInformation", RequestedInformation=[1])
        names = [item.get("ElementName") for item in outputs["SummaryInformation"]]  # type: ignore[union-attr]
        assert names == ["a", "b"]


class TestGuestItems:
    def item(self, name: str, data: str = "x") -> str:
        return settings_text("Msvm_KvpExchangeDataItem", Name=name, Data=data, Source=0)

    def test_items_are_added_changed_and_removed(self, client: Client, machine: CimReference) -> None:
        def items() -> dict[str, object]:
            (settings,) = client.settings(machine, "Msvm_KvpExchangeComponentSettingData")
            found = [text_to_instance(text) for text in settings.texts("HostExchangeItems")]
            return {item.text("Name"): item.get("Data") for item in found}

        def change(method: str, item: str) -> None:
            client.do(client.management, method, TargetSystem=machine, DataItems=[item])

        change("AddKvpItems", self.item("a", "1"))
        change("ModifyKvpItems", self.item("a", "2"))
        assert items() == {"a": "2"}
        change("RemoveKvpItems", self.item("a"))
        assert items() == {}

    def test_an_item_that_is_there_is_not_added(self, client: Client, machine: CimReference) -> None:
        # cloudstack#4072: real-instances 3.6
        parameters = {"TargetSystem": machine, "DataItems": [self.item("a")]}
        client.do(client.management, "AddKvpItems", **parameters)
        assert client.refused(client.management, "AddKvpItems", **parameters) == 32773

    def test_an_integration_service_is_turned_off(self, client: Client, machine: CimReference) -> None:
        (settings,) = client.settings(machine, "Msvm_ShutdownComponentSettingData")
        text = settings_text(settings.class_name, InstanceID=settings.get("InstanceID"), EnabledState=3)
        client.do(client.management, "ModifyGuestServiceSettings", GuestServiceSettings=[text])
        client.change_state(machine, START)
        assert client.query("select * from Msvm_ShutdownComponent") == []


class TestJobs:
    def test_a_failed_job_explains_itself_as_errors(self, client: Client, machine: CimReference) -> None:
        # real-instances 3.7
        client.inside.disks.folder.to_local("C:\\x").mkdir()
        added = client.add_drive(machine, client.add_controller(machine))
        outputs = client.call(
            client.management,
            "AddResourceSettings",
            **client.addition(machine, **medium(client.path(added), "C:\\x\\none.vhdx")),
        )
        client.ended_job(outputs)
        job = outputs["Job"]
        assert isinstance(job, CimReference)
        (text,) = client.call(job, "GetErrorEx")["Errors"]  # type: ignore[misc]
        error = text_to_instance(str(text))
        assert error.class_name == "Msvm_Error"
        assert "C:\\x\\none.vhdx" in error.text("Message")
        assert error.get("OwningEntity") == "Microsoft-Windows-Hyper-V-VMMS"

    def test_a_job_that_went_well_has_no_error(self, client: Client, machine: CimReference) -> None:
        outputs = client.do(machine, "RequestStateChange", RequestedState=START)
        job = outputs["Job"]
        assert isinstance(job, CimReference)
        assert client.call(job, "GetErrorEx") == {"Errors": None, "ReturnValue": 0}

    def test_a_job_that_has_ended_cannot_be_cancelled(self, client: Client, machine: CimReference) -> None:
        outputs = client.do(machine, "RequestStateChange", RequestedState=START)
        job = outputs["Job"]
        assert isinstance(job, CimReference)
        assert client.refused(job, "RequestStateChange", RequestedState=4) == 4097

    def test_five_minutes_after_its_end_a_job_is_gone(self, client: Client, machine: CimReference) -> None:
        outputs = client.do(machine, "RequestStateChange", RequestedState=START)
        job = outputs["Job"]
        assert isinstance(job, CimReference)
        now = dt.datetime.now(dt.UTC)
        client.inside.jobs._now = lambda: now + dt.timedelta(minutes=4, seconds=59)
        assert client.service.get(job)
        client.inside.jobs._now = lambda: now + dt.timedelta(minutes=5, seconds=1)
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(job)
        assert excinfo.value.subcode == "a:DestinationUnreachable"

    def test_a_job_is_linked_to_its_machine(self, client: Client, machine: CimReference) -> None:
        outputs = client.do(machine, "RequestStateChange", RequestedState=START)
        text = f"references of {{{client.path(machine)}}} where ResultClass = Msvm_AffectedJobElement"
        link = client.one(text)
        assert link.get("AffectingElement") == outputs["Job"]
        assert link.get("ElementEffects") == [0]

    def test_all_links_between_jobs_and_what_they_affect_can_be_listed(self, client: Client) -> None:
        for name in ("a", "b"):
            client.change_state(client.define(name), START)
        links = client.service.enumerate("root/virtualization/v2", "Msvm_AffectedJobElement")
        assert len(links) == 2


class TestWindowsServices:
    def test_a_service_is_started_and_stopped(self, client: Client) -> None:
        service = CimReference("Win32_Service", {"Name": "MSiSCSI"}, "root/cimv2")
        client.do(service, "StartService")
        assert client.service.get(service).get("State") == "Running"
        assert client.refused(service, "StartService") == 10
        client.do(service, "StopService")
        assert client.service.get(service).get("Started") is False

    def test_a_disabled_service_does_not_start(self, client: Client) -> None:
        service = CimReference("Win32_Service", {"Name": "MSiSCSI"}, "root/cimv2")
        client.do(service, "ChangeStartMode", StartMode="Disabled")
        assert client.refused(service, "StartService") == 14


def test_service_settings_are_modified_by_their_service(client: Client) -> None:
    text = settings_text("Msvm_VirtualSystemManagementServiceSettingData", NumaSpanningEnabled=False)
    client.do(client.management, "ModifyServiceSettings", SettingData=text)
    found = client.one("select * from Msvm_VirtualSystemManagementServiceSettingData")
    assert found.get("NumaSpanningEnabled") is False
    assert found.get("InstanceID") == "Microsoft:HV1"
