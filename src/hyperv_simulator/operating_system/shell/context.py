"""What a command gets: who runs it, on what; and what it leaves behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.accounts import CIMV2, Accounts
from hyperv_simulator.operating_system.boot import BootSettings
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.features import Features
from hyperv_simulator.operating_system.power import Power
from hyperv_simulator.operating_system.registry import Registry
from hyperv_simulator.operating_system.services import Services
from hyperv_simulator.operating_system.time_service import TimeService
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder


@dataclass(frozen=True, slots=True)
class Output:
    """What a command left behind. Lines end as on Windows."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Windows:
    """The host that a command runs on."""

    repository: Repository
    facts: HostFacts
    clock: HostClock
    registry: Registry
    services: Services
    features: Features
    boot: BootSettings
    power: Power
    time: TimeService
    accounts: Accounts
    folder: HostFolder

    def one(self, class_name: str, namespace: str = CIMV2) -> CimInstance:
        return next(self.all(class_name, namespace))

    def all(self, class_name: str, namespace: str = CIMV2) -> Iterator[CimInstance]:
        return (self.repository.finished(item) for item in self.repository.instances(class_name, namespace))


@dataclass(frozen=True, slots=True)
class Command:
    """One command line: the program's name as typed, and its arguments as typed."""

    program: str
    arguments: tuple[str, ...]
    user: str

    @property
    def switches(self) -> tuple[str, ...]:
        """The arguments in lower case."""
        return tuple(argument.lower() for argument in self.arguments)

    def value_of(self, switch: str) -> str | None:
        """What stands behind ``/switch:``; None where the switch is missing."""
        for argument in self.arguments:
            name, colon, value = argument.partition(":")
            if name.lower() == switch and colon:
                return value.strip('"')
        return None


Program: TypeAlias = Callable[[Windows, Command], Output]


def lines(*texts: str) -> str:
    return "".join(f"{text}\r\n" for text in texts)


def said(*texts: str, exit_code: int = 0) -> Output:
    return Output(lines(*texts), exit_code=exit_code)


def complained(*texts: str, exit_code: int = 1) -> Output:
    return Output(stderr=lines(*texts), exit_code=exit_code)


def unknown(command: str) -> Output:
    """What cmd says of a program that is not there."""
    return complained(
        f"'{command}' is not recognized as an internal or external command,", "operable program or batch file."
    )


def access_denied() -> Output:
    return complained("Access is denied.", exit_code=5)


def signed(code: int) -> int:
    """An HRESULT as the exit code that it becomes."""
    return code - 2**32 if code >= 2**31 else code


def moment(value: object, between: str) -> str:
    """As en-US writes it: ``10/8/2026, 3:15:36 PM``."""
    if not isinstance(value, dt.datetime):
        return "unspecified"
    hour, half = value.hour % 12 or 12, "AM" if value.hour < 12 else "PM"
    return f"{value.month}/{value.day}/{value.year}{between}{hour}:{value.minute:02}:{value.second:02} {half}"
