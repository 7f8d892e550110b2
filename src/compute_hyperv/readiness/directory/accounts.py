"""Accounts of the domain, and what they may do on behalf of others (MS-ADA2 2.210, 2.211; MS-SFU 1.3.3).

Constrained delegation is a list of services at the account that goes there. Resource-based delegation is a security
descriptor at the account of the computer that is gone to: it names who may come, for all services of that computer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sansldap

from compute_hyperv.cim.errors import CimError, NotFound, ProtocolError
from compute_hyperv.readiness.directory.connection import Attributes, DirectoryConnection, DirectorySettings
from compute_hyperv.readiness.directory.descriptors import allowed_sids, sid_text

# userAccountControl (MS-ADTS 2.2.16)
_TRUSTED_FOR_DELEGATION = 0x00080000
_NOT_DELEGATED = 0x00100000
_TRUSTED_TO_AUTHENTICATE = 0x01000000
_PROTECTED_USERS = 525  # relative id of the group (MS-DTYP 2.4.2.4)

_LISTED = "msDS-AllowedToDelegateTo"
_ACCEPTED = "msDS-AllowedToActOnBehalfOfOtherIdentity"
_ATTRIBUTES = ("objectSid", "userAccountControl", "servicePrincipalName", _LISTED, _ACCEPTED)


@dataclass(frozen=True, slots=True)
class Account:
    """A computer or a user.

    :param sids: its own and those of its groups, nested ones as well.
    :param services: names under which it is reached (servicePrincipalName).
    :param delegates_to: services that it may go to on behalf of others.
    :param accepts_from: SIDs of who may come to it on behalf of others.
    :param any_protocol: it may do so for clients that came without Kerberos, too (protocol transition).
    :param unconstrained: it may go anywhere on behalf of others.
    :param is_sensitive: nobody may go anywhere on behalf of it.
    """

    name: str
    sids: frozenset[str]
    services: tuple[str, ...] = ()
    delegates_to: tuple[str, ...] = ()
    accepts_from: frozenset[str] = frozenset()
    any_protocol: bool = False
    unconstrained: bool = False
    is_sensitive: bool = False


class Directory:
    """Asked when somebody wants to know; safe for threads."""

    def __init__(self, settings: DirectorySettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._connection: DirectoryConnection | None = None
        self._failure: CimError | None = None
        self._base = ""

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def computer(self, name: str) -> Account:
        """A host's own account, by its computer name. Raises NotFound where the domain has none; CimError."""
        return self._account(f"{name}$")

    def user(self, name: str) -> Account:
        """A user, by the name before the @ or behind the backslash. Raises as ``computer``."""
        return self._account(name)

    def _account(self, name: str) -> Account:
        with self._lock:
            connection = self._connected()
            wanted = sansldap.FilterEquality("sAMAccountName", name.encode())
            found = connection.search(self._base, wanted, _ATTRIBUTES)
            if not found:
                raise NotFound(
                    f"The domain of {self.settings.server} has no account {name}.",
                    remedy="Join the host to the domain, or name the right one with --ldap-server.",
                )
            distinguished_name, attributes = found[0]
            # computed by the directory for one object at a time
            anything = sansldap.FilterPresent("objectClass")
            groups = connection.search(distinguished_name, anything, ["tokenGroups"], only_base=True)
        try:
            return _account(name, attributes, groups[0][1].get("tokengroups", ()) if groups else ())
        except (ValueError, UnicodeDecodeError) as error:
            raise ProtocolError(f"{distinguished_name} is not understood: {error}") from None

    def _connected(self) -> DirectoryConnection:
        """One failure is enough: others would only wait for theirs, and lock the account with a wrong password."""
        if self._failure is not None:
            raise self._failure
        if self._connection is None:
            try:
                self._connection = DirectoryConnection(self.settings)
                self._base = self._connection.naming_context()
            except CimError as error:
                self._failure = error
                raise
        return self._connection


class Directories:
    """The directories of the domains that hosts are members of, each connected to once.

    :param settings: how to get in; an empty server is the host's own domain, whose name leads to its controllers.
    """

    def __init__(self, settings: DirectorySettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._by_server: dict[str, Directory] = {}

    def of(self, domain: str) -> Directory:
        server = self._settings.server or domain
        with self._lock:
            if server not in self._by_server:
                self._by_server[server] = Directory(replace(self._settings, server=server))
            return self._by_server[server]

    def close(self) -> None:
        with self._lock:
            for directory in self._by_server.values():
                directory.close()


def _account(name: str, attributes: Attributes, groups: Sequence[bytes]) -> Account:
    def texts(attribute: str) -> tuple[str, ...]:
        return tuple(value.decode() for value in attributes.get(attribute.lower(), ()))

    flags = int(next(iter(texts("userAccountControl")), "0"))
    sids = frozenset(sid_text(value) for value in (*attributes.get("objectsid", ()), *groups))
    accepted = [allowed_sids(value) for value in attributes.get(_ACCEPTED.lower(), ())]
    return Account(
        name,
        sids,
        texts("servicePrincipalName"),
        texts(_LISTED),
        frozenset().union(*accepted),
        any_protocol=bool(flags & _TRUSTED_TO_AUTHENTICATE),
        unconstrained=bool(flags & _TRUSTED_FOR_DELEGATION),
        is_sensitive=bool(flags & _NOT_DELEGATED)
        or any(sid.startswith("S-1-5-21-") and sid.endswith(f"-{_PROTECTED_USERS}") for sid in sids),
    )
