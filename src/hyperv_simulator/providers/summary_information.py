"""GetSummaryInformation: what lists of machines show, in one call.

Only what was asked for is filled (real-instances 3.10). The numbers are the value map of RequestedInformation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.checkpoints.tree import CheckpointTree
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.integration_components import heartbeat
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.providers.base import Call, Method, Outputs, done
from hyperv_simulator.repository.instances import Repository


class SummaryInformation:
    def __init__(
        self, repository: Repository, machines: Machines, memory: HostMemory, checkpoints: CheckpointTree
    ) -> None:
        self._repository = repository
        self._machines = machines
        self._memory = memory
        self._checkpoints = checkpoints
        self._fields: Mapping[int, Callable[[Machine, CimInstance], Mapping[str, CimValue]]] = {
            0: lambda machine, _system: {"Name": machine.machine_id},
            1: lambda machine, _system: {"ElementName": machine.reader.name},
            2: lambda machine, _system: {"CreationTime": machine.reader.system.get("CreationTime")},
            3: lambda machine, _system: {"Notes": "\n".join(machine.reader.system.texts("Notes"))},
            4: lambda machine, _system: {"NumberOfProcessors": machine.reader.processor.get("VirtualQuantity")},
            5: lambda machine, _system: self._thumbnail(machine, 80, 60),
            6: lambda machine, _system: self._thumbnail(machine, 160, 120),
            7: lambda machine, _system: self._thumbnail(machine, 320, 240),
            9: lambda machine, _system: {"VirtualSwitchNames": self._switch_names(machine)},
            10: lambda machine, _system: {"Version": machine.reader.system.get("Version")},
            11: lambda machine, _system: {"Shielded": machine.reader.is_shielded},
            100: lambda _machine, system: {"EnabledState": system.get("EnabledState")},
            101: lambda machine, _system: {"ProcessorLoad": 0 if machine.uptime_ms else None},
            102: lambda machine, _system: {"ProcessorLoadHistory": [0] if machine.uptime_ms else None},
            103: lambda machine, _system: {"MemoryUsage": self._memory.assigned_mb(machine.machine_id) or None},
            104: lambda machine, _system: {"Heartbeat": self._heartbeat(machine)},
            105: lambda machine, _system: {"UpTime": machine.uptime_ms},
            106: lambda machine, _system: {"GuestOperatingSystem": self._guest_system(machine)},
            107: lambda machine, _system: {"Snapshots": self._snapshots(machine)},
            109: lambda _machine, system: {"HealthState": system.get("HealthState")},
            110: lambda _machine, system: {"OperationalStatus": system.get("OperationalStatus")},
            111: lambda _machine, system: {"StatusDescriptions": system.get("StatusDescriptions")},
        }

    def methods(self) -> Mapping[str, Method]:
        return {"GetSummaryInformation": self._get}

    def _get(self, call: Call) -> Outputs:
        references = call.targets_of("SettingData")
        wanted = call.integers("RequestedInformation")
        summaries: list[CimScalar]
        if references:
            summaries = [self._summary_of(item, wanted) for item in references]
        else:
            summaries = [self._summary(machine, wanted) for machine in self._machines.all()]
        return done(SummaryInformation=summaries)

    def _summary_of(self, reference: CimReference, wanted: list[int]) -> CimInstance:
        checkpoint = self._checkpoints.find(reference)
        if checkpoint is None:
            return self._summary(self._machines.of(reference), wanted)
        return self._repository.finished(checkpoint_summary(checkpoint, wanted))

    def _summary(self, machine: Machine, wanted: list[int]) -> CimInstance:
        system = self._repository.find(machine.reference) or CimInstance("Msvm_ComputerSystem")
        summary = CimInstance("Msvm_SummaryInformation", {"InstanceID": machine.reader.system.get("InstanceID")})
        for number in wanted:
            field = self._fields.get(number)
            for name, value in (field(machine, system) if field is not None else {}).items():
                summary[name] = value
        return self._repository.finished(summary)

    def _snapshots(self, machine: Machine) -> CimValue:
        found = self._checkpoints.all(machine.machine_id)
        references: list[CimScalar] = [self._repository.reference_of(item) for item in found]
        return references

    @staticmethod
    def _heartbeat(machine: Machine) -> int | None:
        status = heartbeat(machine)
        return status.code if status is not None else None

    @staticmethod
    def _thumbnail(machine: Machine, width: int, height: int) -> Mapping[str, CimValue]:
        try:
            picture = machine.picture()
        except GuestError:
            picture = None
        if picture is None:
            return {}
        image = picture.rgb565(width, height)
        return {"ThumbnailImage": image, "ThumbnailImageHeight": height, "ThumbnailImageWidth": width}

    @staticmethod
    def _guest_system(machine: Machine) -> str | None:
        """What the guest's key-value exchange says, if that is on."""
        guest, settings = machine.guest, machine.reader.all("Msvm_KvpExchangeComponentSettingData")
        if (
            guest is None
            or not machine.integration_ready
            or not any(item.get("EnabledState") == 2 for item in settings)
        ):
            return None
        try:
            report = guest.exchange.report()
        except GuestError:
            return None
        return report.intrinsic.get("OSName") if report is not None else None

    @staticmethod
    def _switch_names(machine: Machine) -> CimValue:
        reader = machine.reader
        switches = (reader.switch_of(reader.connection_of(nic)) for nic in reader.nics())
        return [switch.text("ElementName") for switch in switches if switch is not None]


def checkpoint_summary(checkpoint: CimInstance, wanted: list[int]) -> CimInstance:
    """Of a checkpoint there is what its own settings say (which fields a host fills: assumption)."""
    fields: Mapping[int, Mapping[str, CimValue]] = {
        0: {"Name": ids.system_of(checkpoint.text("InstanceID"))},
        1: {"ElementName": checkpoint.get("ElementName")},
        2: {"CreationTime": checkpoint.get("CreationTime")},
        3: {"Notes": "\n".join(checkpoint.texts("Notes"))},
        10: {"Version": checkpoint.get("Version")},
    }
    summary = CimInstance("Msvm_SummaryInformation", {"InstanceID": checkpoint.get("InstanceID")})
    for number in wanted:
        for name, value in fields.get(number, {}).items():
            summary[name] = value
    return summary
