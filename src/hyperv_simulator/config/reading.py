"""TOML tables to dataclasses: a key is declared once, as a field; type checks and error texts follow from the field."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar

from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.fault_rules import FaultRuleError
from hyperv_simulator.quotas import QuotaError

_Table = TypeVar("_Table")


def read(table: type[_Table], values: Mapping[str, Any], where: str) -> _Table:
    """One TOML table as the dataclass that declares its keys."""
    hints = typing.get_type_hints(table)
    known: dict[str, Field[Any]] = {item.name: item for item in fields(table)}  # type: ignore[arg-type]  # dataclasses
    if "address" in known and "name" in values:
        where = f"host {values['name']}: "
    for name in values:
        if name not in known:
            raise ConfigError(f"{where}unknown key {name!r}; known are {', '.join(sorted(known))}")
    for name, item in known.items():
        if item.default is MISSING and item.default_factory is MISSING and name not in values:
            raise ConfigError(f"{where}{name} is missing")
    arguments = {name: _value(hints[name], value, where, name) for name, value in values.items()}
    try:
        return table(**arguments)
    except (FaultRuleError, QuotaError) as error:
        raise ConfigError(f"{where}{error}") from None


def _value(hint: Any, value: Any, where: str, name: str) -> Any:
    """One value, checked against the field's annotation."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{where}{name} is {value!r}; write one of {', '.join(map(repr, choices))}")
        return value
    if origin in (types.UnionType, typing.Union):
        return _value(next(a for a in typing.get_args(hint) if a is not type(None)), value, where, name)
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            header = "[[host]]" if name == "host" else f"[[host.{name}]]"
            raise ConfigError(f"{where}{name} is {value!r}; write tables: {header}")
        entry = typing.get_args(hint)[0]
        return tuple(read(entry, item, f"{where}{name} {number}: ") for number, item in enumerate(value, start=1))
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}{name} is {value!r}; write a table: [host.{name}]")
        return read(hint, value, f"{where}{name}: ")
    # bool is an int to Python, but not to whoever wrote the file; a whole number will do where a fraction may stand
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    if not fits and not (hint is float and type(value) is int):
        raise ConfigError(f"{where}{name} is {value!r}; write {_KINDS[hint]}")
    return value


_KINDS: Mapping[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
}
