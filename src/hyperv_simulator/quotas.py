"""WinRM's quotas as a host is configured with them: ``[host.quotas]`` of ``hosts.toml``.

What lives here and only here: the settings, their defaults and the range of each. What happens when one is exceeded is
decided where it can be noticed: in ``server``.

Source: MS-WSMV 2.2.4.10 and 2.2.4.36 (defaults and minima), 2.2.4.42 and the WinRM documentation for shells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_RANGES: Mapping[str, tuple[int, int]] = {
    "max_envelope_size_kb": (32, 1_039_440),
    "max_timeout_ms": (500, 0xFFFFFFFF),
    "max_batch_items": (1, 0xFFFFFFFF),
    "max_concurrent_operations_per_user": (1, 0xFFFFFFFF),
    "max_connections": (1, 512),
    "enumeration_timeout_ms": (500, 0xFFFFFFFF),
    "max_packet_retrieval_time_seconds": (1, 0xFFFFFFFF),
    "max_shells_per_user": (1, 0x7FFFFFFF),
    "max_processes_per_shell": (1, 0x7FFFFFFF),
    "shell_idle_timeout_ms": (0, 0x7FFFFFFF),
}


class QuotaError(ValueError):
    """A quota outside of the range that WinRM accepts; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """One host's quotas. Every field is a key of ``[host.quotas]`` and has the name of WinRM's setting.

    :param max_envelope_size_kb: the largest message, either way; a longer request is answered with HTTP 413.
    :param max_timeout_ms: the longest that an operation may take, except Pull.
    :param max_batch_items: the most items in one answer to Enumerate or Pull.
    :param max_concurrent_operations_per_user: enumerations, subscriptions and commands that one user has open.
    :param max_connections: requests that are processed at the same time.
    :param enumeration_timeout_ms: how long an enumeration waits for its next Pull.
    :param max_packet_retrieval_time_seconds: how long a request may take to come in, counted from its header.
    :param max_shells_per_user: shells that one user has open.
    :param max_processes_per_shell: commands that run in one shell.
    :param shell_idle_timeout_ms: how long a shell waits for its next request, where its Create does not say.
    """

    max_envelope_size_kb: int = 500
    max_timeout_ms: int = 60_000
    max_batch_items: int = 32_000
    max_concurrent_operations_per_user: int = 1500
    max_connections: int = 300
    enumeration_timeout_ms: int = 60_000
    max_packet_retrieval_time_seconds: int = 120
    max_shells_per_user: int = 30
    max_processes_per_shell: int = 25
    shell_idle_timeout_ms: int = 180_000

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise QuotaError(f"{name} is {value}; write a whole number from {least} to {most}")

    @property
    def max_envelope_bytes(self) -> int:
        return self.max_envelope_size_kb * 1024

    @property
    def max_timeout_s(self) -> float:
        return self.max_timeout_ms / 1000

    @property
    def enumeration_timeout_s(self) -> float:
        return self.enumeration_timeout_ms / 1000
