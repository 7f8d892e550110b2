"""From what Nova asks for to what the host shall make: one pure function and its rules.

Rule 1: no I/O. Every rule of the retired driver about images, flavors and devices (old-driver facts, section 3) is
        here, and a fast test.
Rule 2: what cannot be done is refused here, before anything exists on the host, with a message that says what to
        change. Nothing that somebody asked for is dropped silently.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nova import exception
from nova.network import model as network_model
from nova.objects.fields import SecureBoot
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from nova.virt import hardware as nova_hardware

from compute_hyperv.host import paths, versions
from compute_hyperv.host.errors import UnsupportedByHost
from compute_hyperv.host.model import DriveKind, MachineSpec, SecureBootTemplate, SerialPort
from compute_hyperv.nova import (
    block_devices,
    disk_limits,
    extra_specs,
    file_systems,
    hardware,
    names,
    refusals,
    shielding,
    vifs,
)
from compute_hyperv.nova.block_devices import Generation, Layout, Wishes
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.hardware import HostDevices
from compute_hyperv.nova.image_properties import image_property
from compute_hyperv.nova.settings import BuildSettings

_MACHINE_TYPES: Mapping[str, Generation] = {"hyperv-gen1": 1, "hyperv-gen2": 2}
_FIRMWARES: Mapping[str, Generation] = {"bios": 1, "uefi": 2}


def machine_spec(
    instance: Instance,
    image_meta: ImageMeta,
    network_info: Iterable[network_model.VIF],
    block_device_info: Mapping[str, Any] | None,
    settings: BuildSettings,
    host_version: versions.Version,
    *,
    config_drive: bool,
) -> MachineSpec:
    """What the machine for an instance must be. The root disk is expected to be a VHDX: see ``with_root_format``.

    :param config_drive: whether it gets one.
    :raises InstanceRefused: no Hyper-V host could run it like this.
    :raises nova.exception.InstanceUnacceptable: this host's Windows version cannot; another may.
    :raises nova.exception.Invalid: a value in image or flavor is wrong.
    """
    _check_name(instance)
    refusals.check(instance)
    extra_specs.check(instance)
    disks = disk_layout(instance, image_meta, block_device_info, settings, host_version, config_drive=config_drive)
    machine_generation = generation(instance, image_meta, host_version)
    if machine_generation == 2 and image_meta.obj_attr_is_set("disk_format") and image_meta.disk_format == "vhd":
        raise _vhd_in_generation_2(instance)
    nested = wants_nested_virtualization(instance, image_meta, host_version)
    numa = hardware.numa_nodes(instance)
    devices = host_devices(instance, host_version)
    secure_boot = secure_boot_template(instance, image_meta, machine_generation, host_version)
    folder = names.instance_folder(settings.instances_path, instance.name)
    protection = shielding.shielding(instance, image_meta, folder, machine_generation, secure_boot)
    if protection:
        _require(instance, host_version, versions.Feature.SHIELDED_MACHINES)
    nics = tuple(vifs.nic(instance, vif, settings) for vif in network_info)
    return MachineSpec(
        name=instance.name,
        notes=(instance.uuid,),
        generation=machine_generation,
        folder=folder,
        memory=hardware.memory(
            instance, settings.dynamic_memory_ratio, numa=numa, nested=nested, devices=devices != HostDevices()
        ),
        processor=hardware.processor(instance, numa, limit_features=settings.limit_cpu_features, nested=nested),
        drives=disks.drives,
        nics=nics,
        serial_ports=serial_ports(instance, image_meta),
        boot_order=(
            *(("drive", number) for number in disks.boot_order),
            *(("nic", number) for number in range(len(nics))),
        ),
        secure_boot=secure_boot,
        asset_tag=settings.asset_tag,
        shutdown_on_host_stop=settings.instance_automatic_shutdown,
        # Shielding overrides it, and brings its own.
        tpm=protection is None and wants_tpm(instance, image_meta, machine_generation, host_version),
        shielding=protection,
        pci_devices=devices.pci,
        gpu_partitions=devices.gpu_partitions,
        mmio=hardware.mmio_space(instance, devices),
    )


def disk_layout(
    instance: Instance,
    image_meta: ImageMeta,
    block_device_info: Mapping[str, Any] | None,
    settings: BuildSettings,
    host_version: versions.Version,
    *,
    config_drive: bool,
) -> Layout:
    """The disks of the machine, and the files that must be made for them. Raises as ``machine_spec`` does."""
    kind = DriveKind.DVD if settings.config_drive_cdrom else DriveKind.DISK
    limit = disk_limits.iops_limit(instance)
    if limit:
        _require(instance, host_version, versions.Feature.DISK_IOPS_LIMIT)
    wishes = Wishes(
        folder=names.instance_folder(settings.instances_path, instance.name),
        generation=generation(instance, image_meta, host_version),
        config_drive=kind if config_drive else None,
        file_system=settings.ephemeral_format,
        file_system_for_all=file_systems.chosen(image_property(instance, image_meta, "os_type"), settings.file_systems),
        iops_limit=limit,
    )
    return block_devices.layout(instance, image_meta, block_device_info, wishes)


def with_root_format(spec: MachineSpec, instance: Instance, disk_format: str) -> MachineSpec:
    """The same machine with its root disk in the format that the image turned out to have.

    :raises InstanceRefused: generation 2 boots from VHDX only.
    """
    if spec.generation == 2 and disk_format == "vhd":
        raise _vhd_in_generation_2(instance)
    root = dataclasses.replace(spec.drives[0], path=names.root_disk(spec.folder, disk_format))
    return dataclasses.replace(spec, drives=(root, *spec.drives[1:]))


def _vhd_in_generation_2(instance: Instance) -> InstanceRefused:
    # As the retired driver did. A VHD holds a disk for generation 1: converting it would only
    # move the failure into the guest's firmware.
    return InstanceRefused(
        instance_id=instance.uuid,
        reason="a generation 2 machine cannot boot from a VHD: register the image as vhdx if it is one, or set its "
        "property hw_machine_type to hyperv-gen1.",
    )


def _check_name(instance: Instance) -> None:
    # A template with a display name in it would let a tenant choose where on the host the files go.
    why = paths.refused_name(instance.name)
    if why:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"its name {instance.name!r} cannot be that of a folder on Windows: {why}. Change [DEFAULT] "
            "instance_name_template.",
        )


def generation(instance: Instance, image_meta: ImageMeta, host_version: versions.Version) -> Generation:
    """1 or 2, by the image's ``hw_machine_type``, else by its ``hw_firmware_type``, else 1."""
    machine_type = image_property(instance, image_meta, "hw_machine_type")
    firmware = image_property(instance, image_meta, "hw_firmware_type")
    if machine_type is not None and machine_type not in _MACHINE_TYPES:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the image has hw_machine_type={machine_type}: Hyper-V knows {' and '.join(_MACHINE_TYPES)}.",
        )
    by_firmware = _FIRMWARES.get(firmware) if firmware else None
    chosen = _MACHINE_TYPES[machine_type] if machine_type else by_firmware or 1
    if by_firmware and chosen != by_firmware:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the image has hw_machine_type={machine_type} and hw_firmware_type={firmware}, which exclude each "
            "other: generation 1 has a BIOS, generation 2 has UEFI. Remove one of them.",
        )
    if chosen == 2:
        _require(instance, host_version, versions.Feature.GENERATION_2)
    return chosen


