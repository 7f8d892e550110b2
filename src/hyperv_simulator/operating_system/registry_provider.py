"""StdRegProv: the registry over CIM, in root/default and in root/cimv2.

Return codes are those of Win32, and what clients have seen of this provider: 1 no such value, 2 no such key, 5 denied,
6 no such hive, 0x80041005 a value of another type (written down by Get-RemoteRegistryInformation and others).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.operating_system.accounts import Accounts
from hyperv_simulator.operating_system.registry import Data, HasSubkeys, KeyMissing, Kind, Registry, Value
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done

_HIVES: Mapping[int, str] = {
    0x80000000: "HKCR",
    0x80000001: "HKCU",
    0x80000002: "HKLM",
    0x80000003: "HKU",
    0x80000005: "HKCC",
}
_LOCAL_MACHINE = 0x80000002
_NO_VALUE, _NO_KEY, _DENIED, _NO_HIVE, _INVALID, _WRONG_TYPE = 1, 2, 5, 6, 87, 0x80041005
_WRITING = 0x2 | 0x4 | 0x20 | 0x10000 | 0x40000 | 0x80000
# Only Windows itself reads these.
_CLOSED = re.compile(r"HKLM\\(SAM\\SAM|SECURITY)(\\|$)", re.IGNORECASE)
_VARIABLE = re.compile(r"%([^%]+)%")
_VARIABLES = {
    "systemroot": r"C:\Windows",
    "windir": r"C:\Windows",
    "systemdrive": "C:",
    "programfiles": r"C:\Program Files",
    "programdata": r"C:\ProgramData",
}


def expanded(text: str) -> str:
    """The text with its environment variables replaced, as REG_EXPAND_SZ is read."""
    return _VARIABLE.sub(lambda found: _VARIABLES.get(found[1].lower(), found[0]), text)


class StdRegProvider(Provider):
    """:param namespace: the class stands in two."""

    class_name = "StdRegProv"

    def __init__(self, registry: Registry, accounts: Accounts, namespace: str) -> None:
        self.namespace = namespace
        self._registry = registry
        self._accounts = accounts

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        methods: dict[str, Callable[[Call, str], Outputs]] = {
            "CheckAccess": self._check_access,
            "CreateKey": self._create_key,
            "DeleteKey": self._delete_key,
            "DeleteValue": self._delete_value,
            "EnumKey": self._enum_key,
            "EnumValues": self._enum_values,
        }
        for name, kind, parameter in _TYPES:
            methods[f"Get{name}Value"] = partial(self._get, kind=kind, parameter=parameter)
            methods[f"Set{name}Value"] = partial(self._set, kind=kind, parameter=parameter)
        return {name: partial(self._judged, method) for name, method in methods.items()}

    def _judged(self, method: Callable[[Call, str], Outputs], call: Call) -> Outputs:
        hive = _HIVES.get(call.integer("hDefKey", _LOCAL_MACHINE))
        if hive is None:
            return {"ReturnValue": _NO_HIVE}
        path = f"{hive}\\{call.text('sSubKeyName', '')}".rstrip("\\")
        writes = not call.method.startswith(("Get", "Enum", "Check"))
        if _CLOSED.match(path) or (writes and not self._accounts.is_administrator(call.caller.user)):
            return {"ReturnValue": _DENIED}
        try:
            return method(call, path)
        except KeyMissing:
            return {"ReturnValue": _NO_KEY}
        except HasSubkeys:
            return {"ReturnValue": _DENIED}

    def _check_access(self, call: Call, path: str) -> Outputs:
        if not self._registry.has_key(path):
            return {"ReturnValue": _NO_KEY, "bGranted": False}
        writes = bool(call.integer("uRequired", 3) & _WRITING)
        granted = not writes or self._accounts.is_administrator(call.caller.user)
        return {"ReturnValue": 0 if granted else _DENIED, "bGranted": granted}

    def _create_key(self, _: Call, path: str) -> Outputs:
        self._registry.create_key(path)
        return done()

    def _delete_key(self, _: Call, path: str) -> Outputs:
        self._registry.delete_key(path)
        return done()

    def _delete_value(self, call: Call, path: str) -> Outputs:
        return done() if self._registry.delete_value(path, call.text("sValueName", "")) else {"ReturnValue": _NO_KEY}

    def _enum_key(self, _: Call, path: str) -> Outputs:
        names: list[str] = self._registry.keys_in(path)
        return done(sNames=[*names] or None)

    def _enum_values(self, _: Call, path: str) -> Outputs:
        values = self._registry.values_in(path)
        return done(sNames=[name for name, _ in values] or None, Types=[int(value.kind) for _, value in values] or None)

    def _get(self, call: Call, path: str, *, kind: Kind, parameter: str) -> Outputs:
        if not self._registry.has_key(path):
            raise KeyMissing(path)
        value = self._registry.value(path, call.text("sValueName", ""))
        if value is None:
            return {"ReturnValue": _NO_VALUE}
        if value.kind is not kind:
            return {"ReturnValue": _WRONG_TYPE}
        return done(**{parameter: _as_cim(value)})

    def _set(self, call: Call, path: str, *, kind: Kind, parameter: str) -> Outputs:
        data = _data(call, kind, parameter)
        if data is None:
            return {"ReturnValue": _INVALID}
        self._registry.set(path, call.text("sValueName", ""), Value(kind, data))
        return done()


_TYPES = (
    ("DWORD", Kind.DWORD, "uValue"),
    ("QWORD", Kind.QWORD, "uValue"),
    ("String", Kind.SZ, "sValue"),
    ("ExpandedString", Kind.EXPAND_SZ, "sValue"),
    ("MultiString", Kind.MULTI_SZ, "sValue"),
    ("Binary", Kind.BINARY, "uValue"),
)


def _as_cim(value: Value) -> CimValue:
    data = value.data
    if isinstance(data, tuple):
        return [*data]
    return expanded(data) if value.kind is Kind.EXPAND_SZ and isinstance(data, str) else data


def _data(call: Call, kind: Kind, parameter: str) -> Data | None:
    """The value to write; None where it is left out or does not fit."""
    given = call.given(parameter)
    if kind is Kind.MULTI_SZ:
        return tuple(call.texts(parameter))
    if kind is Kind.BINARY:
        if isinstance(given, bytes):
            return given
        numbers = call.integers(parameter)
        return bytes(numbers) if all(0 <= number < 256 for number in numbers) else None
    if kind in (Kind.DWORD, Kind.QWORD):
        return given if isinstance(given, int) and not isinstance(given, bool) else None
    return given if isinstance(given, str) else None
