"""root/Microsoft/Windows/ServerManager: installing and removing features, and the classes that only list them.

A request gets a state and is asked for by its GUID until it is complete. What the documentation of the provider names
is here; how long a request takes, and that one which wants a restart is answered as complete with RestartRequired, is
an assumption. Offline images (the ...Vhd... methods) are not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.operating_system.feature_table import FEATURES, ROLE, FeatureEntry
from hyperv_simulator.operating_system.features import Features, PrerequisiteFailed, State
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

NAMESPACE = "root/microsoft/windows/servermanager"
_COMPLETED, _FAILED = 1, 2
_TICKS = 100
_NOT_APPLICABLE = 3
_INVALID_OPERATION = 2  # ErrorCategory


def populate(repository: Repository, features: Features) -> None:
    """Win32_ServerFeature and Win32_OptionalFeature, computed at every read."""

    def server_features(_owner: str) -> list[CimInstance]:
        ids = {entry.name: entry.feature_id for entry in features.known}
        return [
            new_instance(
                repository.catalogue,
                "Win32_ServerFeature",
                {"ID": entry.feature_id, "ParentID": ids.get(entry.parent, 0), "Name": entry.display_name},
                CIMV2,
            )
            for entry in features.known
            if entry.feature_id and features.works(entry.name)
        ]

    def optional_features(_owner: str) -> list[CimInstance]:
        return [
            new_instance(
                repository.catalogue,
                "Win32_OptionalFeature",
                {"Name": name, "Caption": entry.display_name, "InstallState": 1 if features.works(entry.name) else 2},
                CIMV2,
            )
            for entry in features.known
            for name in entry.deploys
        ]

    repository.add_source("Win32_ServerFeature", server_features, CIMV2)
    repository.add_source("Win32_OptionalFeature", optional_features, CIMV2)


class DeploymentTasksProvider(Provider):
    """MSFT_ServerManagerDeploymentTasks."""

    class_name = "MSFT_ServerManagerDeploymentTasks"
    namespace = NAMESPACE

    def __init__(self, repository: Repository, features: Features) -> None:
        self._catalogue = repository.catalogue
        self._features = features
        self._requests: dict[tuple[int, int], tuple[CimInstance, list[CimInstance]]] = {}

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {
            "GetServerComponentsAsync": self._get_components,
            "GetEnumerationRequestState": self._enumeration_state,
            "AddServerComponentAsync": self._add,
            "RemoveServerComponentAsync": self._remove,
            "GetAlterationRequestState": self._alteration_state,
        }

    # Reading

    def _get_components(self, call: Call) -> Outputs:
        state = self._state()
        components = [self._component(entry) for entry in self._features.known]
        self._requests[_guid(call)] = (state, components)
        return done(EnumerationState=state, ServerComponents=_objects(components))

    def _enumeration_state(self, call: Call) -> Outputs:
        state, components = self._request(call)
        return done(EnumerationState=state, ServerComponents=_objects(components))

    def _alteration_state(self, call: Call) -> Outputs:
        state, components = self._request(call)
        return done(AlterationState=state, ServerComponents=_objects(components))

    def _request(self, call: Call) -> tuple[CimInstance, list[CimInstance]]:
        found = self._requests.get(_guid(call))
        return (
            found
            if found is not None
            else (self._failure("Alteration_Unknown_Request", "The request is not known."), [])
        )

    # Changing

    def _add(self, call: Call) -> Outputs:
        return self._alter(call, installs=True)

    def _remove(self, call: Call) -> Outputs:
        return self._alter(call, installs=False)

    def _alter(self, call: Call, *, installs: bool) -> Outputs:
        entries = [self._described(item) for item in _list(call.given("ServerComponentDescriptors"))]
        if not entries:
            raise Refused(INVALID_PARAMETER, "no ServerComponentDescriptors")
        before = {entry.name: self._features.state(entry.name) for entry in self._features.known}
        try:
            (self._features.add if installs else self._features.remove)(entries)
        except PrerequisiteFailed as failure:
            state = self._failure("Alteration_PrerequisiteCheck_Failed", str(failure))
        else:
            state = self._state(restart=any(self._is_pending(entry) for entry in entries))
        altered = [
            entry for entry in self._features.known if self._features.state(entry.name) is not before[entry.name]
        ]
        self._requests[_guid(call)] = (state, [self._component(entry) for entry in altered])
        return done(AlterationState=state)

    def _described(self, descriptor: CimValue) -> FeatureEntry:
        if isinstance(descriptor, CimInstance):
            for entry in self._features.known:
                if entry.descriptor_class.lower() == descriptor.class_name.lower():
                    return entry
        raise Refused(INVALID_PARAMETER, f"no feature is described by {descriptor!r}")

    def _is_pending(self, entry: FeatureEntry) -> bool:
        return self._features.state(entry.name) in (State.INSTALL_PENDING, State.UNINSTALL_PENDING)

    # Instances

    def _state(self, *, restart: bool = False) -> CimInstance:
        values: dict[str, CimValue] = {
            "RequestState": _COMPLETED,
            "RestartRequired": restart,
            "ProgressTicks": _TICKS,
            "TotalTicks": _TICKS,
        }
        return self._new("MSFT_ServerManagerRequestState", values)

    def _failure(self, error_id: str, message: str) -> CimInstance:
        error = self._new(
            "MSFT_ServerManagerDeploymentError",
            {"ErrorId": error_id, "ErrorMessage": message, "ErrorCategory": _INVALID_OPERATION},
        )
        state = self._state()
        state["RequestState"] = _FAILED
        state["Error"] = error
        return state

    def _component(self, entry: FeatureEntry) -> CimInstance:
        services = [
            self._new("MSFT_ServiceToMonitor", {"Name": name, "DefaultMonitoring": True}) for name in entry.services
        ]
        return self._new(
            "MSFT_ServerManagerServerComponent",
            {
                "UniqueName": entry.name,
                "DisplayName": entry.display_name,
                "Description": entry.display_name,
                "NumericId": entry.feature_id,
                "MajorVersion": 1,
                "MinorVersion": 0,
                "FeatureType": entry.kind,
                "Installed": int(self._features.state(entry.name)),
                "ConfigurationStatus": _NOT_APPLICABLE,
                "ParentName": entry.parent or None,
                "SubFeatures": [item.name for item in FEATURES if item.parent == entry.name],
                "Deploys": [*entry.deploys],
                "InstallWithParentByDefault": False,
                "SystemServices": _objects(services),
                "Descriptor": self._new(entry.descriptor_class, {}),
                "EventQuery": "Virtualization.Events.xml" if entry.name == "Hyper-V" else None,
                "BestPracticeModels": [f"Microsoft/Windows/{entry.name}"] if entry.kind == ROLE else None,
            },
        )

    def _new(self, class_name: str, values: Mapping[str, CimValue]) -> CimInstance:
        return new_instance(self._catalogue, class_name, values, NAMESPACE)


class ServerManagerTasksProvider(Provider):
    """MSFT_ServerManagerTasks: the features as Server Manager lists them; its other methods are not simulated."""

    class_name = "MSFT_ServerManagerTasks"
    namespace = NAMESPACE

    def __init__(self, repository: Repository, features: Features) -> None:
        self._catalogue = repository.catalogue
        self._features = features

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"GetServerFeature": self._get}

    def _get(self, _: Call) -> Outputs:
        listed = [
            new_instance(
                self._catalogue,
                "MSFT_ServerFeature",
                {
                    "Id": entry.feature_id,
                    "UniqueName": entry.name,
                    "DisplayName": entry.display_name,
                    "ParentName": entry.parent or None,
                    "State": int(self._features.state(entry.name)),
                    "Type": entry.kind,
                    "ConfigurationStatus": _NOT_APPLICABLE,
                    "Services": [*entry.services],
                },
                NAMESPACE,
            )
            for entry in self._features.known
        ]
        return done(RequiresReboot=self._features.restart_pending, cmdletOutput=_objects(listed))


def _guid(call: Call) -> tuple[int, int]:
    """The request's GUID, which is given as an object with two halves."""
    given = call.given("RequestGuid")
    if not isinstance(given, CimInstance):
        raise Refused(INVALID_PARAMETER, "no RequestGuid")
    return given.integer("HighHalf", 0), given.integer("LowHalf", 0)


def _list(value: CimValue) -> list[CimScalar]:
    if value is None or isinstance(value, bytes):
        return []
    return value if isinstance(value, list) else [value]


def _objects(instances: list[CimInstance]) -> list[CimScalar]:
    return [*instances]