def host_devices(instance: Instance, host_version: versions.Version) -> HostDevices:
    devices = hardware.host_devices(instance)
    if devices.pci:
        _require(instance, host_version, versions.Feature.DEVICE_ASSIGNMENT)
    if devices.gpu_partitions:
        _require(instance, host_version, versions.Feature.GPU_PARTITIONS)
    return devices


def wants_tpm(
    instance: Instance, image_meta: ImageMeta, machine_generation: Generation, host_version: versions.Version
) -> bool:
    if not hardware.wants_tpm(instance, image_meta):
        return False
    if machine_generation != 2:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="a virtual TPM needs a generation 2 machine: set the image's property hw_machine_type to "
            "hyperv-gen2.",
        )
    _require(instance, host_version, versions.Feature.VIRTUAL_TPM)
    return True


def wants_nested_virtualization(instance: Instance, image_meta: ImageMeta, host_version: versions.Version) -> bool:
    """Whether ``hw:cpu_features`` (flavor) or ``hw_cpu_features`` (image), a list with commas, has the word vmx."""
    asked = ",".join(
        value or ""
        for value in (
            instance.flavor.extra_specs.get("hw:cpu_features"),
            image_property(instance, image_meta, "hw_cpu_features"),
        )
    )
    if "vmx" not in {word.strip().lower() for word in asked.split(",")}:
        return False
    _require(instance, host_version, versions.Feature.NESTED_VIRTUALIZATION)
    return True


