r"""The devices that a machine has while it is on, made from its settings whenever somebody looks.

Nothing is stored: a machine that is off has none (real-instances 1.2: runtime objects exist only for machines that are
initialised), and a device can't differ from its settings. Ids: real-instances 1.2 and 1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.device_kinds import CONNECTION, NIC, PROCESSOR
from hyperv_simulator.machines.integration_components import COMPONENTS, IntegrationComponents
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.machines.virtual_device import virtual_device
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching.ports import SWITCH_PORT, switch_port


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One class of runtime device: which settings it comes from, and its id where that is not the settings' tail."""

    class_name: str
    sub_type: str
    name: str
    device_id: Callable[[str], str] = lambda tail: tail


_ROWS = (
    DeviceRow("Msvm_Keyboard", "Keyboard", "Keyboard", lambda tail: tail.partition("\\")[0]),
    # The same id on generation 2 (HVWMI keyboard_input).
    DeviceRow("Msvm_Keyboard", "Synthetic Keyboard", "Keyboard", lambda _tail: ids.KEYBOARD.partition("\\")[0]),
    DeviceRow("Msvm_PS2Mouse", "PS2 Mouse", "PS2 Mouse", lambda tail: tail.partition("\\")[0]),
    DeviceRow("Msvm_SyntheticMouse", "Synthetic Mouse", "Mouse"),
    DeviceRow("Msvm_S3DisplayController", "S3 Display Controller", "Display"),
    DeviceRow("Msvm_SyntheticDisplayController", "Synthetic Display Controller", "Display"),
    DeviceRow("Msvm_IDEController", "Emulated IDE Controller", "IDE Controller"),
    DeviceRow("Msvm_SCSIProtocolController", "Synthetic SCSI Controller", "SCSI Controller"),
    DeviceRow("Msvm_SerialController", "Serial Controller", "Serial Controller"),
    DeviceRow("Msvm_SerialPort", "Serial Port", "Serial Port"),
    DeviceRow("Msvm_DiskDrive", "Synthetic Disk Drive", "Hard Drive"),
    DeviceRow("Msvm_DiskDrive", "Physical Disk Drive", "Hard Drive"),
    DeviceRow("Msvm_DVDDrive", "Synthetic DVD Drive", "DVD Drive"),
    DeviceRow("Msvm_LogicalDisk", "Virtual Hard Disk", "Hard Disk Image"),
    DeviceRow("Msvm_LogicalDisk", "Virtual CD/DVD Disk", "ISO Disk Image"),
    DeviceRow("Msvm_DisketteController", "Diskette Controller", "Diskette Controller"),
    DeviceRow("Msvm_DisketteDrive", "Synthetic Diskette Drive", "Diskette Drive"),
    DeviceRow("Msvm_LogicalDisk", "Virtual Floppy Disk", "Floppy Disk Image"),
    DeviceRow("Msvm_Memory", "Memory", "Memory", lambda _tail: ids.MEMORY_DEVICE),
    DeviceRow("Msvm_SyntheticEthernetPort", "Synthetic Ethernet Port", "Network Adapter"),
)


