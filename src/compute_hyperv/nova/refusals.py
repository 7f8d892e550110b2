"""What flavors and images can ask for and we do not give: a table, and the one function that reads it.

An entry goes away when the feature comes. What the scheduler keeps away from us by traits or resource classes needs
none, except where a promise of the flavor would be broken in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance

from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.image_properties import image_property


@dataclass(frozen=True, slots=True)
class Refusal:
    """:param asked_by: the keys, for the message.  :param reason: why not, and what to do."""

    asked_by: str
    asked: Callable[[Instance, ImageMeta], bool]
    reason: str


def _extra_spec(*prefixes: str) -> Callable[[Instance, ImageMeta], bool]:
    return lambda instance, _image: any(key.startswith(prefixes) for key in instance.flavor.extra_specs)


def _image_requires(name: str) -> Callable[[Instance, ImageMeta], bool]:
    return lambda instance, image: image_property(instance, image, name) == "required"


TABLE = (
    Refusal(
        "os:resolution, os:monitors, os:vram",
        _extra_spec("os:resolution", "os:monitors", "os:vram"),
        "RemoteFX was removed from Windows by Microsoft in 2021. Remove these extra specs from the flavor.",
    ),
    Refusal(
        "hw:numa_*, hw:cpu_policy, hw:mem_page_size",
        lambda instance, _image: instance.numa_topology is not None,
        "virtual NUMA, dedicated CPUs and large pages are not supported yet. Take a flavor without them.",
    ),
    Refusal(
        "pci_passthrough:alias",
        lambda instance, _image: bool(instance.pci_requests and instance.pci_requests.requests),
        "passing through PCI devices is not supported yet. Take a flavor and ports without them.",
    ),
    Refusal(
        "os_shielded_vm",
        _image_requires("os_shielded_vm"),
        "shielded machines are not supported yet. Take another image.",
    ),
    Refusal(
        "os_vtpm, hw_tpm_version, hw:tpm_version",
        lambda instance, image: (
            image_property(instance, image, "os_vtpm") == "required"
            or image_property(instance, image, "hw_tpm_version") is not None
            or "hw:tpm_version" in instance.flavor.extra_specs
        ),
        "a virtual TPM is not supported yet. Take an image and a flavor without it.",
    ),
)


def check(instance: Instance, image_meta: ImageMeta) -> None:
    """:raises InstanceRefused: for the first entry of the table that the instance asks for."""
    for refusal in TABLE:
        if refusal.asked(instance, image_meta):
            raise InstanceRefused(instance_id=instance.uuid, reason=f"{refusal.asked_by}: {refusal.reason}")
