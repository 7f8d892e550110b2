"""The Windows Server releases that can be simulated, and what tells them apart besides their classes.

Versions and builds: real-instances 4.1. Configuration versions: Microsoft's page "Upgrade virtual machine version"
(real-instances 2.4). Limits: Microsoft's pages on Hyper-V's scalability by release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a machine of generation 2 may have at most; one of generation 1 has 64 processors and 1 TiB everywhere.

    :param adapters: synthetic ones, of either generation.
    """

    processors: int
    memory_tib: int
    adapters: int

    def processors_of(self, generation: int) -> int:
        return self.processors if generation == 2 else min(self.processors, 64)

    def memory_mb_of(self, generation: int) -> int:
        return (self.memory_tib if generation == 2 else 1) << 20


@dataclass(frozen=True, slots=True)
class WindowsVersion:
    """One release.

    :param name: as hosts.toml has it.
    :param release: its year, for comparing; 2012 R2 is 2012.
    :param configuration_version: the version of machines defined without one.
    :param supported_versions: the versions that such a host runs.
    :param limits: what a machine may have at most.
    """

    name: str
    release: int
    caption: str
    version: str
    build: str
    configuration_version: str
    supported_versions: tuple[str, ...]
    limits: Limits

    @property
    def has_serial_port_settings(self) -> bool:
        """2012 R2 describes serial ports and the display by plain allocation settings (real-instances 1.2)."""
        return self.release >= 2016


_UP_TO_2016 = ("5.0", "6.2", "7.0", "7.1", "8.0")
_UP_TO_2019 = (*_UP_TO_2016, "8.1", "8.2", "8.3", "9.0")
_UP_TO_2022 = ("8.0", "8.1", "8.2", "8.3", "9.0", "9.1", "9.2", "9.3", "10.0")
_UP_TO_2025 = (*_UP_TO_2022, "10.5", "11.0", "11.1", "12.0")

RELEASES: Mapping[str, WindowsVersion] = {
    release.name: release
    for release in (
        WindowsVersion(
            "2012r2",
            2012,
            "Microsoft Windows Server 2012 R2 Datacenter",
            "6.3.9600",
            "9600",
            "5.0",
            ("5.0",),
            Limits(64, 1, 8),
        ),
        WindowsVersion(
            "2016",
            2016,
            "Microsoft Windows Server 2016 Datacenter",
            "10.0.14393",
            "14393",
            "8.0",
            _UP_TO_2016,
            Limits(240, 12, 8),
        ),
        WindowsVersion(
            "2019",
            2019,
            "Microsoft Windows Server 2019 Datacenter",
            "10.0.17763",
            "17763",
            "9.0",
            _UP_TO_2019,
            Limits(240, 12, 64),
        ),
        WindowsVersion(
            "2022",
            2022,
            "Microsoft Windows Server 2022 Datacenter",
            "10.0.20348",
            "20348",
            "10.0",
            _UP_TO_2022,
            Limits(1024, 12, 64),
        ),
        WindowsVersion(
            "2025",
            2025,
            "Microsoft Windows Server 2025 Datacenter",
            "10.0.26100",
            "26100",
            "12.0",
            _UP_TO_2025,
            Limits(2048, 240, 64),
        ),
    )
}
