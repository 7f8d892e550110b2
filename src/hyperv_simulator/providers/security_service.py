"""Msvm_SecurityService: key protectors, virtual TPMs, encryption and shielding of machines.

What succeeds is answered at once, what a machine can't have fails in a job (HVWMI ``vtpm_security``: enabling a TPM
without a key protector is answered with 4096 and fails, with one it is answered with 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.jobs import JobKind, Jobs
from hyperv_simulator.machines.key_protectors import (
    KEY_PROTECTOR,
    LAST_KNOWN_GOOD,
    NO_KEY_PROTECTOR,
    key_protector_of,
)
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.rules import changes_of
from hyperv_simulator.machines.security import POLICY, SECURITY
from hyperv_simulator.outcomes import FAILED, INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository

_MODIFYING = JobKind("Modifying Security Settings", "Modifying Virtual Machine Security Settings", 2)
# Configuration versions that brought a feature (real-instances 2.4).
_TPM_VERSION = (7, 0)
_KEY_STORAGE_VERSION = (8, 0)


class SecurityProvider(Provider):
    class_name = "Msvm_SecurityService"

    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "ModifySecuritySettings": self._modify,
            "SetKeyProtector": self._set_key_protector,
            "GetKeyProtector": self._get_key_protector,
            "RestoreLastKnownGoodKeyProtector": self._restore_key_protector,
            "SetSecurityPolicy": self._set_policy,
            **service_control(),
        }

    def _modify(self, call: Call) -> Outputs:
        try:
            given = call.embedded("SecuritySettingData", SECURITY)
            machine, current = self._found(given)
            with machine.lock:
                changes = changes_of(given, "caption", "description", "elementname")
                self._check(machine, current, changes)
                self._repository.change(self._repository.reference_of(current), changes)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        return done()

    def _set_key_protector(self, call: Call) -> Outputs:
        """A machine that is on keeps its own: what is sealed in its TPM would be lost (assumption)."""
        machine, current = self._of(call)
        protector = self._bytes(call, "KeyProtector")
        with machine.lock:
            self._must_be_off(machine)
            changes: dict[str, CimValue] = {KEY_PROTECTOR: protector}
            if key_protector_of(current):
                changes[LAST_KNOWN_GOOD] = key_protector_of(current)
            self._repository.change(self._repository.reference_of(current), changes)
        return done()

    def _get_key_protector(self, call: Call) -> Outputs:
        _, current = self._of(call)
        return done(KeyProtector=key_protector_of(current) or NO_KEY_PROTECTOR)

    def _restore_key_protector(self, call: Call) -> Outputs:
        machine, current = self._of(call)
        last = current.get(LAST_KNOWN_GOOD)
        if not isinstance(last, bytes):
            raise Refused(FAILED, "the key protector was never replaced")
        with machine.lock:
            self._must_be_off(machine)
            self._repository.change(
                self._repository.reference_of(current), {KEY_PROTECTOR: last, LAST_KNOWN_GOOD: None}
            )
        return done()

    def _set_policy(self, call: Call) -> Outputs:
        """The policy of a shielding data file; it belongs to the key protector (old-driver 5.18: set after it)."""
        machine, current = self._of(call)
        policy = self._bytes(call, "SecurityPolicy")
        with machine.lock:
            self._must_be_off(machine)
            if not key_protector_of(current):
                raise Refused(INVALID_STATE, "no key protector")
            self._repository.change(self._repository.reference_of(current), {POLICY: policy})
        return done()

    # Inside

    def _of(self, call: Call) -> tuple[Machine, CimInstance]:
        try:
            return self._found(call.embedded("SecuritySettingData", SECURITY))
        except OperationFailed as failure:
            raise Refused(INVALID_PARAMETER, str(failure)) from None

    def _found(self, given: CimInstance) -> tuple[Machine, CimInstance]:
        reference = CimReference(SECURITY, {"InstanceID": str(given.get("InstanceID") or "")})
        current = self._repository.find(reference)
        if current is None:
            raise Refused(INVALID_PARAMETER, f"no security settings {given.get('InstanceID')!r}")
        return self._machines.of(reference), current

    @staticmethod
    def _bytes(call: Call, name: str) -> bytes:
        value = call.given(name)
        if not isinstance(value, bytes) or not value:
            raise Refused(INVALID_PARAMETER, f"{name} is empty or no bytes")
        return value

    @staticmethod
    def _must_be_off(machine: Machine) -> None:
        if machine.is_on:
            raise Refused(INVALID_STATE, "the machine is on")

    def _check(self, machine: Machine, current: CimInstance, changes: Mapping[str, CimValue]) -> None:
        """:raises OperationFailed: the first reason why the machine can't be protected that way."""
        wanted = current.copy()
        for name, value in changes.items():
            wanted[name] = value
        for code, why in self._problems(machine, current, wanted):
            name = machine.reader.name
            raise OperationFailed(
                f"Modifying the properties of '{name}' failed.",
                f"'{name}' failed to modify the security settings.",
                why,
                code=code,
                machine_id=machine.machine_id,
            )

    @staticmethod
    def _problems(machine: Machine, current: CimInstance, wanted: CimInstance) -> Iterator[tuple[int, str]]:
        """Gen 2 and a key protector for a TPM: hyperv-ops 12; a TPM and secure boot for shielding: Microsoft's
        description of shielded machines; a key protector for encryption: assumption."""
        system = machine.reader.system
        version = tuple(int(part) for part in system.text("Version", "0.0").split("."))
        protected = bool(key_protector_of(current))

        def asks(name: str) -> bool:
            return wanted.get(name) is True

        if machine.is_on:
            yield INVALID_STATE, "The operation cannot be performed while the object is in its current state."
        if asks("TpmEnabled"):
            if machine.reader.generation == 1:
                yield INVALID_PARAMETER, "A TPM needs a virtual machine of generation 2."
            if version < _TPM_VERSION:
                yield INVALID_PARAMETER, "The configuration version of the virtual machine does not support a TPM."
            if not protected:
                yield INVALID_PARAMETER, "A TPM can't be enabled for a virtual machine without a key protector."
        if asks("KsdEnabled"):
            if machine.reader.generation == 2:
                yield INVALID_PARAMETER, "A key storage drive needs a virtual machine of generation 1."
            if version < _KEY_STORAGE_VERSION:
                yield INVALID_PARAMETER, "The configuration version does not support a key storage drive."
        if asks("EncryptStateAndVmMigrationTraffic") and not protected:
            yield INVALID_PARAMETER, "State and migration traffic can't be encrypted without a key protector."
        if asks("ShieldingRequested") and not (asks("TpmEnabled") and system.get("SecureBootEnabled") is True):
            yield INVALID_PARAMETER, "A shielded virtual machine needs a TPM and secure boot."
        if asks("ShieldingRequested") and not asks("EncryptStateAndVmMigrationTraffic"):
            yield INVALID_PARAMETER, "A shielded virtual machine needs its state and migration traffic encrypted."
