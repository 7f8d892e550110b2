"""NUMA, PCI passthrough and graphics cards."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from compute_hyperv.readiness.expectations import Expectations, Flavor, PciSpec
from compute_hyperv.readiness.model import Verdict
from hyperv_simulator.config.devices import GpuConfig, Obstacle, PciDeviceConfig
from hyperv_simulator.config.operating_system import HardwareConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine
from tests.simulated import Simulate

_NVME = Expectations(pci_devices=(PciSpec("144d", "a820"),))
_SURVEY = Expectations(survey_devices=True)
_WORDS = {
    "reserved_memory": "RMRR",
    "acs": "ACS",
    "conventional": "conventional",
    "firmware": "firmware keeps control",
    "line_interrupts": "MSI",
}


@pytest.fixture(scope="module")
def two_nodes(hosts: Simulate) -> SimulatedHost:
    return hosts(numa_nodes=2, cores=8, threads=16, memory_mb=65536)


def test_nodes_are_told_with_what_they_have(two_nodes: SimulatedHost) -> None:
    found = examine(two_nodes, "numa.nodes")["numa.nodes"]
    assert found.found == "2 with 8 logical processors and 32768 MiB each"
    assert len(found.details) == 2


def test_spanning_is_judged_by_what_nova_conf_says(two_nodes: SimulatedHost) -> None:
    for wanted, verdict in ((None, Verdict.PASS), (True, Verdict.PASS), (False, Verdict.FAIL)):
        found = examine(two_nodes, "numa.spanning", wanted=Expectations(numa_spanning=wanted))["numa.spanning"]
        assert found.verdict is verdict


def test_the_flavors_that_fit_into_no_node_are_named(two_nodes: SimulatedHost) -> None:
    flavors = (Flavor("small", 2, 4096), Flavor("wide", 12, 4096), Flavor("big", 2, 40000))
    found = examine(two_nodes, "numa.spanning", wanted=Expectations(flavors=flavors))["numa.spanning"]
    told = " ".join(found.details)
    assert "wide (12 vCPUs" in told
    assert "big" in told
    assert "small" not in told


def test_spanning_makes_no_difference_with_one_node(hosts: Simulate) -> None:
    found = examine(hosts(), "numa.spanning", wanted=Expectations(numa_spanning=False))["numa.spanning"]
    assert found.verdict is Verdict.PASS


def test_a_host_without_sriov_fails_where_devices_are_wanted(hosts: Simulate) -> None:
    host = hosts(hardware=HardwareConfig(iov=False))
    verdicts = [
        examine(host, "pci.sriov", wanted=wanted)["pci.sriov"].verdict for wanted in (Expectations(), _SURVEY, _NVME)
    ]
    assert verdicts == [Verdict.NOT_APPLICABLE, Verdict.WARN, Verdict.FAIL]
    assert "BIOS" in examine(host, "pci.sriov", wanted=_NVME)["pci.sriov"].details[0]


@pytest.mark.parametrize("obstacle", [each for each in get_args(Obstacle) if each])
def test_why_a_device_can_not_be_assigned(hosts: Simulate, obstacle: Any) -> None:
    found = _devices(hosts(pci_device=(PciDeviceConfig("Fast disk", obstacle=obstacle),)), _NVME)
    assert found.verdict is Verdict.FAIL
    assert _WORDS[obstacle] in found.details[0]


def test_a_device_that_can_be_assigned_is_told_with_place_and_memory(hosts: Simulate) -> None:
    device = PciDeviceConfig("Fast disk", memory_mb=16, location_path="PCIROOT(40)#PCI(0100)#PCI(0000)")
    found = _devices(hosts(pci_device=(device,)), _NVME)
    assert found.verdict is Verdict.WARN  # wanted, and not dismounted yet
    assert found.details == ("Fast disk: assignable at PCIROOT(40)#PCI(0100)#PCI(0000), needs 16 MiB of MMIO space",)


def test_a_dismounted_device_is_ready(hosts: Simulate) -> None:
    found = _devices(hosts(pci_device=(PciDeviceConfig("Fast disk", dismounted=True),)), _NVME)
    assert found.verdict is Verdict.PASS
    assert "dismounted" in found.details[0]


def test_a_device_that_nova_conf_names_and_nobody_has_fails(hosts: Simulate) -> None:
    device = PciDeviceConfig("Other", vendor_id="8086", device_id="1572")
    assert _devices(hosts(pci_device=(device,)), _NVME).verdict is Verdict.FAIL


def test_a_survey_looks_at_everything_that_machines_are_given_usually(hosts: Simulate) -> None:
    cards = tuple(PciDeviceConfig(f"Card {number}", device_class="display") for number in range(8))
    host = hosts(pci_device=(*cards, PciDeviceConfig("Bridge", device_class="other")))
    found = _devices(host, _SURVEY)
    assert (found.verdict, found.found, len(found.details)) == (Verdict.PASS, "8 of 8 can be assigned", 8)
    assert _devices(host, Expectations()).verdict is Verdict.NOT_APPLICABLE


def test_devices_can_not_be_assigned_before_2016(hosts: Simulate) -> None:
    host = hosts(version="2012r2", pci_device=(PciDeviceConfig("Fast disk"),))
    assert _devices(host, _SURVEY).verdict is Verdict.NOT_APPLICABLE


def test_cards_that_can_be_divided_are_told_with_their_partitions(hosts: Simulate) -> None:
    found = examine(hosts(gpu=(GpuConfig("A5000", partition_count=4),)), "pci")["pci.gpu-partitions"]
    assert found.verdict is Verdict.PASS
    assert found.details == ("card 10DE:2236: 4 partitions; possible: 1, 2, 4, 8, 16, 32",)


def _devices(host: SimulatedHost, wanted: Expectations) -> Any:
    return examine(host, "pci.devices", wanted=wanted)["pci.devices"]
