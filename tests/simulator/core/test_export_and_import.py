"""Machines as files: exported, imported as planned machines, repaired, realized."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.storage.vhd import DiskStore
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

EXPORTED = r"C:\Export"
PLANNED = "Msvm_PlannedComputerSystem"


def export(client: Client, machine: CimReference, folder: str = EXPORTED, **settings: Any) -> str:
    """Exports a machine; the path of its definition."""
    settings = {
        "CopyVmStorage": True,
        "CopyVmRuntimeInformation": True,
        "CreateVmExportSubdirectory": False,
        **settings,
    }
    text = settings_text("Msvm_VirtualSystemExportSettingData", **settings)
    client.do(
        client.management,
        "ExportSystemDefinition",
        ComputerSystem=machine,
        ExportDirectory=folder,
        ExportSettingData=text,
    )
    return f"{folder}\\Virtual Machines\\{machine.key('Name')}.vmcx"


def bring_in(client: Client, path: str, *, new_identity: bool = False) -> CimReference:
    """Imports a definition; the planned machine, found as Microsoft's own sample does."""
    outputs = client.do(
        client.management,
        "ImportSystemDefinition",
        SystemDefinitionFile=path,
        SnapshotFolder="",
        GenerateNewSystemIdentifier=new_identity,
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    found = client.query(
        f"ASSOCIATORS OF {{Msvm_ConcreteJob.InstanceID='{job.key('InstanceID')}'}} WHERE "
        f"AssocClass=Msvm_AffectedJobElement ResultClass={PLANNED}"
    )
    assert len(found) == 1
    return client.service.reference_of(found[0])


def realize(client: Client, planned: CimReference) -> CimReference:
    client.do(client.management, "ValidatePlannedSystem", PlannedSystem=planned)
    client.do(client.management, "RealizePlannedSystem", PlannedSystem=planned)
    return CimReference(
        "Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": planned.key("Name")}
    )


def errors_of(client: Client, job: CimInstance) -> list[str]:
    """What GetErrorEx says, one text per reason."""
    reference = client.service.reference_of(job)
    found = client.call(reference, "GetErrorEx")["Errors"]
    assert isinstance(found, list)
    return [str(item) for item in found]


def disks_of(client: Client) -> DiskStore:
    return client.inside.disks


def exists(client: Client, path: str) -> bool:
    return client.inside.disks.folder.exists(path)


@pytest.fixture
def equipped(client: Client, machine: CimReference) -> CimReference:
    """A machine with a disk and an adapter on the external switch."""
    client.add_disk(machine, client.create_disk(r"C:\root.vhdx"))
    client.connect(machine, client.add_nic(machine))
    return machine


def test_an_export_has_hyper_v_s_folders(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped)
    assert exists(client, definition)
    assert exists(client, EXPORTED + r"\Virtual Hard Disks\root.vhdx")
    assert client.service.get(equipped).get("OperationalStatus") == [2]


def test_an_export_without_storage_leaves_the_disks_where_they_are(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped, CopyVmStorage=False, CreateVmExportSubdirectory=True)
    assert not exists(client, EXPORTED + r"\Virtual Hard Disks")
    assert not exists(client, definition)
    assert exists(client, definition.replace(EXPORTED, EXPORTED + r"\machine"))


def test_a_differencing_disk_is_exported_with_its_parents(client: Client, machine: CimReference) -> None:
    disks = disks_of(client)
    client.create_disk(r"C:\base.vhdx")
    (disks.folder.root / "C" / "images").mkdir()
    disks.create(r"C:\images\child.vhdx", "differencing", "vhdx", parent_path=r"C:\base.vhdx")
    client.add_disk(machine, r"C:\images\child.vhdx")
    export(client, machine)
    assert disks.info(EXPORTED + r"\Virtual Hard Disks\child.vhdx").parent_path == (
        EXPORTED + r"\Virtual Hard Disks\base.vhdx"
    )


def test_a_second_export_to_the_same_folder_fails_and_keeps_the_first(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped)
    text = settings_text("Msvm_VirtualSystemExportSettingData", CopyVmStorage=True)
    job = client.failed(
        client.management,
        "ExportSystemDefinition",
        ComputerSystem=equipped,
        ExportDirectory=EXPORTED,
        ExportSettingData=text,
    )
    assert "0x80070050" in job.text("ErrorDescription")
    assert exists(client, definition)
    client.change_state(equipped, 2)  # and the machine is free again


def test_a_running_machine_is_exported_and_goes_on(client: Client, equipped: CimReference) -> None:
    client.change_state(equipped, 2)
    definition = export(client, equipped)
    assert client.state(equipped) == 2
    client.change_state(equipped, 3)
    client.do(client.management, "DestroySystem", AffectedSystem=equipped)
    assert client.service.get(bring_in(client, definition)).get("EnabledState") == 3


