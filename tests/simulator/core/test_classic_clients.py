"""Habits of clients that are in the field (old-driver 8, hyperv-ops 0): templates cloned as text, whole instances sent
back, sparse texts, other spellings. None of them knows anything of our own client."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import PREFIX, Client

START = 2


def template(client: Client, class_name: str, sub_type: str) -> CimInstance:
    """As os-win finds the default of a kind."""
    text = f"SELECT * FROM {class_name} WHERE ResourceSubType='{PREFIX}{sub_type}' AND InstanceID LIKE '%\\\\Default'"
    return client.one(text)


def add_clone(client: Client, machine: CimReference, clone: CimInstance, **values: object) -> CimReference:
    for name, value in values.items():
        clone[name] = value  # type: ignore[assignment]
    outputs = client.do(
        client.management,
        "AddResourceSettings",
        AffectedConfiguration=client.system_settings_reference(machine),
        ResourceSettings=[instance_to_text(clone)],
    )
    (result,) = outputs["ResultingResourceSettings"]  # type: ignore[misc]
    assert isinstance(result, CimReference)
    return result


class TestOsWin:
    def test_a_disk_is_attached_by_cloning_the_hosts_templates(self, client: Client, machine: CimReference) -> None:
        rasd, sasd = "Msvm_ResourceAllocationSettingData", "Msvm_StorageAllocationSettingData"
        path = client.create_disk("C:\\os-win.vhdx")
        controller = add_clone(client, machine, template(client, rasd, "Synthetic SCSI Controller"))
        drive = add_clone(
            client,
            machine,
            template(client, rasd, "Synthetic Disk Drive"),
            Parent=client.path(controller),
            Address="0",
            AddressOnParent="0",
        )
        medium = add_clone(
            client,
            machine,
            template(client, sasd, "Virtual Hard Disk"),
            Parent=client.path(drive),
            HostResource=[path],
        )
        assert medium.key("InstanceID").startswith(f"Microsoft:{machine.key('Name')}\\")
        assert client.service.get(medium).get("Caption") == "Hard Disk Image"

    def test_a_machine_is_an_acceptable_parent_as_well_as_its_settings(
        self, client: Client, machine: CimReference
    ) -> None:
        clone = template(client, "Msvm_SyntheticEthernetPortSettingData", "Synthetic Ethernet Port")
        outputs = client.do(
            client.management,
            "AddResourceSettings",
            AffectedConfiguration=machine,
            ResourceSettings=[instance_to_text(clone)],
        )
        assert outputs["ResultingResourceSettings"]

    @pytest.mark.parametrize(
        ("class_name", "values"),
        [
            ("Msvm_MemorySettingData", {"VirtualQuantity": 2048, "Reservation": 2048, "Limit": 2048}),
            ("Msvm_ProcessorSettingData", {"VirtualQuantity": 2, "LimitProcessorFeatures": True}),
            ("Msvm_SerialPortSettingData", {"Connection": ["\\\\.\\pipe\\x"]}),
        ],
    )
    def test_a_whole_instance_is_sent_back_with_a_change_in_it(
        self, client: Client, machine: CimReference, class_name: str, values: dict
    ) -> None:
        settings = client.settings(machine, class_name)[0]
        for name, value in values.items():
            settings[name] = value
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=[instance_to_text(settings)])
        found = client.service.get(client.service.reference_of(settings))
        assert {name: found.get(name) for name in values} == values

    def test_the_systems_settings_too_even_while_the_machine_runs(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, START)
        settings = client.system_settings(machine)
        settings["Notes"] = ["changed"]
        client.do(client.management, "ModifySystemSettings", SystemSettings=instance_to_text(settings))
        assert client.system_settings(machine).get("Notes") == ["changed"]

    def test_an_adapter_is_connected_and_its_port_gets_a_vlan_from_the_template(
        self, client: Client, machine: CimReference
    ) -> None:
        nic = client.add_nic(machine, ElementName="port-1")
        clone = template(client, "Msvm_EthernetPortAllocationSettingData", "Ethernet Connection")
        cable = add_clone(
            client, machine, clone, Parent=client.path(nic), HostResource=[client.switch_path()], ElementName="port-1"
        )
        vlan = client.one(
            r"SELECT * FROM Msvm_EthernetSwitchPortVlanSettingData WHERE InstanceID LIKE 'Microsoft:Definition%Default'"
        )
        vlan["OperationMode"], vlan["AccessVlanId"] = 1, 42
        client.do(
            client.management,
            "AddFeatureSettings",
            AffectedConfiguration=cable,
            FeatureSettings=[instance_to_text(vlan)],
        )
        (found,) = client.query(f"associators of {{{client.path(cable)}}} where ResultClass = {vlan.class_name}")
        assert found.get("AccessVlanId") == 42
        assert "Definition" not in found.text("InstanceID")


class TestSparseTexts:
    """libvirt's and other C clients' texts: an XML prolog, few properties, lower-case GUIDs."""

    def test_a_prolog_and_a_property_without_type_pass(self, client: Client, machine: CimReference) -> None:
        (memory,) = client.settings(machine, "Msvm_MemorySettingData")
        text = (
            '<?xml version="1.0" encoding="utf-8"?>\n<INSTANCE CLASSNAME="Msvm_MemorySettingData">'
            f'<PROPERTY NAME="InstanceID"><VALUE>{memory.text("InstanceID").lower()}</VALUE></PROPERTY>'
            '<PROPERTY NAME="VirtualQuantity"><VALUE>4096</VALUE></PROPERTY></INSTANCE>'
        )
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
        assert client.settings(machine, "Msvm_MemorySettingData")[0].get("VirtualQuantity") == 4096

    def test_an_array_of_one_may_come_as_a_scalar(self, client: Client, machine: CimReference) -> None:
        (processor,) = client.settings(machine, "Msvm_ProcessorSettingData")
        text = (
            '<INSTANCE CLASSNAME="Msvm_ProcessorSettingData"><PROPERTY NAME="InstanceID" TYPE="string">'
            f"<VALUE>{processor.text('InstanceID')}</VALUE></PROPERTY>"
            '<PROPERTY NAME="VirtualQuantity" TYPE="uint64"><VALUE>3</VALUE></PROPERTY></INSTANCE>'
        )
        client.do(client.management, "ModifyResourceSettings", ResourceSettings=text)
        assert client.settings(machine, "Msvm_ProcessorSettingData")[0].get("VirtualQuantity") == 3

    def test_a_hostile_text_is_an_invalid_parameter_like_any_other(self, client: Client) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><INSTANCE CLASSNAME="X">&b;</INSTANCE>'
        assert client.refused(client.management, "DefineSystem", SystemSettings=bomb) == 32773

    def test_paths_may_leave_out_the_host_and_use_the_other_slash(self, client: Client, machine: CimReference) -> None:
        # real-instances 1.1
        controller = client.add_controller(machine)
        parent = client.path(controller).partition(":")[2]
        for number, prefix in enumerate(("", "root/virtualization/v2:", "//hv1/ROOT/virtualization/v2:")):
            client.add(
                machine,
                "Msvm_ResourceAllocationSettingData",
                ResourceType=17,
                ResourceSubType=f"{PREFIX}Synthetic Disk Drive",
                Parent=prefix + parent,
                AddressOnParent=str(number),
            )
