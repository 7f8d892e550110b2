"""Who is at the other end of a connection: the 401 exchange, as http.sys and WinRM do it.

What lives here and only here: challenges, credentials, and the state that an authentication leaves on its connection.
Negotiate authenticates the *connection*: once it is through, later requests on it need no header, and their bodies may
be sealed with its context. Basic authenticates one request.

Sources: MS-WSMV 2.2.9.1 and 3.1.4.1.29.2 (which schemes), MS-N2HT 2.2.1 (the headers), MS-NLMP 2.2.1.3 (the token that
``_binds_channel`` reads), RFC 5929.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
import threading
from dataclasses import dataclass

import spnego
import spnego.channel_bindings

from hyperv_simulator.server.accounts import Accounts
from hyperv_simulator.server.kerberos import KerberosAcceptor, speaks_kerberos

# The Authorization header of a client that authenticates by its certificate (DSP0226 annex C.3.5)
MUTUAL_TLS = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

_Headers = tuple[tuple[str, str], ...]
_AV_END_OF_LIST = 0
_AV_CHANNEL_BINDINGS = 10


class DelegatedUser(str):
    """An account that came in with CredSSP: the host has its password, and can go on to other hosts as this user."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request may go on.

    :param user: the account's name.
    :param headers: to be sent with the answer.
    """

    user: str
    headers: _Headers = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer is 401 with these headers; also each step of an exchange that is not through."""

    headers: _Headers


class NtlmAcceptor:
    """Server side of Negotiate and of CredSSP for a host's accounts.

    pyspnego reads accounts from the file that NTLM_USER_FILE names, and the environment belongs to the whole process,
    in which other hosts live with other passwords: so the variable is set to the account's own file, under one lock,
    for as long as a step takes. The file is in memory: no password hash touches the disk.
    """

    _environment = threading.Lock()

    def __init__(self, accounts: Accounts) -> None:
        self._file = os.memfd_create("ntlm-users", os.MFD_CLOEXEC)
        os.write(self._file, accounts.smbpasswd())

    def close(self) -> None:
        os.close(self._file)

    def context(self) -> spnego.ContextProxy:
        with self._environment:
            self._name_file()
            # Without gssapi on purpose: the same NTLM and SPNEGO on every machine that runs the simulator.
            return spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate)

    def credssp_context(self) -> spnego.ContextProxy:
        """CredSSP (MS-CSSP): Negotiate inside TLS of its own, then the client's password; it seals with that TLS."""
        inner = self.context()
        return spnego.server(protocol="credssp", credssp_negotiate_context=inner)

    def step(
        self, context: spnego.ContextProxy, token: bytes, bindings: spnego.channel_bindings.GssChannelBindings | None
    ) -> bytes | None:
        """One step of an exchange.

        :raises spnego.exceptions.SpnegoError: wrong credentials, bindings or token.
        """
        with self._environment:
            self._name_file()
            return context.step(token, channel_bindings=bindings)

    def _name_file(self) -> None:
        os.environ["NTLM_USER_FILE"] = f"/proc/self/fd/{self._file}"


