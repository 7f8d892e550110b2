"""What machines get besides disks and networks: a TPM, devices of the host, a NUMA topology, a share of processors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compute_hyperv.cim.errors import InvalidRequest, MethodFailed, Unreachable
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.machine_settings import MachineSettings, of_machine
from compute_hyperv.host.model import Memory, MmioSpace, PciDevice, Processor
from compute_hyperv.host.services import system_settings_reference
from hyperv_simulator.config.devices import GpuConfig, PciDeviceConfig
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.conftest import client_of, put_disks
from tests.host.specs import generation_1, generation_2
from tests.simulated import Simulate

NVME = PciDeviceConfig("NVMe", dismounted=True, memory_mb=1024)
STILL_THE_HOSTS = PciDeviceConfig("NVMe", device_id="A821")


@pytest.fixture(scope="module")
def shared_simulator(simulate_here: Simulate) -> SimulatedHost:
    simulator = simulate_here(numa_nodes=2, pci_device=(NVME, NVME, STILL_THE_HOSTS), gpu=(GpuConfig("A10"),))
    put_disks(simulator)
    return simulator


@pytest.fixture
def other_client(simulator: SimulatedHost) -> Iterator[HyperVHost]:
    with client_of(simulator) as client:
        yield client


def test_dismounted_devices_are_known_by_their_place_on_the_bus(host: HyperVHost, simulator: SimulatedHost) -> None:
    devices = host.pci_devices.list()

    assert [device.address for device in devices] == ["0000:41:00.0", "0000:42:00.0"]
    assert devices[0] == PciDevice("0000:41:00.0", "144d", "a820", "NVMe", "PCIROOT(40)#PCI(0100)#PCI(0000)")
    simulator.requests.clear()
    assert host.pci_devices.list() == devices
    assert len(simulator.requests) == 1  # places do not change


def test_a_machine_gets_exactly_the_device_it_was_promised(host: HyperVHost) -> None:
    spec = generation_2(pci_devices=("0000:42:00.0",), mmio=MmioSpace(3072, 33280))

    machine_id = host.machines.create(spec)

    (device,) = host.cim.query(select("Msvm_PciExpress").where(eq("SystemName", machine_id)))
    assert device.text("LocationPath") == "PCIROOT(40)#PCI(0200)#PCI(0000)"
    system = host.cim.get(system_settings_reference(machine_id))
    assert [system[name] for name in ("LowMmioGapSize", "HighMmioGapSize", "GuestControlledCacheTypes")] == [
        3072,
        33280,
        True,
    ]
    assert system["AutomaticShutdownAction"] == 2  # it cannot be saved
    host.machines.start(machine_id)
    assert [device.address for device in host.pci_devices.list()] == ["0000:41:00.0", "0000:42:00.0"]


def test_a_device_that_the_host_still_has_is_refused_before_anything_is_made(host: HyperVHost) -> None:
    with pytest.raises(InvalidRequest, match=r"no dismounted PCI device at 0000:43:00\.0"):
        host.machines.create(generation_2(pci_devices=("0000:43:00.0",)))
    assert host.machines.list() == []


def test_a_device_that_another_machine_has_leaves_no_machine(host: HyperVHost) -> None:
    host.machines.create(generation_2(name="first", drives=(), boot_order=(), pci_devices=("0000:41:00.0",)))
    with pytest.raises(MethodFailed, match="assigned to a virtual machine already"):
        host.machines.create(generation_2(pci_devices=("0000:41:00.0",)))
    assert [machine.name for machine in host.machines.list()] == ["first"]


def test_a_machine_gets_shares_of_graphics_cards(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(gpu_partitions=2))
    found = host.cim.query(select("Msvm_GpuPartitionSettingData").where(of_machine(machine_id)))
    assert len(found) == 2


def test_a_machine_gets_a_tpm_with_keys_of_the_hosts_own(host: HyperVHost, other_client: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(tpm=True))
    host.machines.start(machine_id)
    assert len(host.cim.query(select("Msvm_TPM"))) == 1
    other_client.machines.create(generation_2(name="second", drives=(), boot_order=(), tpm=True))
    guardians = host.cim.query(select("MSFT_HgsGuardian"), namespace="root/microsoft/windows/hgs")
    assert [guardian.text("Name") for guardian in guardians] == ["UntrustedGuardian"]


def test_a_machine_whose_tpm_fails_does_not_stay(host: HyperVHost, simulator: SimulatedHost) -> None:
    simulator.faults.add(FaultRule("drop-before", method="ModifySecuritySettings", times=0))
    with pytest.raises(Unreachable):
        host.machines.create(generation_2(tpm=True))
    assert host.machines.list() == []


def test_generation_1_has_no_tpm(host: HyperVHost) -> None:
    with pytest.raises(InvalidRequest, match="generation 1"):
        host.machines.create(generation_1(tpm=True))


def test_a_numa_topology_and_shares_of_processors_are_set(host: HyperVHost) -> None:
    spec = generation_2(
        memory=Memory(512, 512, 512, numa_node_mb=256),
        processor=Processor(2, weight=200, limit_percent=50, reserved_percent=10, numa_node_processors=1),
    )
    settings = MachineSettings.read(host.cim, host.machines.create(spec))
    names = ("Weight", "Limit", "Reservation", "MaxProcessorsPerNumaNode")
    assert [settings.processor[name] for name in names] == [200, 50_000, 10_000, 1]
    assert settings.memory["MaxMemoryBlocksPerNumaNode"] == 256


def test_dynamic_memory_has_its_buffer_and_no_numa_topology(host: HyperVHost) -> None:
    spec = generation_2(memory=Memory(512, 256, 1024, buffer_percent=30))
    assert MachineSettings.read(host.cim, host.machines.create(spec)).memory["TargetMemoryBuffer"] == 30
    with pytest.raises(InvalidRequest, match="NUMA"):
        host.machines.create(generation_2(name="other", memory=Memory(512, 256, 1024, numa_node_mb=256)))
