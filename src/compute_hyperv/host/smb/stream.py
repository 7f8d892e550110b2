"""Writing a file with several requests under way, as fast as the server takes them.

smbprotocol's own writes wait for each answer and copy the data some eight times on its way out. Here a window of
requests is kept open and the data goes from the caller's buffer to the socket without a copy, so that a gigabyte
costs less than a second of processor time; the rest (negotiation, sessions, receiving, credits) stays smbprotocol's.

What this file knows of the wire: SMB 2 header and WRITE request ([MS-SMB2] 2.2.1.2, 2.2.21), credits (3.2.4.1.2,
3.2.4.1.5) and the two ways of signing in SMB 3 (3.1.4.1). Encrypted sessions and older dialects take smbprotocol's
way.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from smbprotocol.connection import Dialects, Request, SigningAlgorithms
from smbprotocol.exceptions import SMBException, SMBResponseException
from smbprotocol.header import Commands, Smb2Flags, SMB2HeaderRequest
from smbprotocol.open import Open, SMB2WriteRequest

from compute_hyperv.host.smb.connection import SmbConnection

BLOCK = 8 * 1024 * 1024  # per request at most, which is what Windows and Samba take
_WINDOW = 8  # requests under way at most; a server that grants fewer credits gets fewer or smaller ones
_CREDIT = 64 * 1024  # bytes that one credit pays for
_PLAIN_BLOCK = 1024 * 1024  # smbprotocol's way: 16 credits, which every server grants

# structure size, credit charge, status, command, credits asked for, flags, next command, message, reserved, tree,
# session, signature
_HEADER = struct.Struct("<4sHHIHHIIQIIQ16s")
# structure size, data offset, length, offset in the file, file, channel, remaining, channel info (2), flags
_WRITE = struct.Struct("<HHIQ16sIIHHI")
_WRITE_ANSWER = struct.Struct("<HHI")  # structure size, reserved, count
_NO_SIGNATURE = b"\0" * 16
_SIGNING = (None, SigningAlgorithms.AES_CMAC, SigningAlgorithms.AES_GMAC)  # None: a server that predates the choice


class WriteStream:
    """Writes to one open file. Errors are smbprotocol's: stand inside ``SmbConnection.translating``."""

    def __init__(self, connection: SmbConnection, opened: Open) -> None:
        self._connection = connection
        self._wire = connection.wire
        self._open = opened
        self._tree = opened.tree_connect
        self._session = self._tree.session
        self._under_way: deque[tuple[Any, int]] = deque()
        self._direct = (
            not (self._session.encrypt_data or self._tree.encrypt_data)
            and self._session.signing_required
            and self._wire.dialect >= Dialects.SMB_3_0_0
            and self._wire.signing_algorithm_id in _SIGNING
        )
        self._block = min(BLOCK if self._direct else _PLAIN_BLOCK, self._wire.max_write_size)

    def write(self, data: memoryview, offset: int) -> None:
        """Send data; the buffer is free again when this returns, whether the server has answered or not."""
        position = 0
        while position < len(data):
            length = min(len(data) - position, self._block)
            if self._direct:
                length = min(length, self._affordable())
                self._send(data[position : position + length], offset + position)
            else:
                length = int(self._open.write(bytes(data[position : position + length]), offset + position))
            position += length

    def finish(self) -> None:
        """Wait until the server has taken everything."""
        while self._under_way:
            self._take_answer()

    def abandon(self, *, wait: bool) -> None:
        """End without success, so that the connection has no answers due that nobody takes.

        :param wait: take them; otherwise the connection is given up.
        """
        while wait and self._under_way:
            try:
                self._take_answer()
            except SMBResponseException:
                continue  # a volume that is full says so to each of them
            except SMBException:
                break
        if self._under_way:
            self._connection.broken = True

    def _affordable(self) -> int:
        """How many bytes the credits pay for; waits for answers, which bring credits, where the window is full."""
        while len(self._under_way) >= _WINDOW or (self._under_way and self._credits() * _CREDIT < self._block):
            self._take_answer()
        credits = self._credits()
        if credits < 1:
            raise SMBException("The server grants no credits")
        return credits * _CREDIT

    def _send(self, data: memoryview, offset: int) -> None:
        charge = (len(data) - 1) // _CREDIT + 1
        with self._wire.sequence_lock:
            message_id: int = self._wire.sequence_window["low"]
            self._wire.sequence_window["low"] += charge
        # More than is spent, until a full window can be paid for: the server decides what it grants.
        full = self._block // _CREDIT
        asked = charge + full if self._credits() < full * _WINDOW else charge
        header = self._header(message_id, charge, asked, _NO_SIGNATURE)
        body = _WRITE.pack(
            49, _HEADER.size + _WRITE.size, len(data), offset, self._open.file_id, 0, 0, 0, 0, 0
        )  # the structure size counts one byte of the data
        signature = self._sign(message_id, header, body, data)
        signed = self._header(message_id, charge, asked, signature)
        known = SMB2HeaderRequest()  # what smbprotocol's receiver looks at
        known["message_id"] = message_id
        known["command"] = Commands.SMB2_WRITE
        request = Request(known, SMB2WriteRequest, self._wire, session_id=self._session.session_id)
        self._wire.outstanding_requests[message_id] = request
        self._wire.send_parts([memoryview(signed + body), data])
        self._under_way.append((request, len(data)))

    def _credits(self) -> int:
        window = self._wire.sequence_window
        return int(window["high"] - window["low"])

    def _header(self, message_id: int, charge: int, asked: int, signature: bytes) -> bytes:
        return _HEADER.pack(
            b"\xfeSMB",
            _HEADER.size,
            charge,
            0,
            Commands.SMB2_WRITE,
            asked,
            Smb2Flags.SMB2_FLAGS_SIGNED,
            0,
            message_id,
            0,
            self._tree.tree_connect_id,
            self._session.session_id,
            signature,
        )

    def _sign(self, message_id: int, *parts: bytes | memoryview) -> bytes:
        key = self._session.signing_key
        if self._wire.signing_algorithm_id == SigningAlgorithms.AES_GMAC:
            nonce = struct.pack("<QI", message_id, 0)
            gmac = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
            for part in parts:
                gmac.authenticate_additional_data(part)
            gmac.finalize()
            return gmac.tag
        cmac = CMAC(algorithms.AES(key))
        for part in parts:
            cmac.update(part)  # type: ignore[arg-type]  # any buffer will do
        return cmac.finalize()

    def _take_answer(self) -> None:
        request, length = self._under_way.popleft()
        answer = self._wire.receive(request)["data"].get_value()
        count = _WRITE_ANSWER.unpack_from(answer)[2]
        if count != length:
            raise SMBException(f"The server wrote {count} of {length} bytes")
