"""Msvm_VirtualEthernetSwitchManagementService: switches come, get another name, and go.

A private or internal switch is made at once (seen for private ones: real-instances 3.4), an external one in a job,
where the result is found by Msvm_AffectedJobElement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import (
    IN_USE,
    INCORRECT_TYPE,
    INVALID_PARAMETER,
    OperationFailed,
    Refused,
)
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import EXTERNAL_PORT, SWITCH, SWITCH_SETTINGS, Switches

_DEFINING = JobKind("Creating Ethernet Switch", "Creating Virtual Ethernet Switch", 130)
_MODIFYING = JobKind("Modifying Ethernet Switch", "Modifying Virtual Ethernet Switch Settings", 131)
_DESTROYING = JobKind("Deleting Ethernet Switch", "Deleting Virtual Ethernet Switch", 132)


class VirtualEthernetSwitchManagementProvider(Provider):
    class_name = "Msvm_VirtualEthernetSwitchManagementService"

    def __init__(self, repository: Repository, switches: Switches, machines: Machines, jobs: Jobs) -> None:
        self._repository = repository
        self._switches = switches
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "DefineSystem": self._define,
            "DestroySystem": self._destroy,
            "ModifySystemSettings": self._modify,
        }

    def _define(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SystemSettings", SWITCH_SETTINGS)
            wires = call.all_embedded("ResourceSettings", CONNECTION)
        except OperationFailed:
            raise Refused(INCORRECT_TYPE, "a wrong type in the embedded instance") from None  # real-instances 3.6
        external = any(EXTERNAL_PORT.lower() in path.lower() for wire in wires for path in wire.texts("HostResource"))
        if not external:
            return done(ResultingSystem=self._repository.reference_of(self._switches.define(given, wires)))
        self._switches.check_wires(wires)

        def define(control: JobControl) -> None:
            switch = self._switches.define(given, wires)
            self._jobs.add_result(control.reference, self._repository.reference_of(switch))

        return self._start(call, _DEFINING, define)

    def _destroy(self, call: Call) -> Outputs:
        switch = self._switch(call.target_of("AffectedSystem"))
        name = switch.text("ElementName", "")
        for machine in self._machines.all():
            if not machine.is_on:
                continue
            plugged = (machine.reader.switch_of(machine.reader.connection_of(nic)) for nic in machine.reader.nics())
            if any(item is not None and item.get("Name") == switch.get("Name") for item in plugged):
                raise Refused(IN_USE, f"{machine.reader.name} is on and plugged into {name}")

        def destroy(_: JobControl) -> None:
            self._switches.destroy(switch)

        return self._start(call, _DESTROYING, destroy)

    def _modify(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SystemSettings", SWITCH_SETTINGS)
        except OperationFailed:
            raise Refused(INCORRECT_TYPE, "a wrong type in the embedded instance") from None
        reference = CimReference(SWITCH_SETTINGS, {"InstanceID": given.text("InstanceID", "")})
        settings = self._repository.find(reference)
        if settings is None:
            raise Refused(INVALID_PARAMETER, "no such switch")
        switch = self._switch(
            CimReference(SWITCH, {"CreationClassName": SWITCH, "Name": settings.text("VirtualSystemIdentifier")})
        )
        changes = {name: value for name, value in given.items() if name.lower() != "instanceid" and value is not None}

        def modify(_: JobControl) -> None:
            self._repository.change(reference, changes)
            if given.get("ElementName"):
                self._switches.rename(switch, given.text("ElementName"))

        return self._start(call, _MODIFYING, modify)

    def _switch(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None or found.class_name != SWITCH:
            raise Refused(INVALID_PARAMETER, "no such switch")
        return found

    def _start(self, call: Call, kind: JobKind, work: Callable[[JobControl], None]) -> Outputs:
        return job_started(self._jobs.start(kind, work, user=call.caller.user, origin=(self.class_name, call.method)))
