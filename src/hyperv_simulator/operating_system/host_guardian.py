"""The Host Guardian client, virtualization-based security and the TPM of a host.

Outcomes and modes: hyperv-ops 12, real-instances 5.3. A host is guarded when it is in the mode of the hosting service
and its last attestation passed. What a guardian service would say of a host is what hosts.toml says; changing the mode
forgets the last attestation (assumption).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.hgs import Attestation, HgsConfig, OperationMode
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

HGS = "root/microsoft/windows/hgs"
_CLIENT = "MSFT_HgsClientConfiguration"
_SECTION = "hgs"
_LOCAL, _HOSTING_SERVICE = 1, 2
_OPERATION_MODES: Mapping[OperationMode, int] = {"unknown": 0, "tpm": 1, "active_directory": 2, "host_key": 3}
_STATUSES: Mapping[Attestation, int] = {
    "not_configured": 0,
    "not_attempted": 1,
    "passed": 100,
    "passed_expired": 200,
    "transient_error": 300,
    "not_authorized": 301,
    "tpm_error": 302,
    "insecure": 303,
}
_PASSED = _STATUSES["passed"]
_INVALID_PARAMETER = 87


class HostGuardianClient(Provider):
    """MSFT_HgsClientConfiguration: all of its methods are static, and every one gives the configuration."""

    class_name = _CLIENT
    namespace = HGS

    def __init__(self, repository: Repository, config: HgsConfig, kept: KeptState) -> None:
        self._repository = repository
        self._config = config
        self._kept = kept
        repository.add_source(_CLIENT, lambda _owner: [self.instance()], HGS)

    def instance(self) -> CimInstance:
        given = {**self._configured(), **self._kept.section(_SECTION)}
        return new_instance(self._repository.catalogue, _CLIENT, given, HGS)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {
            "Get": self._get,
            "SetByChangeToLocalMode": self._set_local,
            "SetBySecureHostingServiceMode": self._set_hosting_service,
        }

    def _configured(self) -> dict[str, CimValue]:
        config = self._config
        remote = config.mode == "hosting_service"
        status = _STATUSES[config.attestation] if remote else _STATUSES["not_configured"]
        return {
            "Mode": _HOSTING_SERVICE if remote else _LOCAL,
            "IsHostGuarded": remote and status == _PASSED,
            "KeyProtectionServerUrl": config.key_protection_url,
            "AttestationServerUrl": config.attestation_url,
            "AttestationOperationMode": _OPERATION_MODES[config.operation_mode],
            "AttestationStatus": status,
            "AttestationSubstatus": config.substatus,
        }

    def _get(self, _call: Call) -> Outputs:
        return done(cmdletOutput=self._repository.finished(self.instance()))

    def _set_local(self, call: Call) -> Outputs:
        if not call.boolean("EnableLocalMode", True):
            return {"ReturnValue": _INVALID_PARAMETER}
        return self._keep(call, _LOCAL, "", "", _STATUSES["not_configured"])

    def _set_hosting_service(self, call: Call) -> Outputs:
        protection, attestation = call.text("KeyProtectionServerUrl"), call.text("AttestationServerUrl")
        same = (protection, attestation) == (self._config.key_protection_url, self._config.attestation_url)
        status = _STATUSES[self._config.attestation] if same else _STATUSES["not_attempted"]
        return self._keep(call, _HOSTING_SERVICE, protection, attestation, status)

    def _keep(self, call: Call, mode: int, protection: str, attestation: str, status: int) -> Outputs:
        changed: dict[str, Any] = {
            "Mode": mode,
            "IsHostGuarded": mode == _HOSTING_SERVICE and status == _PASSED,
            "KeyProtectionServerUrl": protection,
            "AttestationServerUrl": attestation,
            "AttestationStatus": status,
        }
        self._kept.keep(_SECTION, changed)
        return self._get(call)


def populate(repository: Repository, config: HgsConfig) -> None:
    """Puts in Win32_DeviceGuard, and Win32_Tpm where the host has one."""
    on = config.virtualization_based_security
    device_guard: dict[str, CimValue] = {
        "InstanceIdentifier": "4ff40742-2649-41b8-bdd1-e80fad1cce80",
        "Version": "1.0",
        "AvailableSecurityProperties": [1, 2, 3] if config.tpm else [1, 3],
        "RequiredSecurityProperties": [1] if on else [0],
        "SecurityServicesConfigured": [2] if on else [0],
        "SecurityServicesRunning": [2] if on else [0],
        "VirtualizationBasedSecurityStatus": 2 if on else 0,
        "CodeIntegrityPolicyEnforcementStatus": 2 if on else 0,
        "UsermodeCodeIntegrityPolicyEnforcementStatus": 0,
    }
    namespace = "root/microsoft/windows/deviceguard"
    repository.add(new_instance(repository.catalogue, "Win32_DeviceGuard", device_guard, namespace))
    space = "root/cimv2/security/microsofttpm"
    repository.serve("Win32_Tpm", space)
    if config.tpm:
        tpm: dict[str, CimValue] = {
            "IsActivated_InitialValue": True,
            "IsEnabled_InitialValue": True,
            "IsOwned_InitialValue": True,
            "SpecVersion": "2.0, 0, 1.38",
            "ManufacturerId": 1229346816,
            "ManufacturerIdTxt": "IFX",
            "ManufacturerVersion": "7.85",
            "ManufacturerVersionInfo": "SLB9670",
            "PhysicalPresenceVersionInfo": "1.3",
        }
        repository.add(new_instance(repository.catalogue, "Win32_Tpm", tpm, space))


class TpmProvider(Provider):
    """Win32_Tpm's questions that only have one answer; what would change the TPM is not simulated."""

    class_name = "Win32_Tpm"
    namespace = "root/cimv2/security/microsofttpm"

    def methods(self) -> Mapping[str, Method]:
        return {name: self._answer(name) for name in ("IsEnabled", "IsActivated", "IsOwned", "IsReady")}

    @staticmethod
    def _answer(name: str) -> Method:
        return lambda _call: done(**{name: True})
