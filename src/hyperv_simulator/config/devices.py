"""``[[host.pci_device]]`` and ``[[host.gpu]]``: what can be handed to machines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hyperv_simulator.config.errors import ConfigError

DeviceClass = Literal["network", "display", "storage", "usb", "other"]
# Why a device can't be assigned, in the order in which Microsoft's survey script looks.
Obstacle = Literal["", "reserved_memory", "acs", "conventional", "firmware", "line_interrupts"]

_LOCATION = re.compile(r"PCIROOT\([0-9A-F]+\)(#PCI\([0-9A-F]{4}\))+")


def _check_ids(device: PciDeviceConfig | GpuConfig) -> None:
    """What the PCI configuration space says of a device."""
    for name, digits in (("vendor_id", 4), ("device_id", 4), ("subsystem_id", 8), ("revision", 2)):
        value = getattr(device, name)
        if not re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", value):
            raise ConfigError(f"{name} is {value!r}; write {digits} hexadecimal digits")


@dataclass(frozen=True, slots=True)
class PciDeviceConfig:
    """One PCI Express device of the host (``[[host.pci_device]]``).

    :param name: as Device Manager shows it.
    :param vendor_id: PCI vendor, 4 hexadecimal digits.
    :param device_id: PCI device, 4 hexadecimal digits.
    :param subsystem_id: 8 hexadecimal digits.
    :param revision: 2 hexadecimal digits.
    :param device_class: what it is.
    :param manufacturer: who made it.
    :param location_path: where it is plugged in, ``PCIROOT(40)#PCI(0100)#PCI(0000)`` say; made up where empty.
    :param memory_mb: memory that its registers take in an address space, MiB.
    :param sriov: whether it can do single-root I/O virtualization.
    :param obstacle: why it can't be assigned to a machine: its memory is reserved by the firmware, its slot does no
        access control (``acs``), it is a conventional PCI device, the firmware keeps control, its interrupts are lines.
    :param mitigation_driver: its vendor has a driver that guards the host from whoever has the device.
    :param dismounted: it has been taken from the host already and waits for a machine.
    """

    name: str
    vendor_id: str = "144D"
    device_id: str = "A820"
    subsystem_id: str = "1F951028"
    revision: str = "01"
    device_class: DeviceClass = "other"
    manufacturer: str = "(Standard device)"
    location_path: str = ""
    memory_mb: int = 16
    sriov: bool = False
    obstacle: Obstacle = ""
    mitigation_driver: bool = False
    dismounted: bool = False

    def __post_init__(self) -> None:
        _check_ids(self)
        if self.location_path and not _LOCATION.fullmatch(self.location_path):
            raise ConfigError(f"location_path is {self.location_path!r}; write PCIROOT(40)#PCI(0100)#PCI(0000), say")
        if self.memory_mb < 0:
            raise ConfigError(f"memory_mb is {self.memory_mb}; write a whole number, 0 or more")
        if self.dismounted and self.obstacle:
            raise ConfigError(f"dismounted is true; a device with the obstacle {self.obstacle!r} can't be")


@dataclass(frozen=True, slots=True)
class GpuConfig:
    """One graphics card that can be shared in partitions (``[[host.gpu]]``).

    :param name: as Device Manager shows it.
    :param vendor_id: PCI vendor, 4 hexadecimal digits.
    :param device_id: PCI device, 4 hexadecimal digits.
    :param subsystem_id: 8 hexadecimal digits.
    :param revision: 2 hexadecimal digits.
    :param manufacturer: who made it.
    :param memory_mb: video memory, MiB; WMI tells shares of it, not bytes.
    :param partition_count: into how many partitions it is divided now.
    :param valid_partition_counts: into how many it can be divided.
    :param driver_version: of its driver.
    """

    name: str
    vendor_id: str = "10DE"
    device_id: str = "2236"
    subsystem_id: str = "148210DE"
    revision: str = "A1"
    manufacturer: str = "NVIDIA"
    memory_mb: int = 24576
    partition_count: int = 32
    valid_partition_counts: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    driver_version: str = "31.0.15.5222"

    def __post_init__(self) -> None:
        _check_ids(self)
        if self.partition_count not in self.valid_partition_counts:
            counts = ", ".join(map(str, self.valid_partition_counts))
            raise ConfigError(f"partition_count is {self.partition_count}; write one of {counts}")
