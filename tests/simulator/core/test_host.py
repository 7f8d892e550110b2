"""A host without machines: its hardware, its Windows, its pools and templates, and that they agree with each other."""

from __future__ import annotations

from compute_hyperv.cim.cimxml import instance_to_text, text_to_instance
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import PREFIX, Client
from tests.simulator.core.conftest import MakeHost

CIMV2 = "root/cimv2"


class TestHardware:
    def test_processors_memory_and_nodes_agree(self, make_host: MakeHost) -> None:
        client = make_host(sockets=2, cores=16, threads=32, memory_mb=131072, numa_nodes=2)
        computer = client.one("select * from Win32_ComputerSystem", CIMV2)
        assert (computer.get("NumberOfProcessors"), computer.get("NumberOfLogicalProcessors")) == (2, 32)
        assert computer.get("TotalPhysicalMemory") == 131072 << 20
        sockets = client.query("select * from Win32_Processor", CIMV2)
        assert [item.get("NumberOfLogicalProcessors") for item in sockets] == [16, 16]
        assert len(client.query("select * from Msvm_Processor")) == 32
        nodes = client.query("select * from Msvm_NumaNode")
        assert [item.get("NumberOfLogicalProcessors") for item in nodes] == [16, 16]
        aggregate = client.one(r"select * from Msvm_Memory where DeviceID like '%\\Aggregate'")
        assert aggregate.get("NumberOfBlocks") == 131072
        system = client.one("select * from Win32_OperatingSystem", CIMV2)
        assert system.get("TotalVisibleMemorySize") == 131072 << 10
        assert system.integer("FreePhysicalMemory") < 131072 << 10

    def test_the_devices_of_a_node_are_found_without_asking_for_processors_by_association(
        self, make_host: MakeHost
    ) -> None:
        # old-driver 8: os-win reads Msvm_HostedDependency
        client = make_host(threads=8, cores=8, numa_nodes=2)
        first = client.query("select * from Msvm_NumaNode")[0]
        links = client.query(f"references of {{{client.path(first)}}} where ResultClass = Msvm_HostedDependency")
        dependents = [link.get("Dependent") for link in links]
        classes = [item.class_name for item in dependents if isinstance(item, CimReference)]
        assert sorted(classes) == ["Msvm_Memory", *["Msvm_Processor"] * 4]

    def test_once_the_hypervisor_runs_the_processor_hides_its_flags(self, client: Client) -> None:
        # real-instances 4.2
        processor = client.one("select * from Win32_Processor", CIMV2)
        assert processor.get("VirtualizationFirmwareEnabled") is False
        assert client.one("select * from Win32_ComputerSystem", CIMV2).get("HypervisorPresent") is True

    def test_free_space_is_measured(self, make_host: MakeHost) -> None:
        client = make_host(disk_gb=4)  # less than the real disk below has

        def free() -> tuple[int, int, int]:
            disk = client.one("select * from Win32_LogicalDisk where DeviceID = 'C:'", CIMV2)
            volume = client.one("select * from Win32_Volume where DriveLetter = 'C:'", CIMV2)
            other = client.one("select * from MSFT_Volume", "root/microsoft/windows/storage")
            return disk.integer("FreeSpace"), volume.integer("FreeSpace"), other.integer("SizeRemaining")

        before = free()
        client.inside.disks.folder.to_local("C:\\big").write_bytes(b"x" * (8 << 20))
        after = free()
        assert all(new <= old - (8 << 20) for old, new in zip(before, after, strict=True))
        assert len({value // (1 << 28) for value in after}) == 1

    def test_the_hosting_system_is_among_the_machines(self, client: Client) -> None:
        # real-instances 3.1
        host = client.one("select * from Msvm_ComputerSystem")
        assert (host.get("Name"), host.get("Caption"), host.get("ProcessID")) == (
            "HV1",
            "Hosting Computer System",
            None,
        )

    def test_services_have_the_names_of_a_host(self, client: Client) -> None:
        # real-instances 3.3
        names = {item.class_name: item.get("Name") for item in client.query("select * from CIM_Service")}
        assert names["Msvm_VirtualSystemManagementService"] == "vmms"
        assert names["Msvm_VirtualEthernetSwitchManagementService"] == "nvspwmi"
        assert names["Msvm_ImageManagementService"] == "vhdsvc"
        switching = client.one("select * from Msvm_VirtualEthernetSwitchManagementService")
        assert switching.get("EnabledState") == 5

    def test_the_adapters_of_hyper_v_and_of_windows_are_the_same(self, client: Client) -> None:
        port = client.one("select * from Msvm_ExternalEthernetPort")
        text = "select * from MSFT_NetAdapter where HardwareInterface = true"
        adapter = client.one(text, "root/standardcimv2")
        assert port.get("DeviceID") == f"Microsoft:{adapter.get('DeviceID')}"
        assert port.get("PermanentAddress") == adapter.get("PermanentAddress")
        assert port.get("ElementName") == adapter.get("InterfaceDescription")

    def test_services_that_a_manager_asks_for_are_running(self, client: Client) -> None:
        found = client.query("select Name, State from Win32_Service where State = 'Running'", CIMV2)
        assert {"vmms", "WinRM", "LanmanServer", "W32Time"} <= {item.text("Name") for item in found}

    def test_the_hardware_keeps_its_ids_over_a_restart(self, make_host: MakeHost) -> None:
        first = make_host()
        before = first.one("select * from Msvm_ExternalEthernetPort").get("DeviceID")
        first.inside.close()
        assert make_host().one("select * from Msvm_ExternalEthernetPort").get("DeviceID") == before


class TestTemplates:
    def test_a_template_is_found_by_its_sub_type_and_default(self, client: Client) -> None:
        # the way of os-win: old-driver 8
        found = client.one(
            "select * from Msvm_ResourceAllocationSettingData "
            rf"where ResourceSubType = '{PREFIX}Synthetic Disk Drive' and InstanceID like '%\\Default'"
        )
        assert found.get("ResourceType") == 17
        assert found.get("PoolID") == ""

    def test_the_walk_from_a_pool_leads_to_the_four_templates(self, client: Client) -> None:
        # the way of Microsoft's samples: hyperv-ops 0
        pool = client.one(
            f"select * from Msvm_ResourcePool where ResourceSubType = '{PREFIX}Memory' and Primordial = TRUE"
        )
        capabilities = client.one(f"associators of {{{client.path(pool)}}} where AssocClass = Msvm_ElementCapabilities")
        assert capabilities.class_name == "Msvm_AllocationCapabilities"
        links = client.query(
            f"references of {{{client.path(capabilities)}}} where ResultClass = Msvm_SettingsDefineCapabilities"
        )
        roles = {(link.get("ValueRole"), link.get("ValueRange")): link.get("PartComponent") for link in links}
        assert set(roles) == {(0, 0), (3, 1), (3, 2), (3, 3)}
        default = roles[(0, 0)]
        assert isinstance(default, CimReference)
        assert client.service.get(default).get("VirtualQuantity") == 1024

    def test_pool_ids_keep_their_odd_letter_case(self, client: Client) -> None:
        # real-instances 1.7
        pool = client.one(f"select * from Msvm_ResourcePool where ResourceSubType = '{PREFIX}Synthetic DVD Drive'")
        assert pool.get("InstanceID") == "Microsoft:7951A5ED-8DC5-42d7-AA8C-9F14C54CEB84"

    def test_a_feature_template_is_found_from_its_capabilities(self, client: Client) -> None:
        capabilities = client.one(
            "select * from Msvm_EthernetSwitchFeatureCapabilities "
            "where FeatureId = '952C5004-4465-451C-8CB8-FA9AB382B773'"
        )
        text = (
            f"associators of {{{client.path(capabilities)}}} where AssocClass = Msvm_FeatureSettingsDefineCapabilities"
        )
        template = client.one(text)
        assert (template.class_name, template.get("AccessVlanId")) == ("Msvm_EthernetSwitchPortVlanSettingData", 0)

    def test_the_secure_boot_templates_are_found_by_name(self, client: Client) -> None:
        # the way of os-win: hyperv-ops 12
        found = client.one(
            "select * from Msvm_VirtualSystemSettingData where ElementName = 'Microsoft UEFI Certificate Authority'"
        )
        assert found.get("SecureBootTemplateId") == "272E7447-90A4-4563-A4B9-8E4AB00526CE"

    def test_every_template_can_be_cloned_as_text(self, client: Client) -> None:
        for template in client.query(r"select * from CIM_SettingData where InstanceID like 'Microsoft:Definition\\%'"):
            text = instance_to_text(template)
            copy = text_to_instance(text)
            assert copy.get("InstanceID") == template.get("InstanceID")


class TestAssociations:
    def settings_of(self, client: Client, machine: CimReference) -> CimInstance:
        return client.one(
            f"associators of {{{client.path(machine)}}} where AssocClass = Msvm_SettingsDefineState "
            "ResultClass = Msvm_VirtualSystemSettingData"
        )

    def test_the_documented_walk_from_machine_to_settings_to_parts(self, client: Client) -> None:
        machine = client.define()
        system = self.settings_of(client, machine)
        assert system.get("InstanceID") == f"Microsoft:{machine.key('Name')}"
        parts = client.query(
            f"associators of {{{client.path(system)}}} where AssocClass = Msvm_VirtualSystemSettingDataComponent"
        )
        assert "Msvm_MemorySettingData" in {item.class_name for item in parts}
        narrowed = client.query(
            f"associators of {{{client.path(system)}}} where AssocClass = Msvm_VirtualSystemSettingDataComponent "
            "ResultClass = Msvm_ProcessorSettingData"
        )
        assert [item.class_name for item in narrowed] == ["Msvm_ProcessorSettingData"]

    def test_roles_choose_the_direction(self, client: Client) -> None:
        machine = client.define()
        system = client.path(self.settings_of(client, machine))
        text = f"associators of {{{system}}} where AssocClass = Msvm_SettingsDefineState"
        assert len(client.query(f"{text} Role = SettingData")) == 1
        assert client.query(f"{text} Role = ManagedElement") == []
        assert len(client.query(f"{text} ResultRole = ManagedElement")) == 1

    def test_all_links_of_a_class_can_be_enumerated(self, client: Client) -> None:
        for name in ("a", "b"):
            client.define(name)
        links = client.service.enumerate("root/virtualization/v2", "Msvm_SettingsDefineState")
        systems = [link.get("ManagedElement") for link in links]
        assert (
            len(
                [
                    item
                    for item in systems
                    if isinstance(item, CimReference) and item.class_name == "Msvm_ComputerSystem"
                ]
            )
            == 2
        )

    def test_a_link_can_be_got_by_its_two_ends(self, client: Client) -> None:
        machine = client.define()
        keys = {"ManagedElement": machine, "SettingData": client.system_settings_reference(machine)}
        assert (
            client.service.get(CimReference("Msvm_SettingsDefineState", keys)).class_name == "Msvm_SettingsDefineState"
        )

    def test_a_running_machine_has_devices_that_lead_to_their_settings(self, client: Client) -> None:
        machine = client.define()
        nic = client.add_nic(machine)
        client.connect(machine, nic)
        assert (
            client.query(f"select * from Msvm_SyntheticEthernetPort where SystemName = '{machine.key('Name')}'") == []
        )
        client.change_state(machine, 2)
        port = client.one(f"select * from Msvm_SyntheticEthernetPort where SystemName = '{machine.key('Name')}'")
        settings = client.one(f"associators of {{{client.path(port)}}} where AssocClass = Msvm_SettingsDefineState")
        assert settings.get("InstanceID") == nic.key("InstanceID")
        devices = client.query(f"associators of {{{client.path(machine)}}} where AssocClass = Msvm_SystemDevice")
        assert {"Msvm_Keyboard", "Msvm_Memory", "Msvm_Processor", "Msvm_VideoHead"} <= {d.class_name for d in devices}

    def test_a_connected_adapter_of_a_running_machine_has_a_port_on_the_switch(self, client: Client) -> None:
        machine = client.define()
        cable = client.connect(machine, client.add_nic(machine))
        client.change_state(machine, 2)
        text = f"associators of {{{client.path(cable)}}} where AssocClass = Msvm_ElementSettingData "
        port = client.one(text + "ResultClass = Msvm_EthernetSwitchPort")
        switch = client.one("select * from Msvm_VirtualEthernetSwitch")
        assert port.get("SystemName") == switch.get("Name")

    def test_every_machine_is_affected_by_the_management_service(self, client: Client) -> None:
        # real-instances 3.3
        client.define("a")
        text = f"associators of {{{client.path(client.service.reference_of(client.service.get(client.management)))}}}"
        found = client.query(f"{text} where AssocClass = Msvm_ServiceAffectsElement")
        assert [item.get("ElementName") for item in found] == ["a"]
