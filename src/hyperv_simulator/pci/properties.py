"""The device properties that GetDeviceProperties of Win32_PnPEntity gives, as survey scripts and os-win read them.

Keys and values of the PCI properties: ``pciprop.h`` of the driver kit; types: the DEVPROP types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from hyperv_simulator.pci.devices import Holder, PciDevice

CIMV2 = "root/cimv2"
_DEVICE = "{a45c254e-df1c-4efd-8020-67d146a850e0}"
_PCI = "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62}"
_LOCATIONS = "DEVPKEY_Device_LocationPaths"
_EXPRESS_ENDPOINT, _CONVENTIONAL, _TREATED_AS_PCI = 2, 0, 5
_ACS_NOT_SUPPORTED, _ACS_SUPPORTED = 0, 3
_LINE, _MESSAGE = 1, 2 | 4
_SRIOV, _NO_SRIOV = 2, 0
_DISABLED_PROBLEM = 22
# Name, category, number: the two ways in which a property is named.
_KEYS: tuple[tuple[str, str, int], ...] = (
    ("DEVPKEY_Device_DeviceDesc", _DEVICE, 2),
    ("DEVPKEY_Device_HardwareIds", _DEVICE, 3),
    ("DEVPKEY_Device_Service", _DEVICE, 6),
    ("DEVPKEY_Device_Class", _DEVICE, 9),
    ("DEVPKEY_Device_ClassGuid", _DEVICE, 10),
    ("DEVPKEY_Device_Manufacturer", _DEVICE, 13),
    ("DEVPKEY_Device_FriendlyName", _DEVICE, 14),
    ("DEVPKEY_Device_LocationInfo", _DEVICE, 15),
    ("DEVPKEY_Device_BusNumber", _DEVICE, 23),
    ("DEVPKEY_Device_Address", _DEVICE, 30),
    (_LOCATIONS, _DEVICE, 37),
    ("DEVPKEY_Device_InstanceId", "{78c34fc8-104a-4aca-9ea4-524d52996e57}", 256),
    ("DEVPKEY_Device_ProblemCode", "{4340a6c5-93fa-4706-972c-7b648008a5a7}", 3),
    ("DEVPKEY_Device_IsPresent", "{540b947e-8b40-45bc-a8a2-6a0b894cbda2}", 5),
    ("DEVPKEY_PciDevice_DeviceType", _PCI, 1),
    ("DEVPKEY_PciDevice_BaseClass", _PCI, 3),
    ("DEVPKEY_PciDevice_InterruptSupport", _PCI, 14),
    ("DEVPKEY_PciDevice_SriovSupport", _PCI, 26),
    ("DEVPKEY_PciDevice_AcsCompatibleUpHierarchy", _PCI, 31),
    ("DEVPKEY_PciDevice_RequiresReservedMemoryRegion", _PCI, 34),
)
_BY_KEY: Mapping[str, str] = {
    **{name.lower(): name for name, _, _ in _KEYS},
    **{f"{category}{number}": name for name, category, number in _KEYS},
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a value is typed: the class that carries it, and its DEVPROP type."""

    class_name: str
    number: int


_STRING = _Kind("Win32_PnPDevicePropertyString", 18)
_STRINGS = _Kind("Win32_PnPDevicePropertyStringArray", 8210)
_UINT32 = _Kind("Win32_PnPDevicePropertyUint32", 7)
_BOOLEAN = _Kind("Win32_PnPDevicePropertyBoolean", 17)
_EMPTY = _Kind("Win32_PnPDeviceProperty", 0)


def properties_of(device: PciDevice, holder: Holder, wanted: list[str]) -> Iterator[CimInstance]:
    """The properties with these keys, names or ``{GUID} number``; all of them where none is named."""
    values = _values(device, holder)
    for key in wanted or [name for name, _, _ in _KEYS]:
        name = _BY_KEY.get("".join(key.lower().split()))
        yield _property(device.instance_path(holder), name or key, key, values[name] if name else None)


def _property(device_id: str, name: str, key: str, value: CimValue) -> CimInstance:
    kind = _EMPTY if value is None else _STRING
    if isinstance(value, list):
        kind = _STRINGS
    elif isinstance(value, bool):
        kind = _BOOLEAN
    elif isinstance(value, int):
        kind = _UINT32
    given: dict[str, CimValue] = {"DeviceID": device_id, "KeyName": name, "key": key, "Type": kind.number}
    if value is not None:
        given["Data"] = value
    return CimInstance(kind.class_name, given, CIMV2)


def _values(device: PciDevice, holder: Holder) -> Mapping[str, CimValue]:
    hardware_ids: list[CimScalar] = [f"PCI\\{device.hardware_id}", f"PCI\\{device.hardware_id.rpartition('&')[0]}"]
    locations: list[CimScalar] = [device.location_path]
    kinds = {"conventional": _CONVENTIONAL, "firmware": _TREATED_AS_PCI}
    return {
        "DEVPKEY_Device_DeviceDesc": device.name,
        "DEVPKEY_Device_HardwareIds": hardware_ids,
        "DEVPKEY_Device_Service": device.service,
        "DEVPKEY_Device_Class": device.pnp_class,
        "DEVPKEY_Device_ClassGuid": device.class_guid,
        "DEVPKEY_Device_Manufacturer": device.manufacturer,
        "DEVPKEY_Device_FriendlyName": device.name,
        "DEVPKEY_Device_LocationInfo": f"PCI bus {device.bus}, device 0, function 0",
        "DEVPKEY_Device_BusNumber": device.bus,
        "DEVPKEY_Device_Address": 0,  # device << 16 | function
        _LOCATIONS: locations,
        "DEVPKEY_Device_InstanceId": device.instance_path(holder),
        "DEVPKEY_Device_ProblemCode": _DISABLED_PROBLEM if holder is Holder.DISABLED else 0,
        "DEVPKEY_Device_IsPresent": True,
        "DEVPKEY_PciDevice_DeviceType": kinds.get(device.obstacle, _EXPRESS_ENDPOINT),
        "DEVPKEY_PciDevice_BaseClass": device.base_class,
        "DEVPKEY_PciDevice_InterruptSupport": _LINE if device.obstacle == "line_interrupts" else _LINE | _MESSAGE,
        "DEVPKEY_PciDevice_SriovSupport": _SRIOV if device.sriov else _NO_SRIOV,
        "DEVPKEY_PciDevice_AcsCompatibleUpHierarchy": (
            _ACS_NOT_SUPPORTED if device.obstacle == "acs" else _ACS_SUPPORTED
        ),
        "DEVPKEY_PciDevice_RequiresReservedMemoryRegion": device.obstacle == "reserved_memory",
    }
