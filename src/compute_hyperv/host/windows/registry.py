"""The registry below HKEY_LOCAL_MACHINE, through StdRegProv (class page StdRegProv)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from compute_hyperv.cim.errors import AccessDenied, InvalidRequest, MethodFailed, NotFound
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimReference, CimValue

Kind: TypeAlias = Literal["REG_SZ", "REG_EXPAND_SZ", "REG_MULTI_SZ", "REG_DWORD", "REG_QWORD", "REG_BINARY"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_LOCAL_MACHINE = 0x80000002
_PROVIDER = CimReference("StdRegProv", {}, "root/default")


@dataclass(frozen=True, slots=True)
class _Access:
    """Names of the methods for a kind of value, and of the parameter that has the value."""

    getter: str
    setter: str
    value: str


_ACCESS: Mapping[Kind, _Access] = {
    "REG_SZ": _Access("GetStringValue", "SetStringValue", "sValue"),
    "REG_EXPAND_SZ": _Access("GetExpandedStringValue", "SetExpandedStringValue", "sValue"),
    "REG_MULTI_SZ": _Access("GetMultiStringValue", "SetMultiStringValue", "sValue"),
    "REG_DWORD": _Access("GetDWORDValue", "SetDWORDValue", "uValue"),
    "REG_QWORD": _Access("GetQWORDValue", "SetQWORDValue", "uValue"),
    "REG_BINARY": _Access("GetBinaryValue", "SetBinaryValue", "uValue"),
}
_OK, _NO_VALUE, _NO_KEY, _DENIED = 0, 1, 2, 5
_KEY_SET_VALUE = 2
_OTHER_KIND = 0x80041005  # WBEM_E_TYPE_MISMATCH


class Registry:
    """Keys are given without the hive: ``SOFTWARE\\Microsoft\\...``."""

    def __init__(self, session: CimSession) -> None:
        self._session = session

    def value(self, key: str, name: str, kind: Kind) -> CimValue:
        """A value; None where there is none.

        :raises InvalidRequest: it is there, but of another kind.
        """
        access = _ACCESS[kind]
        result = self._call(access.getter, {"sSubKeyName": key, "sValueName": name})
        if result.return_value in (_NO_VALUE, _NO_KEY):
            return None
        self._check(result, f"Reading the registry value {key}\\{name}")
        return result[access.value]

    def keys(self, key: str) -> tuple[str, ...]:
        """Names of the keys below a key; none where it is missing."""
        result = self._call("EnumKey", {"sSubKeyName": key})
        if result.return_value in (_NO_VALUE, _NO_KEY):
            return ()
        self._check(result, f"Listing the registry keys below {key}")
        return tuple(result.texts("sNames"))

    def value_names(self, key: str) -> tuple[str, ...]:
        """Names of the values of a key; none where it is missing."""
        result = self._call("EnumValues", {"sSubKeyName": key})
        if result.return_value in (_NO_VALUE, _NO_KEY):
            return ()
        self._check(result, f"Listing the registry values of {key}")
        return tuple(name for name in result.texts("sNames") if name)

    def is_writable(self, key: str) -> bool:
        """Whether our account may set values of a key."""
        return self._call("CheckAccess", {"sSubKeyName": key, "uRequired": _KEY_SET_VALUE})["bGranted"] is True

    def set_value(self, key: str, name: str, kind: Kind, value: CimValue) -> None:
        """Sets a value; makes its key where that is missing."""
        access = _ACCESS[kind]
        what = f"Setting the registry value {key}\\{name}"
        parameters: dict[str, CimValue] = {"sSubKeyName": key, "sValueName": name, access.value: value}
        result = self._call(access.setter, parameters)
        if result.return_value == _NO_KEY:
            self._check(self._call("CreateKey", {"sSubKeyName": key}), f"Making the registry key {key}")
            result = self._call(access.setter, parameters)
        self._check(result, what)

    def delete_value(self, key: str, name: str) -> None:
        """Removes a value; one that is gone is fine."""
        result = self._call("DeleteValue", {"sSubKeyName": key, "sValueName": name})
        if result.return_value not in (_NO_VALUE, _NO_KEY):
            self._check(result, f"Removing the registry value {key}\\{name}")

    def _call(self, method: str, parameters: Mapping[str, CimValue]) -> MethodResult:
        return self._session.invoke(_PROVIDER, method, {"hDefKey": _LOCAL_MACHINE, **parameters})

    @staticmethod
    def _check(result: MethodResult, what: str) -> None:
        code = result.return_value
        if code in (_OK, None):
            return
        if code == _DENIED:
            raise AccessDenied(f"{what} was denied.", remedy="Use an account that is an administrator.", code=code)
        if code in (_NO_VALUE, _NO_KEY):
            raise NotFound(f"{what} failed: there is no such key or value.", code=code)
        if code == _OTHER_KIND:
            raise InvalidRequest(f"{what} failed: it is of another kind.", code=code)
        raise MethodFailed(f"{what} failed with code {code}.", code=code)
