"""Servers that cannot be, and what is left of the attempt: nothing."""

from __future__ import annotations

import pytest

from tests.nova.functional.cloud import Image


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def refused(cloud, compute, host1):
    """Boots, expects that to fail at once, and returns what the user is told."""

    def boot(image_id, flavor_id, **more) -> str:
        server = cloud.boot(image_id, flavor_id, state="ERROR", **more)
        assert host1.remains() == set()
        return cloud.fault_of(server)

    return boot


@pytest.mark.parametrize(
    ("flavor", "says"),
    [
        ({"memory_mb": 129}, "steps of 2 MB"),
        ({"extra_specs": {"quota:disk_read_iops_sec": "100"}}, "quota:disk_total_iops_sec"),
    ],
)
def test_a_flavor_that_asks_for_what_is_not_there(cloud, refused, image_id, flavor, says):
    assert says in refused(image_id, cloud.add_flavor(**flavor))


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"hw_machine_type": "q35"}, "hyperv-gen1"),
        ({"hw_machine_type": "hyperv-gen1", "hw_firmware_type": "uefi"}, "exclude each other"),
        ({"os_secure_boot": "required", "os_type": "linux"}, "generation 2"),
    ],
)
def test_an_image_that_asks_for_what_is_not_there(cloud, refused, disk_image, flavor_id, properties, says):
    image_id = cloud.add_image(Image(disk_image.data, disk_image.disk_format, properties))

    assert says in refused(image_id, flavor_id)


def test_an_image_larger_than_the_flavors_disk(cloud, refused, large_image, flavor_id):
    assert "too small" in refused(cloud.add_image(large_image), flavor_id)


def test_an_image_of_another_format_than_it_claims(cloud, refused, disk_image, flavor_id):
    assert refused(cloud.add_image(Image(disk_image.data, "vhdx", {})), flavor_id)


def test_an_image_with_a_backing_file(cloud, refused, image_with_backing_file, flavor_id):
    assert refused(cloud.add_image(image_with_backing_file), flavor_id)


def test_an_image_that_is_no_image(cloud, refused, flavor_id):
    assert refused(cloud.add_image(Image(b"#!/bin/sh\n" * 1000, "qcow2", {})), flavor_id)


def test_a_port_that_is_bound_for_another_hypervisor(cloud, refused, image_id, flavor_id):
    cloud.neutron.default_port = {**cloud.neutron.default_port, "binding:vif_type": "ovs"}

    assert refused(image_id, flavor_id, networks="auto")


def test_a_network_that_the_host_has_no_switch_for(cloud, refused, image_id, flavor_id):
    cloud.neutron.default_port["binding:vif_details"]["physical_network"] = "physnet9"

    assert refused(image_id, flavor_id, networks="auto")
