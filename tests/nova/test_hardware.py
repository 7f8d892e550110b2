"""Processors, memory, TPM and devices of the host: a table for each rule."""

from __future__ import annotations

import pytest
from nova import exception
from nova.objects import instance_numa, pci_device
from nova.objects import instance_pci_requests as pci

from compute_hyperv.host.model import Memory, MmioSpace
from compute_hyperv.nova import extra_specs, hardware
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.hardware import HostDevices, NumaNodes
from tests.nova.making import make_flavor, make_instance
from tests.nova.test_spec import WINDOWS_2012_R2, plan

TWO_NODES = NumaNodes(1024, 1)


def instance_with(specs, **flavor):
    instance = make_instance(flavor=make_flavor(extra_specs=specs, **flavor))
    extra_specs.check(instance)
    return instance


def cell(number, memory, processors, **settings):
    return instance_numa.InstanceNUMACell(
        id=number, memory=memory, cpuset=set(processors), pcpuset=set(), **{"cpu_policy": None, **settings}
    )


def with_cells(*cells):
    instance = make_instance()
    instance.numa_topology = instance_numa.InstanceNUMATopology(cells=list(cells))
    return instance


def with_pci(*addresses, count=None):
    instance = make_instance()
    requests = [pci.InstancePCIRequest(count=count or len(addresses), alias_name="nvme")]
    instance.pci_requests = pci.InstancePCIRequests(requests=requests)
    devices = [pci_device.PciDevice(address=address) for address in addresses]
    instance.pci_devices = pci_device.PciDeviceList(objects=devices)
    return instance


# extra specs, weight, limit, reservation
SHARES = [
    ({}, 100, 100, 0),
    ({"quota:cpu_shares": "2048"}, 200, 100, 0),
    ({"quota:cpu_shares": "1"}, 1, 100, 0),
    ({"quota:cpu_shares": "10000000"}, 10000, 100, 0),
    ({"quota:cpu_quota": "25000"}, 100, 25, 0),
    ({"quota:cpu_quota": "10000", "quota:cpu_period": "20000"}, 100, 50, 0),
    ({"quota:cpu_quota": "300000"}, 100, 100, 0),
    ({"quota:cpu_quota": "-1"}, 100, 100, 0),
    ({"quota:cpu_quota": "33333"}, 100, 33.333, 0),
    ({"hyperv:processor_reservation_percent": "20"}, 100, 100, 20),
]


@pytest.mark.parametrize(("specs", "weight", "limit", "reserved"), SHARES)
def test_quotas_become_shares_of_processors(specs, weight, limit, reserved):
    found = hardware.processor(instance_with(specs), None, limit_features=False, nested=False)
    assert (found.weight, found.limit_percent, found.reserved_percent) == (weight, limit, reserved)


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"quota:cpu_quota": "10000", "hyperv:processor_reservation_percent": "20"}, "limits it to 10 %"),
        ({"quota:cpu_shares": "many"}, "no whole number"),
    ],
)
def test_shares_that_exclude_each_other_are_refused(specs, says):
    with pytest.raises(InstanceRefused, match=says):
        hardware.processor(instance_with(specs), None, limit_features=False, nested=False)


@pytest.mark.parametrize(
    ("option", "spec", "limited"), [(False, None, False), (False, "true", True), (True, "0", False)]
)
def test_the_flavor_decides_on_processor_compatibility_before_nova_conf_does(option, spec, limited):
    instance = instance_with({"hyperv:processor_compatibility": spec} if spec else {})
    assert hardware.processor(instance, None, limit_features=option, nested=False).limit_features is limited


# extra specs, ratio in nova.conf, memory of a flavor with 2048 MB
MEMORY = [
    ({}, 1, Memory(2048, 2048, 2048)),
    ({}, 2, Memory(1024, 1024, 2048)),
    ({"hyperv:dynamic_memory_ratio": "4"}, 1, Memory(512, 512, 2048)),
    ({"hyperv:dynamic_memory_ratio": "1"}, 2, Memory(2048, 2048, 2048)),
    ({"hyperv:dynamic_memory_ratio": "1.5"}, 1, Memory(1364, 1364, 2048)),
    ({"hyperv:memory_minimum_mb": "512"}, 1, Memory(2048, 512, 2048)),
    ({"hyperv:memory_minimum_mb": "512"}, 2, Memory(1024, 512, 2048)),
    ({"hyperv:memory_buffer_percent": "30"}, 2, Memory(1024, 1024, 2048, 30)),
]


@pytest.mark.parametrize(("specs", "ratio", "expected"), MEMORY)
def test_memory_is_as_dynamic_as_flavor_and_nova_conf_say(specs, ratio, expected):
    assert hardware.memory(instance_with(specs), ratio) == expected


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hyperv:memory_minimum_mb": "1026"}, "starts with 1024"),
        ({"hyperv:memory_minimum_mb": "513"}, "steps of 2"),
        ({"hyperv:memory_buffer_percent": "30", "hyperv:dynamic_memory_ratio": "1"}, "no dynamic memory"),
    ],
)
def test_memory_that_cannot_be_is_refused(specs, says):
    with pytest.raises(InstanceRefused, match=says):
        hardware.memory(instance_with(specs), 2)


