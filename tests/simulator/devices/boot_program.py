"""Programs for the boot sector of a disk: guests that are there in a second and show what their machine does.

`disk`: on COM1 it says ``R`` when it runs and ``N`` when an NMI comes; each key comes back there and on the screen,
followed by a digit: how many keys there were, counted in memory. The key ``q`` turns the machine off, ``r`` resets it.

`ticking`: says its letter on COM1 and the small one on COM2, again and again, for whoever comes late to listen.
"""

from __future__ import annotations

import io

import pycdlib

COUNTER = 0x0600

_START = bytes.fromhex(
    "fa 31c0 8ed8 8ed0 bc007c fb"  # no interrupts; ds = ss = 0, stack below the program; interrupts
    "c6060006 30"  # [COUNTER] = '0'
)
_SET_NMI = bytes.fromhex("c7060800")  # vector 2, offset (a word follows); the segment is 0 as it was set by the BIOS
_SET_NMI_SEGMENT = bytes.fromhex("c7060a00 0000")
_READY = bytes.fromhex("bAf803 b052 ee")  # out COM1, 'R'
_LOOP = bytes.fromhex(
    "31c0 cd16"  # wait for a key
    "3c71 7413"  # 'q'
    "3c72 7418"  # 'r'
    "e81b00"  # say it
    "fe060006 a00006"  # al = ++[COUNTER]
    "e81100"  # say it
    "ebe5"  # again
)
_OFF = bytes.fromhex("ba0406 b80020 ef eb fe")  # ACPI: sleep, S5
_RESET = bytes.fromhex("b0fe e664 eb fe")  # the keyboard controller pulls the processor's reset line
_SAY = bytes.fromhex("b40e 31db cd10 baf803 ee c3")  # screen, then COM1
_NMI = bytes.fromhex("50 52 b04e baf803 ee 5a 58 cf")


def disk(letter: str = "R", size: int = 1 << 20) -> bytes:
    """A raw disk with the program.

    :param letter: what it says when it runs.
    """
    head = _START + _SET_NMI
    body = _SET_NMI_SEGMENT + _READY.replace(b"R", letter.encode()) + _LOOP + _OFF + _RESET + _SAY
    nmi = 0x7C00 + len(head) + 2 + len(body)
    return _on_disk(head + nmi.to_bytes(2, "little") + body + _NMI, size)


def ticking(letter: str, size: int = 1 << 20) -> bytes:
    """A raw disk with the program.

    :param letter: what it says, a capital.
    """
    small = bytes([0xB0, ord(letter.lower())])
    wait_and_say = bytes.fromhex("f4") + bytes([0xB0, ord(letter)]) + bytes.fromhex("baf803 ee")  # hlt; out COM1
    again = bytes.fromhex("baf802 ee ebf1")  # out COM2; jmp
    return _on_disk(_START + wait_and_say + small + again, size)


def bootable_iso(program: bytes) -> bytes:
    """A DVD with the program of a disk of 2048 bytes."""
    image = pycdlib.PyCdlib()
    image.new(interchange_level=1)
    image.add_fp(io.BytesIO(program), len(program), "/BOOT.;1")
    image.add_eltorito("/BOOT.;1", bootcatfile="/BOOT.CAT;1")
    found = io.BytesIO()
    image.write_fp(found)
    image.close()
    return found.getvalue()


def _on_disk(program: bytes, size: int) -> bytes:
    return (program.ljust(510, b"\0") + b"\x55\xaa").ljust(size, b"\0")
