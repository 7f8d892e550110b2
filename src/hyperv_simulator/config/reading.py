"""TOML tables to dataclasses: a key is declared once, as a field; type checks and error texts follow from the field.

Rule: reading goes on after a mistake, so that all of them are told at once, each with its path in the file.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar

from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.positions import Path

_Table = TypeVar("_Table")

_KINDS: Mapping[Any, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
}
_FEW = 12  # keys that still fit on a line
# Messages of a table's own checks: the host, where they name it, then the key.
_OWN_CHECK = re.compile(r"(?:host (?P<host>\S+): )?(?P<key>\w*)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, and what to write instead."""

    path: Path
    text: str


class Reader:
    """Reads tables and gathers what is wrong with them in ``problems``."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def table(self, kind: type[_Table], values: Mapping[str, Any], path: Path = (), where: str = "") -> _Table | None:
        """One TOML table as the dataclass that declares its keys; None where something in it is wrong.

        :param where: stands before every message: "host hv1: switch 1: ".
        """
        hints = typing.get_type_hints(kind)
        known: dict[str, Field[Any]] = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # dataclasses
        if path[:1] == ("host",) and len(path) == 2 and "name" in values:
            where = f"host {values['name']}: "
        before = len(self.problems)
        for name in values:
            if name not in known:
                self._wrong((*path, name), f"{where}unknown key {name!r}; {_instead(name, known)}")
        for name, item in known.items():
            if item.default is MISSING and item.default_factory is MISSING and name not in values:
                self._wrong(path, f"{where}{name} is missing; write what this table is about")
        arguments = {
            name: self._value(hints[name], value, (*path, name), where)
            for name, value in values.items()
            if name in known
        }
        if len(self.problems) > before:
            return None
        try:
            return kind(**arguments)
        except (ConfigError, ValueError) as error:
            own = _OWN_CHECK.match(str(error))
            key = own["key"] if own and own["key"] in values else ""
            text = str(error) if own and own["host"] else f"{where}{error}"
            self._wrong((*path, key) if key else path, text)
            return None

    def _wrong(self, path: Path, text: str) -> None:
        self.problems.append(Problem(path, text))

    def _value(self, hint: Any, value: Any, path: Path, where: str) -> Any:
        """One value, checked against the field's annotation."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Literal:
            if value not in arguments:
                self._wrong(path, f"{where}{path[-1]} is {value!r}; write one of {', '.join(map(repr, arguments))}")
            return value
        if origin in (types.UnionType, typing.Union):
            return self._value(next(a for a in arguments if a is not types.NoneType), value, path, where)
        if origin is tuple:
            return self._entries(arguments[0], value, path, where)
        if is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, dict):
                return self._wrong(path, f"{where}{path[-1]} is {value!r}; write a table: [{_header(path)}]")
            return self.table(hint, value, path, f"{where}{path[-1]}: ")
        # bool is an int to Python, but not to whoever wrote the file; a whole number will do for a fraction
        fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
        if not fits and not (hint is float and type(value) is int):
            self._wrong(path, f"{where}{path[-1]} is {value!r}; write {_KINDS[hint]}")
        return value

    def _entries(self, entry: Any, value: Any, path: Path, where: str) -> Any:
        """An array of tables, or of plain values."""
        name = path[-1]
        if not is_dataclass(entry):
            if not isinstance(value, list):
                return self._wrong(path, f"{where}{name} is {value!r}; write an array in brackets")
            return tuple(self._value(entry, item, (*path, number), where) for number, item in enumerate(value))
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return self._wrong(path, f"{where}{name} is {value!r}; write tables: [[{_header(path)}]]")
        kind = typing.cast(type[Any], entry)
        return tuple(self._numbered(kind, value, path, where))

    def _numbered(self, kind: type[Any], tables: list[Any], path: Path, where: str) -> Iterator[Any]:
        for number, item in enumerate(tables):
            yield self.table(kind, item, (*path, number), f"{where}{path[-1]} {number + 1}: ")


def _instead(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a key that there is not."""
    close = difflib.get_close_matches(name.lower(), known, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    names = sorted(known)
    if len(names) > _FEW:
        return "'hyperv-simulator keys' prints those there are"
    return f"known are {', '.join(names)}"


def _header(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))
