"""Msvm_ReplicationService of a host that does not replicate.

Every machine has replication settings, none a relationship: what needs one is an invalid state (32775), and what would
begin one fails, because there is no replica server to reach. That the host can't be made a replica server is a limit of
the simulator. Codes: R16; which of them for what is an assumption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobKind, Jobs
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import INVALID_STATE, METHOD_NOT_SUPPORTED, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

REPLICATION = "Msvm_ReplicationSettingData"
_ENABLING = JobKind("Enabling Replication", "Enabling Virtual Machine Replication", 2)
_NEED_A_RELATIONSHIP = (
    "ChangeReplicationModeToPrimary",
    "CommitFailover",
    "GetReplicationStatistics",
    "GetReplicationStatisticsEx",
    "ImportInitialReplica",
    "InitiateFailback",
    "InitiateFailover",
    "ModifyReplicationSettings",
    "RemoveReplicationRelationship",
    "RemoveReplicationRelationshipEx",
    "ResetReplicationStatistics",
    "ResetReplicationStatisticsEx",
    "Resynchronize",
    "ReverseReplicationRelationship",
    "RevertFailover",
    "SetAuthorizationEntry",
    "SetFailoverNetworkAdapterSettings",
    "StartReplication",
    "TestReplicaSystem",
)
_NEED_A_REPLICA_SERVER = ("AddAuthorizationEntry", "ModifyAuthorizationEntry", "RemoveAuthorizationEntry")
_CONNECT = ("CreateReplicationRelationship", "TestReplicationConnection")


class ReplicationProvider(Provider):
    class_name = "Msvm_ReplicationService"

    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs, settings: ServiceSettings) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs
        self._settings = settings
        repository.add_source(REPLICATION, self._replication_settings)

    def methods(self) -> Mapping[str, Method]:
        return {
            **dict.fromkeys(_NEED_A_RELATIONSHIP, self._has_no_relationship),
            **dict.fromkeys(_NEED_A_REPLICA_SERVER, self._is_no_replica_server),
            **dict.fromkeys(_CONNECT, self._cannot_connect),
            "GetSystemCertificates": lambda _call: done(EncodedCertificates=[]),
            **self._settings.methods(),
            **service_control(),
        }

    def _has_no_relationship(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("ComputerSystem"))
        raise Refused(INVALID_STATE, f"{machine.machine_id} is not replicated")

    @staticmethod
    def _is_no_replica_server(_: Call) -> Outputs:
        raise Refused(METHOD_NOT_SUPPORTED, "the host is no replica server")

    def _cannot_connect(self, call: Call) -> Outputs:
        target = "the Replica server"
        if call.given("ComputerSystem") is not None:
            machine = self._machines.of(call.target_of("ComputerSystem"))
            summary = f"Enabling replication failed for virtual machine '{machine.reader.name}'."
        else:
            summary = "Could not test the replication connection."
            target = call.text("RecoveryConnectionPoint", target)
        failure = OperationFailed(summary, f"Hyper-V failed to connect to {target}.")
        return job_started(self._jobs.failed(_ENABLING, failure, user=call.caller.user))

    def _replication_settings(self, owner: str) -> Iterator[CimInstance]:
        for machine in [self._machines.find(owner)] if owner else self._machines.all():
            if machine is not None:
                yield new_instance(
                    self._repository.catalogue,
                    REPLICATION,
                    {
                        "InstanceID": ids.settings_id(machine.machine_id, r"HVR\0"),
                        "ElementName": machine.reader.name,
                        "VirtualSystemIdentifier": machine.machine_id,
                    },
                )


def refuse_replica_server(changes: Mapping[str, CimValue]) -> None:
    """:raises Refused: the host shall become a replica server."""
    if any(name.lower() == "recoveryserverenabled" and value is True for name, value in changes.items()):
        raise Refused(METHOD_NOT_SUPPORTED, "the host can't be a replica server")
