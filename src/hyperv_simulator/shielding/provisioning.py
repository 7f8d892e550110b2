"""root/msps: reading and writing provisioning files, and provisioning a shielded machine with them.

Classes, methods and parameters, the states of a job, that a machine has to be off, that a job waits for its first boot
(PendingBoot) and carries the machine's id: Microsoft's pages of the Shielded VM Provisioning WMI providers, and the
cmdlets Initialize-ShieldedVM and Get-ShieldedVMProvisioningStatus. The namespace is there with FabricShieldedTools only
(old-driver 5.18).

Assumptions: what is answered where a file or machine is not there (Windows' own codes); that a machine which can't be
provisioned fails in its job; that provisioning has ended as soon as the machine is on; that a job stays until its
machine is gone or its host restarts. Whether the root disk is a template that the PDK trusts is not looked at.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from typing import TypeVar

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator.machines.key_protectors import key_protector_of
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, Machines
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import ChangeKind, Repository
from hyperv_simulator.shielding.files import BadFile, ShieldingData, SpecializationData, read
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder

MSPS = "root/msps"
PROCESSOR, SERVICE, JOB = "Msps_ProvisioningFileProcessor", "Msps_ProvisioningService", "Msps_ProvisioningJob"
_FSK, _PDK = "Msps_FSK", "Msps_PDK"
_LOG = logging.getLogger(__name__)

_INVALID_DATA, _INVALID_PARAMETER, _NOT_FOUND = 13, 87, 1168
_PENDING_BOOT, _COMPLETED, _EXCEPTION = 3, 7, 10
_RUNNING = 2  # EnabledState
_NOT_SUPPORTED, _FAILED = 1, 1  # GetError's RequestStateChange; CIM_ERR_FAILED


_File = TypeVar("_File", ShieldingData, SpecializationData)


class _Unreadable(Exception):
    """:param code: what the method answers."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"code {code}")


class ProvisioningFiles(Provider):
    """Files to instances and back. All methods are called on the class."""

    class_name = PROCESSOR
    namespace = MSPS

    def __init__(self, repository: Repository, folder: HostFolder) -> None:
        self._repository = repository
        self._folder = folder
        repository.serve(PROCESSOR, MSPS)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {
            "PopulateFromFile": self._from_file,
            "PopulateFromStream": self._from_stream,
            "SerializeToFile": self._to_file,
        }

    def _from_file(self, call: Call) -> Outputs:
        try:
            data = _content(self._folder, call.text("FilePath", ""))
            return done(ProvisioningFile=self._instance(data))
        except _Unreadable as error:
            return {"ReturnValue": error.code}

    def _from_stream(self, call: Call) -> Outputs:
        data = call.given("Data")
        try:
            return done(ProvisioningFile=self._instance(data if isinstance(data, bytes) else b""))
        except _Unreadable as error:
            return {"ReturnValue": error.code}

    def _to_file(self, call: Call) -> Outputs:
        """Specialization data only: nobody but its owner can make a PDK."""
        given = call.given("ProvisioningFile")
        if not isinstance(given, CimInstance) or given.class_name.lower() != _FSK.lower():
            return {"ReturnValue": _INVALID_PARAMETER}
        pairs = given.get("FabricDataPairs")
        items = pairs if isinstance(pairs, list) else [pairs]
        data = SpecializationData(
            {item.text("key", ""): item.text("Value", "") for item in items if isinstance(item, CimInstance)}
        )
        try:
            local = self._folder.to_local(call.text("FilePath", ""))
            local.write_bytes(data.to_bytes())
        except DiskError as error:
            return {"ReturnValue": error.code & 0xFFFF}
        except OSError as error:
            _LOG.info("%s cannot be written: %s", call.text("FilePath"), error)
            return {"ReturnValue": _NOT_FOUND}
        return done()

    def _instance(self, data: bytes) -> CimInstance:
        try:
            found = read(data)
        except BadFile as error:
            _LOG.info("no provisioning file: %s", error)
            raise _Unreadable(_INVALID_DATA) from None
        if isinstance(found, ShieldingData):
            return self._made(
                _PDK,
                RawData=data,
                KeyProtector=found.key_protector,
                PolicyData=found.policy_data,
                VolumeIDFilters=[self._filter(name) for name in found.templates] or None,
            )
        pairs: list[CimScalar] = [
            self._made("Msps_FabricData", key=key, Value=value) for key, value in found.pairs.items()
        ]
        return self._made(_FSK, RawData=data, FabricDataPairs=pairs or None)

    def _filter(self, template: str) -> CimScalar:
        return self._made(
            "Msps_VolumeIDFilter",
            VolumeID=self._made("Msps_VolumeID", VolumeID=template, Version="1.0.0.0"),
            VersionRule=2,
        )

    def _made(self, class_name: str, **values: CimValue) -> CimInstance:
        return self._repository.finished(new_instance(self._repository.catalogue, class_name, values, MSPS))


