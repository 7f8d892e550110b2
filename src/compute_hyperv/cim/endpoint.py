"""Where a host's WinRM listener is and how to be let in: a value, checked when it is made.

The rules that make a combination wrong are a table at the end; each says what to change.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

DEFAULT_PORTS = {"https": 5986, "http": 5985}

# Those that can encrypt messages by themselves, as HTTP without TLS demands of WinRM (MS-WSMV 2.2.9.1).
SEALING = ("negotiate", "ntlm", "kerberos", "credssp")
AUTHENTICATIONS = (*SEALING, "basic", "certificate")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A WinRM listener and the credentials for it. Raises ValueError, with the remedy, for a contradiction.

    :param host: name or address. A name must be the one in the certificate (https) or in the host's service principal
        name (Kerberos).
    :param port: 5986 for https, 5985 for http where it is not given.
    :param auth: one of ``AUTHENTICATIONS``. ``negotiate`` takes Kerberos where it can and NTLM otherwise.
    :param username: ``user``, ``DOMAIN\\user`` or ``user@REALM``; none with Kerberos means the ticket in the cache.
    :param ca_file: certificates of the authorities to trust, in PEM; the system's own where it is not given.
    :param verify: whether the certificate must be valid; ``False`` only for tests.
    :param client_certificate: with ``certificate``, the PEM file of the certificate; ``client_key`` that of its key.
    :param allow_unencrypted: whether Basic may go over http, where everybody on the way reads the password.
    :param operation_timeout_s: how long an operation may take where the caller does not say.
    :param connect_timeout_s: how long to wait for a connection; never longer than the operation itself.
    :param max_envelope_kb: the largest answer to ask for: the host's MaxEnvelopeSizekb, or less.
    :param connections: how many connections to hold at most; as many threads can talk to the host at once.
    """

    host: str
    port: int | None = None
    scheme: str = "https"
    auth: str = "negotiate"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    verify: bool = True
    client_certificate: str | None = None
    client_key: str | None = None
    allow_unencrypted: bool = False
    operation_timeout_s: float = 60
    connect_timeout_s: float = 10
    max_envelope_kb: int = 500
    connections: int = 8

    def __post_init__(self) -> None:
        for wrong, remedy in _CONTRADICTIONS:
            if wrong(self):
                raise ValueError(f"The connection to Hyper-V host {self.host!r} cannot work: {remedy}")

    @property
    def effective_port(self) -> int:
        return self.port if self.port is not None else DEFAULT_PORTS[self.scheme]

    @property
    def url(self) -> str:
        """``https://host:5986/wsman``, with an IPv6 address in brackets."""
        try:
            host = f"[{ipaddress.IPv6Address(self.host).compressed}]"
        except ipaddress.AddressValueError:
            host = self.host
        return f"{self.scheme}://{host}:{self.effective_port}/wsman"


_CONTRADICTIONS: tuple[tuple[Callable[[Endpoint], bool], str], ...] = (
    (lambda e: not e.host, "name the host."),
    (lambda e: e.scheme not in DEFAULT_PORTS, "the scheme must be https or http."),
    (lambda e: e.auth not in AUTHENTICATIONS, f"authentication must be one of {', '.join(AUTHENTICATIONS)}."),
    (lambda e: e.port is not None and not 0 < e.port < 65536, "the port must be between 1 and 65535."),
    (
        lambda e: e.auth == "basic" and e.scheme == "http" and not e.allow_unencrypted,
        "Basic over http shows the password to everybody on the way. Use https, or Negotiate, or allow it explicitly "
        "(allow_unencrypted).",
    ),
    (
        lambda e: e.auth == "certificate" and e.scheme != "https",
        "a client certificate needs https.",
    ),
    (
        lambda e: e.auth == "certificate" and not (e.client_certificate and e.client_key),
        "authentication by certificate needs the files of the client's certificate and of its key.",
    ),
    (
        lambda e: e.auth in ("basic", "ntlm", "credssp") and (not e.username or e.password is None),
        "this authentication needs a user name and a password.",
    ),
    (
        lambda e: e.auth == "negotiate" and bool(e.username) and e.password is None,
        "give the password of the user; without a user name, Kerberos credentials are taken from the cache.",
    ),
    (
        lambda e: not e.verify and e.ca_file is not None,
        "a file of trusted authorities is given, but verification is off. Decide for one of them.",
    ),
    (lambda e: e.operation_timeout_s <= 0 or e.connect_timeout_s <= 0, "timeouts must be longer than zero seconds."),
    # WinRM refuses less (w:EncodingLimit, MS-WSMV 3.1.4.1.7) and cannot be set to more (2.2.4.10).
    (lambda e: not 8 <= e.max_envelope_kb <= 1_039_440, "the envelope size must be between 8 and 1039440 kB."),
    (lambda e: e.connections < 1, "at least one connection is needed."),
)
