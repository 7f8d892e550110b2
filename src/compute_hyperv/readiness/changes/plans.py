"""Which changes make which checks pass. A check names one of these as its ``changes``.

Rule: a plan asks for what the checks judge against (``context.wanted``), whether or not it is so already: what is done
is left out when the plan is made. What can't be decided from here is refused with what to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.host.windows.network import NetworkAdapter
from compute_hyperv.readiness.changes.base import HYPERV, Change
from compute_hyperv.readiness.changes.features import FeatureInstalled
from compute_hyperv.readiness.changes.firewall import FirewallRule
from compute_hyperv.readiness.changes.hyperv import LiveMigration, NumaSpanning
from compute_hyperv.readiness.changes.multipath import FEATURE, MultipathClaim
from compute_hyperv.readiness.changes.services import ServiceRunning, ServiceStartMode
from compute_hyperv.readiness.changes.storage import Folder
from compute_hyperv.readiness.changes.switches import ExternalSwitch
from compute_hyperv.readiness.changes.time import TimePeers
from compute_hyperv.readiness.windows import is_in_domain

if TYPE_CHECKING:
    from compute_hyperv.readiness.context import Context

MIGRATION_RULE = "VIRT-MIGL-In-TCP-NoScope"
_USUAL_SWITCH = "external"  # the name in the documented commands


def hyperv_role(_context: Context) -> Sequence[Change]:
    return (FeatureInstalled(HYPERV),)


def automatic_service(name: str) -> Callable[[Context], Sequence[Change]]:
    """It starts with Windows, and runs."""
    changes = (ServiceStartMode(name), ServiceRunning(name))
    return lambda _context: changes


def firewall_rules(*rules: str) -> Callable[[Context], Sequence[Change]]:
    changes = tuple(FirewallRule(rule) for rule in rules)
    return lambda _context: changes


def time_source(context: Context) -> Sequence[Change]:
    """The domain for its members, else nova.conf's time servers.

    :raises InvalidRequest: they are not known.
    """
    if is_in_domain(context.host):
        return (TimePeers(()),)
    if not context.wanted.time_peers:
        raise InvalidRequest(
            "It is not known which time servers the controllers use.",
            remedy="Name them in [hyperv] time_servers, and give that nova.conf with --config-file.",
        )
    return (TimePeers(context.wanted.time_peers),)


def instance_folder(context: Context) -> Sequence[Change]:
    return (Folder(context.wanted.instances_path),)


def multipath(_context: Context) -> Sequence[Change]:
    """Where a LUN shows as several disks: MPIO, and that it takes them."""
    return (FeatureInstalled(FEATURE), MultipathClaim())


def numa_spanning(context: Context) -> Sequence[Change]:
    wanted = context.wanted.numa_spanning
    return () if wanted is None else (NumaSpanning(wanted),)


def live_migration(change: LiveMigration) -> Callable[[Context], Sequence[Change]]:
    """The change where machines are to move: where nova.conf says so, and between members of a domain."""
    return lambda context: (change,) if _may_move(context) else ()


def migration_firewall(context: Context) -> Sequence[Change]:
    return (FirewallRule(MIGRATION_RULE),) if _may_move(context) else ()


def _may_move(context: Context) -> bool:
    return context.wanted.live_migration or is_in_domain(context.host)


def external_switches(context: Context, missing: Sequence[str], taken: Collection[str]) -> Sequence[Change]:
    """A switch on the adapter that was named for it, or on the one that nothing else needs. One on the adapter by which
    the host is managed is shared with the host.

    :param missing: names of switches to make; none: the usual one.
    :param taken: GUIDs of adapters that a switch has already.
    :raises InvalidRequest: somebody has to say which adapter.
    """
    names = missing or (_USUAL_SWITCH,)
    chosen = dict(context.wanted.adapters)
    adapters = context.host.host.network.adapters()
    changes = []
    for name in names:
        stated = chosen.get(name) or (chosen.get("") if len(names) == 1 else None)
        adapter = _named(adapters, stated) if stated else _free(adapters, taken, name, alone=len(names) == 1)
        changes.append(ExternalSwitch(name, adapter.name, for_host=adapter.manages))
    return changes


def _named(adapters: Sequence[NetworkAdapter], name: str) -> NetworkAdapter:
    for adapter in adapters:
        if adapter.name.lower() == name.lower():
            return adapter
    known = ", ".join(adapter.name for adapter in adapters if adapter.physical)
    raise InvalidRequest(f"The host has no network adapter {name!r}.", remedy=f"Name one of: {known}.")


def _free(adapters: Sequence[NetworkAdapter], taken: Collection[str], switch: str, *, alone: bool) -> NetworkAdapter:
    usable = [each for each in adapters if each.physical and each.connected and each.guid not in taken]
    idle = [each for each in usable if not each.manages]
    candidates = idle or usable
    if len(candidates) == 1 and alone:
        return candidates[0]
    if not candidates:
        raise InvalidRequest(
            f"There is no adapter for the switch {switch}: all connected ones have a switch.",
            remedy="Connect another adapter.",
        )
    names = ", ".join(each.name for each in candidates)
    raise InvalidRequest(
        f"Which adapter the switch {switch} shall be on has to be said; it could be {names}.",
        remedy=f"Add --adapter '{switch}={candidates[0].name}', or another of them.",
    )
