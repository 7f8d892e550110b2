r"""The time service (W32Time): where it gets the time, and how well.

Rule: what it was told (``W32Time\Parameters`` and ``TimeProviders`` in the registry) counts from its next start, or
from ``w32tm /config /update`` on. Time servers, where they answer, give the true time (``clock``).
"""

from __future__ import annotations

from dataclasses import dataclass

from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.registry import Registry
from hyperv_simulator.operating_system.registry_defaults import TIME

LOCAL_CLOCK = "Local CMOS Clock"
FREE_RUNNING = "Free-running System Clock"


@dataclass(frozen=True, slots=True)
class TimeSettings:
    """What the running service goes by.

    :param kind: NTP, NT5DS (the domain), AllSync or NoSync.
    :param client: the NTP client is on at all.
    """

    kind: str
    peers: tuple[str, ...]
    client: bool


class TimeService:
    """The time service of one host, from one start of Windows to the next."""

    def __init__(self, facts: HostFacts, clock: HostClock, registry: Registry) -> None:
        self._facts = facts
        self._registry = registry
        self.clock = clock
        self.settings = self._read()
        self._source = self._answering()

    def begin(self) -> None:
        """The service has been started: it reads its settings and sets the clock."""
        self.settings = self._read()
        self._source = ""
        self.synchronize()

    @property
    def sources(self) -> tuple[str, ...]:
        """Who is asked for the time, in the order of preference."""
        if not self.settings.client or self.settings.kind.lower() == "nosync":
            return ()
        domain = self._facts.config.domain
        controllers = (f"dc.{domain}",) if domain else ()
        kind = self.settings.kind.lower()
        if kind == "nt5ds":
            return controllers
        return self.settings.peers if kind == "ntp" else (*controllers, *self.settings.peers)

    @property
    def source(self) -> str:
        """Where the time comes from now, as ``w32tm /query /source`` names it."""
        if not self.settings.client or self.settings.kind.lower() == "nosync":
            return FREE_RUNNING
        return self._source or LOCAL_CLOCK

    @property
    def is_synchronized(self) -> bool:
        return self.source not in (LOCAL_CLOCK, FREE_RUNNING)

    def answers(self, source: str) -> bool:
        """Whether a time server can be reached."""
        silent = {name.lower() for name in self._facts.config.unreachable_time_servers}
        return "*" not in silent and source.partition(",")[0].lower() not in silent

    def _answering(self) -> str:
        """The first source that answers; empty where none does."""
        return next((source for source in self.sources if self.answers(source)), "")

    @property
    def has_data(self) -> bool:
        """Somebody tells the time."""
        return bool(self._answering())

    @property
    def change_is_too_big(self) -> bool:
        """The clock is further off than the service may correct."""
        limit = "MaxPosPhaseCorrection" if self.clock.offset_s < 0 else "MaxNegPhaseCorrection"
        return abs(self.clock.offset_s) > self._registry.number(rf"{TIME}\Config", limit, 172800)

    def synchronize(self) -> bool:
        """Sets the clock by its source; whether that was possible."""
        source = self._answering()
        if not source or self.change_is_too_big:
            return False
        self.clock.synchronize()
        self._source = source
        return True

    def _read(self) -> TimeSettings:
        parameters = rf"{TIME}\Parameters"
        peers = tuple(self._registry.text(parameters, "NtpServer").split())
        client = self._registry.number(rf"{TIME}\TimeProviders\NtpClient", "Enabled", 1)
        return TimeSettings(self._registry.text(parameters, "Type", "NTP"), peers, bool(client))