def test_a_machine_comes_back_as_it_was(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped)
    client.do(client.management, "DestroySystem", AffectedSystem=equipped)
    machine = realize(client, bring_in(client, definition))
    assert machine == equipped
    settings = client.system_settings(machine)
    assert settings.get("VirtualSystemType") == "Microsoft:Hyper-V:System:Realized"
    assert settings.get("ConfigurationDataRoot") == EXPORTED
    (disk,) = client.settings(machine, "Msvm_StorageAllocationSettingData")
    assert disk.get("HostResource") == [EXPORTED + r"\Virtual Hard Disks\root.vhdx"]
    client.change_state(machine, 2)
    assert client.state(machine) == 2


def test_a_planned_machine_is_no_machine_yet(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped)
    planned = bring_in(client, definition, new_identity=True)
    assert planned.key("Name") != equipped.key("Name")
    (settings,) = client.query(
        f"ASSOCIATORS OF {{{PLANNED}.CreationClassName='{PLANNED}',Name='{planned.key('Name')}'}} WHERE "
        "AssocClass=Msvm_SettingsDefineState ResultClass=Msvm_VirtualSystemSettingData"
    )
    assert settings.get("VirtualSystemType") == "Microsoft:Hyper-V:System:Planned"
    assert [item.get("Name") for item in client.query("select * from Msvm_ComputerSystem")] == [
        client.host_name,
        equipped.key("Name"),
    ]
    assert client.refused(planned, "RequestStateChange", RequestedState=2) == 32775
    client.do(client.management, "DestroySystem", AffectedSystem=planned)
    assert client.query(f"select * from {PLANNED}") == []
    assert exists(client, definition)


def test_a_planned_machine_s_resources_change_like_any_other_s_but_disks_stay(
    client: Client, equipped: CimReference
) -> None:
    planned = bring_in(client, export(client, equipped), new_identity=True)
    text = settings_text(
        "Msvm_VirtualSystemSettingData", InstanceID=f"Microsoft:{planned.key('Name')}", ElementName="x"
    )
    client.do(client.management, "ModifySystemSettings", SystemSettings=text)
    assert client.service.get(planned).get("ElementName") == "x"
    (nic,) = client.settings(planned, "Msvm_SyntheticEthernetPortSettingData")
    client.do(client.management, "RemoveResourceSettings", ResourceSettings=[client.service.reference_of(nic)])
    client.add_nic(planned)
    (disk,) = client.settings(planned, "Msvm_StorageAllocationSettingData")
    removal = {"ResourceSettings": [client.service.reference_of(disk)]}
    assert client.failed(client.management, "RemoveResourceSettings", **removal).get("ErrorCode") == 32775
    machine = realize(client, planned)
    client.do(client.management, "RemoveResourceSettings", **removal)
    client.change_state(machine, 2)


def test_a_planned_machine_can_be_defined_from_nothing(client: Client) -> None:
    text = settings_text("Msvm_VirtualSystemSettingData", ElementName="planned")
    planned = client.do(client.management, "DefinePlannedSystem", SystemSettings=text)["ResultingSystem"]
    assert isinstance(planned, CimReference)
    assert planned.class_name == PLANNED
    file = rf"C:\ProgramData\Microsoft\Windows\Hyper-V\Virtual Machines\{planned.key('Name')}.vmcx"
    assert not exists(client, file)
    client.change_state(realize(client, planned), 2)
    assert exists(client, file)


def test_the_same_identity_can_t_be_imported_beside_itself(client: Client, equipped: CimReference) -> None:
    definition = export(client, equipped)
    job = client.failed(
        client.management, "ImportSystemDefinition", SystemDefinitionFile=definition, GenerateNewSystemIdentifier=False
    )
    assert "same identifier already exists" in job.text("ErrorDescription")
    assert job.get("ErrorCode") == 32774


def test_a_new_identity_has_other_dynamic_addresses(client: Client, equipped: CimReference) -> None:
    planned = bring_in(client, export(client, equipped), new_identity=True)
    nic = "Msvm_SyntheticEthernetPortSettingData"
    (old,), (new,) = client.settings(equipped, nic), client.settings(planned, nic)
    assert old.get("Address") != new.get("Address")


def test_a_missing_switch_is_named_and_can_be_repaired(
    make_host: MakeHost, client: Client, equipped: CimReference
) -> None:
    export(client, equipped)
    other = make_host("hv2", switch=())
    copy_tree(client, other, "Export")
    planned = bring_in(other, f"{EXPORTED}\\Virtual Machines\\{equipped.key('Name')}.vmcx")
    job = other.failed(other.management, "ValidatePlannedSystem", PlannedSystem=planned)
    assert "Could not find Ethernet switch 'external'." in job.text("ErrorDescription")
    assert any("33012" in text for text in errors_of(other, job))
    assert other.failed(other.management, "RealizePlannedSystem", PlannedSystem=planned)
    switch = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="elsewhere")
    other.do(other.switching, "DefineSystem", SystemSettings=switch)
    (cable,) = other.settings(planned, "Msvm_EthernetPortAllocationSettingData")
    text = settings_text(
        cable.class_name, InstanceID=cable.get("InstanceID"), HostResource=[other.switch_path("elsewhere")]
    )
    other.do(other.management, "ModifyResourceSettings", ResourceSettings=[text])
    machine = realize(other, planned)
    other.change_state(machine, 2)
    assert other.state(machine) == 2


