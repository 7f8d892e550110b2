r"""Generation 2's boot entries: one Msvm_BootSourceSettingData per drive and adapter, and their order.

A host adds the entry of a device by itself and puts it at the end of BootSourceOrder; its id is the device's with
``\B`` (real-instances 1.4, 2.1). Paths in BootSourceOrder are full WMI paths.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.rules import ResourceHost, full_path
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.outcomes import ELEMENT_NOT_FOUND, OperationFailed
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

BOOT_SOURCE = "Msvm_BootSourceSettingData"
_DRIVE, _NETWORK = 1, 2


def add(host: ResourceHost, machine: Machine, device: CimInstance) -> None:
    """A device came: its entry goes to the end of the order. Nothing happens on generation 1."""
    if machine.reader.generation == 1:
        return
    is_nic = device.class_name == NIC
    entry = new_instance(
        host.repository.catalogue,
        BOOT_SOURCE,
        {
            "InstanceID": device.text("InstanceID") + "\\B",
            "BootSourceDescription": "EFI Network" if is_nic else "EFI SCSI Device",
            "BootSourceType": _NETWORK if is_nic else _DRIVE,
            "Caption": "Boot Source",
            "Description": "Settings for the boot source.",
            "ElementName": "Boot Source",
            "FirmwareDevicePath": _firmware_path(device),
        },
    )
    host.repository.add(entry)
    _set_order(host, machine, [*_order(machine), full_path(host.repository, host.host_name, entry)])


def remove(host: ResourceHost, machine: Machine, device: CimInstance) -> None:
    """A device goes, and its entry with it."""
    if machine.reader.generation == 1:
        return
    entry_id = device.text("InstanceID") + "\\B"
    host.repository.remove(CimReference(BOOT_SOURCE, {"InstanceID": entry_id}))
    _set_order(host, machine, [path for path in _order(machine) if _id_in(path) != entry_id.lower()])


def checked_order(repository: Repository, host_name: str, machine: Machine, paths: list[str]) -> list[CimScalar]:
    """The order that a client wants, with every path as the host writes it.

    :raises OperationFailed: a path leads to no entry of this machine (0x80070490, real-instances 3.6).
    """
    known = {item.text("InstanceID").lower(): item for item in machine.reader.all(BOOT_SOURCE)}
    found: list[CimScalar] = []
    for path in paths:
        entry = known.get(_id_in(path))
        if entry is None:
            name = machine.reader.name
            raise OperationFailed(
                f"Modifying the properties of '{name}' failed.",
                f"'{name}' failed to modify the boot order: Element not found. (0x{ELEMENT_NOT_FOUND:08X}).",
                machine_id=machine.machine_id,
                result=ELEMENT_NOT_FOUND,
            )
        found.append(full_path(repository, host_name, entry))
    return found


def _order(machine: Machine) -> list[str]:
    return machine.reader.system.texts("BootSourceOrder")


def _set_order(host: ResourceHost, machine: Machine, paths: list[str]) -> None:
    reference = CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)})
    host.repository.change(reference, {"BootSourceOrder": list(paths)})


def _id_in(path: str) -> str:
    try:
        return parse_path(path).key("InstanceID").lower()
    except (CimError, KeyError):
        return ""


def _firmware_path(device: CimInstance) -> str:
    """An EFI device path in the form that firmware prints; made up, but stable for a device."""
    bus = r"\AcpiEx(VMBus,0,0)\VenHw(9B17E5A2-0891-42DD-B653-80B5C22809BA)"
    if device.class_name == NIC:
        return f"{bus}\\MAC({device.text('Address', '')},0)"
    return f"{bus}\\Scsi(0,{device.text('AddressOnParent', '0')})"
