"""Keys by their numbers: Windows' virtual-key codes, the scan codes that a keyboard sends, and what they type.

A key's number here is its code in scan code set 1; keys that send the prefix E0 have 0x80 added. Sources: Microsoft's
"Virtual-Key Codes" and "Keyboard Input Overview" (scan codes). Texts are typed on an English (US) keyboard, which is
what ``Msvm_Keyboard.Layout`` (00000409) says.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

SHIFT = 0x2A
_PREFIX, _RELEASED = 0xE0, 0x80

_LETTER_ROWS = ((0x10, "QWERTYUIOP"), (0x1E, "ASDFGHJKL"), (0x2C, "ZXCVBNM"))
VIRTUAL_KEYS: Mapping[int, int] = {
    **{ord(letter): first + place for first, row in _LETTER_ROWS for place, letter in enumerate(row)},
    **{ord(digit): 0x02 + place for place, digit in enumerate("1234567890")},
    **{0x70 + number: 0x3B + number for number in range(10)},  # F1 to F10
    0x7A: 0x57, 0x7B: 0x58,  # F11, F12
    0x1B: 0x01, 0xBD: 0x0C, 0xBB: 0x0D, 0x08: 0x0E, 0x09: 0x0F,  # Esc - = Backspace Tab
    0xDB: 0x1A, 0xDD: 0x1B, 0x0D: 0x1C,  # [ ] Enter
    0xBA: 0x27, 0xDE: 0x28, 0xC0: 0x29, 0xDC: 0x2B,  # ; ' ` backslash
    0xBC: 0x33, 0xBE: 0x34, 0xBF: 0x35, 0xE2: 0x56, 0x20: 0x39,  # , . / <> Space
    0x10: SHIFT, 0xA0: SHIFT, 0xA1: 0x36,  # Shift, left, right
    0x11: 0x1D, 0xA2: 0x1D, 0xA3: 0x9D,  # Ctrl
    0x12: 0x38, 0xA4: 0x38, 0xA5: 0xB8,  # Alt
    0x14: 0x3A, 0x90: 0x45, 0x91: 0x46,  # the three locks
    0x67: 0x47, 0x68: 0x48, 0x69: 0x49, 0x64: 0x4B, 0x65: 0x4C, 0x66: 0x4D,  # number pad
    0x61: 0x4F, 0x62: 0x50, 0x63: 0x51, 0x60: 0x52, 0x6E: 0x53,
    0x6A: 0x37, 0x6D: 0x4A, 0x6B: 0x4E, 0x6F: 0xB5,
    0x24: 0xC7, 0x26: 0xC8, 0x21: 0xC9, 0x25: 0xCB, 0x27: 0xCD,  # Home Up PgUp Left Right
    0x23: 0xCF, 0x28: 0xD0, 0x22: 0xD1, 0x2D: 0xD2, 0x2E: 0xD3,  # End Down PgDn Ins Del
    0x2C: 0xB7, 0x5B: 0xDB, 0x5C: 0xDC, 0x5D: 0xDD,  # PrtSc, Windows left and right, menu
}  # fmt: skip

_PLAIN = {"-": 0xBD, "=": 0xBB, "[": 0xDB, "]": 0xDD, ";": 0xBA, "'": 0xDE, "`": 0xC0, "\\": 0xDC, ",": 0xBC, ".": 0xBE,
          "/": 0xBF, " ": 0x20, "\t": 0x09, "\n": 0x0D, "\r": 0x0D, "\b": 0x08}  # fmt: skip
_SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))

CTRL_ALT_DEL = (VIRTUAL_KEYS[0x11], VIRTUAL_KEYS[0x12], VIRTUAL_KEYS[0x2E])


def strokes(text: str) -> Iterator[tuple[int, bool]]:
    """(key, whether with Shift) for each character.

    :raises KeyError: the keyboard has no key for it.
    """
    for character in text:
        plain = _SHIFTED.get(character, character)
        code = _PLAIN.get(plain, ord(plain.upper()))
        if not plain.isascii() or code not in VIRTUAL_KEYS:
            raise KeyError(character)
        yield VIRTUAL_KEYS[code], plain is not character or character.isupper()


@functools.cache
def characters() -> Mapping[tuple[int, bool], str]:
    """What each key types, without and with Shift."""
    printable = "".join(map(chr, range(0x20, 0x7F))) + "\b\t\n"
    return {stroke: character for character in printable for stroke in strokes(character)}


def events(scan_codes: bytes) -> Iterator[tuple[int, bool]]:
    """(key, whether it goes down) for what a keyboard sends."""
    extended = 0
    for code in scan_codes:
        if code == _PREFIX:
            extended = 0x80
            continue
        yield code & ~_RELEASED | extended, not code & _RELEASED
        extended = 0
