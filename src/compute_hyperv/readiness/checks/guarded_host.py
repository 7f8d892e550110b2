"""Can the host run shielded machines? Only where it has been made a guarded host; that nobody has to."""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import StaticMethod
from compute_hyperv.readiness.windows import FEATURES, has_feature

GUARDED_HOST = Section("guarded-host", "Guarded Host configuration (Shielded VMs)")

# The namespace comes with Windows Server 2016.
CLIENT = StaticMethod("root/Microsoft/Windows/Hgs", "MSFT_HgsClientConfiguration", "Get", "cmdletOutput", optional=True)

FEATURE = "HostGuardian"
_HOSTING_SERVICE = 2  # Mode
_STATUSES = {  # AttestationStatus (hyperv-ops 12)
    0: "not configured",
    1: "not attempted",
    100: "passed",
    200: "passed, but the health certificate has expired",
    300: "failed with an error that may pass",
    301: "failed: the host is not authorised",
    302: "failed: an error of the TPM",
    303: "failed: the host's configuration is insecure",
}
_SUBSTATUSES = {1: "secure boot is insecure", 2: "a debug mode is on", 4: "the code integrity policy is insecure"}
_MODES = {1: "TPM", 2: "Active Directory", 3: "host key"}  # AttestationOperationMode; 3: Windows Server 2019
_TRUSTED_MODES = (1, 3)
_LOCAL = "the host is no client of a Host Guardian Service: it runs no shielded machines"
_DIAGNOSE = "Get-HgsTrace -RunDiagnostics -Detailed"


def _guarded(host: Readings) -> CimInstance | None:
    """What the host says as a client of a Host Guardian Service; None where it is none."""
    if not has_feature(host, FEATURE):
        return None
    found = host.of(CLIENT)
    return found if found is not None and found.get("Mode") == _HOSTING_SERVICE else None


@check(
    GUARDED_HOST,
    "configuration",
    "Host Guardian client",
    why="The keys of shielded machines come from the Host Guardian Service; without its addresses they can't start.",
    good="The feature HostGuardian is installed, Mode is HostGuardianService, and both addresses are set. A host "
    "without it, or in local mode, is fine where nobody wants shielded machines.",
    by_hand="Install-WindowsFeature HostGuardian -IncludeManagementTools -Restart\n"
    "Set-HgsClientConfiguration -AttestationServerUrl http://hgs.DOMAIN/Attestation "
    "-KeyProtectionServerUrl http://hgs.DOMAIN/KeyProtection",
    reads=(FEATURES, CLIENT),
)
def configuration(context: Context) -> Finding:
    client = _guarded(context.host)
    if client is None:
        return not_applicable(_LOCAL)
    urls = {name: client.text(name, "") for name in ("AttestationServerUrl", "KeyProtectionServerUrl")}
    lines = tuple(f"{name}: {url or 'empty'}" for name, url in urls.items())
    if not all(urls.values()):
        return failed(
            "an address is missing",
            "both addresses",
            "Set-HgsClientConfiguration -AttestationServerUrl ... -KeyProtectionServerUrl ...",
            details=lines,
        )
    return passed("configured", details=lines)


@check(
    GUARDED_HOST,
    "attestation",
    "Attestation",
    why="Only a host whose last attestation passed gets keys.",
    good="IsHostGuarded is true: the last attestation passed and its certificate is valid.",
    by_hand=f"Get-HgsClientConfiguration\n{_DIAGNOSE}",
    reads=(FEATURES, CLIENT),
)
def attestation(context: Context) -> Finding:
    client = _guarded(context.host)
    if client is None:
        return not_applicable(_LOCAL)
    status, why = client.integer("AttestationStatus", 0), client.integer("AttestationSubstatus", 0)
    told = _STATUSES.get(status, f"unknown ({status})")
    reasons = tuple(text for bit, text in _SUBSTATUSES.items() if why & bit)
    if not client.boolean("IsHostGuarded", False):
        return failed(told, "passed", _DIAGNOSE, details=reasons)
    return passed(told, details=reasons)


@check(
    GUARDED_HOST,
    "mode",
    "Attestation mode",
    why="Attestation by Active Directory trusts whoever administers the domain, and is deprecated since Windows Server "
    "2019.",
    good="The service attests by TPM or by host key.",
    by_hand="On the Host Guardian Service: Set-HgsServer -TrustTpm (or -TrustHostKey)",
    reads=(FEATURES, CLIENT),
)
def mode(context: Context) -> Finding:
    client = _guarded(context.host)
    if client is None:
        return not_applicable(_LOCAL)
    number = client.integer("AttestationOperationMode", 0)
    told = _MODES.get(number, f"unknown ({number})")
    if number not in _TRUSTED_MODES:
        return warned(told, "TPM or host key", "On the Host Guardian Service: Set-HgsServer -TrustTpm")
    return passed(told)


CHECKS = (configuration, attestation, mode)
