"""Does the host have the right time, and from whom?

The time service has no WMI class: what it was told stands in the registry (hyperv-ops, real-instances 5.4). How well it
does is measured: the host's clock is read several times, between two looks at our own; it showed what it said at some
moment between them, so half of the time between is the uncertainty, and the reading that took the least time is the
best.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from compute_hyperv.cim import wql
from compute_hyperv.cim.errors import CimError, ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.sources import CIMV2, RegistryValue
from compute_hyperv.readiness.windows import COMPUTER, SERVICES, is_in_domain, service

TIME = Section("time", "NTP configuration")

_SERVICE = "W32Time"
_KEY = r"SYSTEM\CurrentControlSet\Services\W32Time\Parameters"
KIND = RegistryValue(_KEY, "Type")
PEERS = RegistryValue(_KEY, "NtpServer")
_BY_HAND = (
    "net stop w32time\nw32tm /config /manualpeerlist:pool.ntp.org,0x8 /syncfromflags:MANUAL\nnet start w32time\n"
    "w32tm /query /source"
)
_SAMPLES = 3
_TOLERATED_S = 1.0
# Kerberos refuses tickets from five minutes on, but Nova takes a service for dead after one (service_down_time).
_WRONG_S = 60.0


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a clock is ahead of this machine's.

    :param uncertainty_s: it may be so much more or less.
    """

    seconds: float
    uncertainty_s: float

    @property
    def least_s(self) -> float:
        """How far the clocks are apart for certain."""
        return max(0.0, abs(self.seconds) - self.uncertainty_s)

    def __str__(self) -> str:
        return f"{self.seconds:+.3f} s, give or take {self.uncertainty_s:.3f} s"


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads the host's clock, and measures how far it is from ours."""

    samples: int = _SAMPLES

    @property
    def description(self) -> str:
        return (
            f"{CIMV2}: Win32_OperatingSystem (LocalDateTime), {self.samples} times, with our own time before and after"
        )

    def read(self, session: CimSession) -> Offset:
        return min((_sample(session) for _ in range(self.samples)), key=lambda offset: offset.uncertainty_s)


CLOCK = Clock()


def _sample(session: CimSession) -> Offset:
    query = wql.select("Win32_OperatingSystem", ["LocalDateTime"])
    before, started = time.time(), time.monotonic()
    rows = session.query(query, namespace=CIMV2)
    taken_s = time.monotonic() - started
    shown = rows[0].get("LocalDateTime") if rows else None
    if not isinstance(shown, dt.datetime):
        raise ProtocolError(f"Win32_OperatingSystem.LocalDateTime is {shown!r}, not a date.")
    return Offset(shown.timestamp() - (before + taken_s / 2), taken_s / 2)


@check(
    TIME,
    "service",
    "The time service runs",
    why="A clock that nobody sets drifts by seconds a day; tokens, certificates and logs stop making sense.",
    good=f"Service {_SERVICE} is running and starts automatically.",
    by_hand=f"Set-Service {_SERVICE} -StartupType Automatic\nStart-Service {_SERVICE}",
    reads=(SERVICES,),
    changes=plans.automatic_service(_SERVICE),
)
def time_service(context: Context) -> Finding:
    found = service(context.host, _SERVICE)
    if found is None:
        return failed(f"there is no service {_SERVICE}", "it runs", "w32tm /register")
    state, mode = found.text("State", "?"), found.text("StartMode", "?")
    told = f"{_SERVICE} is {state.lower()}, start mode {mode}"
    if state != "Running":
        return failed(told, "running, start mode Auto", f"Start-Service {_SERVICE}")
    if mode != "Auto":
        return warned(told, "start mode Auto", f"Set-Service {_SERVICE} -StartupType Automatic")
    return passed(told)


