"""Every check, section by section, in the order of the operators' document."""

from __future__ import annotations

from collections.abc import Iterable

from compute_hyperv.readiness.checks import (
    cluster,
    connection,
    delegation,
    devices,
    guarded_host,
    hardware,
    hyperv,
    instances,
    iscsi,
    migration,
    mpio,
    network,
    numa,
    smb,
    time_service,
    versions,
)
from compute_hyperv.readiness.model import Check

CONNECTION = connection.answers

#: What is checked of a host that answers. ``CONNECTION`` comes before them.
CHECKS: tuple[Check, ...] = (
    *connection.CHECKS,
    *versions.CHECKS,
    *hardware.CHECKS,
    *hyperv.CHECKS,
    *network.CHECKS,
    *instances.CHECKS,
    *iscsi.CHECKS,
    *mpio.CHECKS,
    *smb.CHECKS,
    *time_service.CHECKS,
    *migration.CHECKS,
    *delegation.CHECKS,
    *cluster.CHECKS,
    *guarded_host.CHECKS,
    *numa.CHECKS,
    *devices.CHECKS,
)

BY_NAME: dict[str, Check] = {check.name: check for check in (CONNECTION, *CHECKS)}


def selected(names: Iterable[str]) -> tuple[Check, ...]:
    """The checks of these names or sections, in their usual order; all of them for none.

    :raises KeyError: with a name that no check and no section has.
    """
    wanted = set(names)
    if not wanted:
        return CHECKS
    known = {check.name for check in BY_NAME.values()} | {check.section.key for check in BY_NAME.values()}
    if unknown := sorted(wanted - known):
        raise KeyError(unknown[0])
    return tuple(check for check in CHECKS if check.name in wanted or check.section.key in wanted)