def test_a_newer_configuration_version_is_refused(make_host: MakeHost, client: Client, machine: CimReference) -> None:
    export(client, machine)
    other = make_host("hv2", version="2019")
    copy_tree(client, other, "Export")
    planned = bring_in(other, f"{EXPORTED}\\Virtual Machines\\{machine.key('Name')}.vmcx")
    job = other.failed(other.management, "ValidatePlannedSystem", PlannedSystem=planned)
    assert "10.0" in job.text("ErrorDescription")


def test_a_machine_moves_up_from_2012_r2(make_host: MakeHost) -> None:
    old, new = make_host("hv1", version="2012r2"), make_host("hv2", version="2016")
    machine = old.define("old", generation=1)
    export(old, machine)
    copy_tree(old, new, "Export")
    machine = realize(new, bring_in(new, f"{EXPORTED}\\Virtual Machines\\{machine.key('Name')}.xml"))
    assert len(new.settings(machine, "Msvm_SerialPortSettingData")) == 2
    new.change_state(machine, 2)


@pytest.mark.parametrize("new_identity", [False, True])
def test_checkpoints_come_back_with_their_machine(client: Client, equipped: CimReference, new_identity: bool) -> None:
    snapshots = client.service_reference("Msvm_VirtualSystemSnapshotService")
    client.do(snapshots, "CreateSnapshot", AffectedSystem=equipped, SnapshotSettings="", SnapshotType=2)
    definition = export(client, equipped)
    assert exists(client, EXPORTED + r"\Virtual Hard Disks\root.vhdx")
    if not new_identity:
        client.do(client.management, "DestroySystem", AffectedSystem=equipped)
    planned = bring_in(client, definition, new_identity=new_identity)
    client.do(
        client.management,
        "ImportSnapshotDefinitions",
        PlannedSystem=planned,
        SnapshotFolder=EXPORTED + r"\Snapshots",
    )
    machine = realize(client, planned)
    (checkpoint,) = client.query(
        "select * from Msvm_VirtualSystemSettingData where VirtualSystemType = 'Microsoft:Hyper-V:Snapshot:Realized' "
        f"and VirtualSystemIdentifier = '{machine.key('Name')}'"
    )
    assert client.system_settings(machine).get("Parent") == client.path(checkpoint)
    client.do(snapshots, "ApplySnapshot", Snapshot=client.service.reference_of(checkpoint))
    client.change_state(machine, 2)
    client.change_state(machine, 3)
    client.do(client.management, "DestroySystem", AffectedSystem=machine)


def test_planned_machines_survive_a_restart(make_host: MakeHost) -> None:
    client = make_host()
    planned = bring_in(client, export(client, client.define()), new_identity=True)
    client.inside.close()
    again = make_host()
    assert [item.get("Name") for item in again.query(f"select * from {PLANNED}")] == [planned.key("Name")]
    realize(again, planned)


def test_what_is_no_definition_is_refused(client: Client) -> None:
    (client.inside.disks.folder.root / "C" / "stranger.vmcx").write_bytes(b"\x01\x00\x00\x00")
    job = client.failed(client.management, "ImportSystemDefinition", SystemDefinitionFile=r"C:\stranger.vmcx")
    assert "0x80070570" in job.text("ErrorDescription")
    assert client.refused(
        client.management, "GetDefinitionFileSummaryInformation", DefinitionFiles=[r"C:\stranger.vmcx"]
    )


def test_a_definition_can_be_looked_at_before_it_is_imported(client: Client, equipped: CimReference) -> None:
    outputs = client.do(
        client.management, "GetDefinitionFileSummaryInformation", DefinitionFiles=[export(client, equipped)]
    )
    found = outputs["SummaryInformation"]
    assert isinstance(found, list)
    (summary,) = found
    assert isinstance(summary, CimInstance)
    assert (summary.get("Name"), summary.get("ElementName")) == (equipped.key("Name"), "machine")


def test_a_saved_machine_is_imported_with_its_memory(client: Client, equipped: CimReference) -> None:
    client.change_state(equipped, 2)
    client.change_state(equipped, 6)
    definition = export(client, equipped)
    client.do(client.management, "DestroySystem", AffectedSystem=equipped)
    machine = realize(client, bring_in(client, definition))
    assert client.state(machine) == 6
    client.change_state(machine, 2)
    assert client.state(machine) == 2


def copy_tree(source: Client, target: Client, name: str) -> None:
    """As somebody who copies a folder from one host to another over SMB."""
    import shutil

    shutil.copytree(
        source.inside.disks.folder.root / "C" / name, target.inside.disks.folder.root / "C" / name, dirs_exist_ok=True
    )
