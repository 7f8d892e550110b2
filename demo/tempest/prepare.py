"""What tempest expects to find in a cloud: two images, two flavors, a network for everybody and one to the outside."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from demo.cloud.identity import connect
from demo.settings import PHYSICAL_NETWORK, State
from demo.tempest.settings import FLAVOR, FLAVOR_ALT, PUBLIC_NETWORK, SHARED_NETWORK, Prepared

if TYPE_CHECKING:
    from openstack.connection import Connection

# Generation 2: Hyper-V plugs adapters into running machines of that generation only.
PROPERTIES = {"hw_machine_type": "hyperv-gen2"}
FLAVORS = {FLAVOR: 128, FLAVOR_ALT: 192}


def prepare(state: State) -> Prepared:
    """Makes what is not there."""
    api = connect(state)
    _make_flavors(api)
    disk = _empty_disk(state)
    image, image_alt = (_image(api, name, disk) for name in ("tempest", "tempest-alt"))
    return Prepared(image, image_alt, _make_networks(api))


def _make_flavors(api: "Connection") -> None:
    there = {flavor.id for flavor in api.compute.flavors()}
    for identity, memory_mb in FLAVORS.items():
        if identity not in there:
            api.compute.create_flavor(name=f"tempest-{identity}", id=identity, ram=memory_mb, vcpus=1, disk=1)


def _empty_disk(state: State) -> Path:
    path = state.images / "tempest.qcow2"
    if not path.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
    return path


def _image(api: "Connection", name: str, path: Path) -> str:
    image = api.image.find_image(name) or api.create_image(
        name,
        filename=str(path),
        disk_format="qcow2",
        container_format="bare",
        visibility="public",
        wait=True,
        **PROPERTIES,
    )
    return str(image.id)


def _make_networks(api: "Connection") -> str:
    network = api.network
    if network.find_network(SHARED_NETWORK) is None:
        shared = network.create_network(name=SHARED_NETWORK, is_shared=True)
        network.create_subnet(network_id=shared.id, name=SHARED_NETWORK, ip_version=4, cidr="10.1.0.0/20")
    public = network.find_network(PUBLIC_NETWORK)
    if public is None:
        public = network.create_network(
            name=PUBLIC_NETWORK,
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network=PHYSICAL_NETWORK,
        )
        network.create_subnet(
            network_id=public.id,
            name=PUBLIC_NETWORK,
            ip_version=4,
            cidr="172.24.4.0/24",
            gateway_ip="172.24.4.1",
            is_dhcp_enabled=False,
        )
    return str(public.id)
