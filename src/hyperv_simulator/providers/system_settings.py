"""What ModifySystemSettings and DefineSystem may set on a machine, and what the host says to the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.boot_sources import checked_order
from hyperv_simulator.machines.settings import GENERATION_1, GENERATION_2, VSSD
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.windows import WindowsVersion

_FIXED = frozenset(
    {
        "instanceid",
        "caption",
        "description",
        "virtualsystemidentifier",
        "virtualsystemtype",
        "virtualsystemsubtype",
        "configurationid",
        "configurationfile",
        "configurationdataroot",
        "creationtime",
        "version",
        "parent",
        "issaved",
        "suspenddataroot",
        "gueststatefile",
    }
)
# Moving a realized machine's configuration is the migration service's work.
_FIXED_ONCE_REALIZED = frozenset({"configurationdataroot"})
# What can be changed while the machine runs (assumption: what the console lets one change then).
_ANY_TIME = frozenset(
    {
        "elementname",
        "notes",
        "automaticstartupaction",
        "automaticstartupactiondelay",
        "automaticshutdownaction",
        "automaticrecoveryaction",
        "automaticcriticalerroraction",
        "automaticcriticalerroractiontimeout",
        "automaticsnapshotsenabled",
        "usersnapshottype",
        "snapshotdataroot",
        "incrementalbackupenabled",
    }
)
# Property -> the values it can have (class page Msvm_VirtualSystemSettingData).
_RANGES: Mapping[str, range] = {
    "automaticstartupaction": range(2, 5),
    "automaticshutdownaction": range(2, 5),
    "automaticrecoveryaction": range(2, 5),
    "usersnapshottype": range(2, 6),
    "networkbootpreferredprotocol": range(4096, 4098),
    "consolemode": range(0, 4),
    "lowmmiogapsize": range(0, 4096),  # MB; a size in bytes is refused (real-instances 2.3, 3.6)
    "highmmiogapsize": range(0, 1 << 24),
}
_GENERATION_2_ONLY = frozenset({"securebootenabled", "secureboottemplateid", "bootsourceorder", "consolemode"})


class SystemSettings:
    """Judges and writes the settings of machines."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        self._host_name = host_name

    @property
    def _version(self) -> WindowsVersion:
        return self._repository.catalogue.version

    def check_definition(self, given: CimInstance) -> None:
        """:raises Refused: a generation, configuration version or value that this host does not have."""
        sub_type = given.get("VirtualSystemSubType")
        if sub_type not in (None, GENERATION_1, GENERATION_2):
            raise Refused(INVALID_PARAMETER, f"VirtualSystemSubType {sub_type!r}")
        version = given.get("Version")
        if version not in (None, "", *self._version.supported_versions):
            raise Refused(INVALID_PARAMETER, f"configuration version {version!r}")
        self._check_values(given)

    def checked(self, machine: Machine, given: CimInstance) -> dict[str, CimValue]:
        """What a modification may change.

        :raises Refused: 32773 for a value that the property can't have.
        :raises OperationFailed: it can't be changed now, or leads nowhere.
        """
        self._check_values(given)
        current = machine.reader.system
        changes: dict[str, CimValue] = {}
        for name, value in given.items():
            lower = name.lower()
            if value is None or current.get(name) == value:
                continue
            if lower in _FIXED and not (machine.is_planned and lower in _FIXED_ONCE_REALIZED):
                continue
            if lower == "notes" and value == []:
                continue  # an empty array changes nothing, [""] clears it (real-instances 2.2)
            if machine.is_on and lower not in _ANY_TIME:
                raise self._wrong_state(machine, name)
            if machine.reader.generation == 1 and lower in _GENERATION_2_ONLY and value not in (False, []):
                raise Refused(INVALID_PARAMETER, f"{name} is for generation 2")
            changes[name] = value
        if given.get("VirtualNumaEnabled") is True and machine.reader.memory.get("DynamicMemoryEnabled") is True:
            raise OperationFailed(
                f"Modifying the properties of '{machine.reader.name}' failed.",
                "Dynamic memory and virtual NUMA can't both be enabled for a virtual machine.",
                machine_id=machine.machine_id,
            )
        for name in changes:
            if name.lower() == "bootsourceorder":
                changes[name] = list(
                    checked_order(self._repository, self._host_name, machine, given.texts("BootSourceOrder"))
                )
        return changes

    def apply(self, machine: Machine, changes: Mapping[str, CimValue]) -> None:
        """Writes what ``checked`` let through."""
        self._repository.change(CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)}), changes)
        for name, value in changes.items():
            if name.lower() == "elementname":
                self._repository.change(machine.reference, {"ElementName": value})
        self.touch(machine)

    def touch(self, machine: Machine) -> None:
        """The configuration has changed, and the machine shows when."""
        if self._repository.find(machine.reference) is not None:
            self._repository.change(machine.reference, {"TimeOfLastConfigurationChange": dt.datetime.now(dt.UTC)})

    def _check_values(self, given: CimInstance) -> None:
        for name, value in given.items():
            allowed = _RANGES.get(name.lower())
            if allowed is not None and isinstance(value, int) and value not in allowed:
                raise Refused(INVALID_PARAMETER, f"{name} {value}")
            if name.lower() == "bootorder" and isinstance(value, list) and not set(value) <= set(range(5)):
                raise Refused(INVALID_PARAMETER, f"BootOrder {value}")
            if name.lower() == "secureboottemplateid" and value:
                known = {template.lower() for template in ids.SECURE_BOOT_TEMPLATES}
                if str(value).strip("{}").lower() not in known:
                    raise Refused(INVALID_PARAMETER, f"SecureBootTemplateId {value!r}")

    @staticmethod
    def _wrong_state(machine: Machine, name: str) -> OperationFailed:
        machine_name = machine.reader.name
        # BIOSNumLock on a running machine gives 32768 on a host (real-instances 3.6).
        return OperationFailed(
            f"Modifying the properties of '{machine_name}' failed.",
            "The operation cannot be performed while the object is in its current state.",
            code=32768 if name.lower() == "biosnumlock" else INVALID_STATE,
            machine_id=machine.machine_id,
        )
