"""One LDAP connection to a domain controller.

What is said is never readable on the network: over LDAP, Negotiate (Kerberos, else NTLM) seals every message; over
LDAPS, TLS does, with a certificate that is verified. There a password is sent as it is (a simple bind), and a Kerberos
ticket is bound to the channel. Source: RFC 4511, RFC 4513, MS-ADTS 5.1.1 (authentication).
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import sansldap
import spnego
import spnego.channel_bindings
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from spnego.exceptions import SpnegoError

from compute_hyperv.cim.errors import AccessDenied, CimError, NotFound, ProtocolError, TimedOut, Unreachable

Attributes: TypeAlias = Mapping[str, Sequence[bytes]]

LDAP_PORT, LDAPS_PORT = 389, 636
_LONGEST_ANSWER = 16 * 1024**2
_MECHANISM = "GSS-SPNEGO"
_STRONGER_AUTHENTICATION = 8  # strongerAuthRequired
_INVALID_CREDENTIALS = 49
_NO_SUCH_OBJECT = 32


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """Where the directory is and how to get in.

    :param server: name of a domain controller, or of the domain itself.
    :param username: ``DOMAIN\\name`` or ``name@domain``; None: the Kerberos ticket of the cache.
    :param ca_file: authority that vouches for the controller's certificate; None: those that the system trusts.
    """

    server: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    use_tls: bool = False
    port: int | None = None
    ca_file: str | None = None
    timeout_s: float = 30.0


class DirectoryConnection:
    """Open from the start; for one thread at a time.

    :raises CimError: it can't be reached, or it does not let us in.
    """

    def __init__(self, settings: DirectorySettings) -> None:
        self._settings = settings
        self._client = sansldap.LDAPClient()
        self._sealing: spnego.ContextProxy | None = None
        self._sealed = bytearray()
        self._socket = self._connected()
        try:
            self._bind()
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def search(
        self, base: str, wanted: sansldap.LDAPFilter, attributes: Sequence[str], *, only_base: bool = False
    ) -> list[tuple[str, Attributes]]:
        """Distinguished names and attributes, the names of these in lower case. A base that is not there has none."""
        scope = sansldap.SearchScope.BASE if only_base else sansldap.SearchScope.SUBTREE
        number = self._client.search_request(base, scope, filter=wanted, attributes=list(attributes))
        self._send()
        found: list[tuple[str, Attributes]] = []
        while True:
            for message in self._receive():
                if message.message_id != number:
                    continue
                if isinstance(message, sansldap.SearchResultEntry):
                    found.append(
                        (message.object_name, {each.name.lower(): list(each.values) for each in message.attributes})
                    )
                elif isinstance(message, sansldap.SearchResultDone):
                    code = int(message.result.result_code)
                    if code not in (0, _NO_SUCH_OBJECT):
                        raise ProtocolError(
                            f"The directory {self._settings.server} refuses the search below {base!r} (result {code}): "
                            f"{message.result.diagnostics_message}",
                            code=code,
                        )
                    return found

    def naming_context(self) -> str:
        """The distinguished name of the domain: where its computers are below."""
        root = self.search("", sansldap.FilterPresent("objectClass"), ["defaultNamingContext"], only_base=True)
        for _, attributes in root:
            for value in attributes.get("defaultnamingcontext", ()):
                return value.decode()
        raise NotFound(
            f"{self._settings.server} answers LDAP but holds no domain.",
            remedy="Name a domain controller with --ldap-server.",
        )

    # Connecting

    def _connected(self) -> socket.socket:
        settings = self._settings
        port = settings.port or (LDAPS_PORT if settings.use_tls else LDAP_PORT)
        try:
            plain = socket.create_connection((settings.server, port), settings.timeout_s)
        except OSError as error:
            raise Unreachable(
                f"The directory {settings.server} does not answer at port {port}: {error}",
                remedy="Name a domain controller with --ldap-server.",
            ) from None
        if not settings.use_tls:
            return plain
        try:
            return ssl.create_default_context(cafile=settings.ca_file).wrap_socket(
                plain, server_hostname=settings.server
            )
        except (OSError, ssl.SSLError) as error:
            plain.close()
            raise Unreachable(
                f"TLS with the directory {settings.server} failed: {error}",
                remedy="Name the authority that vouches for the controller with --ldap-ca-file.",
            ) from None

    def _bind(self) -> None:
        settings = self._settings
        if settings.use_tls and settings.username:
            self._client.bind_simple(settings.username, settings.password)
            self._bound(self._answer_to_bind())
            return
        bindings = self._channel_bindings()
        # a controller refuses signatures and seals inside TLS (MS-ADTS 5.1.1.1.2)
        layers = spnego.ContextReq.integrity | spnego.ContextReq.confidentiality | spnego.ContextReq.sequence_detect
        asked = spnego.ContextReq.mutual_auth | (spnego.ContextReq.no_integrity if settings.use_tls else layers)
        try:
            context = spnego.client(
                settings.username,
                settings.password,
                hostname=settings.server,
                service="ldap",
                channel_bindings=bindings,
                context_req=asked,
            )
            token = context.step()
            while True:
                self._client.bind_sasl(_MECHANISM, cred=token or b"")
                answer = self._answer_to_bind()
                if answer.result.result_code != sansldap.LDAPResultCode.SASL_BIND_IN_PROGRESS:
                    break
                token = context.step(answer.server_sasl_creds or b"")
            self._bound(answer)
            if not context.complete:
                context.step(answer.server_sasl_creds or b"")
        except SpnegoError as error:
            raise AccessDenied(
                f"Authentication with the directory {settings.server} failed: {error.message}",
                remedy="Check --ldap-user and its password; without a user, a Kerberos ticket is needed (kinit).",
            ) from None
        if not settings.use_tls:
            self._sealing = context

    def _answer_to_bind(self) -> sansldap.BindResponse:
        self._send()
        while True:
            for message in self._receive():
                if isinstance(message, sansldap.BindResponse):
                    return message

    def _bound(self, answer: sansldap.BindResponse) -> None:
        code = int(answer.result.result_code)
        if code == 0:
            return
        text = answer.result.diagnostics_message.strip("\0 ")
        message = f"The directory {self._settings.server} refuses {self._settings.username or 'the ticket'}: {text}"
        if code == _STRONGER_AUTHENTICATION:
            raise AccessDenied(message, remedy="Name it as ldaps://... with --ldap-server.", code=code)
        if code == _INVALID_CREDENTIALS:
            raise AccessDenied(message, remedy="Check --ldap-user and its password.", code=code)
        raise ProtocolError(f"{message} (result {code})", code=code)

    def _channel_bindings(self) -> spnego.channel_bindings.GssChannelBindings | None:
        """``tls-server-end-point`` (RFC 5929, 4.1): the hash of the controller's certificate."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        certificate = self._socket.getpeercert(binary_form=True) or b""
        algorithm: hashes.HashAlgorithm | None
        try:
            algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
        except UnsupportedAlgorithm:
            algorithm = None
        name = algorithm.name if algorithm is not None and algorithm.name not in ("md5", "sha1") else "sha256"
        data = b"tls-server-end-point:" + hashlib.new(name, certificate).digest()
        return spnego.channel_bindings.GssChannelBindings(application_data=data)

    # Bytes

    def _send(self) -> None:
        data = self._client.data_to_send()
        if self._sealing is not None:
            sealed = self._sealing.wrap(data).data
            data = struct.pack(">I", len(sealed)) + sealed
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._broken(error) from None

    def _receive(self) -> list[sansldap.LDAPMessage]:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise TimedOut(
                f"The directory {self._settings.server} has not answered within {self._settings.timeout_s:.0f} s."
            ) from None
        except OSError as error:
            raise self._broken(error) from None
        if not data:
            raise self._broken("it closed the connection")
        try:
            return self._client.receive(self._opened(data))
        except (sansldap.LDAPError, ValueError, SpnegoError, NotImplementedError) as error:
            raise ProtocolError(
                f"The directory {self._settings.server} does not speak LDAP as we do: {error}"
            ) from None

    def _opened(self, data: bytes) -> bytes:
        """What is inside the sealed messages that are complete (RFC 4422, 3.7: a length before each)."""
        if self._sealing is None:
            return data
        self._sealed += data
        opened = b""
        while len(self._sealed) >= 4:
            (length,) = struct.unpack_from(">I", self._sealed)
            if length > _LONGEST_ANSWER:
                raise ValueError(f"a message of {length} bytes")
            if len(self._sealed) < 4 + length:
                break
            opened += self._sealing.unwrap(bytes(self._sealed[4 : 4 + length])).data
            del self._sealed[: 4 + length]
        return opened

    def _broken(self, why: object) -> CimError:
        return Unreachable(f"The connection to the directory {self._settings.server} broke: {why}")
