"""``[[host.certificate_mapping]]``: whose client certificates stand for which account."""

from __future__ import annotations

from dataclasses import dataclass

from hyperv_simulator.config.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CertificateMapping:
    """One entry of WinRM's table (MS-WSMV 2.2.4.3).

    :param subject: pattern for the certificate's subject; one ``*`` as its first or last character stands for anything.
    :param username: the local account that such a certificate stands for.
    """

    subject: str
    username: str

    def __post_init__(self) -> None:
        inner = self.subject[1:-1] if len(self.subject) > 1 else ""
        if not self.subject or "*" in inner or (len(self.subject) > 1 and self.subject.count("*") > 1):
            raise ConfigError(f"subject is {self.subject!r}; write a name with at most one *, first or last")

    def fits(self, subject: str) -> bool:
        """Whether a subject is of this pattern; letter case is ignored."""
        pattern, subject = self.subject.lower(), subject.lower()
        if pattern.startswith("*"):
            return subject.endswith(pattern[1:])
        return subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern
