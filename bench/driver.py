"""The driver as nova-compute has it, and instances to build with it, without the rest of a cloud around.

Nova's own code does all that it does in nova-compute; stood in for are Glance (a local file), Neutron's security groups
and the database behind the metadata of the config drive.
"""

from __future__ import annotations

import bench.native_threads  # noqa: F401

# isort: split
import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nova import context as nova_context
from nova import objects
from nova.api.metadata import base as metadata
from nova.network import model
from nova.tests.unit import fake_instance
from nova.virt import driver as nova_driver
from nova.virt import fake, images

from bench.simulated import HTTP_PORT, PASSWORD, SMB_PORT, USERNAME
from compute_hyperv.nova.options import CONF

HYPERV = "compute_hyperv.driver.HyperVDriver"
FAKE = "fake.FakeDriver"
NETWORK = "physnet1"
IMAGE = objects.ImageMeta(
    id="3f4f7a7e-3b5c-4f3e-9f43-0f6c6d8a5b10",
    disk_format="qcow2",
    container_format="bare",
    properties=objects.ImageMetaProps(hw_machine_type="hyperv-gen2"),
)


@contextlib.contextmanager
def nova_settings(address: str) -> Iterator[None]:
    """nova.conf of a nova-compute whose host is at ``address``, in a state folder of its own."""
    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder:
        CONF([], project="nova", default_config_files=[], default_config_dirs=[])
        objects.register_all()
        CONF.set_override("state_path", folder)
        hyperv: dict[str, Any] = {
            "server": address,
            "username": USERNAME,
            "password": PASSWORD,
            "winrm_scheme": "http",
            "winrm_port": HTTP_PORT,
            "smb_port": SMB_PORT,
            "physical_network_vswitch_mappings": [f"{NETWORK}:external"],
            "config_drive_cdrom": True,
        }
        for name, value in hyperv.items():
            CONF.set_override(name, value, group="hyperv")
        try:
            yield
        finally:
            CONF.reset()
            CONF.clear_override("state_path")
            for name in hyperv:
                CONF.clear_override(name, group="hyperv")


@contextlib.contextmanager
def running_driver(name: str) -> Iterator[Any]:
    """Started as nova-compute starts it."""
    driver = nova_driver.load_compute_driver(fake.FakeVirtAPI(), name)
    driver.init_host("hv1")
    try:
        yield driver
    finally:
        driver.cleanup_host("hv1")


@contextlib.contextmanager
def stand_ins(image: Path) -> Iterator[None]:
    """``image`` is what Glance has; Neutron knows no security groups; no volumes are mapped."""

    def fetch(_context: Any, _image_id: str, path: str, trusted_certs: Any = None) -> None:  # noqa: ARG001
        shutil.copyfile(image, path)

    replaced = [
        (images, "fetch", fetch),
        (objects.BlockDeviceMappingList, "get_by_instance_uuid", lambda *_: []),
        (objects.VirtualInterfaceList, "get_by_instance_uuid", lambda *_: []),
        (metadata.security_group_api, "get_instance_security_groups", lambda *_: []),
        (metadata, "_format_instance_mapping", lambda _: {"ami": "sda1", "root": "/dev/sda"}),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _new in replaced]
    for place, name, new in replaced:
        setattr(place, name, new)
    try:
        yield
    finally:
        for place, name, old in before:
            setattr(place, name, old)


def small_image(folder: Path) -> Path:
    """A qcow2 of 64 MiB with 8 MiB of data."""
    raw, image = folder / "raw", folder / "image.qcow2"
    with raw.open("wb") as file:
        file.write(os.urandom(8 << 20))
        file.truncate(64 << 20)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
    return image


def instance(number: int) -> objects.Instance:
    """1 vCPU, 512 MiB, 1 GB root disk, config drive wanted."""
    made = fake_instance.fake_instance_obj(
        nova_context.get_admin_context(),
        expected_attrs=["metadata", "system_metadata"],
        id=number,
        uuid=str(uuid.uuid4()),
        hostname=f"server-{number}",
        display_name=f"server-{number}",
        image_ref=IMAGE.id,
        config_drive="True",
        memory_mb=512,
        vcpus=1,
        root_gb=1,
    )
    made.ec2_ids = objects.EC2Ids(instance_id="i-1", ami_id="ami-1", kernel_id=None, ramdisk_id=None)
    made.device_metadata = made.numa_topology = made.pci_requests = made.trusted_certs = None
    return made


def network_info(number: int) -> model.NetworkInfo:
    """One port on a VLAN, bound by our mechanism driver, active already."""
    subnet = model.Subnet(
        cidr="10.0.0.0/16",
        gateway=model.IP("10.0.0.1"),
        ips=[model.FixedIP(address=f"10.0.{number >> 8}.{number & 255}", version=4)],
        version=4,
        dns=[],
    )
    port = model.VIF(
        id=str(uuid.uuid4()),
        address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
        network=model.Network(id="n", label="net", subnets=[subnet], injected=False, mtu=1500),
        type="hyperv",
        details={"physical_network": NETWORK, "vlan": "100"},
        active=True,
    )
    return model.NetworkInfo([port])


def spawn(driver: Any, number: int) -> Callable[[], None]:
    """Builds a server.

    :returns: what removes it again.
    """
    context, built, ports = nova_context.get_admin_context(), instance(number), network_info(number)
    driver.spawn(context, built, IMAGE, [], None, {}, ports)
    return lambda: driver.destroy(context, built, ports)
