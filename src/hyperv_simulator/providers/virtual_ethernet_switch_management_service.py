"""Msvm_VirtualEthernetSwitchManagementService: switches come, change, and go; so do the ports of their own.

What concerns a physical adapter takes a job, where the result is found by Msvm_AffectedJobElement; the rest is done at
once (seen for private switches: real-instances 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import IN_USE, INCORRECT_TYPE, INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.features import FeatureSettings
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import SWITCH_SETTINGS, Switches
from hyperv_simulator.switching.ports import SWITCH

_DEFINING = JobKind("Creating Ethernet Switch", "Creating Virtual Ethernet Switch", 130)
_MODIFYING = JobKind("Modifying Ethernet Switch", "Modifying Virtual Ethernet Switch Settings", 131)
_DESTROYING = JobKind("Deleting Ethernet Switch", "Deleting Virtual Ethernet Switch", 132)
_ADDING_PORTS = JobKind("Adding Ethernet Switch Ports", "Adding Virtual Ethernet Switch Ports", 136)
_MODIFYING_PORTS = JobKind("Modifying Ethernet Switch Ports", "Modifying Virtual Ethernet Switch Ports", 137)
_REMOVING_PORTS = JobKind("Removing Ethernet Switch Ports", "Removing Virtual Ethernet Switch Ports", 138)


class VirtualEthernetSwitchManagementProvider(Provider):
    class_name = "Msvm_VirtualEthernetSwitchManagementService"

    def __init__(
        self, repository: Repository, switches: Switches, machines: Machines, jobs: Jobs, features: FeatureSettings
    ) -> None:
        self._repository = repository
        self._switches = switches
        self._machines = machines
        self._jobs = jobs
        self._features = features

    def methods(self) -> Mapping[str, Method]:
        return {
            "DefineSystem": self._define,
            "DestroySystem": self._destroy,
            "ModifySystemSettings": self._modify,
            "AddResourceSettings": self._add_ports,
            "ModifyResourceSettings": self._modify_ports,
            "RemoveResourceSettings": self._remove_ports,
            **self._features.methods(),
            **service_control(),
        }

    # Switches

    def _define(self, call: Call) -> Outputs:
        given = self._embedded(call)
        wires = self._wires(call)
        self._switches.check(given, wires)
        if not self._any_external(wires):
            return done(ResultingSystem=self._repository.reference_of(self._switches.define(given, wires)))

        def define(control: JobControl) -> None:
            switch = self._switches.define(given, wires)
            self._jobs.add_result(control.reference, self._repository.reference_of(switch))

        return self._start(call, _DEFINING, define)

    def _destroy(self, call: Call) -> Outputs:
        switch_id = self._switch_id(call.target_of("AffectedSystem"))
        for machine in self._machines.all():
            if not machine.is_on:
                continue
            plugged = (machine.reader.switch_of(machine.reader.connection_of(nic)) for nic in machine.reader.nics())
            if any(item is not None and item.get("Name") == switch_id for item in plugged):
                raise Refused(IN_USE, f"{machine.reader.name} is on and plugged into it")
        return self._start(call, _DESTROYING, lambda _: self._switches.destroy(switch_id))

    def _modify(self, call: Call) -> Outputs:
        given = self._embedded(call)
        switch_id = self._settings_owner(CimReference(SWITCH_SETTINGS, {"InstanceID": given.text("InstanceID", "")}))
        self._switches.check_changes(switch_id, given)
        return self._start(call, _MODIFYING, lambda _: self._switches.modify(switch_id, given))

    # Their own ports

    def _add_ports(self, call: Call) -> Outputs:
        switch_id = self._settings_owner(call.target_of("AffectedConfiguration"))
        wires = self._wires(call)
        if not wires:
            raise Refused(INVALID_PARAMETER, "nothing to add")
        self._switches.check_ports(switch_id, wires)
        if not self._any_external(wires):
            added: list[CimScalar] = [self._switches.add_port(switch_id, wire) for wire in wires]
            return done(ResultingResourceSettings=added)

        def add(control: JobControl) -> None:
            for wire in wires:
                self._jobs.add_result(control.reference, self._switches.add_port(switch_id, wire))

        return self._start(call, _ADDING_PORTS, add)

    def _modify_ports(self, call: Call) -> Outputs:
        changes = [(self._port(self._port_reference(given)), given) for given in self._wires(call)]
        if not changes:
            raise Refused(INVALID_PARAMETER, "nothing to modify")
        for current, given in changes:
            self._switches.check_port_changes(current, given)

        def modify(_: JobControl) -> None:
            for current, given in changes:
                self._switches.modify_port(current, given)

        return self._start(call, _MODIFYING_PORTS, modify)

    def _remove_ports(self, call: Call) -> Outputs:
        ports = [self._port(reference) for reference in call.targets_of("ResourceSettings")]
        if not ports:
            raise Refused(INVALID_PARAMETER, "nothing to remove")

        def remove(_: JobControl) -> None:
            for port in ports:
                self._switches.remove_port(port)

        return self._start(call, _REMOVING_PORTS, remove)

    # Inside

    @staticmethod
    def _embedded(call: Call) -> CimInstance:
        try:
            return call.embedded("SystemSettings", SWITCH_SETTINGS)
        except OperationFailed:
            raise Refused(INCORRECT_TYPE, "a wrong type in the embedded instance") from None  # real-instances 3.6

    @staticmethod
    def _wires(call: Call) -> list[CimInstance]:
        try:
            return call.all_embedded("ResourceSettings", CONNECTION)
        except OperationFailed:
            raise Refused(INCORRECT_TYPE, "a wrong type in the embedded instance") from None

    @staticmethod
    def _port_reference(given: CimInstance) -> CimReference:
        return CimReference(CONNECTION, {"InstanceID": given.text("InstanceID", "")})

    def _port(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None or found.class_name != CONNECTION:
            raise Refused(INVALID_PARAMETER, "no such port")
        if self._switches.by_id(ids.system_of(found.text("InstanceID"))) is None:
            raise Refused(INVALID_PARAMETER, "the port is a machine's")
        return found

    def _any_external(self, wires: list[CimInstance]) -> bool:
        return any(self._switches.wire_of(wire).is_external for wire in wires)

    def _switch_id(self, reference: CimReference) -> str:
        found = self._repository.find(reference)
        if found is None or found.class_name != SWITCH:
            raise Refused(INVALID_PARAMETER, "no such switch")
        return found.text("Name")

    def _settings_owner(self, reference: CimReference) -> str:
        found = self._repository.find(reference)
        if found is None or found.class_name != SWITCH_SETTINGS:
            raise Refused(INVALID_PARAMETER, "no such switch")
        return found.text("VirtualSystemIdentifier")

    def _start(self, call: Call, kind: JobKind, work: Callable[[JobControl], None]) -> Outputs:
        def do(control: JobControl) -> None:
            try:
                work(control)
            except Refused as refusal:  # what was free when the method answered may be taken by now
                raise OperationFailed(f"{kind.description} failed.", refusal.why, code=refusal.code) from None

        return job_started(self._jobs.start(kind, do, user=call.caller.user, origin=(self.class_name, call.method)))
