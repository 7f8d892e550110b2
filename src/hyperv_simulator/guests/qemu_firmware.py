"""UEFI firmware of generation 2: OVMF's code, and the variables that a machine starts with.

Secure Boot: OVMF comes with variables in which Microsoft's certificates are enrolled, both that of Windows' own loader
and that of everybody else's (shim). Hyper-V's template says which of them count; what is signed by another, or by
nobody, is refused by the firmware. Every start begins with fresh variables, as the order of boot devices is a setting.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from hyperv_simulator.guests.base import UNSPECIFIED, GuestError, GuestSpec
from hyperv_simulator.identifiers import MICROSOFT_WINDOWS_TEMPLATE

# Debian and Ubuntu: package ovmf.
_FOLDER = Path("/usr/share/OVMF")
_CODE, _VARIABLES = _FOLDER / "OVMF_CODE_4M.fd", _FOLDER / "OVMF_VARS_4M.fd"
_SECURE_CODE, _ENROLLED_VARIABLES = _FOLDER / "OVMF_CODE_4M.secboot.fd", _FOLDER / "OVMF_VARS_4M.ms.fd"

# UEFI specification, 32.4.1: EFI_CERT_X509_GUID, which stands in front of every list of certificates.
_CERTIFICATE_LIST = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
_FOR_WINDOWS, _FOR_OTHERS = b"Microsoft Windows Production PCA 2011", b"Microsoft Corporation UEFI CA 2011"


def arguments(spec: GuestSpec, variables: Path) -> list[str]:
    """The firmware on QEMU's command line. Secure Boot needs memory that only the firmware may write to (SMM)."""
    code = _SECURE_CODE if spec.secure_boot else _CODE
    drives = ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
    drives += ["-drive", f"if=pflash,format=raw,file={variables}"]
    if spec.secure_boot:
        drives += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    return drives


def write_variables(spec: GuestSpec, target: Path) -> None:
    """:raises GuestError: OVMF is not installed, or has other certificates than we know."""
    try:
        content = (_ENROLLED_VARIABLES if spec.secure_boot else _VARIABLES).read_bytes()
    except FileNotFoundError as error:
        raise GuestError(UNSPECIFIED, f"{error.filename} is missing: install the package ovmf.") from error
    if spec.secure_boot:
        windows_only = spec.secure_boot_template.upper() == MICROSOFT_WINDOWS_TEMPLATE
        content = _without(content, _FOR_OTHERS if windows_only else _FOR_WINDOWS)
    target.write_bytes(content)


def _without(variables: bytes, subject: bytes) -> bytes:
    """The variables with one list of certificates made unreadable: the firmware passes over types it does not know."""
    inside = variables.find(subject)
    start = variables.rfind(_CERTIFICATE_LIST, 0, inside) if inside >= 0 else -1
    if start < 0:
        raise GuestError(UNSPECIFIED, f"{_ENROLLED_VARIABLES} lacks the certificate {subject.decode()}.")
    return variables[:start] + bytes(len(_CERTIFICATE_LIST)) + variables[start + len(_CERTIFICATE_LIST) :]
