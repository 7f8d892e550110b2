"""How the migration service is set: whether machines may move, how many at once, over which networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.migration.instances import SERVICE, network_settings
from hyperv_simulator.migration.neighbours import SERVICE_SETTINGS, MigrationHost
from hyperv_simulator.migration.permission import NETWORK_SETTINGS
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, job_started
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.repository.records import instance_of, record_of

# Names and types: assumptions, JobType has no value for them.
_MODIFYING = JobKind("Modifying Service Settings", "Modifying Migration Service Settings", 0)
_AUTHENTICATION_TYPES = (0, 1)  # CredSSP, Kerberos


class MigrationSettings:
    """:param kept: where changes survive a restart."""

    def __init__(self, host: MigrationHost, jobs: Jobs, kept: KeptState) -> None:
        self._host = host
        self._jobs = jobs
        self._kept = kept
        self._restore()

    def methods(self) -> Mapping[str, Method]:
        return {
            "ModifyServiceSettings": self._modify_service,
            "AddNetworkSettings": self._add_networks,
            "ModifyNetworkSettings": self._modify_networks,
            "RemoveNetworkSettings": self._remove_networks,
        }

    @property
    def _repository(self) -> Repository:
        return self._host.repository

    def _modify_service(self, call: Call) -> Outputs:
        try:
            given = call.embedded("ServiceSettingData", SERVICE_SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        if given.get("AuthenticationType") not in (None, *_AUTHENTICATION_TYPES):
            raise Refused(INVALID_PARAMETER, f"AuthenticationType {given.get('AuthenticationType')!r}")
        return self._start(call, lambda: self._repository.change(self._service_settings, _changes(given)))

    def _add_networks(self, call: Call) -> Outputs:
        networks = [network_settings(self._host, _network(given)) for given in self._given(call)]
        return self._start(call, lambda: [self._repository.add(item) for item in networks])

    def _modify_networks(self, call: Call) -> Outputs:
        changed = []
        for given in self._given(call):
            current = self._repository.find(
                CimReference(NETWORK_SETTINGS, {"InstanceID": given.text("InstanceID", "")})
            )
            if current is None:
                raise Refused(INVALID_PARAMETER, f"no network settings {given.get('InstanceID')!r}")
            wanted = current.copy()
            for name, value in _changes(given).items():
                wanted[name] = value
            changed.append((self._repository.reference_of(current), _network(wanted)))
        return self._start(call, lambda: [self._repository.change(item, values) for item, values in changed])

    def _remove_networks(self, call: Call) -> Outputs:
        references = call.targets_of("NetworkSettings")
        if not references or any(self._repository.find(item) is None for item in references):
            raise Refused(INVALID_PARAMETER, "no such network settings")
        return self._start(call, lambda: [self._repository.remove(item) for item in references])

    def _given(self, call: Call) -> list[CimInstance]:
        try:
            found = call.all_embedded("NetworkSettings", NETWORK_SETTINGS)
        except OperationFailed as failure:
            raise Refused(INVALID_PARAMETER, failure.summary) from None
        if not found:
            raise Refused(INVALID_PARAMETER, "no network settings")
        return found

    def _start(self, call: Call, change: Callable[[], object]) -> Outputs:
        def work(_: JobControl) -> None:
            change()
            self._keep()

        return job_started(self._jobs.start(_MODIFYING, work, user=call.caller.user, origin=(SERVICE, call.method)))

    @property
    def _service_settings(self) -> CimReference:
        return CimReference(SERVICE_SETTINGS, {"InstanceID": ids.settings_id(self._host.host_name)})

    def _keep(self) -> None:
        service = self._repository.find(self._service_settings)
        networks = self._repository.instances(NETWORK_SETTINGS)
        self._kept.keep(
            SERVICE, {"service": service and record_of(service), "networks": [record_of(item) for item in networks]}
        )

    def _restore(self) -> None:
        kept = self._kept.section(SERVICE)
        if not kept:
            return
        for item in list(self._repository.instances(NETWORK_SETTINGS)):
            self._repository.remove(self._repository.reference_of(item))
        for record in kept["networks"]:
            self._repository.add(instance_of(record))
        if kept["service"]:
            self._repository.change(self._service_settings, dict(instance_of(kept["service"]).items()))


def _changes(given: CimInstance) -> dict[str, CimValue]:
    return {name: value for name, value in given.items() if name.lower() != "instanceid" and value is not None}


def _network(given: CimInstance) -> dict[str, CimValue]:
    """:raises Refused: 32773: no subnet."""
    subnet, length = given.text("SubnetNumber", ""), given.integer("PrefixLength", 32)
    try:
        ipaddress.ip_network(f"{subnet}/{length}", strict=False)
    except ValueError:
        raise Refused(INVALID_PARAMETER, f"subnet {subnet}/{length}") from None
    return {**_changes(given), "SubnetNumber": subnet, "PrefixLength": length}
