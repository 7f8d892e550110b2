"""Values in the registry, where Windows has no class for a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from compute_hyperv.host.windows.registry import Kind
from compute_hyperv.readiness.changes.base import Change, State
from compute_hyperv.readiness.readings import Readings

_TYPES = {"REG_SZ": "String", "REG_DWORD": "DWord", "REG_EXPAND_SZ": "ExpandString", "REG_QWORD": "QWord"}


@dataclass(frozen=True)
class RegistryValue(Change):
    """A value below HKEY_LOCAL_MACHINE.

    :param value_kind: one of REG_SZ, REG_EXPAND_SZ, REG_DWORD, REG_QWORD: what a journal can hold.
    :param meaning: what it does, for a person.
    """

    kind: ClassVar[str] = "registry value"

    key: str
    name: str
    value_kind: str
    value: str | int
    meaning: str

    @property
    def title(self) -> str:
        return f"{self.meaning}: {self.tell(self.value)}"

    @property
    def command(self) -> str:
        what = f"-Name {self.name} -Value {self.value} -Type {_TYPES[self.value_kind]}"
        return rf"Set-ItemProperty 'HKLM:\{self.key}' {what}"

    def state(self, host: Readings) -> State:
        return host.host.registry.value(self.key, self.name, cast(Kind, self.value_kind))

    def is_done(self, state: State) -> bool:
        return bool(state == self.value)

    def tell(self, state: State) -> str:
        return "not set" if state is None else f"{self.name} = {state}"

    def apply(self, host: Readings) -> None:
        host.host.registry.set_value(self.key, self.name, cast(Kind, self.value_kind), self.value)

    def restore(self, host: Readings, previous: State) -> None:
        if previous is None:
            host.host.registry.delete_value(self.key, self.name)
        else:
            host.host.registry.set_value(self.key, self.name, cast(Kind, self.value_kind), previous)
