"""From what HTTP, TLS and authentication libraries raise to our errors, with a remedy an operator can follow.

The tables are read top down; the first pattern that an exception's text contains decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import requests
import urllib3.exceptions
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from spnego.exceptions import SpnegoError

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.errors import AccessDenied, CimError, InvalidRequest, ProtocolError, TimedOut, Unreachable

_WRAPPING = re.compile(r"^(<[^>]*>|HTTPS?Connection\([^)]*\)): ")


@dataclass(eq=False)
class SendFailed(Exception):
    """A message got no answer.

    :param error: what a caller of the session gets to see.
    :param unprocessed: the host cannot have acted on the message, so sending it again is safe whatever it says.
    :param again: trying again at once may help.
    :param refused_by: the HTTP status, where the host answered with one.
    """

    error: CimError
    unprocessed: bool
    again: bool = False
    refused_by: int = 0


def expired(endpoint: Endpoint, timeout_s: float, *, sent: bool) -> SendFailed:
    """The deadline passed. ``sent``: the message was already on its way."""
    error = TimedOut(
        f"{endpoint.url} did not answer within {timeout_s:.0f} s.",
        remedy="Check the load of the host; what was asked may still take effect." if sent else "",
    )
    return SendFailed(error, unprocessed=not sent)


def translate(endpoint: Endpoint, raised: Exception, timeout_s: float, *, sent: bool) -> SendFailed:
    """What a caller gets to see of an exception that a library raised while it sent a message."""
    error: CimError
    if isinstance(raised, requests.ConnectTimeout):
        return SendFailed(
            Unreachable(f"{endpoint.url} does not accept a connection.", remedy=_FIREWALL), unprocessed=True
        )
    if isinstance(raised, requests.Timeout):
        return expired(endpoint, timeout_s, sent=sent)
    if isinstance(raised, requests.exceptions.SSLError):
        remedy = _remedy(_TLS, str(raised), "Check the certificate of the host's HTTPS listener.")
        return SendFailed(
            Unreachable(f"No TLS connection to {endpoint.url}: {_short(raised)}.", remedy=remedy), unprocessed=True
        )
    if isinstance(raised, requests.ConnectionError) and _never_connected(raised):
        remedy = _remedy(_CONNECT, str(raised), _FIREWALL)
        error = Unreachable(f"No connection to {endpoint.url}: {_short(raised)}.", remedy=remedy)
        return SendFailed(error, unprocessed=True, again="refused" in str(raised))
    if isinstance(raised, requests.RequestException):
        error = Unreachable(f"The connection to {endpoint.url} broke: {_short(raised)}.", remedy=_BROKEN)
        return SendFailed(error, unprocessed=not sent, again=True)
    if isinstance(raised, (AuthenticationError, SpnegoError)) or _is_of_an_extra(raised):
        return _refused(endpoint, raised)
    if isinstance(raised, WinRMTransportError):
        return _bad_status(endpoint, raised.code, raised.response_text, sent=sent)
    if isinstance(raised, ImportError):
        error = InvalidRequest(
            f"Authentication {endpoint.auth!r} is not installed here: {raised}.",
            remedy=f"Install the extra: pip install 'compute-hyperv[{endpoint.auth}]'.",
        )
        return SendFailed(error, unprocessed=True)
    error = ProtocolError(
        f"{endpoint.url} does not answer as WinRM does: {_short(raised)}.",
        remedy="Check that it is WinRM that listens there, and that no proxy is in between.",
    )
    return SendFailed(error, unprocessed=not sent)


def _refused(endpoint: Endpoint, raised: Exception) -> SendFailed:
    user = endpoint.username or "the holder of the Kerberos ticket"
    default = _PASSWORD + (_BASIC if endpoint.auth == "basic" else "")
    error = AccessDenied(
        f"{endpoint.url} does not let {user} in ({endpoint.auth}): {_short(raised)}.",
        remedy=_remedy(_AUTHENTICATION, str(raised), default),
    )
    return SendFailed(error, unprocessed=True, refused_by=401)


def _bad_status(endpoint: Endpoint, status: int, body: str, *, sent: bool) -> SendFailed:
    what = f"{endpoint.url} answered HTTP {status} without a SOAP message"
    if status == 500 and not body and endpoint.scheme == "http" and endpoint.auth == "basic":
        # Seen by clients of WinRM that send plain text to a host that wants it encrypted (pywinrm issue 208).
        error: CimError = AccessDenied(f"{what}: it does not accept unencrypted messages.", remedy=_UNENCRYPTED)
        return SendFailed(error, unprocessed=True, refused_by=status)
    kind, remedy, unprocessed = _STATUS.get(
        status, (Unreachable if status >= 500 else ProtocolError, _SERVICE, not sent)
    )
    error = kind(f"{what}.", remedy=remedy, code=status)
    return SendFailed(error, unprocessed=unprocessed, again=status >= 500, refused_by=status)


def _never_connected(raised: requests.ConnectionError) -> bool:
    cause = raised.args[0] if raised.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _is_of_an_extra(raised: Exception) -> bool:
    """CredSSP's and Kerberos' own errors; by the module's name, since they are extras that may not be installed."""
    return type(raised).__module__.partition(".")[0] in ("requests_credssp", "krb5", "gssapi")


