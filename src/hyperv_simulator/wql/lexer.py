"""The words of a WQL text.

Strings stand in single or double quotes; inside, a backslash makes the next character literal (WmiSdk "WHERE Clause").
A path in braces is one word; a brace inside a quoted key value does not end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hyperv_simulator.wql.tree import WqlError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<number>[+-]?(?:0[xX][0-9A-Fa-f]+|\d+\.\d+(?:[eE][+-]?\d+)?|\d+))
      | (?P<operator><=|>=|<>|!=|=|<|>|\(|\)|,|\*)
      | (?P<quote>['"])
      | (?P<brace>\{)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is name, number, operator, string, path or end."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """Every word of ``text``, closed by one of kind ``end``. Raises WqlError at the first character that fits none."""
    found: list[Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise WqlError(f"unexpected character at {position} in {text!r}")
        kind = match.lastgroup or ""
        position = match.end()
        if kind == "quote":
            value, position = _string(text, position, match.group("quote"))
            found.append(Token("string", value))
        elif kind == "brace":
            value, position = _path(text, position)
            found.append(Token("path", value))
        else:
            found.append(Token(kind, match.group(kind)))
    found.append(Token("end", ""))
    return found


def _string(text: str, position: int, quote: str) -> tuple[str, int]:
    characters: list[str] = []
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            characters.append(text[position + 1])
            position += 2
        elif character == quote:
            return "".join(characters), position + 1
        else:
            characters.append(character)
            position += 1
    raise WqlError(f"a string is not closed in {text!r}")


def _path(text: str, start: int) -> tuple[str, int]:
    position, quote = start, ""
    while position < len(text):
        character = text[position]
        if quote and character == "\\":
            position += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "}":
            return text[start:position].strip(), position + 1
        position += 1
    raise WqlError(f"a path is not closed by a brace in {text!r}")
