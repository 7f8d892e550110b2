"""What Nova and Placement are told about a host."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import os_traits
import pytest
from nova.compute import provider_tree
from nova.objects import numa
from oslo_utils import uuidutils

from compute_hyperv.host.model import HostInfo, HostUsage, MachineUse, NumaNode, PciDevice, VolumeSpace
from compute_hyperv.nova import resources, traits

GIB = 1024**3

INFO = HostInfo(
    name="HV1",
    fqdn="hv1.example.org",
    version=(10, 0, 20348),
    caption="Microsoft Windows Server 2022 Datacenter",
    sockets=2,
    cores_per_socket=4,
    logical_processors=16,
    processor_vendor="GenuineIntel",
    processor_model="Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
    memory_mb=65536,
    booted_at=dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC),
    numa_nodes=(),
)
OURS = MachineUse("A", ("3f9c6f5e-5f0c-4a3e-9d4c-0d2b7b1f0a11",), processors=4, memory_mb=4096)
# Hyper-V would give 57000 MB to machines: Windows keeps 65536 - 4096 - 57000.
USAGE = HostUsage(free_memory_mb=50000, consumable_memory_mb=57000, machines=(OURS,))
SPACE = VolumeSpace(total_bytes=500 * GIB, free_bytes=321 * GIB)

RATIOS = {"VCPU": 4.0, "MEMORY_MB": 1.0, "DISK_GB": 1.5}


class FakeInventory:
    """Answers as a host does, and counts how often it is asked."""

    def __init__(self, info: HostInfo = INFO) -> None:
        self.info = info
        self.used = USAGE
        self.asked = 0

    def host_info(self) -> HostInfo:
        self.asked += 1
        return self.info

    def usage(self) -> HostUsage:
        self.asked += 1
        return self.used

    def volume_space(self, path: str) -> VolumeSpace:
        self.asked += 1
        return SPACE


class FakeDevices:
    """A dismounted NVMe disk, and a graphics card in 4 shares."""

    def list(self) -> list[PciDevice]:
        return [PciDevice("0000:41:00.0", "144d", "a820", "NVMe", "PCIROOT(40)#PCI(0100)#PCI(0000)")]

    def partitions(self) -> int:
        return 4


class FakePromises:
    def unwritten_bytes(self, folder: str, machine_ids: list[str]) -> int:
        return 20 * GIB if (folder, list(machine_ids)) == (r"D:\instances", ["A"]) else 0


class FakeHost:
    def __init__(self, info: HostInfo = INFO) -> None:
        self.inventory = FakeInventory(info)
        self.promises = FakePromises()
        self.pci_devices = self.gpus = FakeDevices()


@pytest.fixture
def host():
    return FakeHost()


@pytest.fixture
def host_resources(host):
    return resources.Resources(host, r"D:\instances")


@pytest.fixture
def tree():
    tree = provider_tree.ProviderTree()
    tree.new_root("HV1", uuidutils.generate_uuid())
    return tree


def test_a_node_is_called_like_the_windows_computer(host_resources):
    assert host_resources.node_name() == "HV1"
    assert host_resources.available()["hypervisor_hostname"] == "HV1"


def test_the_hypervisor_version_tells_windows_releases_apart(host_resources):
    assert host_resources.available()["hypervisor_version"] == 10020348


def test_amounts_are_in_the_units_that_nova_wants(host_resources):
    available = host_resources.available()

    assert (available["vcpus"], available["memory_mb"], available["local_gb"]) == (16, 65536, 500)
    assert (available["memory_mb_used"], available["local_gb_used"]) == (15536, 179)
    assert available["disk_available_least"] == 301
    assert ("x86_64", "hyperv", "hvm") in available["supported_instances"]


def test_the_processor_is_described(host_resources):
    cpu = json.loads(host_resources.available()["cpu_info"])

    assert cpu["topology"] == {"sockets": 2, "cores": 4, "threads": 2}
    assert cpu["vendor"] == "GenuineIntel"
    assert cpu["features"] == ["mmx", "sse", "sse2", "vmx"]


def test_the_inventory_has_the_ratios_that_it_is_given(host_resources, tree):
    host_resources.available()

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    inventory = tree.data("HV1").inventory
    assert {name: (entry["total"], entry["allocation_ratio"]) for name, entry in inventory.items()} == {
        "VCPU": (16, 4.0),
        "MEMORY_MB": (65536, 1.0),
        "DISK_GB": (500, 1.5),
        "VGPU": (4, 1.0),
    }
    assert all(entry["max_unit"] == entry["total"] for entry in inventory.values())


def test_what_is_reserved_for_the_host_is_reserved(host_resources, tree, monkeypatch):
    for name, value in {
        "reserved_host_cpus": 2,
        "reserved_host_memory_mb": 8192,
        "reserved_host_disk_mb": 1025,
    }.items():
        monkeypatch.setattr(resources.CONF, name, value, raising=False)

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    reserved = {name: entry["reserved"] for name, entry in tree.data("HV1").inventory.items()}
    assert reserved == {"VCPU": 2, "MEMORY_MB": 8192, "DISK_GB": 2, "VGPU": 0}


def test_windows_keeps_memory_whatever_nova_conf_says(host_resources, tree):
    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    assert tree.data("HV1").inventory["MEMORY_MB"]["reserved"] == 4608  # 4440 in steps of 512


def test_what_other_machines_take_is_reserved(host, host_resources, tree):
    foreign = MachineUse("B", ("File server",), processors=6, memory_mb=8000)
    nameless = MachineUse("C", (), processors=0, memory_mb=0)
    host.inventory.used = dataclasses.replace(USAGE, consumable_memory_mb=None, machines=(OURS, foreign, nameless))

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    inventory = tree.data("HV1").inventory
    assert inventory["VCPU"]["reserved"] == 2  # of which each counts for 4
    assert inventory["MEMORY_MB"]["reserved"] == 512 + 8192


def test_more_than_there_is_cannot_be_reserved(host, host_resources, tree):
    foreign = MachineUse("B", (), processors=6, memory_mb=100000)
    host.inventory.used = dataclasses.replace(USAGE, machines=(foreign,))

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    assert tree.data("HV1").inventory["MEMORY_MB"]["reserved"] == 65536


def test_nodes_have_processors_of_their_own(host):
    nodes = tuple(NumaNode(number, (0, 1), 32768, 30000) for number in (0, 1))
    host.inventory.info = dataclasses.replace(INFO, numa_nodes=nodes)

    found = resources.Resources(host, r"D:\instances").available()["numa_topology"]

    cells = numa.NUMATopology.obj_from_db_obj(found).cells
    assert [(cell.id, cell.cpuset, cell.memory) for cell in cells] == [(0, {0, 1}, 32768), (1, {2, 3}, 32768)]


@pytest.mark.parametrize(
    ("vendor", "build", "there"),
    [
        ("GenuineIntel", 9600, set()),
        ("GenuineIntel", 14393, {"HW_CPU_X86_VMX", "HW_CPU_X86_INTEL_VMX"}),
        ("AuthenticAMD", 17763, set()),
        ("AuthenticAMD", 20348, {"HW_CPU_X86_SVM", "HW_CPU_X86_AMD_SVM"}),
    ],
)
def test_a_host_whose_machines_can_have_machines_says_so(vendor, build, there):
    info = dataclasses.replace(INFO, processor_vendor=vendor, version=(10, 0, build))

    assert {trait for trait in traits.of(info) if trait.endswith(("VMX", "SVM"))} == there


def test_a_claim_does_not_ask_the_host(host, host_resources, tree):
    host_resources.available()
    asked = host.inventory.asked

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    assert host.inventory.asked == asked


def test_our_traits_come_and_go_and_others_stay(host_resources, tree):
    tree.add_traits("HV1", "CUSTOM_GOLD", os_traits.HW_CPU_HYPERTHREADING)

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    assert tree.data("HV1").traits == {
        "CUSTOM_GOLD",
        "HW_ARCH_X86_64",
        "COMPUTE_ARCH_X86_64",
        "HW_CPU_X86_MMX",
        "HW_CPU_X86_SSE",
        "HW_CPU_X86_SSE2",
        "HW_CPU_X86_VMX",
        "HW_CPU_X86_INTEL_VMX",
        "HW_CPU_HYPERTHREADING",
        "COMPUTE_FIRMWARE_BIOS",
        "COMPUTE_FIRMWARE_UEFI",
        "COMPUTE_STORAGE_BUS_IDE",
        "COMPUTE_STORAGE_BUS_SCSI",
        "COMPUTE_SECURITY_TPM_2_0",
        "COMPUTE_SECURITY_TPM_CRB",
        "COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST",
    }


def test_a_host_without_generation_2_has_no_uefi(tree):
    old = HostInfo(**{name: getattr(INFO, name) for name in INFO.__slots__} | {"version": (6, 2, 9200)})
    tree.add_traits("HV1", os_traits.COMPUTE_FIRMWARE_UEFI)

    resources.Resources(FakeHost(old), r"D:\i").update_provider_tree(tree, "HV1", RATIOS)

    assert os_traits.COMPUTE_FIRMWARE_UEFI not in tree.data("HV1").traits


def test_dismounted_devices_are_what_novas_tracker_may_give_away(host_resources):
    (device,) = json.loads(host_resources.available()["pci_passthrough_devices"])

    assert (device["address"], device["vendor_id"], device["product_id"]) == ("0000:41:00.0", "144d", "a820")
    assert (device["dev_type"], device["status"]) == ("type-PCI", "available")


def test_a_host_without_device_assignment_is_not_asked_for_devices(tree):
    old = HostInfo(**{name: getattr(INFO, name) for name in INFO.__slots__} | {"version": (6, 3, 9600)})
    host = FakeHost(old)
    host.pci_devices = host.gpus = None

    assert resources.Resources(host, r"D:\i").available()["pci_passthrough_devices"] == "[]"


def test_all_our_traits_exist():
    assert set(traits.TRAITS) <= set(os_traits.get_traits())


@pytest.mark.parametrize(
    ("up", "text"),
    [
        (dt.timedelta(days=5, hours=3, minutes=2, seconds=59), " up 5 days, 3:02, 0 users"),
        (dt.timedelta(minutes=7), " up 0 days, 0:07, 0 users"),
    ],
)
def test_uptime_reads_as_the_uptime_command_says_it(up, text):
    assert text in resources.uptime_text(dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC), up)
