"""Resource pools: the primordial ones, what is in use of them, and child pools."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import PREFIX, Client, settings_text
from tests.simulator.core.conftest import MakeHost


@pytest.fixture
def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_ResourcePoolConfigurationService")


def pool(client: Client, kind: str, class_name: str = "Msvm_ResourcePool", name: str = "") -> CimInstance:
    return client.one(f"select * from {class_name} where ResourceSubType = '{PREFIX}{kind}' and PoolID = '{name}'")


def related(client: Client, found: CimInstance, association: str) -> list[CimInstance]:
    return client.query(f"associators of {{{client.path(found)}}} where AssocClass = {association}")


def definition(client: Client, name: str = "gold", **quantities: int) -> dict[str, Any]:
    """The parameters of CreatePool for a pool of memory."""
    kind = {"PoolID": name, "ResourceType": 4, "ResourceSubType": f"{PREFIX}Memory"}
    return {
        "PoolSettings": settings_text("Msvm_ResourcePoolSettingData", **kind),
        "ParentPools": [client.service.reference_of(pool(client, "Memory"))],
        "AllocationSettings": [settings_text("Msvm_MemorySettingData", **kind, **quantities)],
    }


def test_pools_have_the_ids_that_hosts_show(client: Client) -> None:
    """Letter case as read on a host: real-instances 1.7; the ports' pool: HVWMI fibre_channel."""
    assert (
        pool(client, "Synthetic SCSI Controller").get("InstanceID") == "Microsoft:bde5d4d6-e450-46d2-b925-976ca3e989b4"
    )
    assert pool(client, "Synthetic DVD Drive").text("InstanceID").startswith("Microsoft:7951A5ED-8DC5-42d7-")
    assert pool(client, "Synthetic FibreChannel Port").text("InstanceID").startswith("Microsoft:19839BFF-")
    assert len(client.query("select * from Msvm_Synth3dVideoPool")) == 1
    assert pool(client, "Virtual Pci Express Port").get("ResourceType") == 32769
    assert pool(client, "GPU Partition").text("InstanceID").startswith("Microsoft:0DCC3FD1-")


def test_2012_r2_has_no_pools_of_devices(make_host: MakeHost) -> None:
    client = make_host(version="2012r2")
    assert client.query("select * from Msvm_ResourcePool where ResourceType = 32769") == []


def test_the_pools_agree_with_the_host(client: Client, machine: CimReference) -> None:
    assert pool(client, "Processor", "Msvm_ProcessorPool").get("MaxConsumableResource") == 16 * 100000
    before = pool(client, "Memory")
    assert before.get("MaxConsumableResource") == client.inside.memory.free_mb
    client.change_state(machine, 2)
    after = pool(client, "Memory")
    assert (before.get("Reserved"), after.get("Reserved")) == (0, 1024)


def test_a_running_machines_devices_come_from_pools(client: Client, machine: CimReference) -> None:
    nic = client.add_nic(machine)
    adapters = pool(client, "Synthetic Ethernet Port")
    assert related(client, adapters, "Msvm_ElementAllocatedFromPool") == []
    settings = related(client, adapters, "Msvm_ResourceAllocationFromPool")
    assert [client.service.reference_of(item) for item in settings] == [nic]
    client.change_state(machine, 2)
    (device,) = related(client, adapters, "Msvm_ElementAllocatedFromPool")
    assert device.class_name == "Msvm_SyntheticEthernetPort"
    assert related(client, device, "Msvm_ElementAllocatedFromPool")[0].get("InstanceID") == adapters.get("InstanceID")


def test_pools_consist_of_what_the_host_has(client: Client) -> None:
    processors = related(client, pool(client, "Processor", "Msvm_ProcessorPool"), "Msvm_ConcreteComponent")
    assert len(processors) == 16
    nodes = related(client, pool(client, "Memory"), "Msvm_ConcreteComponent")
    assert [item.text("DeviceID")[-2:] for item in nodes] == ["\\0"]
    assert {item.class_name for item in related(client, nodes[0], "Msvm_ConcreteComponent")} == {
        "Msvm_Memory",
        "Msvm_ResourcePool",
    }


def test_a_child_pool_is_made_and_deleted(client: Client, service: CimReference) -> None:
    """The calls of HVWMI resource_pool_create."""
    outputs = client.do(service, "CreatePool", **definition(client))
    child = outputs["Pool"]
    assert isinstance(child, CimReference)
    found = pool(client, "Memory", name="gold")
    assert (found.get("Primordial"), found.get("ResourceType")) == (False, 4)
    settings = related(client, found, "Msvm_SettingsDefineState")
    assert [item.get("PoolID") for item in settings] == ["gold", "gold"]
    (parent,) = related(client, found, "Msvm_ElementAllocatedFromPool")
    assert parent.get("InstanceID") == pool(client, "Memory").get("InstanceID")
    client.do(service, "DeletePool", Pool=child)
    assert client.query("select * from Msvm_ResourcePool where PoolID = 'gold'") == []
    assert client.query("select * from Msvm_ResourcePoolSettingData where PoolID = 'gold'") == []


def test_a_pool_that_takes_memory_in_advance_fails_in_its_job(client: Client, service: CimReference) -> None:
    job = client.failed(service, "CreatePool", **definition(client, Reservation=512))
    assert job.get("ErrorCode") == 32773
    other = {**definition(client), "AllocationSettings": definition(client, "other")["AllocationSettings"]}
    client.failed(service, "CreatePool", **other)


def test_a_pools_name_is_its_own(client: Client, service: CimReference) -> None:
    child = client.do(service, "CreatePool", **definition(client))["Pool"]
    assert client.refused(service, "CreatePool", **definition(client)) == 32773
    assert client.refused(service, "CreatePool", **definition(client, "")) == 32773
    renamed = settings_text("Msvm_ResourcePoolSettingData", PoolID="silver", Notes="cheap")
    client.do(service, "ModifyPoolSettings", ChildPool=child, PoolSettings=renamed)
    assert pool(client, "Memory", "Msvm_ResourcePoolSettingData", "silver").get("Notes") == "cheap"
    assert pool(client, "Memory", name="silver").get("InstanceID") == child.key("InstanceID")  # type: ignore[union-attr]


def test_primordial_pools_and_pools_in_use_stay(client: Client, service: CimReference) -> None:
    primordial = client.service.reference_of(pool(client, "Memory"))
    assert client.refused(service, "DeletePool", Pool=primordial) == 32773
    child = client.do(service, "CreatePool", **definition(client))["Pool"]
    below = {**definition(client, "below"), "ParentPools": [child]}
    grandchild = client.do(service, "CreatePool", **below)["Pool"]
    assert client.refused(service, "DeletePool", Pool=child) == 32774
    resources = {**below, "ChildPool": grandchild, "ParentPools": [primordial]}
    del resources["PoolSettings"]
    client.do(service, "ModifyPoolResources", **resources)
    client.do(service, "DeletePool", Pool=child)


def test_child_pools_survive_a_restart(make_host: MakeHost) -> None:
    client = make_host()
    service = client.service_reference("Msvm_ResourcePoolConfigurationService")
    client.do(service, "CreatePool", **definition(client))
    client.inside.close()
    again = make_host()
    found = pool(again, "Memory", name="gold")
    assert len(related(again, found, "Msvm_SettingsDefineState")) == 2
    again.do(service, "DeletePool", Pool=again.service.reference_of(found))
