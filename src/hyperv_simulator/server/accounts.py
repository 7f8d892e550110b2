"""The accounts that may come in over the wire: names, passwords, and the certificates that stand for them.

What they may do then is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID
from spnego._ntlm_raw.crypto import lmowfv1, ntowfv1  # the two hashes that an smbpasswd line holds; pyspnego's own

from hyperv_simulator.config.certificate import CertificateMapping
from hyperv_simulator.config.host import HostConfig

_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # Microsoft's UPN


@dataclass(frozen=True, slots=True)
class Account:
    """One of them.

    :param computer: the host's name, one of the domains that the account answers to.
    """

    computer: str
    username: str
    password: str = field(repr=False)

    def answers_to(self, name: str) -> bool:
        """Whether ``user``, ``.\\user`` or ``COMPUTER\\user`` names this account; letter case is ignored."""
        domain, _, user = name.rpartition("\\")
        return user.lower() == self.username.lower() and domain.lower() in self._domains()

    def _domains(self) -> tuple[str, ...]:
        return ("", ".", self.computer.lower())

    def smbpasswd_lines(self) -> str:
        """The account in smbpasswd's form, once per domain that it answers to."""
        hashes = f"0:{lmowfv1(self.password).hex()}:{ntowfv1(self.password).hex()}:[U]:LCT-00000000".upper()
        names = [f"{domain}\\{self.username}" if domain else self.username for domain in self._domains()]
        return "".join(f"{name}:{hashes}\n" for name in names)


class Accounts:
    """All of them.

    :param accounts: the first is the host's administrator.
    :param mappings: of client certificates; without any, they stand for the administrator.
    """

    def __init__(self, accounts: Iterable[Account], mappings: Iterable[CertificateMapping] = ()) -> None:
        self._accounts = tuple(accounts)
        self._mappings = tuple(mappings)

    def by_certificate(self, certificate: bytes) -> Account | None:
        """The account that a verified certificate (DER) stands for: that of the first entry that fits."""
        if not self._mappings:
            return self._accounts[0]
        subjects = _subjects(x509.load_der_x509_certificate(certificate))
        fitting = (entry for entry in self._mappings if any(entry.fits(subject) for subject in subjects))
        entry = next(fitting, None)
        return self.find(entry.username) if entry is not None else None

    def find(self, name: str) -> Account | None:
        """The account that a name means, in any of its forms."""
        return next((account for account in self._accounts if account.answers_to(name)), None)

    def smbpasswd(self) -> bytes:
        return "".join(account.smbpasswd_lines() for account in self._accounts).encode()


def accounts_of(config: HostConfig) -> Accounts:
    """Who may come in. Windows answers 401 to an account that is disabled, locked out or expired, as to a wrong
    password (the reason goes into its event log): so these are not among them."""
    further = [item for item in config.account if not (item.disabled or item.locked_out or item.password_expired)]
    names = [(config.username, config.password), *((item.name, item.password) for item in further)]
    accounts = (Account(config.name, name, password) for name, password in names)
    return Accounts(accounts, config.certificate_mapping)


def _subjects(certificate: x509.Certificate) -> list[str]:
    """What a mapping may name a certificate by: principal names among its alternative names, then its common name
    (which of them Windows compares: an assumption)."""
    subjects: list[str] = []
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alternative = None
    for other in alternative.get_values_for_type(x509.OtherName) if alternative is not None else ():
        if other.type_id == _PRINCIPAL_NAME:
            subjects.append(other.value[2:].decode("utf-8", "replace"))  # a short UTF8String: tag and length
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [*subjects, *(str(item.value) for item in common)]