@pytest.mark.parametrize("excluded", [{"nested": True}, {"numa": TWO_NODES}, {"devices": True}])
def test_what_excludes_dynamic_memory_beats_nova_conf_but_not_the_flavor(excluded):
    found = hardware.memory(instance_with({}), 2, **excluded)
    assert not found.dynamic
    assert found.numa_node_mb == (1024 if "numa" in excluded else None)
    for specs in ({"hyperv:dynamic_memory_ratio": "2"}, {"hyperv:memory_minimum_mb": "512"}):
        with pytest.raises(InstanceRefused, match="no machine with both"):
            hardware.memory(instance_with(specs), 1, **excluded)


def test_a_symmetric_numa_topology_becomes_the_machines():
    instance = with_cells(cell(0, 1024, [0]), cell(1, 1024, [1]))

    machine = plan(instance=instance)

    assert machine.processor.numa_node_processors == 1
    assert machine.memory == Memory(2048, 2048, 2048, numa_node_mb=1024)


# cells, words of the refusal
TOPOLOGIES = [
    ([cell(0, 1024, [0]), cell(1, 512, [1])], "same memory"),
    ([cell(0, 1024, [0, 1]), cell(1, 1024, [2])], "number of processors"),
    ([cell(0, 1023, [0])], "steps of 2 MB"),
    ([cell(0, 1024, [0], cpu_policy="dedicated")], "cpu_policy"),
    ([cell(0, 1024, [0], pagesize=2048)], "mem_page_size"),
]


@pytest.mark.parametrize(("cells", "says"), TOPOLOGIES)
def test_a_numa_topology_that_hyper_v_does_not_have_is_refused(cells, says):
    with pytest.raises(InstanceRefused, match=says):
        plan(instance=with_cells(*cells))


# image, extra specs, whether it gets a TPM
TPMS = [
    ({}, {}, False),
    ({"os_vtpm": "optional"}, {}, False),
    ({"os_vtpm": "required"}, {}, True),
    ({"hw_tpm_version": "2.0"}, {}, True),
    ({}, {"hw:tpm_version": "2.0"}, True),
    ({}, {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}, True),
]


@pytest.mark.parametrize(("image", "specs", "there"), TPMS)
def test_a_tpm_comes_by_novas_and_by_the_retired_drivers_properties(image, specs, there):
    machine = plan(image={"hw_machine_type": "hyperv-gen2", **image}, flavor=make_flavor(extra_specs=specs))
    assert machine.tpm is there


@pytest.mark.parametrize(
    ("image", "specs", "says"),
    [
        ({"hw_machine_type": "hyperv-gen1", "os_vtpm": "required"}, {}, "generation 2"),
        ({"hw_machine_type": "hyperv-gen2"}, {"hw:tpm_version": "1.2"}, r"are 2\.0"),
        ({"hw_machine_type": "hyperv-gen2"}, {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-tis"}, "tpm-crb"),
    ],
)
def test_a_tpm_that_hyper_v_does_not_have_is_refused(image, specs, says):
    with pytest.raises(InstanceRefused, match=says):
        plan(image=image, flavor=make_flavor(extra_specs=specs))


def test_a_tpm_before_windows_server_2016_is_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2016"):
        plan(image={"hw_machine_type": "hyperv-gen2", "hw_tpm_version": "2.0"}, version=WINDOWS_2012_R2)


def test_a_machine_gets_the_pci_devices_that_nova_claimed_and_room_for_them():
    machine = plan(instance=with_pci("0000:42:00.0", "0000:41:00.0"))

    assert machine.pci_devices == ("0000:41:00.0", "0000:42:00.0")
    assert machine.mmio == MmioSpace(3072, 33280)


def test_devices_that_nova_has_not_claimed_are_not_guessed():
    with pytest.raises(exception.PciDeviceRequestFailed):
        hardware.host_devices(with_pci("0000:42:00.0", count=2))


def test_pci_devices_before_windows_server_2016_are_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2016"):
        plan(instance=with_pci("0000:41:00.0"), version=WINDOWS_2012_R2)


@pytest.mark.parametrize(
    ("specs", "partitions"),
    [({}, 0), ({"resources:VGPU": "1"}, 1), ({"resources1:VGPU": "1", "resources_b:VGPU": "2"}, 3)],
)
def test_shares_of_graphics_cards_are_what_placement_has_allocated(specs, partitions):
    assert plan(flavor=make_flavor(extra_specs=specs)).gpu_partitions == partitions


# extra specs, devices, room
ROOMS = [
    ({}, HostDevices(), None),
    ({}, HostDevices(gpu_partitions=1), MmioSpace(3072, 33280)),
    ({"hyperv:high_mmio_mb": "131072"}, HostDevices(("0000:41:00.0",)), MmioSpace(3072, 131072)),
    ({"hyperv:low_mmio_mb": "1024"}, HostDevices(), MmioSpace(1024, 512)),
]


@pytest.mark.parametrize(("specs", "devices", "room"), ROOMS)
def test_room_for_devices_is_what_the_flavor_says_or_what_microsoft_advises(specs, devices, room):
    assert hardware.mmio_space(instance_with(specs), devices) == room


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hyperv:generation": "2"}, "there are hyperv:dynamic_memory_ratio"),
        ({"hyperv:dynamic_memory_ratio": "0.5"}, "0.5"),
        ({"hyperv:memory_buffer_percent": "4"}, "less than the min"),
        ({"hyperv:processor_compatibility": "perhaps"}, "boolean"),
    ],
)
def test_an_extra_spec_that_there_is_not_is_refused(specs, says):
    with pytest.raises(InstanceRefused, match=says):
        plan(flavor=make_flavor(extra_specs=specs))
