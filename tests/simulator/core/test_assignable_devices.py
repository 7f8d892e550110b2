"""PCI devices from Windows to machines and back, and shares of graphics cards."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.devices import GpuConfig, PciDeviceConfig
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

CIMV2 = "root/cimv2"
LOCATION = "PCIROOT(40)#PCI(0200)#PCI(0000)"
SSD = PciDeviceConfig("NVMe SSD", device_class="storage", location_path=LOCATION, dismounted=True)
TURN_OFF = 2


@pytest.fixture
def client(make_host: MakeHost) -> Client:
    """A host with one SSD that is ready to be assigned, one that is Windows', and a graphics card."""
    return make_host(
        pci_device=(SSD, PciDeviceConfig("Second SSD", device_class="storage")),
        gpu=(GpuConfig("RTX A5000"),),
    )


@pytest.fixture
def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_AssignableDeviceService")


def entity(client: Client, name: str) -> CimInstance:
    return client.one(f"select * from Win32_PnPEntity where Name like '{name}%'", CIMV2)


def address(found: CimInstance) -> CimReference:
    return CimReference("Win32_PnPEntity", {"DeviceID": found.text("DeviceID")}, CIMV2)


def devices(client: Client) -> list[CimInstance]:
    return client.query("select * from Msvm_PciExpress")


def assign(client: Client, machine: CimReference) -> dict[str, Any]:
    return client.addition(
        machine,
        "Msvm_PciExpressSettingData",
        ResourceType=32769,
        ResourceSubType="Microsoft:Hyper-V:Virtual Pci Express Port",
        HostResource=[client.path(devices(client)[0])],
    )


def properties(client: Client, found: CimInstance, *keys: str) -> dict[str, Any]:
    outputs = client.do(address(found), "GetDeviceProperties", devicePropertyKeys=list(keys) or None)
    items = outputs["deviceProperties"]
    assert isinstance(items, list)
    return {item.text("KeyName"): item.get("Data") for item in items if isinstance(item, CimInstance)}


def test_a_dismounted_device_waits_for_a_machine(client: Client) -> None:
    (device,) = devices(client)
    assert device.text("DeviceInstancePath").startswith("PCIP\\VEN_144D&DEV_A820&SUBSYS_1F951028&REV_01\\")
    assert device.text("DeviceID").endswith(device.text("DeviceInstancePath"))
    assert (device.get("LocationPath"), device.get("SystemName")) == (LOCATION, client.host_name)
    assert entity(client, "NVMe SSD").get("DeviceID") == device.get("DeviceInstancePath")


def test_os_win_finds_the_address_of_a_device(client: Client) -> None:
    found = properties(client, entity(client, "NVMe SSD"))
    assert found["DEVPKEY_Device_LocationInfo"] == "PCI bus 65, device 0, function 0"
    assert found["DEVPKEY_Device_Address"] == 0
    assert found["DEVPKEY_Device_LocationPaths"] == [LOCATION]


@pytest.mark.parametrize(
    ("obstacle", "key", "value"),
    [
        ("reserved_memory", "34", True),
        ("acs", "31", 0),
        ("conventional", "1", 0),
        ("firmware", "1", 5),
        ("", "31", 3),
    ],
)
def test_a_survey_sees_why_a_device_can_not_be_assigned(
    make_host: MakeHost, obstacle: Any, key: str, value: object
) -> None:
    """survey-dda.ps1 names properties by GUID, two blanks and number."""
    client = make_host(pci_device=(PciDeviceConfig("Card", obstacle=obstacle),))
    found = properties(client, entity(client, "Card"), f"{{3AB22E31-8264-4b4e-9AF5-A8D2D8E33E62}}  {key}")
    assert list(found.values()) == [value]


