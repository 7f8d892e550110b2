"""What hosts.toml says of Windows itself: ``[[host.service]]``, ``[[host.registry]]``, ``[[host.account]]``,
``[host.hardware]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from hyperv_simulator.config.errors import ConfigError

Edition = Literal["standard", "standard-core", "datacenter", "datacenter-core", "azure", "azure-core", "hyperv"]
ValueType = Literal["REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_MULTI_SZ", "REG_QWORD"]
StartMode = Literal["", "Auto", "Manual", "Disabled"]

_HIVE = re.compile(r"(HKLM|HKCU|HKU|HKCR|HKCC)\\[^\\].*", re.IGNORECASE)
_NUMBER_BITS = {"REG_DWORD": 32, "REG_QWORD": 64}


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service that is other than by default, or one more (``[[host.service]]``).

    :param name: as ``sc query`` has it ("W32Time").
    :param start_mode: empty: as by default; of one more service, Manual.
    :param running: absent: as the start mode says.
    :param display_name: of one more service.
    """

    name: str
    start_mode: StartMode = ""
    running: bool | None = None
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    r"""One registry value that is other than by default, or one more (``[[host.registry]]``).

    :param key: with its hive: ``HKLM\SOFTWARE\...``.
    :param name: of the value; empty for the key's default value.
    :param value: the text; a number in decimal or with 0x; bytes in hexadecimal.
    :param values: the texts of a REG_MULTI_SZ.
    :param type: the value's type.
    """

    key: str
    name: str = ""
    type: ValueType = "REG_SZ"
    value: str = ""
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _HIVE.fullmatch(self.key):
            raise ConfigError(f"key is {self.key!r}; write a hive and a path: HKLM\\SOFTWARE\\...")
        if bool(self.values) and self.type != "REG_MULTI_SZ":
            raise ConfigError(f"values is for REG_MULTI_SZ; write value for a {self.type}")
        try:
            number = self.data if isinstance(self.data, int) else 0
        except ValueError:
            wanted = "hexadecimal digits" if self.type == "REG_BINARY" else "a number, decimal or with 0x"
            raise ConfigError(f"value is {self.value!r}; write {wanted} for a {self.type}") from None
        if not 0 <= number < 1 << _NUMBER_BITS.get(self.type, 64):
            raise ConfigError(f"value is {self.value!r}; write what fits into a {self.type}")

    @property
    def data(self) -> str | int | bytes | tuple[str, ...]:
        """The value as what its type holds.

        :raises ValueError: it is no such value.
        """
        if self.type in _NUMBER_BITS:
            return int(self.value, 0)
        if self.type == "REG_BINARY":
            return bytes.fromhex(self.value)
        return self.values if self.type == "REG_MULTI_SZ" else self.value


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """One more local account (``[[host.account]]``).

    :param groups: local groups; who is in Administrators may do everything.
    :param disabled: it exists, and nobody gets in with it.
    :param locked_out: the same after too many wrong passwords.
    :param password_expired: the same until the password is changed.
    :param name: the user's.
    :param password: the user's.
    """

    name: str
    password: str = field(repr=False)
    groups: tuple[str, ...] = ("Remote Management Users",)
    disabled: bool = False
    locked_out: bool = False
    password_expired: bool = False

    def __post_init__(self) -> None:
        if not self.name or "\\" in self.name or ":" in self.name:
            raise ConfigError(f"name is {self.name!r}; write an account name without domain, backslash or colon")


@dataclass(frozen=True, slots=True)
class HardwareConfig:
    """The machine under Windows (``[host.hardware]``).

    :param slat: the processors have second level address translation.
    :param vm_monitor_extensions: the processors have VM monitor mode extensions.
    :param virtualization_enabled: the firmware lets Windows use them.
    :param dep: hardware-enforced data execution prevention is available.
    :param iov: chipset and firmware do what SR-IOV and passing devices to machines need.
    :param manufacturer: as Win32_ComputerSystem says.
    :param model: likewise.
    :param serial_number: as Win32_BIOS says.
    """

    manufacturer: str = "Contoso"
    model: str = "Simulated Server"
    serial_number: str = "SIM-0001"
    slat: bool = True
    vm_monitor_extensions: bool = True
    virtualization_enabled: bool = True
    dep: bool = True
    iov: bool = True

    @property
    def can_run_hypervisor(self) -> bool:
        """What Hyper-V needs of it is there."""
        return self.slat and self.vm_monitor_extensions and self.virtualization_enabled and self.dep
