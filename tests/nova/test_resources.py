"""What Nova and Placement are told about a host."""

from __future__ import annotations

import datetime as dt
import json

import os_traits
import pytest
from nova.compute import provider_tree
from oslo_utils import uuidutils

from compute_hyperv.host.model import HostInfo, HostUsage, VolumeSpace
from compute_hyperv.nova import resources

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
USAGE = HostUsage(free_memory_mb=50000, machines=3, processors_assigned=6, memory_assigned_mb=8192)
SPACE = VolumeSpace(total_bytes=500 * GIB, free_bytes=321 * GIB)

RATIOS = {"VCPU": 4.0, "MEMORY_MB": 1.0, "DISK_GB": 1.5}


class FakeInventory:
    """Answers as a host does, and counts how often it is asked."""

    def __init__(self, info: HostInfo = INFO) -> None:
        self.info = info
        self.asked = 0

    def host_info(self) -> HostInfo:
        self.asked += 1
        return self.info

    def usage(self) -> HostUsage:
        self.asked += 1
        return USAGE

    def volume_space(self, path: str) -> VolumeSpace:
        self.asked += 1
        return SPACE


class FakeHost:
    def __init__(self, info: HostInfo = INFO) -> None:
        self.inventory = FakeInventory(info)


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
    assert available["disk_available_least"] == 321
    assert ("x86_64", "hyperv", "hvm") in available["supported_instances"]


def test_the_processor_is_described(host_resources):
    cpu = json.loads(host_resources.available()["cpu_info"])

    assert cpu["topology"] == {"sockets": 2, "cores": 4, "threads": 2}
    assert cpu["vendor"] == "GenuineIntel"


def test_the_inventory_has_the_ratios_that_it_is_given(host_resources, tree):
    host_resources.available()

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    inventory = tree.data("HV1").inventory
    assert {name: (entry["total"], entry["allocation_ratio"]) for name, entry in inventory.items()} == {
        "VCPU": (16, 4.0),
        "MEMORY_MB": (65536, 1.0),
        "DISK_GB": (500, 1.5),
    }
    assert all(entry["max_unit"] == entry["total"] for entry in inventory.values())


def test_what_is_reserved_for_the_host_is_reserved(host_resources, tree, monkeypatch):
    for name, value in {
        "reserved_host_cpus": 2,
        "reserved_host_memory_mb": 4096,
        "reserved_host_disk_mb": 1025,
    }.items():
        monkeypatch.setattr(resources.CONF, name, value, raising=False)

    host_resources.update_provider_tree(tree, "HV1", RATIOS)

    reserved = {name: entry["reserved"] for name, entry in tree.data("HV1").inventory.items()}
    assert reserved == {"VCPU": 2, "MEMORY_MB": 4096, "DISK_GB": 2}


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
        "HW_CPU_HYPERTHREADING",
        "COMPUTE_FIRMWARE_BIOS",
        "COMPUTE_FIRMWARE_UEFI",
        "COMPUTE_STORAGE_BUS_IDE",
        "COMPUTE_STORAGE_BUS_SCSI",
    }


def test_a_host_without_generation_2_has_no_uefi(tree):
    old = HostInfo(**{name: getattr(INFO, name) for name in INFO.__slots__} | {"version": (6, 2, 9200)})
    tree.add_traits("HV1", os_traits.COMPUTE_FIRMWARE_UEFI)

    resources.Resources(FakeHost(old), r"D:\i").update_provider_tree(tree, "HV1", RATIOS)

    assert os_traits.COMPUTE_FIRMWARE_UEFI not in tree.data("HV1").traits


def test_all_our_traits_exist():
    assert set(resources.TRAITS) <= set(os_traits.get_traits())


@pytest.mark.parametrize(
    ("up", "text"),
    [
        (dt.timedelta(days=5, hours=3, minutes=2, seconds=59), " up 5 days, 3:02, 0 users"),
        (dt.timedelta(minutes=7), " up 0 days, 0:07, 0 users"),
    ],
)
def test_uptime_reads_as_the_uptime_command_says_it(up, text):
    assert text in resources.uptime_text(dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC), up)