def _remedy(table: tuple[tuple[str, str], ...], text: str, default: str) -> str:
    return next((remedy for pattern, remedy in table if pattern.lower() in text.lower()), default)


def _short(raised: Exception) -> str:
    """One line, without the layers of wrapping that requests and urllib3 add."""
    cause: object = raised.args[0] if isinstance(raised, requests.ConnectionError) and raised.args else raised
    cause = getattr(cause, "reason", None) or cause
    text = " ".join(str(cause).split()) or type(raised).__name__
    return _WRAPPING.sub("", text)[:300].rstrip(".")


_FIREWALL = (
    "Check that the host is up, that WinRM listens there (winrm quickconfig, with -transport:https for https) and that "
    "the firewall lets its port through."
)
_BROKEN = "Check the network, and whether the host restarted."
_SERVICE = "Check the service WinRM on the host (its event log, and: winrm get winrm/config)."
_PASSWORD = (
    "Check user name and password. A local account other than Administrator also needs LocalAccountTokenFilterPolicy."  # noqa: S105
)
_BASIC = ' Basic must be on (winrm set winrm/config/service/auth @{Basic="true"}) and takes local accounts only.'
_UNENCRYPTED = (
    'Use https or Negotiate; or, on a network you trust, winrm set winrm/config/service @{AllowUnencrypted="true"}.'
)

_TLS = (
    (
        "hostname mismatch",
        "The certificate is for another name: connect to the name it has, or give the listener another one.",
    ),
    ("IP address mismatch", "The certificate does not name this address: connect to the host name that it has."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The certificate is not trusted: name a file with the authority that signed it (or, if it is self-signed, with "
        "the certificate itself).",
    ),
    ("WRONG_VERSION_NUMBER", "That port does not speak TLS: use the HTTPS port (5986), or scheme http with 5985."),
    ("EOF occurred", "The host ended the TLS handshake: its HTTPS listener may have no certificate."),
)
_CONNECT = (
    ("resolve", "Check the name of the host and this machine's DNS."),
    ("refused", "WinRM does not listen there. On the host: winrm quickconfig (with -transport:https for https)."),
)
_AUTHENTICATION = (
    (
        "did not response",  # as pypsrp and requests-credssp spell it
        "The host does not offer this authentication: see winrm get winrm/config/service/auth.",
    ),
    ("clock skew", "The clocks differ by more than five minutes: synchronise this machine's and the host's."),
    ("Client '", "Check the user's name: the realm does not know it."),
    (
        "not found in Kerberos database",
        "Connect to the host by its full domain name: the realm knows no service principal for this one.",
    ),
    ("credentials cache", "There is no Kerberos ticket: give user name and password, or get one with kinit."),
    ("Cannot contact any KDC", "Check the realm in /etc/krb5.conf and that its domain controllers can be reached."),
    ("Decrypt integrity check failed", "Check user name and password in the domain."),
    ("Preauthentication failed", "Check user name and password in the domain."),
    ("expired", "The password or the Kerberos ticket has expired: renew it."),
)
# Status: error, remedy, whether it proves that the host did nothing.
_STATUS: dict[int, tuple[type[CimError], str, bool]] = {
    403: (AccessDenied, "The host's IPv4Filter or a proxy keeps this machine out.", True),
    404: (ProtocolError, "Something else than WinRM listens there, or WinRM has another URL prefix than wsman.", True),
    405: (ProtocolError, "Something else than WinRM listens there.", True),
    407: (AccessDenied, "A proxy is in between: let this machine reach the host directly.", True),
    413: (
        InvalidRequest,
        'The message is larger than the host accepts. On the host: winrm set winrm/config @{MaxEnvelopeSizekb="500"}.',
        True,
    ),
    503: (Unreachable, "The service WinRM is stopped or overloaded: start it on the host.", True),
}
