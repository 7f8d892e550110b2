"""What the port of an adapter has: rules as tables, and what a host makes of them."""

from __future__ import annotations

import dataclasses

import pytest

from compute_hyperv.cim.values import CimInstance, CimValue
from compute_hyperv.cim.wql import select
from compute_hyperv.host import port_features
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.machine_settings import of_machine
from compute_hyperv.host.model import Nic
from hyperv_simulator.host import SimulatedHost
from tests.host.specs import PORT, generation_2

NIC = Nic(PORT, "FA163E010203", "external")
FULL = dataclasses.replace(NIC, vlan_id=5, trunk_vlans=(6, 7), mac_spoofing=True, limit_kbps=2000, sriov=True)

VLAN, SECURITY, BANDWIDTH, OFFLOAD = (
    f"Msvm_EthernetSwitchPort{name}SettingData" for name in ("Vlan", "Security", "Bandwidth", "Offload")
)
FRESH_OFFLOAD: dict[str, CimValue] = {"VMQOffloadWeight": 100, "IOVOffloadWeight": 0}


def feature(class_name: str, **values: CimValue) -> CimInstance:
    return CimInstance(class_name, {"InstanceID": f"Microsoft:M\\A\\C\\{class_name}", **values})


# Nic, what its port has, what is added, modified and removed
CHANGES = [
    (NIC, [], [], [], []),
    (NIC, [feature(OFFLOAD, **FRESH_OFFLOAD)], [], [], []),
    (dataclasses.replace(NIC, vlan_id=5), [], [{"OperationMode": 1, "AccessVlanId": 5}], [], []),
    (NIC, [feature(VLAN, OperationMode=1, AccessVlanId=5)], [], [], [VLAN]),
    (NIC, [feature(VLAN, OperationMode=1, AccessVlanId=0)], [], [], []),
    (NIC, [feature(VLAN, OperationMode=3, PrimaryVlanId=5)], [], [], []),
    (
        dataclasses.replace(NIC, vlan_id=6),
        [feature(VLAN, OperationMode=1, AccessVlanId=5)],
        [{"OperationMode": 1, "AccessVlanId": 6}],
        [],
        [VLAN],
    ),
    (
        dataclasses.replace(NIC, vlan_id=5, trunk_vlans=(6, 7)),
        [feature(VLAN, OperationMode=2, NativeVlanId=5, TrunkVlanIdArray=[7, 6])],
        [],
        [],
        [],
    ),
    (
        dataclasses.replace(NIC, trunk_vlans=(6,)),
        [],
        [{"OperationMode": 2, "NativeVlanId": 0, "TrunkVlanIdArray": [6]}],
        [],
        [],
    ),
    (dataclasses.replace(NIC, mac_spoofing=True), [], [{"AllowMacSpoofing": True}], [], []),
    (
        NIC,
        [feature(SECURITY, AllowMacSpoofing=True, EnableDhcpGuard=True)],
        [],
        [{"AllowMacSpoofing": False}],
        [],
    ),
    (dataclasses.replace(NIC, limit_kbps=1), [], [{"Limit": 1000}], [], []),
    (NIC, [feature(BANDWIDTH, Limit=1000)], [], [], [BANDWIDTH]),
    (
        dataclasses.replace(NIC, sriov=True),
        [feature(OFFLOAD, **FRESH_OFFLOAD)],
        [],
        [{"IOVOffloadWeight": 100}],
        [],
    ),
]


@pytest.mark.parametrize(("nic", "present", "added", "modified", "removed"), CHANGES)
def test_only_what_differs_is_changed(
    nic: Nic,
    present: list[CimInstance],
    added: list[dict[str, CimValue]],
    modified: list[dict[str, CimValue]],
    removed: list[str],
) -> None:
    found = port_features.changes(nic, present)
    assert [dict(item.items()) for item in found.add] == added
    assert [{k: v for k, v in item.items() if k != "InstanceID"} for item in found.modify] == modified
    assert [item.class_name for item in found.remove] == removed


def test_a_machine_is_made_with_all_features_of_its_port(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(nics=(FULL,)))
    assert host.machines.nics(machine_id) == [FULL]


def test_a_port_that_changes_is_repaired_and_one_that_does_not_is_left_alone(
    host: HyperVHost, simulator: SimulatedHost
) -> None:
    machine_id = host.machines.create(generation_2(nics=(FULL,)))
    host.machines.connect_nic(machine_id, NIC)
    assert host.machines.nics(machine_id) == [NIC]
    simulator.requests.clear()
    host.machines.connect_nic(machine_id, NIC)
    assert {request.method for request in simulator.requests} <= {"", None}
    host.machines.connect_nic(machine_id, FULL)
    assert host.machines.nics(machine_id) == [FULL]


def test_what_others_set_on_a_port_stays(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(nics=(dataclasses.replace(NIC, mac_spoofing=True),)))
    (security,) = host.cim.query(select(SECURITY).where(of_machine(machine_id)))
    guarded = CimInstance(SECURITY, {"InstanceID": security.text("InstanceID"), "EnableDhcpGuard": True})
    host.machines._components.modify_features([guarded], "Guarding")
    host.machines.connect_nic(machine_id, NIC)
    (security,) = host.cim.query(select(SECURITY).where(of_machine(machine_id)))
    assert (security["AllowMacSpoofing"], security["EnableDhcpGuard"]) == (False, True)


def test_several_ports_keep_their_features_apart(host: HyperVHost) -> None:
    other = Nic("9d8f3a1e-0000-4c0a-9a51-1b1d6a9f7a11", "FA163E010204", "inside", 9)
    machine_id = host.machines.create(generation_2(nics=(FULL, other)))
    assert host.machines.nics(machine_id) == [FULL, other]
