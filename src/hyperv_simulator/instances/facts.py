"""The few values from which all instances of a host are made."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field

from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.windows import WindowsVersion


@dataclass(frozen=True, slots=True)
class Adapter:
    """One physical network adapter.

    :param name: the connection's name ("Ethernet").
    :param guid: its interface GUID, upper case without braces.
    :param mac: 12 hexadecimal digits.
    """

    name: str
    description: str
    guid: str
    mac: str
    index: int
    speed_bps: int = 10_000_000_000


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
    def processors_per_node(self) -> int:
        """Logical processors of one NUMA node."""
        return self.config.threads // self.config.numa_nodes

    @property
    def memory_per_node_mb(self) -> int:
        return self.config.memory_mb // self.config.numa_nodes

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The adapters that switches name; one called "Ethernet" where none does."""
        names = dict.fromkeys(switch.adapter for switch in self.config.switch if switch.type == "external")
        found = []
        for index, name in enumerate(names or ("Ethernet",)):
            guid = ids.stable_guid(self.config.name, "adapter", name)
            description = "Intel(R) Ethernet Controller X550" + (f" #{index + 1}" if index else "")
            found.append(Adapter(name, description, guid, "0002C9" + guid[-6:], index + 4))
        return tuple(found)
