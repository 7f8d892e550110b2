"""``[host.guest]``: what guests without an inside are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """What the integration services of a host's guests do; only for ``guests = "none"``.

    :param system: which operating system they report.
    :param integration_services: whether there are any: a guest without them hears no shutdown request.
    :param key_value_exchange: whether the guests report and take key-value pairs.
    :param takes_passwords: whether something in the guests sets passwords on request, see ``password_exchange``.
    :param console: what the first serial port says to everybody who connects to it, as a login prompt does.
    """

    system: Literal["windows", "linux"] = "linux"
    integration_services: bool = True
    key_value_exchange: bool = True
    takes_passwords: bool = True
    console: str = ""
