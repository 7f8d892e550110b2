r"""root/cimv2 and the PCI devices: Win32_PnPEntity with its methods, drivers, interrupts and memory.

Only devices of ``[[host.pci_device]]`` and ``[[host.gpu]]`` are here; a real host has hundreds of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator.pci.devices import Holder, PciDevice, PciDevices
from hyperv_simulator.pci.properties import CIMV2, properties_of
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

ENTITY = "Win32_PnPEntity"
_DISABLED_PROBLEM = 22
_FAILED = 4  # of CIM_LogicalDevice's codes (assumption)
_LINE_INTERRUPT = 16
_MESSAGE_INTERRUPT = 4294967294  # message-signaled ones count down from here: survey-dda.ps1 knows them by "42949"
_MEMORY_BASE = 0x380000000000


class PlugAndPlay(Provider):
    """The sources of these classes, and the methods of Win32_PnPEntity."""

    class_name = ENTITY
    namespace = CIMV2

    def __init__(self, repository: Repository, devices: PciDevices, host_name: str) -> None:
        self._repository = repository
        self._devices = devices
        self._host_name = host_name
        for class_name, make in (
            (ENTITY, self._entity),
            ("Win32_PnPSignedDriver", self._driver),
            ("Win32_IRQResource", self._interrupt),
            ("Win32_DeviceMemoryAddress", self._memory),
        ):
            repository.add_source(class_name, lambda _owner, make=make: map(make, self._of(make)), CIMV2)  # type: ignore[misc]
        repository.add_source("Win32_VideoController", lambda _owner: self._video_controllers(), CIMV2)

    def methods(self) -> Mapping[str, Method]:
        return {
            "Enable": lambda call: self._turn(call, Holder.DISABLED, Holder.HOST),
            "Disable": lambda call: self._turn(call, Holder.HOST, Holder.DISABLED),
            "GetDeviceProperties": self._properties,
        }

    def associations(self) -> Iterator[Association]:
        for resource_class in ("Win32_IRQResource", "Win32_DeviceMemoryAddress"):
            yield Association(
                "Win32_PNPAllocatedResource",
                "Antecedent",
                resource_class,
                "Dependent",
                ENTITY,
                lambda resource: self._entities_with(resource),
                lambda entity, name=resource_class: self._resources_of(entity, name),  # type: ignore[misc]
                namespace=CIMV2,
            )

    # Methods

    def _turn(self, call: Call, before: Holder, after: Holder) -> Outputs:
        device = self._devices.find(call.target.text("DeviceID"))
        if device is None or self._devices.holder(device) is Holder.DISMOUNTED:
            return {"ReturnValue": _FAILED}
        if self._devices.holder(device) is before:
            self._devices.hand(device, after)
        return done(rebootNeeded=False)

    def _properties(self, call: Call) -> Outputs:
        device = self._devices.find(call.target.text("DeviceID"))
        if device is None:
            return {"ReturnValue": _FAILED}
        found: list[CimScalar] = [
            self._repository.finished(item)
            for item in properties_of(device, self._devices.holder(device), call.texts("devicePropertyKeys"))
        ]
        return done(deviceProperties=found)

    # Instances

    def _of(self, make: object) -> list[PciDevice]:
        """Hyper-V has taken memory and interrupts of what is dismounted; its driver is another."""
        if make == self._entity:
            return list(self._devices.all)
        return [item for item in self._devices.all if self._devices.holder(item) is not Holder.DISMOUNTED]

    def _entity(self, device: PciDevice) -> CimInstance:
        holder = self._devices.holder(device)
        dismounted = holder is Holder.DISMOUNTED
        name = f"{device.name} - Dismounted" if dismounted else device.name
        device_id = self._devices.path(device)
        hardware_ids: list[CimScalar] = [f"PCI\\{device.hardware_id}"]
        return self._made(
            ENTITY,
            {
                "DeviceID": device_id,
                "PNPDeviceID": device_id,
                "Caption": name,
                "Name": name,
                "Description": device.name,
                "ClassGuid": device.class_guid,
                "PNPClass": "System" if dismounted else device.pnp_class,
                "Manufacturer": device.manufacturer,
                "Service": "pcip" if dismounted else device.service,
                "Status": "Error" if holder is Holder.DISABLED else "OK",
                "ConfigManagerErrorCode": _DISABLED_PROBLEM if holder is Holder.DISABLED else 0,
                "ConfigManagerUserConfig": False,
                "HardwareID": hardware_ids,
                "Present": True,
                "CreationClassName": ENTITY,
                "SystemCreationClassName": "Win32_ComputerSystem",
                "SystemName": self._host_name,
            },
        )

    def _driver(self, device: PciDevice) -> CimInstance:
        return self._made(
            "Win32_PnPSignedDriver",
            {
                "Name": self._devices.path(device),
                "DeviceID": self._devices.path(device),
                "DeviceName": device.name,
                "Description": device.name,
                "FriendlyName": device.name,
                "DeviceClass": device.pnp_class.upper(),
                "ClassGuid": device.class_guid,
                "HardWareID": f"PCI\\{device.hardware_id}",
                "DriverProviderName": device.manufacturer,
                "Manufacturer": device.manufacturer,
                "IsSigned": True,
                "Location": f"PCI bus {device.bus}, device 0, function 0",
                "SystemCreationClassName": "Win32_ComputerSystem",
                "SystemName": self._host_name,
            },
        )

    def _video_controllers(self) -> Iterator[CimInstance]:
        for number, (gpu, device) in enumerate(self._devices.gpus, start=1):
            if self._devices.holder(device) is Holder.DISMOUNTED:
                continue
            yield self._made(
                "Win32_VideoController",
                {
                    "DeviceID": f"VideoController{number}",
                    "Caption": gpu.name,
                    "Name": gpu.name,
                    "Description": gpu.name,
                    "VideoProcessor": gpu.name,
                    "AdapterCompatibility": gpu.manufacturer,
                    "AdapterRAM": min(gpu.memory_mb * 1024**2, 2**32 - 1048576),  # uint32: larger cards show 4095 MiB
                    "DriverVersion": gpu.driver_version,
                    "PNPDeviceID": self._devices.path(device),
                    "ConfigManagerErrorCode": 0,
                    "Status": "OK",
                    "CreationClassName": "Win32_VideoController",
                    "SystemCreationClassName": "Win32_ComputerSystem",
                    "SystemName": self._host_name,
                },
            )

    def _interrupt(self, device: PciDevice) -> CimInstance:
        is_line = device.obstacle == "line_interrupts"
        number = _LINE_INTERRUPT + device.number if is_line else _MESSAGE_INTERRUPT - device.number
        return self._made(
            "Win32_IRQResource",
            {
                "IRQNumber": number,
                "Name": f"IRQ {number}",
                "Caption": f"IRQ {number}",
                "Description": f"IRQ {number}",
                "Hardware": True,
                "Shareable": is_line,
                "CSName": self._host_name,
                "CSCreationClassName": "Win32_ComputerSystem",
                "CreationClassName": "Win32_IRQResource",
                "Status": "OK",
            },
        )

    def _memory(self, device: PciDevice) -> CimInstance:
        before = sum(item.memory_mb for item in self._devices.all[: device.number])
        start = _MEMORY_BASE + before * 1024**2
        end = start + device.memory_mb * 1024**2 - 1
        name = f"0x{start:X}-0x{end:X}"
        return self._made(
            "Win32_DeviceMemoryAddress",
            {
                "StartingAddress": start,
                "EndingAddress": end,
                "Name": name,
                "Caption": name,
                "Description": name,
                "CSName": self._host_name,
                "CSCreationClassName": "Win32_ComputerSystem",
                "CreationClassName": "Win32_DeviceMemoryAddress",
                "Status": "OK",
            },
        )

    def _made(self, class_name: str, values: dict[str, CimValue]) -> CimInstance:
        return new_instance(self._repository.catalogue, class_name, values, CIMV2)

    # Walks

    def _entities_with(self, resource: CimInstance) -> list[CimInstance]:
        return [
            self._entity(device)
            for device in self._of(self._interrupt)
            if self._key(self._resource(device, resource.class_name)) == self._key(resource)
        ]

    def _resources_of(self, entity: CimInstance, class_name: str) -> list[CimInstance]:
        device = self._devices.find(entity.text("DeviceID"))
        return [] if device not in self._of(self._interrupt) else [self._resource(device, class_name)]

    def _resource(self, device: PciDevice, class_name: str) -> CimInstance:
        return self._interrupt(device) if class_name == "Win32_IRQResource" else self._memory(device)

    def _key(self, resource: CimInstance) -> CimReference:
        return self._repository.reference_of(resource)
