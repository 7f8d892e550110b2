r"""Switch port features of machines: VLAN, security, bandwidth, offload, ACLs.

A port has at most one of each, ACLs excepted. Ids: ``<connection>\<FeatureId>\<GUID>`` (assumption, real-instances 7).
On a running machine they apply at once (hyperv-ops 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.network import feature_id
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done, job_started
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

FEATURE = "Msvm_EthernetSwitchPortFeatureSettingData"
_MANY = frozenset({"Msvm_EthernetSwitchPortAclSettingData", "Msvm_EthernetSwitchPortExtendedAclSettingData"})
_ADDING = JobKind("Adding Features", "Adding Ethernet Switch Port Features", 133)
_MODIFYING = JobKind("Modifying Features", "Modifying Ethernet Switch Port Features", 134)
_REMOVING = JobKind("Removing Features", "Removing Ethernet Switch Port Features", 135)
_MAX_VLAN = 4094


class FeatureSettings:
    """The three methods of Msvm_VirtualSystemManagementService that deal with features."""

    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "AddFeatureSettings": self._add,
            "ModifyFeatureSettings": self._modify,
            "RemoveFeatureSettings": self._remove,
        }

    def _add(self, call: Call) -> Outputs:
        reference = call.target_of("AffectedConfiguration")
        machine = self._machines.of(reference)
        connection = self._repository.find(reference)
        if connection is None or connection.class_name != CONNECTION:
            raise Refused(INVALID_PARAMETER, "AffectedConfiguration is no connection")
        try:
            given = call.all_embedded("FeatureSettings", FEATURE)
            if not given:
                raise Refused(INVALID_PARAMETER, "nothing to add")
            with machine.lock:
                for feature in given:
                    self._check(feature)
                    if feature.class_name not in _MANY and machine.reader.features_of(connection, feature.class_name):
                        raise Refused(INVALID_PARAMETER, f"the port has {feature.class_name}")
                added = [self._repository.add(self._made(connection, feature)) for feature in given]
                machine.refresh_guest("nics")
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_ADDING, failure, user=call.caller.user))
        results: list[CimScalar] = list(added)
        return done(ResultingFeatureSettings=results)

    def _modify(self, call: Call) -> Outputs:
        pairs: list[tuple[CimReference, dict[str, CimValue]]] = []
        try:
            for given in call.all_embedded("FeatureSettings", FEATURE):
                reference = CimReference(given.class_name, {"InstanceID": given.text("InstanceID", "")})
                current = self._repository.find(reference)
                if current is None:
                    raise Refused(INVALID_PARAMETER, "no such feature")
                merged = current.copy()
                changes = {name: value for name, value in given.items() if name.lower() != "instanceid"}
                for name, value in changes.items():
                    merged[name] = value
                self._check(merged)
                pairs.append((reference, changes))
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        if not pairs:
            raise Refused(INVALID_PARAMETER, "nothing to modify")

        def modify(_: Machine) -> None:
            for reference, changes in pairs:
                self._repository.change(reference, changes)

        return self._start(call, _MODIFYING, self._machines.of(pairs[0][0]), modify)

    def _remove(self, call: Call) -> Outputs:
        references = call.targets_of("FeatureSettings")
        if not references or any(self._repository.find(reference) is None for reference in references):
            raise Refused(INVALID_PARAMETER, "no such feature")

        def remove(_: Machine) -> None:
            for reference in references:
                self._repository.remove(reference)

        return self._start(call, _REMOVING, self._machines.of(references[0]), remove)

    def _start(self, call: Call, kind: JobKind, machine: Machine, work: Callable[[Machine], None]) -> Outputs:
        def do(_: JobControl) -> None:
            with machine.lock:
                work(machine)
                machine.refresh_guest("nics")

        origin = ("Msvm_VirtualSystemManagementService", call.method)
        return job_started(self._jobs.start(kind, do, user=call.caller.user, affected=machine.reference, origin=origin))

    def _made(self, connection: CimInstance, given: CimInstance) -> CimInstance:
        values: dict[str, CimValue] = {name: value for name, value in given.items() if value is not None}
        values["InstanceID"] = feature_id(connection, given.class_name)
        return new_instance(self._repository.catalogue, given.class_name, values)

    @staticmethod
    def _check(feature: CimInstance) -> None:
        """:raises Refused: no port feature that exists, or a VLAN that does not."""
        if feature.class_name not in ids.FEATURE_IDS:
            raise Refused(INVALID_PARAMETER, feature.class_name)
        for name in ("AccessVlanId", "NativeVlanId", "PrimaryVlanId", "SecondaryVlanId"):
            if not 0 <= feature.integer(name, 0) <= _MAX_VLAN:
                raise Refused(INVALID_PARAMETER, f"{name} {feature.get(name)!r}")
        for name in ("TrunkVlanIdArray", "PruneVlanIdArray", "SecondaryVlanIdArray"):
            if any(not 1 <= vlan <= _MAX_VLAN for vlan in feature.integers(name)):
                raise Refused(INVALID_PARAMETER, f"{name} {feature.get(name)!r}")
