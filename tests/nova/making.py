"""Nova objects with what the tests need in them, and sensible values for the rest."""

from __future__ import annotations

from typing import Any

from nova.network import model as network_model
from nova.objects import flavor as flavor_objects
from nova.objects import image_meta as image_objects
from nova.objects import instance as instance_objects
from nova.utils import get_system_metadata_from_image

INSTANCE_UUID = "3f9c6f5e-5f0c-4a3e-9d4c-0d2b7b1f0a11"
PORT_ID = "ce531f90-199f-48c0-816c-13e38010b442"


def make_flavor(
    *, vcpus: int = 2, memory_mb: int = 2048, root_gb: int = 10, extra_specs: dict[str, str] | None = None
) -> flavor_objects.Flavor:
    return flavor_objects.Flavor(
        vcpus=vcpus,
        memory_mb=memory_mb,
        root_gb=root_gb,
        ephemeral_gb=0,
        swap=0,
        extra_specs=extra_specs or {},
    )


def make_instance(
    *,
    flavor: flavor_objects.Flavor | None = None,
    image_properties: dict[str, str] | None = None,
    display_name: str = "web",
) -> instance_objects.Instance:
    """Number 42, so named ``instance-0000002a``."""
    return instance_objects.Instance(
        id=42,
        uuid=INSTANCE_UUID,
        flavor=flavor or make_flavor(),
        image_ref="155d900f-4e14-4e4c-a73d-069cbf4541e6",
        display_name=display_name,
        system_metadata=get_system_metadata_from_image({"properties": image_properties or {}}),
        metadata={},
        numa_topology=None,
        pci_requests=None,
        trusted_certs=None,
        config_drive="",
    )


def make_image_meta(properties: dict[str, str] | None = None, disk_format: str = "vhdx") -> image_objects.ImageMeta:
    return image_objects.ImageMeta.from_dict(
        {"id": "155d900f-4e14-4e4c-a73d-069cbf4541e6", "disk_format": disk_format, "properties": properties or {}}
    )


def make_vif(
    *,
    port_id: str = PORT_ID,
    kind: str = "hyperv",
    vnic_type: str = "normal",
    details: dict[str, Any] | None = None,
    active: bool = True,
) -> network_model.VIF:
    return network_model.VIF(
        id=port_id,
        address="fa:16:3e:4c:2c:30",
        type=kind,
        vnic_type=vnic_type,
        details={"physical_network": "physnet1", "vlan": "100"} if details is None else details,
        active=active,
    )
