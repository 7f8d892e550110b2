"""Msvm_AssignableDeviceService: devices leave Windows for machines, and come back.

A device must be disabled before it is dismounted, and comes back disabled (clients disable before and enable after;
that the host insists is an assumption). Without a vendor's mitigation driver or without access control in the slot it
only goes when the caller does not require them, which is what -Force of the cmdlet means. Codes: R16.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.outcomes import FAILED, FILE_NOT_FOUND, IN_USE, INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.pci.assignable import AssignableDevices
from hyperv_simulator.pci.devices import Holder, PciDevice, PciDevices
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.providers.unsupported import service_control

_SETTINGS = "Msvm_AssignableDeviceDismountSettingData"


class AssignableDeviceProvider(Provider):
    class_name = "Msvm_AssignableDeviceService"

    def __init__(self, devices: PciDevices, assignable: AssignableDevices) -> None:
        self._devices = devices
        self._assignable = assignable

    def methods(self) -> Mapping[str, Method]:
        return {
            "DismountAssignableDevice": self._dismount,
            "MountAssignableDevice": self._mount,
            **service_control(),
        }

    def _dismount(self, call: Call) -> Outputs:
        try:
            given = call.embedded("DismountSettingData", _SETTINGS)
        except OperationFailed as failure:
            raise Refused(INVALID_PARAMETER, str(failure)) from None
        device = self._found(given.text("DeviceInstancePath", ""), given.text("DeviceLocationPath", ""))
        if self._devices.holder(device) is Holder.DISMOUNTED:
            raise Refused(INVALID_PARAMETER, "the device is dismounted")
        if self._devices.holder(device) is Holder.HOST:
            raise Refused(IN_USE, "the device is not disabled")
        if device.obstacle not in ("", "acs"):
            raise Refused(FAILED, f"the device can't be assigned: {device.obstacle}")
        if given.get("RequireAcsSupport") is not False and device.obstacle == "acs":
            raise Refused(FAILED, "the slot does no access control")
        if given.get("RequireDeviceMitigations") is not False and not device.mitigation_driver:
            raise Refused(FAILED, "there is no mitigation driver")
        self._devices.hand(device, Holder.DISMOUNTED)
        return done(DismountedDeviceInstancePath=self._devices.path(device))

    def _mount(self, call: Call) -> Outputs:
        device = self._found(call.text("DeviceInstancePath", ""), call.text("DeviceLocationPath", ""))
        if self._devices.holder(device) is not Holder.DISMOUNTED:
            raise Refused(INVALID_PARAMETER, "the device is not dismounted")
        if self._assignable.owner_of(device) is not None:
            raise Refused(IN_USE, "a machine has the device")
        self._devices.hand(device, Holder.DISABLED)
        return done(MountedDeviceInstancePath=self._devices.path(device))

    def _found(self, instance_path: str, location_path: str) -> PciDevice:
        if not instance_path and not location_path:
            raise Refused(INVALID_PARAMETER, "no device named")
        device = self._devices.find(instance_path, location_path)
        if device is None:
            raise Refused(FILE_NOT_FOUND, f"{instance_path} {location_path}")
        return device