@check(
    TIME,
    "source",
    "Where the time comes from",
    why="All nodes of the cloud need the same time, so they should have it from the same source.",
    good="A domain member follows the domain (NT5DS); other hosts have the time servers of the controllers "
    "([hyperv] time_servers) as peers (NTP).",
    by_hand=_BY_HAND,
    reads=(COMPUTER, KIND, PEERS),
    changes=plans.time_source,
)
def source(context: Context) -> Finding:
    kind = str(context.host.of(KIND) or "NoSync")
    if kind.lower() == "nosync":
        return failed("the clock follows nobody (NoSync)", "NTP, or NT5DS in a domain", _manual(context, ()))
    if is_in_domain(context.host):
        return _of_a_member(context, kind)
    if kind.lower() == "nt5ds":
        return failed("a domain (NT5DS), but the host is in none", "NTP with peers", _manual(context, ()))
    peers = _peers(context)
    if not peers:
        return failed("no time server", "NTP with peers", _manual(context, peers))
    wanted = context.wanted.time_peers
    missing = [peer for peer in wanted if peer.lower() not in {each.lower() for each in peers}]
    found = f"{', '.join(peers)} ({kind})"
    if missing:
        return warned(found, f"{', '.join(wanted)}, as nova.conf says", _manual(context, peers))
    details = () if wanted else ("[hyperv] time_servers does not say what the controllers use.",)
    return passed(found, details=details)


def _of_a_member(context: Context, kind: str) -> Finding:
    if kind.lower() == "ntp":
        return warned(
            f"{', '.join(_peers(context))}, past the domain (NTP)",
            "the domain's time (NT5DS)",
            "w32tm /config /syncfromflags:DOMHIER /update; Kerberos needs the time of the domain controllers.",
        )
    return passed(f"the domain {context.host.one(COMPUTER).text('Domain', '')} ({kind})")


def _peers(context: Context) -> tuple[str, ...]:
    return tuple(peer.partition(",")[0] for peer in str(context.host.of(PEERS) or "").split())


def _manual(context: Context, peers: tuple[str, ...]) -> str:
    servers = " ".join(f"{peer},0x8" for peer in context.wanted.time_peers or peers or ("pool.ntp.org",))
    return f'w32tm /config /manualpeerlist:"{servers}" /syncfromflags:MANUAL /update'


@check(
    TIME,
    "offset",
    "The clock is right",
    why="Kerberos refuses who is five minutes off; guests start with the host's time.",
    good=f"The clock is within {_TOLERATED_S:g} s of this machine's, as far as that can be measured.",
    by_hand="w32tm /resync /rediscover",
    reads=(CLOCK,),
)
def offset(context: Context) -> Finding:
    measured = context.host.of(CLOCK)
    good = f"within {_TOLERATED_S:g} s of this machine's clock"
    remedy = "w32tm /resync /rediscover; if all hosts are off alike, it is this machine's clock that is wrong."
    if measured.least_s > _WRONG_S:
        return failed(str(measured), good, remedy)
    if measured.least_s > _TOLERATED_S:
        return warned(str(measured), good, remedy)
    return passed(str(measured))


@check(
    TIME,
    "hosts",
    "The hosts agree about the time",
    why="Machines move between hosts, and clusters and domains compare clocks.",
    good=f"No two hosts are more than {_TOLERATED_S:g} s apart.",
    by_hand="w32tm /resync /rediscover",
    reads=(CLOCK,),
    compares=True,
)
def hosts(context: Context) -> Finding:
    own = context.host.of(CLOCK)
    differences: list[tuple[Offset, str]] = []
    for other in context.others:
        try:
            theirs = other.of(CLOCK)
        except CimError:
            continue  # is that host's own result
        apart = Offset(own.seconds - theirs.seconds, own.uncertainty_s + theirs.uncertainty_s)
        differences.append((apart, other.name))
    if not differences:
        return not_applicable("no other host to compare with")
    details = tuple(f"{name}: {apart}" for apart, name in differences)
    worst, name = max(differences, key=lambda pair: pair[0].least_s)
    if worst.least_s > _TOLERATED_S:
        judged = failed if worst.least_s > _WRONG_S else warned
        return judged(
            f"{worst} ahead of {name}" if worst.seconds > 0 else f"{worst}, behind {name}",
            f"within {_TOLERATED_S:g} s of each other",
            "Give all hosts the same time source, then: w32tm /resync /rediscover",
            details=details,
        )
    return passed(f"within {_TOLERATED_S:g} s of {len(differences)} others", details=details)


CHECKS = (time_service, source, offset, hosts)
