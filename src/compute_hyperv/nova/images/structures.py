"""What the readers of VHD and VHDX have in common: bounded reads, one way to refuse, one result.

Rule 1: a file is hostile until it is read to the end. Every offset and length that comes out of it is checked against
        the file before it is used, and nothing is read whose size the file alone decides.
Rule 2: readers know bytes only: no Glance, no Nova, no qemu-img.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

SECTOR_BYTES = 512


class Refused(Exception):
    """The file must not be used.

    :param found: what is wrong with it, as a sentence's end ("is a differencing disk").
    :param remedy: what its owner can do about it.
    """

    def __init__(self, found: str, remedy: str) -> None:
        self.found = found
        self.remedy = remedy
        super().__init__(f"{found}. Remedy: {remedy}")


@dataclass(frozen=True, slots=True)
class DiskStructure:
    """What a VHD or VHDX says of itself, all of it checked.

    :param block_size_bytes: 0 for a fixed VHD, which has no blocks.
    """

    format: Literal["vhd", "vhdx"]
    kind: Literal["fixed", "dynamic"]
    virtual_size_bytes: int
    block_size_bytes: int


class BoundedFile:
    """A file whose reads fail as a refusal where the file is too short for them."""

    def __init__(self, file: BinaryIO, size_bytes: int, remedy: str) -> None:
        self._file = file
        self._remedy = remedy
        self.size_bytes = size_bytes

    def read(self, offset: int, length: int, what: str) -> bytes:
        """:raises Refused: when ``length`` bytes at ``offset`` are not all inside the file."""
        if offset < 0 or offset + length > self.size_bytes:
            raise Refused(f"ends before its {what}", self._remedy)
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise Refused(f"ends before its {what}", self._remedy)
        return data