class ProvisioningService(Provider):
    """ProvisionMachine, which is called on the class."""

    class_name = SERVICE
    namespace = MSPS

    def __init__(self, repository: Repository, machines: Machines, folder: HostFolder) -> None:
        self._repository = repository
        self._machines = machines
        self._folder = folder
        repository.serve(SERVICE, MSPS)
        repository.serve(JOB, MSPS)
        repository.add_hook(self._note)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"ProvisionMachine": self._provision}

    def _provision(self, call: Call) -> Outputs:
        machine = self._machines.find(call.text("MachineID", "").strip("{}"))
        if machine is None:
            return {"ReturnValue": _NOT_FOUND}
        try:
            data = self._read(call.text("PDKPath", ""), ShieldingData)
            if call.text("FSKPath", ""):
                self._read(call.text("FSKPath"), SpecializationData)
        except _Unreadable as error:
            return {"ReturnValue": error.code}
        with machine.lock:
            return done(ProvisioningJob=self._repository.finished(self._new_job(machine, data, call.caller.user)))

    def _read(self, path: str, wanted: type[_File]) -> _File:
        try:
            found = read(_content(self._folder, path))
        except BadFile:
            raise _Unreadable(_INVALID_DATA) from None
        if not isinstance(found, wanted):
            raise _Unreadable(_INVALID_DATA)
        return found

    def _new_job(self, machine: Machine, data: ShieldingData, user: str) -> CimInstance:
        now = dt.datetime.now(dt.UTC)
        values: dict[str, CimValue] = {
            "InstanceID": machine.machine_id,
            "Name": f"Provisioning of {machine.reader.name}",
            "Owner": user,
            "ErrorCode": 0,
            "HealthState": 5,
            "JobState": _PENDING_BOOT,
            "JobStatus": "PendingBoot",
            "OperationalStatus": [2],
            "PercentComplete": 0,
            "TimeSubmitted": now,
            "StartTime": now,
            "TimeOfLastStateChange": now,
        }
        if why := next(_problems(machine, data), None):
            values |= {
                "JobState": _EXCEPTION,
                "JobStatus": "Failed",
                "OperationalStatus": [6],
                "ErrorCode": _FAILED,
                "ErrorDescription": f"The virtual machine '{machine.reader.name}' could not be provisioned. {why}",
            }
        self._repository.remove(_job_of(machine.machine_id))
        job = new_instance(self._repository.catalogue, JOB, values, MSPS)
        self._repository.add(job)
        return job

    def _note(self, _kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        """A machine has been started, or is gone."""
        known = after or before
        if known is None or known.class_name != COMPUTER_SYSTEM:
            return
        job = self._repository.find(_job_of(known.text("Name", "")))
        if job is None:
            return
        if after is None:
            self._repository.remove(_job_of(known.text("Name")))
        elif after.get("EnabledState") == _RUNNING and job.get("JobState") == _PENDING_BOOT:
            self._repository.change(
                _job_of(known.text("Name")),
                {
                    "JobState": _COMPLETED,
                    "JobStatus": "Complete",
                    "OperationalStatus": [17, 2],
                    "PercentComplete": 100,
                    "TimeOfLastStateChange": dt.datetime.now(dt.UTC),
                },
            )


class ProvisioningJobs(Provider):
    """A job's own methods. That one can't be ended is an assumption."""

    class_name = JOB
    namespace = MSPS

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def methods(self) -> Mapping[str, Method]:
        return {
            "GetError": self._get_error,
            "RequestStateChange": lambda _call: {"ReturnValue": _NOT_SUPPORTED},
            "KillJob": lambda _call: {"ReturnValue": _NOT_SUPPORTED},
        }

    def _get_error(self, call: Call) -> Outputs:
        text = call.target.get("ErrorDescription")
        if call.target.get("JobState") != _EXCEPTION:
            return done(Error=None)
        values: dict[str, CimValue] = {"CIMStatusCode": _FAILED, "ErrorType": 4, "Message": text}
        return done(Error=new_instance(self._repository.catalogue, "CIM_Error", values, MSPS))


def providers(repository: Repository, machines: Machines, folder: HostFolder) -> Iterator[Provider]:
    """None where the host has no FabricShieldedTools."""
    if repository.catalogue.has_namespace(MSPS):
        yield ProvisioningFiles(repository, folder)
        yield ProvisioningService(repository, machines, folder)
        yield ProvisioningJobs(repository)


def _content(folder: HostFolder, path: str) -> bytes:
    try:
        return folder.existing(path).read_bytes()
    except DiskError as error:
        raise _Unreadable(error.code & 0xFFFF) from None


def _job_of(machine_id: str) -> CimReference:
    return CimReference(JOB, {"InstanceID": machine_id}, MSPS)


def _problems(machine: Machine, data: ShieldingData) -> Iterator[str]:
    """Why a machine can't be provisioned. Off, and with a TPM: Initialize-ShieldedVM; the rest is an assumption."""
    settings = machine.reader.security
    if machine.is_on:
        yield "It is not turned off."
    if settings is None or settings.get("TpmEnabled") is not True:
        yield "It has no virtual TPM."
    elif key_protector_of(settings) != data.key_protector:
        yield "Its key protector is not that of the shielding data."
