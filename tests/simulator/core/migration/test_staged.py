"""Planned machines at the destination, which receive the real ones."""

from __future__ import annotations

from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import (
    BOTH,
    DISKS,
    MACHINE,
    PLANNED,
    RUNNING,
    STAGED,
    Hosts,
    at,
    files,
    machine_names,
    move,
    request,
    service,
    why_not,
)


def test_a_staged_machine_is_repaired_and_then_receives_the_real_one(hosts: Hosts, source: Client) -> None:
    destination = hosts.add(switch=())
    machine = source.define()
    source.connect(machine, source.add_nic(machine))
    source.change_state(machine, RUNNING)
    assert "Could not find Ethernet switch 'external'." in why_not(source, machine, MACHINE, disk="")
    move(source, machine, STAGED)
    assert source.state(machine) == RUNNING
    (planned,) = destination.query(f"select * from {PLANNED}")
    assert planned.get("Name") == machine.key("Name")
    switch = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="other")
    destination.do(destination.switching, "DefineSystem", SystemSettings=switch)
    (cable,) = destination.settings(machine, "Msvm_EthernetPortAllocationSettingData")
    text = settings_text(
        cable.class_name, InstanceID=cable.get("InstanceID"), HostResource=[destination.switch_path("other")]
    )
    destination.do(destination.management, "ModifyResourceSettings", ResourceSettings=[text])
    move(source, machine, MACHINE, DestinationPlannedVirtualSystemId=planned.get("Name"))
    assert destination.state(machine) == RUNNING
    assert destination.query(f"select * from {PLANNED}") == []
    assert machine_names(source) == []


def test_disks_go_where_the_staged_machine_has_them(
    source: Client, destination: Client, equipped: CimReference
) -> None:
    move(source, equipped, STAGED)
    (disk,) = destination.settings(equipped, DISKS)
    text = settings_text(DISKS, InstanceID=disk.get("InstanceID"), HostResource=[r"C:\repaired\root.vhdx"])
    destination.do(destination.management, "ModifyResourceSettings", ResourceSettings=[text])
    onto = {"DestinationPlannedVirtualSystemId": equipped.key("Name")}
    check = request(source, equipped, BOTH, disk=r"C:\elsewhere.vhdx", **onto)
    source.do(service(source), "CheckVirtualSystemIsMigratable", **check)
    move(source, equipped, BOTH, **onto)
    (disk,) = destination.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\repaired\root.vhdx"]
    assert files(source) == []
    destination.change_state(equipped, RUNNING)


def test_a_staged_machine_stays_when_the_move_onto_it_fails(source: Client, destination: Client) -> None:
    machine = source.define(
        resources=[
            settings_text(
                "Msvm_MemorySettingData",
                ResourceSubType="Microsoft:Hyper-V:Memory",
                VirtualQuantity=40960,
                Reservation=40960,
                Limit=40960,
                DynamicMemoryEnabled=False,
            )
        ]
    )
    other = destination.define(
        resources=[
            settings_text(
                "Msvm_MemorySettingData",
                ResourceSubType="Microsoft:Hyper-V:Memory",
                VirtualQuantity=40960,
                Reservation=40960,
                Limit=40960,
                DynamicMemoryEnabled=False,
            )
        ]
    )
    source.change_state(machine, RUNNING)
    destination.change_state(other, RUNNING)
    move(source, machine, STAGED)
    job = source.failed(
        service(source),
        "MigrateVirtualSystemToHost",
        **request(source, machine, MACHINE, DestinationPlannedVirtualSystemId=machine.key("Name")),
    )
    assert "Not enough memory" in job.text("ErrorDescription")
    assert source.state(machine) == RUNNING
    assert at(source, machine).guest is not None
    assert len(destination.query(f"select * from {PLANNED}")) == 1
