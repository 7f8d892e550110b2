"""root/interop: which profiles a host says that it conforms to.

Windows registers DMTF's profiles for power supplies and, with the Hyper-V role, those of system virtualization
(Microsoft's pages on Msvm_RegisteredProfile name the class, not its instances: the list is an assumption).
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

INTEROP = "root/interop"
_DMTF = 2
_NOT_ADVERTISED = 2
# Registered name, version: DSP1042, DSP1057, DSP1059, DSP1041, DSP1050
_PROFILES = (
    ("System Virtualization", "1.0.0"),
    ("Virtual System", "1.0.0"),
    ("Generic Device Resource Virtualization", "1.0.0"),
    ("Resource Allocation", "1.0.0"),
    ("Ethernet Port Resource Virtualization", "1.0.0"),
)


def populate(repository: Repository, *, has_hyperv: bool) -> None:
    """Puts in one Msvm_RegisteredProfile per profile, on a host with the Hyper-V role."""
    repository.serve("Msvm_RegisteredProfile", INTEROP)
    repository.serve("Win32_PowerSupplyProfile", INTEROP)
    for name, version in _PROFILES if has_hyperv else ():
        values: dict[str, CimValue] = {
            "InstanceID": f"DMTF:{name}:{version}",
            "RegisteredName": name,
            "RegisteredVersion": version,
            "RegisteredOrganization": _DMTF,
            "AdvertiseTypes": [_NOT_ADVERTISED],
            "ElementName": name,
        }
        repository.add(new_instance(repository.catalogue, "Msvm_RegisteredProfile", values, INTEROP))