@pytest.mark.parametrize(("obstacle", "begins"), [("line_interrupts", "16"), ("", "42949")])
def test_a_survey_sees_the_interrupts_of_a_device(make_host: MakeHost, obstacle: Any, begins: str) -> None:
    client = make_host(pci_device=(PciDeviceConfig("Card", obstacle=obstacle),))
    links = client.query("select * from Win32_PnPAllocatedResource", CIMV2)
    ends = [link["Antecedent"] for link in links]
    numbers = [end.key("IRQNumber") for end in ends if isinstance(end, CimReference) and "IRQ" in end.class_name]
    assert [number[: len(begins)] for number in numbers] == [begins]


def test_a_device_goes_to_a_machine_and_back(client: Client, service: CimReference) -> None:
    name = "Second SSD"
    path = entity(client, name).text("DeviceID")
    text = settings_text(
        "Msvm_AssignableDeviceDismountSettingData",
        DeviceInstancePath=path, RequireAcsSupport=False, RequireDeviceMitigations=False,
    )  # fmt: skip
    assert client.refused(service, "DismountAssignableDevice", DismountSettingData=text) == 32774  # not disabled
    client.do(address(entity(client, name)), "Disable")
    assert entity(client, name).get("ConfigManagerErrorCode") == 22
    outputs = client.do(service, "DismountAssignableDevice", DismountSettingData=text)
    assert outputs["DismountedDeviceInstancePath"] == path.replace("PCI\\", "PCIP\\")
    assert len(devices(client)) == 2
    back = client.do(
        service, "MountAssignableDevice", DeviceInstancePath=path.replace("PCI\\", "PCIP\\"), DeviceLocationPath=""
    )
    assert back["MountedDeviceInstancePath"] == path
    client.do(address(entity(client, name)), "Enable")
    assert entity(client, name).get("Status") == "OK"


def test_a_device_without_mitigations_needs_force(client: Client, service: CimReference) -> None:
    found = entity(client, "Second SSD")
    client.do(address(found), "Disable")
    text = settings_text("Msvm_AssignableDeviceDismountSettingData", DeviceInstancePath=found.text("DeviceID"))
    assert client.refused(service, "DismountAssignableDevice", DismountSettingData=text) == 32768


def test_who_asks_for_no_device_gets_none(client: Client, service: CimReference) -> None:
    text = settings_text("Msvm_AssignableDeviceDismountSettingData", DeviceInstancePath="PCI\\VEN_0000")
    assert client.refused(service, "DismountAssignableDevice", DismountSettingData=text) == 32779
    assert client.refused(service, "MountAssignableDevice", DeviceInstancePath="", DeviceLocationPath="") == 32773


def test_an_assigned_device_shows_twice_and_stays_away_from_others(client: Client, service: CimReference) -> None:
    first, second = (client.define(name, AutomaticShutdownAction=TURN_OFF) for name in ("one", "two"))
    client.do(client.management, "AddResourceSettings", **assign(client, first))
    found = devices(client)
    assert {item.get("LocationPath") for item in found} == {LOCATION}
    assert [item.get("SystemName") for item in found] == [client.host_name, first.key("Name")]
    assert client.failed(client.management, "AddResourceSettings", **assign(client, second)).get("ErrorCode") == 32774
    mount = {"DeviceInstancePath": found[0].get("DeviceInstancePath"), "DeviceLocationPath": ""}
    assert client.refused(service, "MountAssignableDevice", **mount) == 32774
    (settings,) = client.settings(first, "Msvm_PciExpressSettingData")
    reference = client.service.reference_of(settings)
    client.do(client.management, "RemoveResourceSettings", ResourceSettings=[reference])
    client.do(client.management, "AddResourceSettings", **assign(client, second))


@pytest.mark.parametrize(
    ("values", "code"),
    [({"AutomaticShutdownAction": 3}, 32775), ({"AutomaticShutdownAction": TURN_OFF}, 0)],
)
def test_a_machine_with_a_device_is_never_saved(client: Client, values: dict[str, Any], code: int) -> None:
    machine = client.define(**values)
    outputs = client.call(client.management, "AddResourceSettings", **assign(client, machine))
    if code:
        assert client.ended_job(outputs).get("ErrorCode") == code
    else:
        assert outputs["ReturnValue"] == 0