class ConnectionAuthentication:
    """The authentication state of one connection.

    :param channel_binding: ``tls-server-end-point`` data of the TLS connection, None without TLS.
    :param allow_credssp: WinRM's ``Service/Auth/CredSSP``.
    :param kerberos: None where the host is in no domain: then Negotiate means NTLM.
    :param allow_certificate: a client certificate that TLS has verified is enough (``Service/Auth/Certificate``).
    """

    def __init__(
        self,
        accounts: Accounts,
        acceptor: NtlmAcceptor,
        *,
        allow_basic: bool,
        allow_credssp: bool = False,
        channel_binding: bytes | None = None,
        kerberos: KerberosAcceptor | None = None,
        allow_certificate: bool = False,
    ) -> None:
        self._accounts = accounts
        self._allow_credssp = allow_credssp
        self._acceptor = acceptor
        self._kerberos = kerberos
        self._allow_certificate = allow_certificate
        self._by_kerberos = False
        self._allow_basic = allow_basic
        self._bindings = (
            spnego.channel_bindings.GssChannelBindings(application_data=channel_binding) if channel_binding else None
        )
        self._context: spnego.ContextProxy | None = None
        self._user: str | None = None
        self._by_credssp = False

    @property
    def context(self) -> spnego.ContextProxy | None:
        """The context that seals messages; None until Negotiate is through."""
        return self._context if self._user is not None else None

    def authenticate(self, authorization: str | None, *, certificate: bytes | None = None) -> Accepted | Refused:
        """Judges one request by its Authorization header and by what the connection has been through.

        :param certificate: of the client (DER), verified by TLS.
        """
        if authorization is None:
            return Accepted(self._user) if self._user is not None else self._refuse()
        scheme, _, credentials = authorization.strip().partition(" ")
        if scheme.lower() == "basic":
            return self._basic(credentials)
        if scheme.lower() == MUTUAL_TLS and certificate is not None and self._allow_certificate:
            account = self._accounts.by_certificate(certificate)
            return Accepted(account.username) if account is not None else self._refuse()
        if scheme.lower() in ("negotiate", "kerberos") or (scheme.lower() == "credssp" and self._allow_credssp):
            return self._negotiate(scheme, credentials)
        return self._refuse()

    def _refuse(self) -> Refused:
        """The connection is anonymous again, and the client is told how to begin."""
        self._context = self._user = None
        challenges = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "Kerberos")]
        if self._allow_basic:
            challenges.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        if self._allow_credssp:
            challenges.append(("WWW-Authenticate", "CredSSP"))
        return Refused(tuple(challenges))

    def _basic(self, credentials: str) -> Accepted | Refused:
        decoded = _base64(credentials)
        if not self._allow_basic or decoded is None:
            return self._refuse()
        # Windows reads Basic in its ANSI code page, modern clients write UTF-8: what is not UTF-8 is taken as Latin-1.
        try:
            text = decoded.decode("utf-8")
        except UnicodeDecodeError:
            text = decoded.decode("latin-1")
        name, _, password = text.partition(":")
        account = self._accounts.find(name)
        if account is None or not hmac.compare_digest(password.encode(), account.password.encode()):
            return self._refuse()
        return Accepted(account.username)

    def _negotiate(self, scheme: str, credentials: str) -> Accepted | Refused:
        token = _base64(credentials)
        if not token:
            return self._refuse()
        if self._context is None or self._user is not None:
            self._user = None
            self._begin(scheme, credentials)
        context = self._context
        if context is None:
            return self._refuse()
        try:
            if self._by_kerberos:
                # MIT's library is as relaxed about bindings as Windows is by default: it checks those that come.
                answer = context.step(token, channel_bindings=self._bindings)
            else:
                answer = self._acceptor.step(context, token, self._bindings if _binds_channel(token) else None)
        except _REFUSALS:
            return self._refuse()
        headers: _Headers = ()
        if answer:
            headers = (("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}"),)
        if not context.complete:
            return Refused(headers) if headers else self._refuse()
        if self._by_kerberos and self._kerberos is not None:
            self._user = self._kerberos.user_of(context)
        else:
            account = self._accounts.find(context.client_principal or "")
            named = DelegatedUser if self._by_credssp else str
            self._user = named(account.username) if account is not None else None
        return Accepted(self._user, headers) if self._user is not None else self._refuse()

    def _begin(self, scheme: str, credentials: str) -> None:
        """A context for the mechanism that the first token is of; none where the host does not have it."""
        self._by_kerberos = self._kerberos is not None and speaks_kerberos(credentials)
        self._by_credssp = not self._by_kerberos and scheme.lower() == "credssp"
        if self._by_kerberos and self._kerberos is not None:
            self._context = self._kerberos.context()
        elif self._by_credssp:
            self._context = self._acceptor.credssp_context()
        else:
            self._context = None if scheme.lower() == "kerberos" else self._acceptor.context()


# SpnegoError for what is wrong, the others for tokens so broken that pyspnego trips while unpacking them;
# AttributeError is python-gssapi's for a ticket that a new context did not take.
_REFUSALS = (
    spnego.exceptions.SpnegoError,
    ValueError,
    struct.error,
    KeyError,
    IndexError,
    AttributeError,
)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def _binds_channel(token: bytes) -> bool:
    """Whether an NTLM AUTHENTICATE message, bare or inside SPNEGO, carries channel bindings.

    Windows' default CbtHardeningLevel is Relaxed (MS-WSMV 3.1.4.1.29.2): bindings are checked where the client sends
    some, and not asked for where it does not. pyspnego knows only "required" and "ignored"; this tells which to use.
    """
    start = token.find(b"NTLMSSP\x00\x03\x00\x00\x00")
    message = token[start:] if start >= 0 else b""
    if len(message) < 28:
        return False
    length, _, offset = struct.unpack_from("<HHI", message, 20)  # NtChallengeResponseFields
    pairs = message[offset : offset + length][44:]  # after NTProofStr (16) and the head of NTLMv2_CLIENT_CHALLENGE (28)
    while len(pairs) >= 4:
        kind, size = struct.unpack_from("<HH", pairs)
        if kind == _AV_END_OF_LIST:
            return False
        if kind == _AV_CHANNEL_BINDINGS:
            return any(pairs[4 : 4 + size])  # all zeros means none (MS-NLMP 2.2.2.1)
        pairs = pairs[4 + size :]
    return False
