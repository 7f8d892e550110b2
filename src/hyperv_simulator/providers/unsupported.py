"""Methods that hosts have and the simulator has nothing behind: they answer with the documented refusal.

* a VHD set needs a cluster's shared storage, change tracking a driver in the storage stack: 32770 (R16 of hyperv-ops)
* secrets of Fibre Channel, a guest's first configuration, network virtualization, and parts of a machine that
  a host makes by itself: 32770 or 1, whichever the method's page lists (R1, R4, R5, R7)
* a machine is moved to a host, never into another machine: 1 (their pages; that hosts answer so is assumed)
* the service classes of Hyper-V can't be started, stopped or put into a state: 1 (their class pages)
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.outcomes import FILE_NOT_FOUND, METHOD_NOT_SUPPORTED, NOT_SUPPORTED, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs
from hyperv_simulator.storage.vhd import DiskStore

# Method and the parameter that names the file it is about.
_VHD_SETS: Mapping[str, str] = {
    "GetVHDSetInformation": "VHDSetPath",
    "GetVHDSnapshotInformation": "VHDSetPath",
    "SetVHDSnapshotInformation": "",
    "DeleteVHDSnapshot": "VHDSetPath",
    "OptimizeVHDSet": "VHDSetPath",
    "ConvertVirtualHardDiskToVHDSet": "VirtualHardDiskPath",
    "GetVirtualDiskChanges": "Path",
}
# Methods of the management service with the code of their pages for what is not supported.
_MANAGEMENT: Mapping[str, int] = {
    "AddFibreChannelChap": METHOD_NOT_SUPPORTED,
    "RemoveFibreChannelChap": METHOD_NOT_SUPPORTED,
    "SetInitialMachineConfigurationData": METHOD_NOT_SUPPORTED,
    "SetGuestNetworkAdapterConfiguration": METHOD_NOT_SUPPORTED,
    "TestNetworkConnection": NOT_SUPPORTED,
    "DiagnoseNetworkConnection": NOT_SUPPORTED,
    "AddBootSourceSettings": NOT_SUPPORTED,
    "RemoveBootSourceSettings": NOT_SUPPORTED,
    "AddGuestServiceSettings": NOT_SUPPORTED,
    "RemoveGuestServiceSettings": NOT_SUPPORTED,
    "AddSystemComponentSettings": NOT_SUPPORTED,
    "ModifySystemComponentSettings": NOT_SUPPORTED,
    "RemoveSystemComponentSettings": NOT_SUPPORTED,
}


def management() -> Mapping[str, Method]:
    """Of the management service."""

    def method(code: int) -> Method:
        def refuse(call: Call) -> Outputs:
            raise Refused(code, call.method)

        return refuse

    return {name: method(code) for name, code in _MANAGEMENT.items()}


def moves_into_systems() -> Mapping[str, Method]:
    """Of the migration service: moves into another machine, which no Hyper-V knows a kind of."""

    def refuse(call: Call) -> Outputs:
        raise Refused(NOT_SUPPORTED, call.method)

    return dict.fromkeys(("MigrateVirtualSystemToSystem", "CheckVirtualSystemIsMigratableToSystem"), refuse)


def service_control() -> Mapping[str, Method]:
    """Of a service of Hyper-V."""

    def refuse(_: Call) -> Outputs:
        raise Refused(NOT_SUPPORTED, "Hyper-V's services are not controlled over WMI")

    return dict.fromkeys(("RequestStateChange", "StartService", "StopService"), refuse)


def vhd_sets(store: DiskStore) -> Mapping[str, Method]:
    """Of the image service."""

    def method(parameter: str) -> Method:
        def refuse(call: Call) -> Outputs:
            if parameter and not store.folder.exists(call.text(parameter)):
                raise Refused(FILE_NOT_FOUND, call.text(parameter))
            raise Refused(METHOD_NOT_SUPPORTED, "VHD sets and change tracking")

        return refuse

    return {name: method(parameter) for name, parameter in _VHD_SETS.items()}