def test_a_running_machine_gets_no_device(client: Client) -> None:
    machine = client.define(AutomaticShutdownAction=TURN_OFF)
    client.change_state(machine, 2)
    assert client.failed(client.management, "AddResourceSettings", **assign(client, machine)).get("ErrorCode") == 32775


def test_a_machine_with_a_device_is_not_saved(client: Client) -> None:
    machine = client.define(AutomaticShutdownAction=TURN_OFF)
    client.do(client.management, "AddResourceSettings", **assign(client, machine))
    client.change_state(machine, 2)
    job = client.failed(machine, "RequestStateChange", RequestedState=6)
    assert "can't be saved" in job.text("ErrorDescription")
    assert client.state(machine) == 2


def test_a_large_device_needs_room_for_its_memory(make_host: MakeHost) -> None:
    client = make_host(pci_device=(PciDeviceConfig("Accelerator", memory_mb=32768, dismounted=True),))
    machine = client.define(AutomaticShutdownAction=TURN_OFF)
    client.do(client.management, "AddResourceSettings", **assign(client, machine))
    job = client.failed(machine, "RequestStateChange", RequestedState=2)
    assert "0x800705AA" in job.text("ErrorDescription")
    instance_id = client.system_settings(machine).get("InstanceID")
    larger = settings_text("Msvm_VirtualSystemSettingData", InstanceID=instance_id, HighMmioGapSize=33280)
    client.do(client.management, "ModifySystemSettings", SystemSettings=larger)
    client.change_state(machine, 2)


def test_devices_stay_where_they_are_over_a_restart(make_host: MakeHost) -> None:
    card = PciDeviceConfig("Card")
    client = make_host(pci_device=(card,))
    client.do(address(entity(client, "Card")), "Disable")
    client.inside.close()
    again = make_host(pci_device=(card,))
    assert entity(again, "Card").get("ConfigManagerErrorCode") == 22


# Graphics cards


def partition(client: Client, machine: CimReference, **values: Any) -> dict[str, Any]:
    return client.addition(
        machine,
        "Msvm_GpuPartitionSettingData",
        ResourceType=32770,
        ResourceSubType="Microsoft:Hyper-V:GPU Partition",
        **values,
    )


def card(client: Client) -> CimInstance:
    return client.one("select * from Msvm_PartitionableGpu")


def test_a_card_tells_shares(client: Client) -> None:
    """Values read on a host: HVWMI read_gpu."""
    found = card(client)
    assert found.text("Name").startswith("\\\\?\\PCI#VEN_10DE&DEV_2236&")
    assert found.text("Name").endswith("#{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV")
    assert (found.get("TotalVRAM"), found.get("TotalEncode")) == (10**9, 2**64 - 1)
    video = client.one("select * from Win32_VideoController", CIMV2)
    assert video.get("Name") == "RTX A5000"


def test_a_partition_is_added_bare_and_sized_later(client: Client, machine: CimReference) -> None:
    refused = client.failed(client.management, "AddResourceSettings", **partition(client, machine, MaxPartitionVRAM=1))
    assert refused.get("ErrorCode") == 32773
    client.do(client.management, "AddResourceSettings", **partition(client, machine))
    (settings,) = client.settings(machine, "Msvm_GpuPartitionSettingData")
    assert settings.get("MaxPartitionVRAM") is None
    sized = settings_text(
        "Msvm_GpuPartitionSettingData",
        InstanceID=settings.get("InstanceID"), MinPartitionVRAM=0, MaxPartitionVRAM=500_000_000,
        OptimalPartitionVRAM=500_000_000, MaxPartitionEncode=2**64 - 1,
    )  # fmt: skip
    client.do(client.management, "ModifyResourceSettings", ResourceSettings=[sized])
    for name, value in (("MaxPartitionVRAM", 2**64 - 1), ("MaxPartitionEncode", 2**63)):
        wrong = settings_text("Msvm_GpuPartitionSettingData", InstanceID=settings.get("InstanceID"), **{name: value})
        client.failed(client.management, "ModifyResourceSettings", ResourceSettings=[wrong])
    client.change_state(machine, 2)
    running = client.one("select * from Msvm_GpuPartition")
    assert running.get("DeviceInstancePath") == card(client).get("Name")


