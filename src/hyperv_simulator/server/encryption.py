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

CredSSP seals with TLS, whose records hold 16 KiB: a longer message is ``multipart/x-multi-encrypted``, one such frame
per record before the last boundary.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import spnego

_BOUNDARY = b"--Encrypted Boundary"
_CONTENT_TYPE = re.compile(
    r"multipart/(?:x-multi-)?encrypted\s*;.*?protocol\s*=\s*"
    r'"(?P<protocol>application/HTTP-(?:SPNEGO|Kerberos|CredSSP)-session-encrypted)"',
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

_CREDSSP = "application/http-credssp-session-encrypted"
_TLS_RECORD_BYTES = 16384  # CredSSP seals with TLS: what does not fit one record comes in several frames


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


def unseal(context: spnego.ContextProxy, protocol: str, body: bytes) -> bytes:
    """The SOAP inside an encrypted body.

    :raises EncryptionError: a broken frame, a wrong signature, or another length than announced.
    """
    opened: list[bytes] = []
    position = 0
    end = _END.search(body, max(0, len(body) - 64))
    if end is None:
        raise EncryptionError("not a multipart/encrypted body")
    while True:
        start = _FRAME.match(body, position)
        if start is None:
            raise EncryptionError("not a multipart/encrypted body")
        position = _end_of_record(body, start.end()) if protocol.lower() == _CREDSSP else end.start()
        opened.append(_opened(context, body[start.end() : position], int(start["length"])))
        if position == end.start():
            return b"".join(opened)


def seal(context: spnego.ContextProxy, protocol: str, message: bytes) -> Sealed:
    """SOAP as an encrypted body of the protocol that the client used."""
    whole = protocol.lower() != _CREDSSP or len(message) <= _TLS_RECORD_BYTES
    step = len(message) if whole else _TLS_RECORD_BYTES
    frames = [_frame(context, protocol, message[start : start + step]) for start in range(0, len(message), step)]
    kind = "encrypted" if whole else "x-multi-encrypted"
    body = b"".join((*frames, _BOUNDARY, b"--\r\n"))
    return Sealed(f'multipart/{kind};protocol="{protocol}";boundary="Encrypted Boundary"', body)


def _opened(context: spnego.ContextProxy, payload: bytes, length: int) -> bytes:
    """What is sealed in one frame."""
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
    if len(message) != length:
        raise EncryptionError(f"{len(message)} bytes instead of the {length} announced")
    return message


def _end_of_record(body: bytes, start: int) -> int:
    """Where the TLS record ends that follows the length of the signature: its head says it (RFC 8446 5.1)."""
    if len(body) < start + 9:
        raise EncryptionError("no sealed message in the body")
    (length,) = struct.unpack_from(">H", body, start + 7)
    return int(start + 9 + length)


def _frame(context: spnego.ContextProxy, protocol: str, message: bytes) -> bytes:
    wrapped = context.wrap_winrm(message)
    length = len(message) + wrapped.padding_length
    return b"".join(
        (
            _BOUNDARY,
            f"\r\n\tContent-Type: {protocol}\r\n".encode(),
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n".encode(),
            _BOUNDARY,
            b"\r\n\tContent-Type: application/octet-stream\r\n",
            struct.pack("<I", len(wrapped.header)),
            wrapped.header,
            wrapped.data,
        )
    )
