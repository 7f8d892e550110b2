r"""Which PCI Express devices a host has, and whether Windows or Hyper-V holds them.

A device is the host's, disabled, or dismounted; its instance path begins with ``PCI\`` while Windows holds it and with
``PCIP\`` after it has been dismounted, its location path stays (real-instances 3.12). What has been changed survives a
restart.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hyperv_simulator.config.devices import GpuConfig, Obstacle, PciDeviceConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.operating_system.kept import KeptState

_SECTION = "pci"
_ROOT_BUS = 0x40
# PNPClass, its GUID, the driver's service, and the base class of PCI.
_CLASSES: Mapping[str, tuple[str, str, str, int]] = {
    "network": ("Net", "{4d36e972-e325-11ce-bfc1-08002be10318}", "ndis", 2),
    "display": ("Display", "{4d36e968-e325-11ce-bfc1-08002be10318}", "BasicDisplay", 3),
    "storage": ("SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}", "stornvme", 1),
    "usb": ("USB", "{36fc9e60-c465-11cf-8056-444553540000}", "USBXHCI", 12),
    "other": ("System", "{4d36e97d-e325-11ce-bfc1-08002be10318}", "pci", 8),
}


class Holder(StrEnum):
    """Who has a device."""

    HOST = "host"
    DISABLED = "disabled"
    DISMOUNTED = "dismounted"


@dataclass(frozen=True, slots=True)
class PciDevice:
    """What does not change of a device.

    :param tail: of its instance path, without ``PCI\\``.
    :param number: counts the host's devices, from 0.
    """

    name: str
    tail: str
    location_path: str
    number: int
    pnp_class: str
    class_guid: str
    service: str
    base_class: int
    manufacturer: str
    memory_mb: int
    sriov: bool
    obstacle: Obstacle
    mitigation_driver: bool

    @property
    def hardware_id(self) -> str:
        return self.tail.partition("\\")[0]

    @property
    def bus(self) -> int:
        return _ROOT_BUS + 1 + self.number

    def instance_path(self, holder: Holder) -> str:
        return ("PCIP\\" if holder is Holder.DISMOUNTED else "PCI\\") + self.tail


class PciDevices:
    """The devices of one host. Safe for threads."""

    def __init__(self, config: HostConfig, kept: KeptState) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self.all = tuple(_devices(config))
        # Graphics cards that can be shared, in the order of [[host.gpu]]
        self.gpus = tuple(zip(config.gpu, self.all[len(config.pci_device) :], strict=True))
        fresh = {device.tail: Holder.HOST for device in self.all}
        for entry, device in zip(config.pci_device, self.all, strict=False):
            if entry.dismounted:
                fresh[device.tail] = Holder.DISMOUNTED
        said: Mapping[str, str] = kept.section(_SECTION)
        self._fresh = fresh
        self._holders = {tail: Holder(said.get(tail, holder)) for tail, holder in fresh.items()}

    def holder(self, device: PciDevice) -> Holder:
        return self._holders[device.tail]

    def path(self, device: PciDevice) -> str:
        """The instance path that it has now."""
        return device.instance_path(self.holder(device))

    def hand(self, device: PciDevice, holder: Holder) -> None:
        with self._lock:
            self._holders[device.tail] = holder
            changed = {tail: str(now) for tail, now in self._holders.items() if now is not self._fresh[tail]}
            self._kept.keep(_SECTION, changed)

    def find(self, instance_path: str = "", location_path: str = "") -> PciDevice | None:
        """The device with this instance path (of now) or, without one, at this location."""
        for device in self.all:
            if instance_path and self.path(device).lower() == instance_path.lower():
                return device
            if not instance_path and location_path and device.location_path.lower() == location_path.lower():
                return device
        return None


def _devices(config: HostConfig) -> list[PciDevice]:
    entries: list[PciDeviceConfig] = [*config.pci_device, *(_as_pci(gpu) for gpu in config.gpu)]
    return [_device(config.name, number, entry) for number, entry in enumerate(entries)]


def _device(host: str, number: int, entry: PciDeviceConfig) -> PciDevice:
    pnp_class, class_guid, service, base_class = _CLASSES[entry.device_class]
    hardware_id = (
        f"VEN_{entry.vendor_id}&DEV_{entry.device_id}&SUBSYS_{entry.subsystem_id}&REV_{entry.revision}".upper()
    )
    slot = zlib.crc32(f"{host}/{number}".encode())
    return PciDevice(
        name=entry.name,
        tail=f"{hardware_id}\\4&{slot:08X}&0&0010",
        location_path=entry.location_path or f"PCIROOT({_ROOT_BUS:X})#PCI({number + 1:02X}00)#PCI(0000)",
        number=number,
        pnp_class=pnp_class,
        class_guid=class_guid,
        service=service,
        base_class=base_class,
        manufacturer=entry.manufacturer,
        memory_mb=entry.memory_mb,
        sriov=entry.sriov,
        obstacle=entry.obstacle,
        mitigation_driver=entry.mitigation_driver,
    )


def _as_pci(gpu: GpuConfig) -> PciDeviceConfig:
    return PciDeviceConfig(
        name=gpu.name,
        vendor_id=gpu.vendor_id,
        device_id=gpu.device_id,
        subsystem_id=gpu.subsystem_id,
        revision=gpu.revision,
        device_class="display",
        manufacturer=gpu.manufacturer,
        memory_mb=gpu.memory_mb,
        sriov=True,
    )
