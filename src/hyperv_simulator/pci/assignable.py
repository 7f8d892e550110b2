"""Msvm_PciExpress: the dismounted devices of a host, once more for the machine that has one.

A device that is in use shows twice, with the same paths (os-win; seen: HVWMI ``read_dda_pool``). Its DeviceID is the
instance path after a GUID (real-instances 3.12); which GUID is an assumption.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.rules import instance_at
from hyperv_simulator.pci.devices import Holder, PciDevice, PciDevices
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

PCI_EXPRESS = "Msvm_PciExpress"
PCI_SETTINGS = "Msvm_PciExpressSettingData"


class AssignableDevices:
    """Who has which device, and the source of Msvm_PciExpress."""

    def __init__(self, repository: Repository, machines: Machines, devices: PciDevices, host_name: str) -> None:
        self._repository = repository
        self._machines = machines
        self._devices = devices
        self._host_name = host_name
        if repository.catalogue.version.release >= 2016:
            repository.add_source(PCI_EXPRESS, self._source)

    def at(self, path: str) -> PciDevice | None:
        """The dismounted device that a WMI path means."""
        found = instance_at(self._repository, path)
        if found is None or found.class_name != PCI_EXPRESS or found.get("SystemName") != self._host_name:
            return None
        return self._devices.find(found.text("DeviceInstancePath"))

    def owner_of(self, device: PciDevice) -> Machine | None:
        """The machine that the device is assigned to."""
        return next((machine for machine, _, assigned in self._assigned("") if assigned == device), None)

    def of_machine(self, machine_id: str) -> list[PciDevice]:
        return [device for _, _, device in self._assigned(machine_id)]

    def reference_of(self, device: PciDevice) -> CimReference:
        return self._repository.reference_of(self._instance(device, self._host_name, ids.PCI_EXPRESS_PORT))

    def _source(self, owner: str) -> Iterator[CimInstance]:
        if owner in ("", self._host_name.lower()):
            for device in self._devices.all:
                if self._devices.holder(device) is Holder.DISMOUNTED:
                    yield self._instance(device, self._host_name, ids.PCI_EXPRESS_PORT)
        if owner != self._host_name.lower():
            for machine, settings, device in self._assigned(owner):
                yield self._instance(device, machine.machine_id, ids.tail_of(settings.text("InstanceID")))

    def _assigned(self, owner: str) -> Iterator[tuple[Machine, CimInstance, PciDevice]]:
        for machine in [self._machines.find(owner)] if owner else self._machines.all():
            for settings in machine.reader.all(PCI_SETTINGS) if machine is not None else ():
                # The path names the device; looking it up would come back here.
                wanted = host_resource(settings).lower().replace("\\\\", "\\")
                for device in self._devices.all:
                    if machine is not None and device.tail.lower() in wanted:
                        yield machine, settings, device

    def _instance(self, device: PciDevice, system: str, guid: str) -> CimInstance:
        path = device.instance_path(Holder.DISMOUNTED)
        return new_instance(
            self._repository.catalogue,
            PCI_EXPRESS,
            {
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": system,
                "CreationClassName": PCI_EXPRESS,
                "DeviceID": f"Microsoft:{guid}\\{path}",
                "Caption": "PCI Express Port",
                "Description": "Microsoft Virtual PCI Express Port",
                "ElementName": device.name,
                "Name": device.name,
                "DeviceInstancePath": path,
                "LocationPath": device.location_path,
                "FunctionNumber": 0,
                "EnabledState": 2,
                "HealthState": 5,
                "OperationalStatus": [2],
                "Status": "OK",
            },
        )
