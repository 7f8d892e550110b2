"""Security descriptors: who is let in (MS-DTYP 2.4.6). Read with smbprotocol, which has them for files."""

from __future__ import annotations

import struct

from smbprotocol.security_descriptor import AccessAllowedAce, AccessDeniedAce, SIDPacket, SMB2CreateSDBuffer

_HEADER_SIZE = 20


def sid_text(data: bytes) -> str:
    """``S-1-5-21-...``

    :raises ValueError: it is no SID.
    """
    if len(data) < 8 or len(data) != 8 + 4 * data[1]:
        raise ValueError(f"{data.hex()} is no SID")
    sid = SIDPacket()
    sid.unpack(data)
    return str(sid)


def allowed_sids(descriptor: bytes) -> frozenset[str]:
    """Whom a descriptor lets in: those allowed without those denied, whatever the right; that is how a resource names
    who may act on behalf of others at it.

    :raises ValueError: it is no security descriptor.
    """
    if len(descriptor) < _HEADER_SIZE:
        raise ValueError(f"{descriptor.hex()} is no security descriptor")
    try:
        parsed = SMB2CreateSDBuffer()
        parsed.unpack(descriptor)
        entries = parsed.get_dacl()
        aces = entries["aces"].get_value() if entries is not None else []
        allowed = {str(ace["sid"].get_value()) for ace in aces if isinstance(ace, AccessAllowedAce)}
        denied = {str(ace["sid"].get_value()) for ace in aces if isinstance(ace, AccessDeniedAce)}
    except (struct.error, ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"{descriptor.hex()} is no security descriptor: {error}") from None
    except Exception as error:
        # smbprotocol tells of bad fields by a bare Exception
        raise ValueError(f"{descriptor.hex()} is no security descriptor: {error}") from None
    return frozenset(allowed - denied)
