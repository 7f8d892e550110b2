"""``[host.hgs]``: the host as a client of a Host Guardian Service, and what protects the host itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HgsMode = Literal["local", "hosting_service"]
OperationMode = Literal["unknown", "tpm", "active_directory", "host_key"]
Attestation = Literal[
    "not_configured",
    "not_attempted",
    "passed",
    "passed_expired",
    "transient_error",
    "not_authorized",
    "tpm_error",
    "insecure",
]


@dataclass(frozen=True, slots=True)
class HgsConfig:
    """The Host Guardian client (``[host.hgs]``). A fresh host is in local mode and unguarded.

    :param mode: ``local``, or ``hosting_service`` for a host whose guardian service is at the two addresses.
    :param attestation: outcome of the last attestation; only a host that passed is guarded.
    :param substatus: bits that say why an attestation failed: 1 secure boot, 2 debug mode, 4 code integrity.
    :param key_protection_url: address of the key protection service.
    :param attestation_url: address of the attestation service.
    :param operation_mode: how the attestation service attests.
    :param tpm: the host has a TPM 2.0.
    :param virtualization_based_security: virtualization-based security runs.
    """

    mode: HgsMode = "local"
    key_protection_url: str = ""
    attestation_url: str = ""
    operation_mode: OperationMode = "unknown"
    attestation: Attestation = "not_configured"
    substatus: int = 0
    tpm: bool = True
    virtualization_based_security: bool = False
