"""Whether a running machine can go on on another processor.

A processor is its vendor and its x86-64 level (what it can do, each level what the one below can). A machine has seen
its host's level, or the lowest where its processor settings limit it for migration (LimitProcessorFeatures). The bytes
of GetSystemCompatibilityInfo are the simulator's own: a real host's are opaque.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.transitions import State

_LOWEST = 1
_VENDOR, _LEVEL = 1, 2  # VectorId: assumption
_EQUAL, _AT_LEAST = 0, 5  # CompareOperation, see its value map
_VENDORS = {"intel": 1, "amd": 2}


@dataclass(frozen=True, slots=True)
class ProcessorNeeds:
    """What a machine has seen of its processors."""

    vendor: str
    level: int

    def met_by(self, config: HostConfig) -> bool:
        migration = config.migration
        return self.vendor == migration.processor_vendor and self.level <= migration.processor_level

    def to_bytes(self) -> bytes:
        return json.dumps({"vendor": self.vendor, "level": self.level}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ProcessorNeeds:
        """:raises ValueError: not from ``to_bytes``."""
        try:
            document = json.loads(data)
            return cls(str(document["vendor"]), int(document["level"]))
        except (KeyError, TypeError) as error:
            raise ValueError("no compatibility info") from error

    def vectors(self) -> list[CimInstance]:
        """As Msvm_CompatibilityVector."""
        return [
            CimInstance(
                "Msvm_CompatibilityVector",
                {"VectorId": vector, "CompareOperation": operation, "CompatibilityInfo": value},
            )
            for vector, operation, value in (
                (_VENDOR, _EQUAL, _VENDORS[self.vendor]),
                (_LEVEL, _AT_LEAST, self.level),
            )
        ]


def host_offer(config: HostConfig) -> ProcessorNeeds:
    return ProcessorNeeds(config.migration.processor_vendor, config.migration.processor_level)


def needs_of(machine: Machine, config: HostConfig) -> ProcessorNeeds | None:
    """What the machine needs of its next host; None while it is off: it sees the processors when it starts."""
    if machine.state is State.OFF:
        return None
    limited = machine.reader.processor.get("LimitProcessorFeatures") is True
    offer = host_offer(config)
    return ProcessorNeeds(offer.vendor, _LOWEST if limited else offer.level)
