"""An ISO image that UEFI firmware boots from, as installers come: one file, a FAT file system that is its boot image.

ECMA-119 (ISO 9660) for the descriptors and the only folder; "El Torito" for the boot record and its catalogue, with
the platform that stands for UEFI (UEFI specification 13.3.2.1). The same boot image gives the same bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path

_SECTOR = 2048
_PRIMARY, _BOOT_RECORD, _TERMINATOR, _PATHS_LITTLE, _PATHS_BIG, _ROOT, _CATALOGUE, _FILE = range(16, 24)
_FOLDER, _NO_EMULATION, _BOOTABLE, _PLATFORM_UEFI = 0x02, 0x00, 0x88, 0xEF
_FILE_NAME = b"EFI.IMG;1"
_NO_DATE = b"0" * 16 + b"\0"


def write(boot_image: Path, target: Path) -> None:
    """:param boot_image: a FAT file system with ``EFI/BOOT/BOOTX64.EFI``; below 32 MiB."""
    content = boot_image.read_bytes()
    file_sectors = -(-len(content) // _SECTOR)
    root = _record(b"\0", _ROOT, _SECTOR, _FOLDER) + _record(b"\1", _ROOT, _SECTOR, _FOLDER)
    sectors = {
        _PRIMARY: _primary_descriptor(_FILE + file_sectors),
        _BOOT_RECORD: b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", _CATALOGUE),
        _TERMINATOR: b"\xffCD001\1",
        _PATHS_LITTLE: _path_table("<"),
        _PATHS_BIG: _path_table(">"),
        _ROOT: root + _record(_FILE_NAME, _FILE, len(content), 0),
        _CATALOGUE: _catalogue(len(content)),
    }
    with target.open("wb") as file:
        file.write(bytes(_PRIMARY * _SECTOR))
        for _, sector in sorted(sectors.items()):
            file.write(sector.ljust(_SECTOR, b"\0"))
        file.write(content.ljust(file_sectors * _SECTOR, b"\0"))


def _primary_descriptor(size: int) -> bytes:
    """ECMA-119 8.4. :param size: of the volume, sectors."""
    return b"".join(
        (
            b"\1CD001\1\0",
            *(name.ljust(32) for name in (b"", b"GUEST")),  # of the system, of the volume
            bytes(8) + _both("I", size) + bytes(32),
            _both("H", 1) + _both("H", 1) + _both("H", _SECTOR),  # one volume, this one
            _both("I", len(_path_table("<"))),
            struct.pack("<II", _PATHS_LITTLE, 0) + struct.pack(">II", _PATHS_BIG, 0),
            _record(b"\0", _ROOT, _SECTOR, _FOLDER),
            b" " * (4 * 128 + 3 * 37),  # who made it of what
            _NO_DATE * 4 + b"\1",
        )
    )


def _path_table(order: str) -> bytes:
    return struct.pack(f"{order}BBIH", 1, 0, _ROOT, 1) + b"\0\0"


def _record(name: bytes, sector: int, size: int, flags: int) -> bytes:
    """ECMA-119 9.1, of a file or folder without a date."""
    padding = bytes(1 - len(name) % 2)
    body = b"\0" + _both("I", sector) + _both("I", size) + bytes(7) + bytes((flags, 0, 0)) + _both("H", 1)
    record = body + bytes((len(name),)) + name + padding
    return bytes((len(record) + 1,)) + record


def _catalogue(size: int) -> bytes:
    """El Torito 2.1 and 2.2: an entry whose words add up to zero, and the entry to boot.

    :param size: of the boot image, bytes; firmware counts in 512.
    """
    validation = struct.pack("<BBH24sHBB", 1, _PLATFORM_UEFI, 0, b"", 0, 0x55, 0xAA)
    checksum = -sum(struct.unpack("<16H", validation)) & 0xFFFF
    validation = validation[:28] + struct.pack("<H", checksum) + validation[30:]
    return validation + struct.pack("<BBHBBHI20x", _BOOTABLE, _NO_EMULATION, 0, 0, 0, -(-size // 512), _FILE)


def _both(kind: str, number: int) -> bytes:
    """Both byte orders, ECMA-119 7.2.3 and 7.3.3."""
    return struct.pack(f"<{kind}", number) + struct.pack(f">{kind}", number)
