"""Shielded servers: what image and server ask for, and what they have to bring along (old-driver 3.4).

Pure, as ``spec`` is. ``os_shielded_vm=required`` keeps the host out of the server altogether; ``os_vtpm=required`` with
shielding data only encrypts it, and without them is a virtual TPM whose keys are the host's (``hardware.wants_tpm``).
"""

from __future__ import annotations

from typing import Literal

from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance

from compute_hyperv.host.model import SecureBootTemplate, Shielding
from compute_hyperv.nova import names
from compute_hyperv.nova.block_devices import Generation
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.image_properties import image_property

Protection = Literal["shielded", "encrypted"]

_REFERENCE = "img_pdk_reference"
_SUBSTITUTION = "fsk:"
_COMPUTER_NAME = "@@ComputerName@@"
_SERIAL_PORT_KEYS = ("interactive_serial_port", "logging_serial_port", "hw_serial_port_count")


def wanted(instance: Instance, image_meta: ImageMeta | None = None) -> Protection | None:
    """How the server is to be protected; None where its host may see everything.

    :param image_meta: None: of the image it was made from.
    """
    image = instance.image_meta if image_meta is None else image_meta
    if image_property(instance, image, "os_shielded_vm") == "required":
        return "shielded"
    if image_property(instance, image, "os_vtpm") == "required" and reference(instance, image) is not None:
        return "encrypted"
    return None


def reference(instance: Instance, image_meta: ImageMeta) -> str | None:
    """Where in Barbican its shielding data are: what the server says wins over what its image says."""
    return instance.metadata.get(_REFERENCE) or image_property(instance, image_meta, _REFERENCE) or None


def shielding(
    instance: Instance,
    image_meta: ImageMeta,
    folder: str,
    machine_generation: Generation,
    secure_boot: SecureBootTemplate | None,
) -> Shielding | None:
    """:raises InstanceRefused: no Hyper-V host could protect it like this."""
    protection = wanted(instance, image_meta)
    if protection is None:
        return None
    _check(instance, image_meta, machine_generation, secure_boot)
    return Shielding(
        shielded=protection == "shielded",
        data_path=names.shielding_data(folder),
        specialization_path=names.specialization_data(folder),
        substitutions=tuple(sorted(_substitutions(instance).items())),
    )


def _check(
    instance: Instance, image_meta: ImageMeta, machine_generation: Generation, secure_boot: SecureBootTemplate | None
) -> None:
    why = None
    if machine_generation != 2:
        why = "needs a generation 2 machine: set the image's property hw_machine_type to hyperv-gen2"
    elif secure_boot is None:
        why = "needs secure boot: set the image's property os_secure_boot, or the flavor's os:secure_boot, to required"
    elif secure_boot is not SecureBootTemplate.WINDOWS:
        os_type = image_property(instance, image_meta, "os_type")
        why = f"can only run Windows, and the image has os_type={os_type}: take another image"
    elif reference(instance, image_meta) is None:
        why = (
            f"needs shielding data: put the PDK file into a container of Barbican, and its reference into {_REFERENCE} "
            "of the server's metadata or of the image's properties"
        )
    elif asked := _serial_ports_asked_for(instance, image_meta):
        why = f"has no serial ports, and {asked} asks for some: remove it"
    if why:
        raise InstanceRefused(instance_id=instance.uuid, reason=f"a shielded server {why}.")


def _serial_ports_asked_for(instance: Instance, image_meta: ImageMeta) -> str | None:
    if "hw:serial_port_count" in instance.flavor.extra_specs:
        return "hw:serial_port_count of the flavor"
    return next((key for key in _SERIAL_PORT_KEYS if image_property(instance, image_meta, key) is not None), None)


def _substitutions(instance: Instance) -> dict[str, str]:
    """Placeholders in the shielding data's answer file, and what to put there. The name of the computer is always among
    them: without it the guest would name itself and start once more."""
    found = {
        f"@@{key.removeprefix(_SUBSTITUTION)}@@": value
        for key, value in instance.metadata.items()
        if key.startswith(_SUBSTITUTION)
    }
    name = found.get(_COMPUTER_NAME) or instance.hostname
    if name != instance.hostname:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the server's metadata have {_SUBSTITUTION}ComputerName={name}, but its host name is "
            f"{instance.hostname}. Remove the key, or rename the server.",
        )
    return found | {_COMPUTER_NAME: name}
