"""The accounts that may come in over the wire: names and passwords. What they may do then is not decided here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from spnego._ntlm_raw.crypto import lmowfv1, ntowfv1  # the two hashes that an smbpasswd line holds; pyspnego's own

from hyperv_simulator.config.host import HostConfig


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
    """All of them; the first is the host's administrator, for whom client certificates stand."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = tuple(accounts)

    @property
    def administrator(self) -> Account:
        return self._accounts[0]

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
    return Accounts(Account(config.name, name, password) for name, password in names)
