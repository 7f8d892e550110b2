"""SOAP sealed by the connection's security context into ``multipart/encrypted``, and back (MS-WSMV 2.2.9.1).

Rule 1: no I/O, and no knowledge of how the context came to be.
Rule 2: the frame is parsed from its outside inwards by length, never by searching in the sealed bytes: they may hold
        anything, a boundary as well.

The frame, as Windows and its clients write it (a tab before each inner header, no blank line before the sealed bytes)::

    --Encrypted Boundary\\r\\n
    \\tContent-Type: application/HTTP-SPNEGO-session-encrypted\\r\\n
    \\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=1234\\r\\n
    --Encrypted Boundary\\r\\n
    \\tContent-Type: application/octet-stream\\r\\n
    <u32 little-endian: length of the signature><signature><sealed SOAP>--Encrypted Boundary--\\r\\n
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import spnego

_BOUNDARY = b"--Encrypted Boundary"
_CONTENT_TYPE = re.compile(
    r'multipart/encrypted\s*;.*?protocol\s*=\s*"(?P<protocol>application/HTTP-(?:SPNEGO|Kerberos)-session-encrypted)"',
    re.I,
)
_FRAME = re.compile(
    rb"--\s*Encrypted Boundary\r\n"
    rb"\s*Content-Type: [^\r\n]+\r\n"
    rb"\s*OriginalContent: type=(?P<type>[^;\r\n]+)(?P<charset>;charset=[^;\r\n]+)?;Length=(?P<length>\d{1,9})\r\n"
    rb"--\s*Encrypted Boundary\r\n"
    rb"\s*Content-Type: application/octet-stream\r\n",
    re.I,
)
_END = re.compile(rb"--\s*Encrypted Boundary--(?:\r\n)?\Z", re.I)


class EncryptionError(Exception):
    """The frame is broken, or the context can't open it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted body and the Content-Type that announces it."""

    content_type: str
    body: bytes


def protocol_of(content_type: str) -> str | None:
    """The encryption protocol that a Content-Type announces; None where the body is plain."""
    match = _CONTENT_TYPE.match(content_type)
    return match["protocol"] if match else None


def unseal(context: spnego.ContextProxy, body: bytes) -> bytes:
    """The SOAP inside an encrypted body.

    :raises EncryptionError: a broken frame, a wrong signature, or another length than announced.
    """
    start = _FRAME.match(body)
    end = _END.search(body, max(0, len(body) - 64))
    if start is None or end is None:
        raise EncryptionError("not a multipart/encrypted body")
    payload = body[start.end() : end.start()]
    if len(payload) < 4:
        raise EncryptionError("no sealed message in the body")
    (signature_bytes,) = struct.unpack_from("<I", payload)
    if not 0 < signature_bytes <= len(payload) - 4:
        raise EncryptionError(f"a signature of {signature_bytes} bytes does not fit")
    signature, sealed = payload[4 : 4 + signature_bytes], payload[4 + signature_bytes :]
    try:
        message = context.unwrap_winrm(signature, sealed)
    except spnego.exceptions.SpnegoError as error:
        raise EncryptionError(f"the message can't be opened: {error}") from error
    if len(message) != int(start["length"]):
        raise EncryptionError(f"{len(message)} bytes instead of the {int(start['length'])} announced")
    return message


def seal(context: spnego.ContextProxy, protocol: str, message: bytes) -> Sealed:
    """SOAP as an encrypted body of the protocol that the client used."""
    wrapped = context.wrap_winrm(message)
    length = len(message) + wrapped.padding_length
    body = b"".join(
        (
            _BOUNDARY,
            f"\r\n\tContent-Type: {protocol}\r\n".encode(),
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n".encode(),
            _BOUNDARY,
            b"\r\n\tContent-Type: application/octet-stream\r\n",
            struct.pack("<I", len(wrapped.header)),
            wrapped.header,
            wrapped.data,
            _BOUNDARY,
            b"--\r\n",
        )
    )
    return Sealed(f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"', body)
