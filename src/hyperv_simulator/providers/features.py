r"""Features of switches and switch ports: VLAN, security, bandwidth, offload, ACLs, teaming.

The same three methods in two services: Msvm_VirtualSystemManagementService deals with the ports of machines,
Msvm_VirtualEthernetSwitchManagementService with switches and their own ports. What they differ in is a ``Scope``.

Ids: ``<configuration>\<FeatureId>\<GUID>`` (assumption, real-instances 7). On a running machine they apply at once
(hyperv-ops 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done, job_started
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching import feature_rules

FEATURE = "Msvm_FeatureSettingData"
_ADDING = JobKind("Adding Features", "Adding Ethernet Switch Port Features", 133)
_MODIFYING = JobKind("Modifying Features", "Modifying Ethernet Switch Port Features", 134)
_REMOVING = JobKind("Removing Features", "Removing Ethernet Switch Port Features", 135)


class Scope(Protocol):
    """Whose features a service deals with."""

    service: str

    def owns(self, configuration: CimInstance) -> bool:
        """Whether features may hang on this, as far as this service goes."""

    def feature_ids(self, configuration: CimInstance) -> Mapping[str, str]:
        """The classes of the features that it may have, and their ids."""

    def check(self, configuration: CimInstance, feature: CimInstance) -> None:
        """Judges a feature by where it shall hang. Raises Refused."""

    def change(self, configuration: CimInstance, work: Callable[[], None]) -> None:
        """Does the work while nobody else changes the owner, and lets its effect be seen."""

    def affected(self, configuration: CimInstance) -> CimReference | None:
        """What a job is about that changes its features."""


class FeatureSettings:
    """The three methods of a service."""

    def __init__(self, repository: Repository, jobs: Jobs, scope: Scope) -> None:
        self._repository = repository
        self._jobs = jobs
        self._scope = scope

    def methods(self) -> Mapping[str, Method]:
        return {
            "AddFeatureSettings": self._add,
            "ModifyFeatureSettings": self._modify,
            "RemoveFeatureSettings": self._remove,
        }

    def _add(self, call: Call) -> Outputs:
        configuration = self._configuration(call.target_of("AffectedConfiguration"))
        added: list[CimScalar] = []
        try:
            given = call.all_embedded("FeatureSettings", FEATURE)
            if not given:
                raise Refused(INVALID_PARAMETER, "nothing to add")

            def add() -> None:
                present = self._features_of(configuration)
                made: list[CimInstance] = []
                for item in given:
                    feature = self._made(configuration, item)
                    self._check(configuration, feature, [*present, *made])
                    made.append(feature)
                added.extend(self._repository.add(feature) for feature in made)

            self._scope.change(configuration, add)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_ADDING, failure, user=call.caller.user))
        return done(ResultingFeatureSettings=added)

    def _modify(self, call: Call) -> Outputs:
        pairs: list[tuple[CimReference, dict[str, CimValue]]] = []
        configuration: CimInstance | None = None
        try:
            for given in call.all_embedded("FeatureSettings", FEATURE):
                current = self._feature(CimReference(given.class_name, {"InstanceID": given.text("InstanceID", "")}))
                configuration = self._configuration_of(current)
                changes = {name: value for name, value in given.items() if name.lower() != "instanceid"}
                merged = current.copy()
                for name, value in changes.items():
                    merged[name] = value
                others = [i for i in self._features_of(configuration) if i.get("InstanceID") != current["InstanceID"]]
                self._check(configuration, merged, others)
                pairs.append((self._repository.reference_of(current), changes))
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        if configuration is None:
            raise Refused(INVALID_PARAMETER, "nothing to modify")

        def modify() -> None:
            for reference, changes in pairs:
                self._repository.change(reference, changes)

        return self._start(call, _MODIFYING, configuration, modify)

    def _remove(self, call: Call) -> Outputs:
        features = [self._feature(reference) for reference in call.targets_of("FeatureSettings")]
        if not features:
            raise Refused(INVALID_PARAMETER, "nothing to remove")
        configurations = [self._configuration_of(feature) for feature in features]

        def remove() -> None:
            for feature in features:
                self._repository.remove(self._repository.reference_of(feature))

        return self._start(call, _REMOVING, configurations[0], remove)

    def _start(self, call: Call, kind: JobKind, configuration: CimInstance, work: Callable[[], None]) -> Outputs:
        def do(_: JobControl) -> None:
            self._scope.change(configuration, work)

        return job_started(
            self._jobs.start(
                kind,
                do,
                user=call.caller.user,
                affected=self._scope.affected(configuration),
                origin=(self._scope.service, call.method),
            )
        )

    def _check(self, configuration: CimInstance, feature: CimInstance, others: list[CimInstance]) -> None:
        feature_rules.check(feature, self._repository.catalogue.find(feature.namespace, feature.class_name))
        feature_rules.check_among(feature, others)
        self._scope.check(configuration, feature)

    def _made(self, configuration: CimInstance, given: CimInstance) -> CimInstance:
        feature_id = self._scope.feature_ids(configuration).get(given.class_name)
        if feature_id is None:
            raise Refused(INVALID_PARAMETER, f"no {given.class_name} here")
        values: dict[str, CimValue] = {name: value for name, value in given.items() if value is not None}
        values["InstanceID"] = f"{configuration.text('InstanceID')}\\{feature_id}\\{ids.new_guid()}"
        return new_instance(self._repository.catalogue, given.class_name, values)

    # Finding

    def _configuration(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None or not self._scope.owns(found):
            raise Refused(INVALID_PARAMETER, f"no features hang on {reference}")
        return found

    def _feature(self, reference: CimReference) -> CimInstance:
        found = self._repository.find(reference)
        if found is None or found.class_name not in (*ids.FEATURE_IDS, *ids.SWITCH_FEATURE_IDS):
            raise Refused(INVALID_PARAMETER, f"no feature at {reference}")
        return found

    def _configuration_of(self, feature: CimInstance) -> CimInstance:
        owner = feature.text("InstanceID").rsplit("\\", 2)[0]
        return self._configuration(CimReference("CIM_SettingData", {"InstanceID": owner}))

    def _features_of(self, configuration: CimInstance) -> list[CimInstance]:
        instance_id = configuration.text("InstanceID")
        return [
            item
            for item in self._repository.owned(FEATURE, ids.system_of(instance_id))
            if item.text("InstanceID").rsplit("\\", 2)[0].lower() == instance_id.lower()
        ]
