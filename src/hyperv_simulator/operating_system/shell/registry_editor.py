r"""``reg query``, ``reg add`` and ``reg delete``."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.operating_system.registry import Data, HasSubkeys, KeyMissing, Kind, Value
from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, complained, said, unknown

_HIVES: Mapping[str, str] = {
    "hklm": "HKLM",
    "hkey_local_machine": "HKLM",
    "hkcu": "HKCU",
    "hkey_current_user": "HKCU",
    "hku": "HKU",
    "hkey_users": "HKU",
    "hkcr": "HKCR",
    "hkcc": "HKCC",
}
_FULL = {"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER", "HKU": "HKEY_USERS"}
_DONE = "The operation completed successfully."
_NOT_FOUND = "ERROR: The system was unable to find the specified registry key or value."


def reg(windows: Windows, command: Command) -> Output:
    verbs = {"query": _query, "add": _add, "delete": _delete}
    verb = verbs.get(command.switches[0]) if len(command.arguments) > 1 else None
    if verb is None:
        return unknown(" ".join((command.program, *command.arguments)))
    hive, _, rest = command.arguments[1].partition("\\")
    short = _HIVES.get(hive.lower())
    if short is None:
        return complained("ERROR: Invalid key name.")
    if command.switches[0] != "query" and not windows.accounts.is_administrator(command.user):
        return complained("ERROR: Access is denied.")
    try:
        return verb(windows, f"{short}\\{rest}".rstrip("\\"), _options(command))
    except KeyMissing:
        return complained(_NOT_FOUND)
    except HasSubkeys:
        return complained("ERROR: Access is denied.")


def _options(command: Command) -> dict[str, str]:
    """``/v name /t REG_DWORD /d 1 /f``: what stands behind each switch."""
    options: dict[str, str] = {}
    last = ""
    for argument in command.arguments[2:]:
        if argument.startswith("/") and len(argument) <= 3:
            last = argument.lower()
            options[last] = ""
        elif last:
            options[last] = argument
    return options


def _query(windows: Windows, path: str, options: Mapping[str, str]) -> Output:
    entries = windows.registry.values_in(path)
    if "/v" in options:
        entries = [(name, value) for name, value in entries if name.lower() == options["/v"].lower()]
        if not entries:
            return complained(_NOT_FOUND)
    printed = ["", _full(path)]
    printed += [f"    {name or '(Default)'}    REG_{value.kind.name}    {_text(value)}" for name, value in entries]
    if "/v" not in options:
        printed += [f"{_full(path)}\\{name}" for name in windows.registry.keys_in(path)]
    return said(*printed, "")


def _add(windows: Windows, path: str, options: Mapping[str, str]) -> Output:
    windows.registry.create_key(path)
    if "/v" in options or "/ve" in options:
        try:
            value = _value(options.get("/t", "REG_SZ"), options.get("/d", ""))
        except (KeyError, ValueError):
            return complained('ERROR: Invalid syntax. Type "REG ADD /?" for usage.')
        windows.registry.set(path, options.get("/v", ""), value)
    return said(_DONE)


def _delete(windows: Windows, path: str, options: Mapping[str, str]) -> Output:
    if "/v" not in options:
        for child in windows.registry.keys_in(path):
            _delete(windows, f"{path}\\{child}", {})
        windows.registry.delete_key(path)
    elif not windows.registry.delete_value(path, options["/v"]):
        return complained(_NOT_FOUND)
    return said(_DONE)


def _value(kind_name: str, text: str) -> Value:
    """:raises KeyError, ValueError: there is no such type, or the text is no such value."""
    kind = Kind[kind_name.upper().removeprefix("REG_")]
    data: Data = text
    if kind in (Kind.DWORD, Kind.QWORD):
        data = int(text, 0)
    elif kind is Kind.BINARY:
        data = bytes.fromhex(text)
    elif kind is Kind.MULTI_SZ:
        data = tuple(part for part in text.split("\\0") if part)
    return Value(kind, data)


def _text(value: Value) -> str:
    if isinstance(value.data, int):
        return f"0x{value.data:x}"
    if isinstance(value.data, bytes):
        return value.data.hex().upper()
    return "\\0".join(value.data) if isinstance(value.data, tuple) else value.data


def _full(path: str) -> str:
    hive, separator, rest = path.partition("\\")
    return f"{_FULL.get(hive, hive)}{separator}{rest}"
