"""Where in a TOML text a key stands.

``tomllib`` keeps no positions, nor does any other parser for Python that gives plain values. But a statement of TOML is
a document of its own, and no beginning of a statement that goes over several lines is: so lines are gathered until
``tomllib`` takes them. What is in an inline table or an array has the line on which its statement begins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]  # ("host", 0, "switch", 1, "name")


class Positions:
    """The lines of one TOML text, which ``tomllib`` takes as a whole."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables, and how many they have so far
        table: Path = ()
        for line, is_header, content in _statements(text):
            if is_header:
                table = self._enter(content)
                self._lines.setdefault(table, line)
            else:
                self._note(table, content, line)

    def line(self, path: Path) -> int:
        """The line of a key; of the nearest table around it where the file does not have it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _enter(self, header: Mapping[str, Any]) -> Path:
        """The full path of the table that a header opens."""
        path: Path = ()
        inner: Any = header
        while isinstance(inner, dict) and inner:
            name, inner = next(iter(inner.items()))
            path = (*path, name)
            if isinstance(inner, list):
                self._tables[path] = self._tables.get(path, 0) + 1
                inner = inner[0]
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        return path

    def _note(self, path: Path, value: Any, line: int) -> None:
        if path:
            self._lines.setdefault(path, line)
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, inner in entries:
            self._note((*path, name), inner, line)


def _statements(text: str) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """Every statement: its first line, whether it is a table's header, and its content."""
    gathered: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        gathered.append(line)
        try:
            content = tomllib.loads("\n".join(gathered))
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        if content:
            yield number - len(gathered) + 1, line.lstrip().startswith("[") and len(gathered) == 1, content
        gathered = []
