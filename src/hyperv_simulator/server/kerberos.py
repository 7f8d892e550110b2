"""Kerberos for one host: the server side of its part of Negotiate, and of the scheme Kerberos.

The keytab holds the host's principals (``host/name``, ``HTTP/name``, ``WSMAN/name``: clients ask for any), as exported
from the KDC. Every principal of the realm is let in, as a member of the host's administrators: a simulated host has no
groups (assumption). NTLM inside Negotiate is ``auth``'s.

Source: MS-WSMV 2.2.9.1 (sealing), RFC 4559 (Negotiate), RFC 4121.
"""

from __future__ import annotations

import base64
from typing import Any, cast

import spnego

# The mechanism's object identifier, as the standard and as Windows 2000 wrote it (MS-SPNG 3.1.5.2)
_MECHANISMS = (bytes.fromhex("06092a864886f712010202"), bytes.fromhex("06092a864882f712010202"))
_NTLM = b"NTLMSSP\x00"


class KerberosError(Exception):
    """The keytab can't be used, or the packages for Kerberos are not installed; the message says what to do."""


class KerberosAcceptor:
    """The service's side of one host's Kerberos.

    :param keytab: file with the keys of the host's principals.
    :param realm: whose principals are let in.
    """

    def __init__(self, keytab: str, realm: str) -> None:
        try:
            import gssapi
            from gssapi.raw.misc import GSSError
        except ImportError as error:
            raise KerberosError(f"Kerberos needs the package gssapi ({error}); pip install gssapi krb5") from None
        self.realm = realm
        try:
            self._credential: Any = gssapi.Credentials(usage="accept", store={"keytab": keytab})
        except GSSError as error:
            raise KerberosError(f"keytab {keytab} can't be used: {error}; export one from the KDC") from None

    def context(self) -> spnego.ContextProxy:
        """For a new exchange. It takes tokens of Kerberos alone and those wrapped by SPNEGO."""
        from spnego._gss import GSSAPIProxy  # pyspnego has no public way to name a keytab for one context

        return cast(spnego.ContextProxy, GSSAPIProxy(usage="accept", _gssapi_credential=self._credential))

    def user_of(self, context: spnego.ContextProxy) -> str | None:
        """``user@REALM`` of an exchange that is through; None for a principal of another realm."""
        principal = context.client_principal or ""
        return principal if principal.rpartition("@")[2] == self.realm else None


def speaks_kerberos(credentials: str) -> bool:
    """Whether the first token of an exchange is one of Kerberos, bare or optimistically inside SPNEGO."""
    try:
        token = base64.b64decode(credentials)
    except ValueError:
        return False
    head = token[:512]
    return _NTLM not in head and any(mechanism in head for mechanism in _MECHANISMS) and b"\x6e" in token
