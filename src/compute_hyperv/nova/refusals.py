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
        "RemoteFX was removed from Windows by Microsoft in 2021. Remove these extra specs from the flavor; a share of "
        "a graphics card is resources:VGPU, a whole one pci_passthrough:alias.",
    ),
    Refusal(
        "os_shielded_vm",
        _image_requires("os_shielded_vm"),
        "shielded machines are not supported yet. Take another image.",
    ),
    Refusal(
        "os_vtpm with img_pdk_reference",
        lambda instance, image: (
            image_property(instance, image, "os_vtpm") == "required"
            and (
                image_property(instance, image, "img_pdk_reference") is not None
                or "img_pdk_reference" in instance.metadata
            )
        ),
        "a virtual TPM with provisioning data for a guarded host is not supported yet. Remove img_pdk_reference from "
        "image and server for a TPM whose keys are the host's own.",
    ),
)


def check(instance: Instance, image_meta: ImageMeta) -> None:
    """:raises InstanceRefused: for the first entry of the table that the instance asks for."""
    for refusal in TABLE:
        if refusal.asked(instance, image_meta):
            raise InstanceRefused(instance_id=instance.uuid, reason=f"{refusal.asked_by}: {refusal.reason}")