class RuntimeDevices:
    """The sources of all runtime device classes."""

    def __init__(self, repository: Repository, machines: Machines) -> None:
        self._repository = repository
        self._machines = machines
        for class_name in dict.fromkeys(row.class_name for row in _ROWS):
            repository.add_source(class_name, self._source(class_name, self._devices))
        self._components = IntegrationComponents(repository.catalogue)
        for class_name in COMPONENTS:
            repository.add_source(class_name, self._source(class_name, self._components.of))
        repository.add_source("Msvm_Processor", self._source("Msvm_Processor", self._processors))
        repository.add_source("Msvm_VideoHead", self._source("Msvm_VideoHead", self._video_heads))
        repository.add_source(SWITCH_PORT, self._switch_ports)

    def settings_of(self, device: CimInstance) -> CimInstance | None:
        """The settings object that a device is made from."""
        machine = self._machines.find(device.text("SystemName", ""))
        if machine is None:
            return None
        wanted = device.text("DeviceID").removeprefix("Microsoft:").lower()
        if device.class_name == "Msvm_Processor":
            return machine.reader.processor
        for row in _ROWS:
            if row.class_name == device.class_name:
                for settings in machine.reader.of_kind(row.sub_type):
                    if row.device_id(ids.tail_of(settings.text("InstanceID"))).lower() == wanted:
                        return settings
        return None

    def devices_of(self, machine: Machine) -> Iterator[CimInstance]:
        """Everything that a machine has now."""
        if machine.state not in (State.RUNNING, State.PAUSED):
            return
        for class_name in dict.fromkeys(row.class_name for row in _ROWS):
            yield from self._devices(machine, class_name)
        yield from self._components.all(machine)
        yield from self._processors(machine, "Msvm_Processor")
        yield from self._video_heads(machine, "Msvm_VideoHead")

    # Inside

    def _source(
        self, class_name: str, make: Callable[[Machine, str], Iterable[CimInstance]]
    ) -> Callable[[str], Iterable[CimInstance]]:
        def source(owner: str) -> Iterable[CimInstance]:
            for machine in self._owners(owner):
                yield from make(machine, class_name)

        return source

    def _owners(self, owner: str) -> list[Machine]:
        machines = self._machines.all() if not owner else [self._machines.find(owner)]
        return [item for item in machines if item is not None and item.state in (State.RUNNING, State.PAUSED)]

    def _device(self, machine: Machine, class_name: str, tail: str, values: dict[str, CimValue]) -> CimInstance:
        return virtual_device(self._repository.catalogue, machine, class_name, tail, values)

    def _devices(self, machine: Machine, class_name: str) -> Iterator[CimInstance]:
        for row in _ROWS:
            if row.class_name != class_name:
                continue
            for settings in machine.reader.of_kind(row.sub_type):
                tail = row.device_id(ids.tail_of(settings.text("InstanceID")))
                values: dict[str, CimValue] = {"ElementName": settings.get("ElementName") or row.name}
                if settings.class_name == NIC:
                    values |= {
                        "PermanentAddress": settings.get("Address"),
                        "NetworkAddresses": [settings.text("Address", "")],
                        "LinkTechnology": 2,
                        "MaxDataSize": 1500,
                        "MaxSpeed": 10_000_000_000,
                        "Speed": 10_000_000_000,
                        "FullDuplex": True,
                        "Name": settings.get("ElementName"),
                    }
                if class_name == "Msvm_Keyboard":
                    values["UnicodeSupported"] = True
                if class_name == "Msvm_SyntheticMouse":
                    values |= self._pointer(machine)
                if class_name == "Msvm_Memory":
                    size_mb = settings.integer("VirtualQuantity", 0)
                    values |= {"BlockSize": 1048576, "NumberOfBlocks": size_mb, "ConsumableBlocks": size_mb}
                yield self._device(machine, class_name, tail, values)

    @staticmethod
    def _pointer(machine: Machine) -> dict[str, CimValue]:
        try:
            console = machine.guest.console if machine.guest is not None else None
        except GuestError:  # it is just ending
            console = None
        if console is None:
            return {}
        x, y = console.position
        return {"HorizontalPosition": x, "VerticalPosition": y, "ScrollPosition": console.scrolled}

    def _processors(self, machine: Machine, class_name: str) -> Iterator[CimInstance]:
        for settings in machine.reader.all(PROCESSOR):
            for number in range(settings.integer("VirtualQuantity", 1)):
                yield self._device(
                    machine,
                    class_name,
                    f"{ids.PROCESSOR_DEVICE}\\{number}",
                    {"ElementName": "Processor", "LoadPercentage": 0, "LoadPercentageHistory": [0]},
                )

    def _video_heads(self, machine: Machine, class_name: str) -> Iterator[CimInstance]:
        guest = machine.guest
        if guest is None:
            return
        try:
            width, height = guest.console.size
        except GuestError:  # it is just ending
            return
        yield self._device(
            machine,
            class_name,
            f"{ids.SYNTHETIC_DISPLAY}\\0",
            {
                "ElementName": "Video Head",
                "CurrentHorizontalResolution": width,
                "CurrentVerticalResolution": height,
                "CurrentBitsPerPixel": 32,
            },
        )

    def _switch_ports(self, owner: str) -> Iterator[CimInstance]:
        """A machine's adapter that is plugged in has a port on the switch while the machine is on."""
        for machine in self._owners(""):
            for connection in machine.reader.all(CONNECTION):
                switch = machine.reader.switch_of(connection)
                if switch is None or owner not in ("", switch.text("Name").lower()):
                    continue
                port_id = ids.stable_guid("switch port", connection.text("InstanceID"))
                name = connection.text("ElementName", "")
                yield switch_port(self._repository, switch.text("Name"), port_id, name)
