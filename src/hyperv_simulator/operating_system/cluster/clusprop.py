"""CLUSPROP property lists, as MoveToNewNodeParams takes them (hyperv-ops 16)."""

from __future__ import annotations

import struct

_NAME, _DWORD = 0x00040003, 0x00010002


def read(blob: bytes) -> dict[str, int]:
    """The DWORD properties of a list, by name.

    :raises ValueError: it is no property list.
    """
    try:
        (count,) = struct.unpack_from("<I", blob)
        offset, found = 4, {}
        for _ in range(count):
            syntax, size = struct.unpack_from("<II", blob, offset)
            if syntax != _NAME:
                raise ValueError(f"0x{syntax:08X} where a name was expected")
            name = blob[offset + 8 : offset + 8 + size].decode("utf-16-le").rstrip("\0")
            offset += 8 + (size + 3) // 4 * 4
            syntax, size = struct.unpack_from("<II", blob, offset)
            if syntax != _DWORD or size != 4:
                raise ValueError(f"0x{syntax:08X} where a number was expected")
            (found[name],) = struct.unpack_from("<I", blob, offset + 8)
            offset += 12 + 4  # the value, and the mark that ends the property
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return found
