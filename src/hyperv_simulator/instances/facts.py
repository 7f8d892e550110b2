"""The few values from which all instances of a host are made."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field

from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.network import NicConfig
from hyperv_simulator.windows import WindowsVersion


@dataclass(frozen=True, slots=True)
class Adapter:
    """One physical network adapter.

    :param name: the connection's name ("Ethernet").
    :param guid: its interface GUID, upper case without braces.
    :param mac: 12 hexadecimal digits.
    :param nic: as hosts.toml describes it.
    """

    name: str
    description: str
    guid: str
    mac: str
    index: int
    speed_bps: int
    nic: NicConfig


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host is like, resolved from its configuration."""

    config: HostConfig
    version: WindowsVersion
    booted_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    started: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        return self.config.name.upper()

    @property
    def installed_at(self) -> dt.datetime:
        """When Windows was set up; the same at every start."""
        return dt.datetime(2026, 1, 5, 8, 0, tzinfo=dt.UTC)

    @property
    def processors_per_node(self) -> int:
        """Logical processors of one NUMA node."""
        return self.config.threads // self.config.numa_nodes

    @property
    def memory_per_node_mb(self) -> int:
        return self.config.memory_mb // self.config.numa_nodes

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The configured adapters; without any, those that switches name; one called "Ethernet" where none does."""
        named = dict.fromkeys(name for switch in self.config.switch for name in switch.adapters)
        nics = self.config.nic or tuple(NicConfig(name) for name in (named or ("Ethernet",)))
        return tuple(self._adapter(index, nic) for index, nic in enumerate(nics))

    def _adapter(self, index: int, nic: NicConfig) -> Adapter:
        guid = ids.stable_guid(self.config.name, "adapter", nic.name)
        description = "Intel(R) Ethernet Controller X550" + (f" #{index + 1}" if index else "")
        return Adapter(
            nic.name,
            nic.description or description,
            guid,
            nic.mac.upper() or "0002C9" + guid[-6:],
            index + 4,
            nic.speed_gbps * 10**9,
            nic,
        )
