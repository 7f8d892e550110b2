r"""What protects a machine: its security settings, its key protector, and what shows of them while it runs.

Rule: key protectors and policies are no properties of any class; as in a machine's configuration file they lie beside
the security settings, under names that the class lacks: they go wherever the settings go, and no reader sees them.
Sources: hyperv-ops 12; ``Microsoft:<machine>\<GUID>`` and that every machine has such settings were read on a host
(HVWMI ``vtpm_security``), the GUID itself is made up.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository, first

SECURITY = "Msvm_SecuritySettingData"
ELEMENT = "Msvm_SecurityElement"
TPM = "Msvm_TPM"
# Beside the settings, see the rule; the key protectors: ``key_protectors``.
POLICY = "_SecurityPolicy"


def security_of(machine: Machine) -> CimInstance | None:
    """The security settings of a machine; None before Windows Server 2016."""
    return first(machine.reader.all(SECURITY))


class SecurityDevices:
    """The sources of Msvm_SecurityElement and Msvm_TPM."""

    def __init__(self, repository: Repository, machines: Machines) -> None:
        self._repository = repository
        self._machines = machines
        if repository.catalogue.version.release >= 2016:
            repository.add_source(ELEMENT, self._elements)
            repository.add_source(TPM, self._tpms)

    def _owners(self, owner: str) -> Iterator[tuple[Machine, CimInstance]]:
        for machine in [self._machines.find(owner)] if owner else self._machines.all():
            settings = security_of(machine) if machine is not None else None
            if machine is not None and settings is not None:
                yield machine, settings

    def _elements(self, owner: str) -> Iterator[CimInstance]:
        """How a machine is protected now: as its settings say, since they can't be changed while it is on."""
        for machine, settings in self._owners(owner):
            yield new_instance(
                self._repository.catalogue,
                ELEMENT,
                {
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": machine.machine_id,
                    "CreationClassName": ELEMENT,
                    "Shielded": settings.get("ShieldingRequested"),
                    "EncryptStateAndVmMigrationTrafficEnabled": settings.get("EncryptStateAndVmMigrationTraffic"),
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "Status": "OK",
                },
            )

    def _tpms(self, owner: str) -> Iterator[CimInstance]:
        for machine, settings in self._owners(owner):
            if settings.get("TpmEnabled") is not True or machine.state not in (State.RUNNING, State.PAUSED):
                continue
            yield new_instance(
                self._repository.catalogue,
                TPM,
                {
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": machine.machine_id,
                    "CreationClassName": TPM,
                    "DeviceID": f"Microsoft:{ids.TPM_DEVICE}",
                    "ElementName": "TPM",
                    "EnabledState": 2,
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "Status": "OK",
                    "TPMSpecMajorVersion": 2,
                    "TPMSpecMinorVersion": 0,
                },
            )