def test_a_partition_of_a_certain_card(client: Client, machine: CimReference) -> None:
    path = client.path(card(client))
    client.do(client.management, "AddResourceSettings", **partition(client, machine, HostResource=[path]))
    (settings,) = client.settings(machine, "Msvm_GpuPartitionSettingData")
    assert settings.get("HostResource") == [path]
    wrong = partition(client, machine, HostResource=[card(client).text("Name")])  # the name is no path: seen on a host
    client.failed(client.management, "AddResourceSettings", **wrong)


def test_a_host_without_a_card_has_no_partitions(make_host: MakeHost) -> None:
    client = make_host("bare")
    assert client.query("select * from Msvm_PartitionableGpu") == []
    client.failed(client.management, "AddResourceSettings", **partition(client, client.define()))


def test_a_card_is_divided_as_it_can_be(client: Client) -> None:
    reference = client.service.reference_of(card(client))
    client.service.put(reference, CimInstance("Msvm_PartitionableGpu", {"PartitionCount": 4}))
    assert card(client).get("PartitionCount") == 4
    with pytest.raises(SoapFault):
        client.service.put(reference, CimInstance("Msvm_PartitionableGpu", {"PartitionCount": 5}))


def test_there_is_nothing_for_fibre_channel_adapters(client: Client, machine: CimReference) -> None:
    wanted = client.addition(
        machine,
        "Msvm_SyntheticFcPortSettingData",
        ResourceType=7,
        ResourceSubType="Microsoft:Hyper-V:Synthetic FibreChannel Port",
    )
    assert client.failed(client.management, "AddResourceSettings", **wanted).get("ErrorCode") == 32773


# Devices without settings


def template(client: Client, class_name: str, resource_type: int) -> str:
    found = client.one(
        f"select * from {class_name} where ResourceType = {resource_type} and InstanceID like '%Default'"
    )
    return instance_to_text(found)


@pytest.mark.parametrize(
    ("class_name", "resource_type"), [("Msvm_BatterySettingData", 1), ("Msvm_ResourceAllocationSettingData", 32771)]
)
def test_a_template_is_added_as_it_is(
    client: Client, machine: CimReference, class_name: str, resource_type: int
) -> None:
    """The calls of HVWMI battery_setting and pmem_controller."""
    wanted = {
        "AffectedConfiguration": client.system_settings_reference(machine),
        "ResourceSettings": [template(client, class_name, resource_type)],
    }
    (added,) = client.do(client.management, "AddResourceSettings", **wanted)["ResultingResourceSettings"]  # type: ignore[misc, union-attr]
    found = [item for item in client.settings(machine, class_name) if item.get("ResourceType") == resource_type]
    assert [client.service.reference_of(item) for item in found] == [added]
    client.change_state(machine, 2)
    client.failed(client.management, "AddResourceSettings", **wanted)
    client.change_state(machine, 3)
    client.do(client.management, "RemoveResourceSettings", ResourceSettings=[added])


def test_a_machine_has_one_battery(client: Client, machine: CimReference) -> None:
    wanted = {
        "AffectedConfiguration": client.system_settings_reference(machine),
        "ResourceSettings": [template(client, "Msvm_BatterySettingData", 1)],
    }
    client.do(client.management, "AddResourceSettings", **wanted)
    assert client.refused(client.management, "AddResourceSettings", **wanted) == 32773
