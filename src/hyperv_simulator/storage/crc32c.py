"""CRC-32C (Castagnoli), as VHDX uses it for headers, tables and log entries.

Tables in a VHDX are mostly zeros (a region table is 64 KiB with 100 bytes in use), so a run of trailing zeros is
skipped in logarithmic time: appending n zero bytes is a linear map over GF(2), and maps compose.
"""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0x82F63B78  # reflected


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_TABLE = _table()

_Matrix = tuple[int, ...]  # column i is the image of bit i


def _apply(matrix: _Matrix, vector: int) -> int:
    result = 0
    bit = 0
    while vector:
        if vector & 1:
            result ^= matrix[bit]
        vector >>= 1
        bit += 1
    return result


@lru_cache(maxsize=64)
def _zeros(power: int) -> _Matrix:
    """The map of appending ``2 ** power`` zero bytes."""
    if power == 0:
        return tuple((1 << bit >> 8) ^ _TABLE[1 << bit & 0xFF] for bit in range(32))
    half = _zeros(power - 1)
    return tuple(_apply(half, column) for column in half)


def crc32c(data: bytes) -> int:
    """The checksum of ``data``."""
    head = data.rstrip(b"\0")
    value = 0xFFFFFFFF
    for byte in head:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    rest = len(data) - len(head)
    power = 0
    while rest:
        if rest & 1:
            value = _apply(_zeros(power), value)
        rest >>= 1
        power += 1
    return value ^ 0xFFFFFFFF
