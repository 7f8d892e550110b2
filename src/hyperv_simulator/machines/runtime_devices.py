r"""The devices that a machine has while it is on, made from its settings whenever somebody looks.

Nothing is stored: a machine that is off has none (real-instances 1.2: runtime objects exist only for machines that are
initialised), and a device can't differ from its settings. Ids: real-instances 1.2 and 1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import CONNECTION, NIC, PROCESSOR
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import SWITCH_PORT, switch_port

_OK, _NO_CONTACT = 2, 12


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One class of runtime device: which settings it comes from, and its id where that is not the settings' tail."""

    class_name: str
    sub_type: str
    name: str
    device_id: Callable[[str], str] = lambda tail: tail


_ROWS = (
    DeviceRow("Msvm_Keyboard", "Keyboard", "Keyboard", lambda tail: tail.partition("\\")[0]),
    DeviceRow("Msvm_Keyboard", "Synthetic Keyboard", "Keyboard"),
    DeviceRow("Msvm_PS2Mouse", "PS2 Mouse", "PS2 Mouse", lambda tail: tail.partition("\\")[0]),
    DeviceRow("Msvm_SyntheticMouse", "Synthetic Mouse", "Mouse"),
    DeviceRow("Msvm_S3DisplayController", "S3 Display Controller", "Display"),
    DeviceRow("Msvm_SyntheticDisplayController", "Synthetic Display Controller", "Display"),
    DeviceRow("Msvm_IDEController", "Emulated IDE Controller", "IDE Controller"),
    DeviceRow("Msvm_SCSIProtocolController", "Synthetic SCSI Controller", "SCSI Controller"),
    DeviceRow("Msvm_SerialController", "Serial Controller", "Serial Controller"),
    DeviceRow("Msvm_SerialPort", "Serial Port", "Serial Port"),
    DeviceRow("Msvm_DiskDrive", "Synthetic Disk Drive", "Hard Drive"),
    DeviceRow("Msvm_DVDDrive", "Synthetic DVD Drive", "DVD Drive"),
    DeviceRow("Msvm_LogicalDisk", "Virtual Hard Disk", "Hard Disk Image"),
    DeviceRow("Msvm_LogicalDisk", "Virtual CD/DVD Disk", "ISO Disk Image"),
    DeviceRow("Msvm_Memory", "Memory", "Memory", lambda _tail: ids.MEMORY_DEVICE),
    DeviceRow("Msvm_SyntheticEthernetPort", "Synthetic Ethernet Port", "Network Adapter"),
)
# Class of the component, its id, and whether it answers only while the guest does.
_COMPONENTS = (
    ("Msvm_HeartbeatComponent", ids.HEARTBEAT),
    ("Msvm_KvpExchangeComponent", ids.KVP_EXCHANGE),
    ("Msvm_ShutdownComponent", ids.SHUTDOWN),
    ("Msvm_TimeSyncComponent", ids.TIME_SYNC),
    ("Msvm_VssComponent", ids.VSS),
    ("Msvm_RdvComponent", ids.RDV),
    ("Msvm_GuestServiceInterfaceComponent", ids.GUEST_SERVICE_INTERFACE),
)


class RuntimeDevices:
    """The sources of all runtime device classes."""

    def __init__(self, repository: Repository, machines: Machines) -> None:
        self._repository = repository
        self._machines = machines
        for class_name in dict.fromkeys(row.class_name for row in _ROWS):
            repository.add_source(class_name, self._source(class_name, self._devices))
        for class_name, _ in _COMPONENTS:
            repository.add_source(class_name, self._source(class_name, self._components))
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
        for class_name, _ in _COMPONENTS:
            yield from self._components(machine, class_name)
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
        return new_instance(
            self._repository.catalogue,
            class_name,
            {
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": machine.machine_id,
                "CreationClassName": class_name,
                "DeviceID": f"Microsoft:{tail}",
                "EnabledDefault": 2,
                "EnabledState": 2,
                "HealthState": 5,
                "OperationalStatus": [2],
                "RequestedState": 12,
                "Status": "OK",
                "StatusDescriptions": ["OK"],
                **values,
            },
        )

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
                if class_name == "Msvm_Memory":
                    size_mb = settings.integer("VirtualQuantity", 0)
                    values |= {"BlockSize": 1048576, "NumberOfBlocks": size_mb, "ConsumableBlocks": size_mb}
                yield self._device(machine, class_name, tail, values)

    def _components(self, machine: Machine, class_name: str) -> Iterator[CimInstance]:
        guid = dict(_COMPONENTS)[class_name]
        ready = machine.integration_ready
        settings = next(
            (
                item
                for item in machine.reader.all(class_name + "SettingData")
                if ids.tail_of(item.text("InstanceID")) == guid
            ),
            None,
        )
        if settings is None or settings.get("EnabledState") != 2:
            return
        # The shutdown service is there only while the guest's end is connected (hyperv-ops 6).
        if class_name == "Msvm_ShutdownComponent" and not ready:
            return
        values: dict[str, CimValue] = {
            "ElementName": settings.get("ElementName"),
            "OperationalStatus": [_OK if ready else _NO_CONTACT],
            "StatusDescriptions": ["OK" if ready else "No Contact"],
        }
        if class_name == "Msvm_KvpExchangeComponent":
            values |= {"GuestExchangeItems": [], "GuestIntrinsicExchangeItems": []}
        yield self._device(machine, class_name, guid, values)

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
        yield self._device(
            machine,
            class_name,
            f"{ids.SYNTHETIC_DISPLAY}\\0",
            {
                "ElementName": "Video Head",
                "CurrentHorizontalResolution": 1024,
                "CurrentVerticalResolution": 768,
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
