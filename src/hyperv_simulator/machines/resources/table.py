"""Who judges which resource: the table from a settings object to its rules."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.device_kinds import CONNECTION, LEGACY_NIC, MEMORY, NIC, PROCESSOR, SERIAL_PORT
from hyperv_simulator.machines.resources.compute import MemoryRules, ProcessorRules
from hyperv_simulator.machines.resources.fixed import FixedRules, SerialPortRules
from hyperv_simulator.machines.resources.integration_services import SWITCHED, IntegrationServiceRules
from hyperv_simulator.machines.resources.network import ConnectionRules, NicRules
from hyperv_simulator.machines.resources.rules import ResourceHost, ResourceRules
from hyperv_simulator.machines.resources.storage import DriveRules, MediumRules, ScsiControllerRules, sub_type_of
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused


class ResourceTable:
    """The rules of one host, by class and ResourceSubType."""

    def __init__(self, host: ResourceHost) -> None:
        drives, media, fixed = DriveRules(host), MediumRules(host), FixedRules(host)
        self._by_class: Mapping[str, ResourceRules] = {
            MEMORY.lower(): MemoryRules(host),
            PROCESSOR.lower(): ProcessorRules(host),
            NIC.lower(): NicRules(host),
            LEGACY_NIC.lower(): NicRules(host),
            CONNECTION.lower(): ConnectionRules(host),
            SERIAL_PORT.lower(): SerialPortRules(host),
            **dict.fromkeys(map(str.lower, SWITCHED), IntegrationServiceRules(host)),
            **host.device_rules,
        }
        self._by_sub_type: Mapping[str, ResourceRules] = {
            "synthetic scsi controller": ScsiControllerRules(host),
            "synthetic disk drive": drives,
            "physical disk drive": drives,
            "synthetic dvd drive": drives,
            "virtual hard disk": media,
            "virtual cd/dvd disk": media,
            "virtual floppy disk": media,
            "serial port": SerialPortRules(host),
            "emulated ide controller": fixed,
            "diskette controller": fixed,
            "synthetic diskette drive": fixed,
            "serial controller": fixed,
            "keyboard": fixed,
            "ps2 mouse": fixed,
            "synthetic keyboard": fixed,
            "synthetic mouse": fixed,
            "s3 display controller": fixed,
            "synthetic display controller": fixed,
            **host.device_rules,
        }

    def of(self, settings: CimInstance) -> ResourceRules:
        """:raises Refused: 32773 for a kind of resource that no machine of this host can have."""
        rules = self._by_class.get(settings.class_name.lower()) or self._by_sub_type.get(sub_type_of(settings))
        if rules is None:
            raise Refused(INVALID_PARAMETER, f"{settings.class_name} {settings.get('ResourceSubType')!r}")
        return rules
