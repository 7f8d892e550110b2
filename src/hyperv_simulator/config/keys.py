"""Every key of hosts.toml with its default and its meaning, read off the dataclasses that declare them.

One source of truth: a field's annotation and default are what the reader checks and takes, its ``:param`` in the
docstring of its class is what ``hyperv-simulator keys`` prints and what the documentation shows.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, Literal

from hyperv_simulator.config.file import HostsFile

_PARAM = re.compile(r"^:param ([\w, ]+): (.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table.

    :param default: as TOML writes it; empty where there is none: the key must be given, or its absence means something.
    :param required: the key must be given.
    """

    name: str
    default: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file.

    :param header: ``[[host.switch]]``.
    :param present: it is there without being written.
    """

    header: str
    meaning: str
    keys: tuple[Key, ...]
    present: bool


def tables() -> tuple[Table, ...]:
    """All tables of the file, in the order in which a file may have them."""
    return tuple(
        table
        for field in fields(HostsFile)
        for table in _below(field, typing.get_type_hints(HostsFile)[field.name], "")
    )


def as_toml() -> str:
    """A file with every key at its default, each under its meaning; what is not there by default is commented out."""
    parts = []
    for table in tables():
        mark = "" if table.present else "# "
        lines = [f"## {table.meaning}", f"{mark}{table.header}"]
        for key in table.keys:
            lines += [f"## {key.meaning}{' (must be given)' if key.required else ''}"]
            lines += [f"{mark}{key.name} = {key.default}" if key.default else f"# {key.name} ="]
        parts.append("\n".join(lines))
    return "\n\n".join(parts).replace("``", "") + "\n"


def meanings(kind: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring says of each of its fields."""
    found = _PARAM.findall(inspect.getdoc(kind) or "")
    return {name: " ".join(text.split()).rstrip(".") for names, text in found for name in names.split(", ")}


def _below(field: Field[Any], hint: Any, above: str) -> Iterator[Table]:
    """The table of a field, and those within it; nothing for a field that is a plain key."""
    kind, is_array = _table_of(hint)
    if kind is None:
        return
    name = f"{above}{field.name}"
    present = _default(field)
    if isinstance(present, tuple):
        present = present[0] if present else None
    said, hints = meanings(kind), typing.get_type_hints(kind)
    keys = tuple(
        Key(
            item.name,
            _as_toml(getattr(present, item.name) if present else _default(item)),
            _default(item) is MISSING,
            said.get(item.name, "") + _choices(hints[item.name]),
        )
        for item in fields(kind)
        if _table_of(hints[item.name])[0] is None
    )
    summary = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    yield Table(f"[[{name}]]" if is_array else f"[{name}]", summary, keys, bool(present))
    for item in fields(kind):
        yield from _below(item, hints[item.name], f"{name}.")


def _table_of(hint: Any) -> tuple[type[Any] | None, bool]:
    """The dataclass behind an annotation, and whether there may be several."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return _table_of(arguments[0])[0], True
    if origin in (types.UnionType, typing.Union):
        return _table_of(next(item for item in arguments if item is not types.NoneType))
    return (hint, False) if isinstance(hint, type) and is_dataclass(hint) else (None, False)


def _choices(hint: Any) -> str:
    inner = next((item for item in typing.get_args(hint) if typing.get_origin(item) is Literal), hint)
    if typing.get_origin(inner) is not Literal:
        return ""
    return f"; one of {', '.join(str(choice) for choice in typing.get_args(inner))}"


def _default(field: Field[Any]) -> Any:
    """MISSING where there is none."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _as_toml(value: Any) -> str:
    """JSON's spelling of these is TOML's as well."""
    return "" if value is None or value is MISSING else json.dumps(value, ensure_ascii=False)
