"""What a host can do, in the words of os-traits: the traits that are ours to set and to clear.

Rule 1: what a host does not say is not claimed. Windows tells little of its processors: the flags of Win32_Processor
        read False while the hypervisor runs (facts: real-instances 4), and the vectors that Hyper-V compares processors
        by are opaque (Msvm_VirtualSystemMigrationService.GetSystemCompatibilityVectors). What is left is what the
        architecture implies, and what Hyper-V cannot run without.
Rule 2: all other traits are the operator's, or Nova's own (``HyperVDriver.capabilities``).

No trait names Hyper-V's network adapters: os-traits knows no model for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import os_traits

from compute_hyperv.host import versions
from compute_hyperv.host.model import HostInfo
from compute_hyperv.host.versions import Feature

_INTEL, _AMD = "GenuineIntel", "AuthenticAMD"


def _always(_info: HostInfo) -> bool:
    return True


def _has(feature: Feature) -> Callable[[HostInfo], bool]:
    return lambda info: versions.has(info.version, feature)


def _nests(vendor: str, feature: Feature) -> Callable[[HostInfo], bool]:
    """Whether instances can use the processor's own virtualization: a host has it, or it were none."""
    return lambda info: info.processor_vendor == vendor and versions.has(info.version, feature)


TRAITS: Mapping[str, Callable[[HostInfo], bool]] = {
    os_traits.HW_ARCH_X86_64: _always,
    os_traits.COMPUTE_ARCH_X86_64: _always,
    # Part of the x86-64 architecture.
    os_traits.HW_CPU_X86_MMX: _always,
    os_traits.HW_CPU_X86_SSE: _always,
    os_traits.HW_CPU_X86_SSE2: _always,
    os_traits.HW_CPU_X86_VMX: _nests(_INTEL, Feature.NESTED_VIRTUALIZATION),
    os_traits.HW_CPU_X86_INTEL_VMX: _nests(_INTEL, Feature.NESTED_VIRTUALIZATION),
    os_traits.HW_CPU_X86_SVM: _nests(_AMD, Feature.NESTED_VIRTUALIZATION_AMD),
    os_traits.HW_CPU_X86_AMD_SVM: _nests(_AMD, Feature.NESTED_VIRTUALIZATION_AMD),
    os_traits.HW_CPU_HYPERTHREADING: lambda info: info.logical_processors > info.sockets * info.cores_per_socket,
    os_traits.COMPUTE_FIRMWARE_BIOS: _always,
    os_traits.COMPUTE_FIRMWARE_UEFI: _has(Feature.GENERATION_2),
    os_traits.COMPUTE_STORAGE_BUS_IDE: _always,
    os_traits.COMPUTE_STORAGE_BUS_SCSI: _always,
    # Hyper-V's virtual TPM. Its state is sealed with keys of the host's own, so its security is the host's: a flavor
    # has to ask for that (hw:tpm_secret_security=host), since Nova takes a user's secret in Barbican for granted.
    os_traits.COMPUTE_SECURITY_TPM_2_0: _has(Feature.VIRTUAL_TPM),
    os_traits.COMPUTE_SECURITY_TPM_CRB: _has(Feature.VIRTUAL_TPM),
    os_traits.COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST: _has(Feature.VIRTUAL_TPM),
}


def of(info: HostInfo) -> set[str]:
    """Those of the traits that the host has."""
    return {trait for trait, is_there in TRAITS.items() if is_there(info)}


def processor_features(info: HostInfo) -> list[str]:
    """The same, as the names of processor flags that Nova's API shows."""
    prefix = "HW_CPU_X86_"
    flags = {trait.removeprefix(prefix).lower() for trait in of(info) if trait.startswith(prefix)}
    return sorted(flag for flag in flags if not flag.startswith(("intel_", "amd_")))
