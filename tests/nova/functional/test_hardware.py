"""Flavors and images that ask for hardware: TPMs, NUMA topologies, devices of the host, shares of processors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nova.tests.functional.api.client import OpenStackApiException

from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.machine_settings import MachineSettings
from compute_hyperv.host.services import system_settings_reference
from hyperv_simulator.config.devices import GpuConfig, PciDeviceConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.cloud import Cloud, CloudWithDevices, Observer, running_cloud
from tests.simulated import free_address

NVME = PciDeviceConfig("NVMe", dismounted=True)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory) -> Iterator[Simulator]:
    """One host with two NUMA nodes, two NVMe disks and a graphics card to give away."""
    config = HostConfig(
        name="hv1",
        address=free_address(),
        disk_gb=100,
        numa_nodes=2,
        pci_device=(NVME, NVME),
        gpu=(GpuConfig("A10", partition_count=2, valid_partition_counts=(1, 2)),),
    )
    with Simulator([config], tmp_path_factory.mktemp("hosts")) as running:
        yield running


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running_cloud(CloudWithDevices) as running:
        yield running


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def gen2_image_id(cloud, disk_image):
    return cloud.add_image(disk_image.__class__(disk_image.data, "qcow2", {"hw_machine_type": "hyperv-gen2"}))


def settings_of(host: Observer, server) -> MachineSettings:
    return MachineSettings.read(host.client.cim, host.machine(server).machine_id)


def rows(host: Observer, class_name: str, server) -> list:
    owner = eq("SystemName", host.machine(server).machine_id)
    return host.client.cim.query(select(class_name).where(owner))


def test_a_server_gets_a_tpm_where_the_host_keeps_its_secrets(cloud, compute, host1, gen2_image_id):
    specs = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb", "hw:tpm_secret_security": "host"}

    server = cloud.boot(gen2_image_id, cloud.add_flavor(extra_specs=specs))

    assert len(rows(host1, "Msvm_TPM", server)) == 1


def test_a_server_gets_the_device_that_nova_claimed_and_gives_it_back(cloud, compute, host1, gen2_image_id):
    flavor_id = cloud.add_flavor(extra_specs={"pci_passthrough:alias": "nvme:1"})

    servers = [cloud.boot(gen2_image_id, flavor_id) for _ in range(2)]

    taken = {rows(host1, "Msvm_PciExpress", server)[0].text("LocationPath") for server in servers}
    assert taken == {"PCIROOT(40)#PCI(0100)#PCI(0000)", "PCIROOT(40)#PCI(0200)#PCI(0000)"}
    cloud.boot(gen2_image_id, flavor_id, state="ERROR")
    cloud.delete(servers[0])
    cloud.boot(gen2_image_id, flavor_id)


def test_a_server_has_the_numa_topology_that_its_flavor_asks_for(cloud, compute, host1, gen2_image_id):
    specs = {"hw:numa_nodes": "2"}
    flavor_id = cloud._create_flavor(vcpu=2, memory_mb=128, disk=1, ephemeral=0, swap=0, extra_spec=specs)

    server = cloud.boot(gen2_image_id, flavor_id)

    settings = settings_of(host1, server)
    assert settings.processor["MaxProcessorsPerNumaNode"] == 1
    assert settings.memory["MaxMemoryBlocksPerNumaNode"] == 64


def test_shares_of_graphics_cards_are_counted_by_placement(cloud, compute, host1, gen2_image_id):
    flavor_id = cloud.add_flavor(extra_specs={"resources:VGPU": "2"})

    server = cloud.boot(gen2_image_id, flavor_id)

    assert len(rows(host1, "Msvm_GpuPartition", server)) == 2
    cloud.boot(gen2_image_id, flavor_id, state="ERROR")


def test_quotas_and_dynamic_memory_are_the_flavors_to_choose(cloud, compute, host1, gen2_image_id):
    specs = {"quota:cpu_shares": "512", "quota:cpu_quota": "50000", "hyperv:memory_minimum_mb": "64"}

    server = cloud.boot(gen2_image_id, cloud.add_flavor(extra_specs=specs))

    settings = settings_of(host1, server)
    assert (settings.processor["Weight"], settings.processor["Limit"]) == (50, 50_000)
    assert (settings.memory["DynamicMemoryEnabled"], settings.memory["Reservation"]) == (True, 64)
    system = host1.client.cim.get(system_settings_reference(host1.machine(server).machine_id))
    assert system["VirtualNumaEnabled"] is False


def test_novas_api_checks_our_extra_specs(cloud):
    flavor_id = cloud.add_flavor()
    for wrong in ({"hyperv:memory_buffer_percent": "4"}, {"hyperv:memory_bufer": "10"}):
        with pytest.raises(OpenStackApiException, match="Validation failed"):
            cloud.admin_api.post_extra_spec(flavor_id, {"extra_specs": wrong})
    cloud.admin_api.post_extra_spec(flavor_id, {"extra_specs": {"hyperv:memory_buffer_percent": "5"}})
