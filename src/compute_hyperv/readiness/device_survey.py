"""Whether a PCI device can be given to a machine: one device, as Microsoft's survey script judges it.

By the same properties and in the same order: reserved memory (RMRR), access control up to the root (ACS), kind of
device, interrupts; and how much memory it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import CIMV2, Instances

INTERRUPTS = Instances(CIMV2, "Win32_PNPAllocatedResource", ("Antecedent", "Dependent"))
MEMORY = Instances(CIMV2, "Win32_DeviceMemoryAddress", ("StartingAddress", "EndingAddress"))

_STORAGE_CLASS = "SCSIAdapter"
_DISABLED = 22  # Win32_PnPEntity.ConfigManagerErrorCode: the device is disabled

# Names and values: pciprop.h of the driver kit, as the survey script has them.
_TYPE = "DEVPKEY_PciDevice_DeviceType"
_ACS = "DEVPKEY_PciDevice_AcsCompatibleUpHierarchy"
_RESERVED = "DEVPKEY_PciDevice_RequiresReservedMemoryRegion"
_LOCATION = "DEVPKEY_Device_LocationPaths"
_KEYS = (_TYPE, _ACS, _RESERVED, _LOCATION)
_CONVENTIONAL = (0, 1)
_TREATED_AS_PCI = 5
_BRIDGES = range(6, 15)
_ACS_NOT_SUPPORTED = 0
_FIRST_MESSAGE_INTERRUPT = 4294900000  # the script knows message-signaled ones by the digits 42949...


@dataclass(frozen=True, slots=True)
class DeviceProperties:
    """Properties of one device: its own request, by Win32_PnPEntity.GetDeviceProperties."""

    device_id: str = ""

    @property
    def description(self) -> str:
        return f"{CIMV2}: Win32_PnPEntity.GetDeviceProperties ({', '.join(_KEYS)}), for each of these devices"

    def read(self, session: CimSession) -> Mapping[str, CimValue]:
        reference = CimReference("Win32_PnPEntity", {"DeviceID": self.device_id}, CIMV2)
        found = session.invoke(reference, "GetDeviceProperties", {"devicePropertyKeys": list(_KEYS)})[
            "deviceProperties"
        ]
        rows = [row for row in found if isinstance(row, CimInstance)] if isinstance(found, list) else []
        return {row.text("KeyName", ""): row.get("Data") for row in rows}


@dataclass(frozen=True, slots=True)
class Surveyed:
    """:param obstacle: why it can't be assigned; empty where it can."""

    name: str
    location: str
    memory_mb: int
    obstacle: str
    note: str

    @property
    def told(self) -> str:
        if self.obstacle:
            return f"{self.name}: not assignable. {self.obstacle}"
        room = f", needs {self.memory_mb} MiB of MMIO space" if self.memory_mb else ""
        return f"{self.name}: assignable at {self.location}{room}{f'. {self.note}' if self.note else ''}"


def survey(host: Readings, entity: CimInstance) -> Surveyed:
    device_id = entity.text("DeviceID")
    properties = host.of(DeviceProperties(device_id))
    interrupts, ranges = _resources(host, device_id)
    paths = properties.get(_LOCATION)
    location = (
        next((str(path) for path in paths if str(path).startswith("PCIROOT")), "") if isinstance(paths, list) else ""
    )
    memory_mb = -(-sum(end - start + 1 for start, end in _extents(host) if start in ranges) // 1024**2)
    note = "It controls disks: not if Windows starts from one of them." if _is_storage(entity) else ""
    disabled = entity.integer("ConfigManagerErrorCode", 0) == _DISABLED
    obstacle = _obstacle(properties, interrupts, disabled=disabled)
    return Surveyed(entity.text("Name", device_id), location, memory_mb, obstacle, note)


def _is_storage(entity: CimInstance) -> bool:
    return entity.text("PNPClass", "") == _STORAGE_CLASS


def _obstacle(properties: Mapping[str, CimValue], interrupts: Sequence[int], *, disabled: bool) -> str:
    """Why a device can't be assigned, in the order in which the survey script looks."""
    kind = properties.get(_TYPE)
    if properties.get(_RESERVED) is True:
        return "The firmware reserves memory for it (RMRR); ask the machine's vendor for firmware that does not."
    if properties.get(_ACS) == _ACS_NOT_SUPPORTED:
        return "Traffic from it may reach other devices (no ACS up to the root); use another slot or machine."
    if kind in _CONVENTIONAL:
        return "It is a conventional PCI device, not PCI Express."
    if kind == _TREATED_AS_PCI:
        return "The firmware keeps control of PCI Express; enable native control in the firmware."
    if isinstance(kind, int) and kind in _BRIDGES:
        return "It is a bridge, not a device."
    if not disabled and any(number < _FIRST_MESSAGE_INTERRUPT for number in interrupts):
        return "Its interrupts are lines, not messages (MSI); a newer driver or device is needed."
    return ""


def _resources(host: Readings, device_id: str) -> tuple[list[int], set[int]]:
    """Interrupts, and first addresses of the memory ranges that the device has."""
    interrupts: list[int] = []
    starts: set[int] = set()
    for row in host.of(INTERRUPTS):
        device, resource = row.get("Dependent"), row.get("Antecedent")
        if not (isinstance(device, CimReference) and isinstance(resource, CimReference)):
            continue
        if device.key("DeviceID").lower() != device_id.lower():
            continue
        if resource.class_name == "Win32_IRQResource":
            interrupts.append(int(resource.key("IRQNumber")))
        elif resource.class_name == "Win32_DeviceMemoryAddress":
            starts.add(int(resource.key("StartingAddress")))
    return interrupts, starts


def _extents(host: Readings) -> list[tuple[int, int]]:
    return [(each.integer("StartingAddress", 0), each.integer("EndingAddress", -1)) for each in host.of(MEMORY)]
