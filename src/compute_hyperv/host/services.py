"""References to the singletons that operations start from, and paths as Hyper-V wants them inside settings.

A service is addressed by its class and ``CreationClassName`` alone: hosts accept a subset of the keys where it names
one instance (libvirt does so in the field; facts: wsman-cim 6).
"""

from __future__ import annotations

from compute_hyperv.cim import paths
from compute_hyperv.cim.values import CimReference

SYSTEM = "Msvm_VirtualSystemSettingData"
MACHINE = "Msvm_ComputerSystem"

CIMV2 = "root/cimv2"


def service(class_name: str) -> CimReference:
    return CimReference(class_name, {"CreationClassName": class_name})


MANAGEMENT = service("Msvm_VirtualSystemManagementService")
IMAGES = service("Msvm_ImageManagementService")


def machine_reference(machine_id: str) -> CimReference:
    return CimReference(MACHINE, {"CreationClassName": MACHINE, "Name": machine_id})


def system_settings_id(machine_id: str) -> str:
    """InstanceID of the active settings (facts: real-instances 1.1); those of components begin with it and ``\\``."""
    return f"Microsoft:{machine_id}"


def system_settings_reference(machine_id: str) -> CimReference:
    return CimReference(SYSTEM, {"InstanceID": system_settings_id(machine_id)})


def setting_path(class_name: str, instance_id: str) -> str:
    """The path of a settings object, for ``Parent`` and ``BootSourceOrder``. Without the host's name, which hosts
    accept (real-instances 1.1) and which we may know under another."""
    return paths.format_path(CimReference(class_name, {"InstanceID": instance_id}))