_SERIAL_PORTS: Mapping[int, names.PipeRole] = {1: "com1", 2: "com2"}


def serial_ports(instance: Instance, image_meta: ImageMeta) -> tuple[SerialPort, ...]:
    """The machine's serial ports that lead somewhere: those with a role, and as many as flavor or image ask for; none
    of a shielded one."""
    if shielding.wanted(instance, image_meta):
        return ()
    pipes = serial_port_pipes(instance, image_meta)
    count = _serial_port_count(instance, image_meta)
    if count is not None and max(pipes) > count:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"the image puts a console on serial port {max(pipes)} (interactive_serial_port, "
            f"logging_serial_port), but the server gets {count} (hw:serial_port_count of the flavor, "
            "hw_serial_port_count of the image). Change one of them.",
        )
    others = {number: names.pipe(instance.uuid, _SERIAL_PORTS[number]) for number in range(1, (count or 0) + 1)}
    return tuple(SerialPort(number, pipe) for number, pipe in sorted((others | pipes).items()))


def serial_port_pipes(instance: Instance, image_meta: ImageMeta) -> dict[int, str]:
    """The pipes of the ports that have a role, by number: one to talk to and one that is only logged, or one for both,
    which is the default."""
    interactive = _serial_port_number(instance, image_meta, "interactive_serial_port")
    logging = _serial_port_number(instance, image_meta, "logging_serial_port")
    roles: dict[int, names.PipeRole] = {logging: "ro", interactive: "rw"}
    return {number: names.pipe(instance.uuid, role) for number, role in roles.items()}


def _serial_port_count(instance: Instance, image_meta: ImageMeta) -> int | None:
    """As Nova reads it for libvirt: the image may ask for fewer than the flavor. None where neither says anything."""
    asked = (
        instance.flavor.extra_specs.get("hw:serial_port_count"),
        image_property(instance, image_meta, "hw_serial_port_count"),
    )
    if asked == (None, None):
        return None
    count: int = nova_hardware.get_number_of_serial_ports(instance.flavor, image_meta)
    if count not in _SERIAL_PORTS:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"it asks for {count} serial ports: Hyper-V machines have 1 or 2. Change hw:serial_port_count of "
            "the flavor, or hw_serial_port_count of the image.",
        )
    return count


def _serial_port_number(instance: Instance, image_meta: ImageMeta, name: str) -> int:
    text = image_property(instance, image_meta, name) or "1"
    if text not in {str(number) for number in _SERIAL_PORTS}:
        raise exception.ImageSerialPortNumberInvalid(
            f"The image has {name}={text}: Hyper-V machines have the serial ports 1 and 2."
        )
    return int(text)


def secure_boot_template(
    instance: Instance, image_meta: ImageMeta, machine_generation: Generation, host_version: versions.Version
) -> SecureBootTemplate | None:
    """Whose signatures the firmware accepts; None where secure boot is off."""
    image_wish = image_property(instance, image_meta, "os_secure_boot")
    flavor_wish = instance.flavor.extra_specs.get("os:secure_boot")
    wishes = {(wish or "").lower() for wish in (image_wish, flavor_wish)}
    if SecureBoot.REQUIRED not in wishes:
        return None
    if SecureBoot.DISABLED in wishes:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"secure boot is {image_wish} by the image (os_secure_boot), but {flavor_wish} by the flavor "
            "(os:secure_boot).",
        )
    os_type = image_property(instance, image_meta, "os_type")
    if machine_generation != 2:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="secure boot needs a generation 2 machine: set the image's property hw_machine_type to hyperv-gen2.",
        )
    if not os_type:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason="secure boot needs to know the guest's kind: set the image's property os_type to windows or linux.",
        )
    if os_type.lower() == "windows":
        return SecureBootTemplate.WINDOWS
    _require(instance, host_version, versions.Feature.SECURE_BOOT_LINUX)
    return SecureBootTemplate.UEFI_CA


def _require(instance: Instance, host_version: versions.Version, feature: versions.Feature) -> None:
    try:
        versions.require(host_version, feature, host="this host")
    except UnsupportedByHost as error:
        # Not InstanceRefused: another host of the cloud may run a newer Windows, so Nova shall try.
        raise exception.InstanceUnacceptable(instance_id=instance.uuid, reason=str(error)) from error
