"""Every kind of change, and changes as plain data, as a journal holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.changes.devices import DeviceDismounted
from compute_hyperv.readiness.changes.features import FeatureInstalled
from compute_hyperv.readiness.changes.firewall import FirewallRule
from compute_hyperv.readiness.changes.hyperv import LiveMigration, MigrationNetworks, NumaSpanning
from compute_hyperv.readiness.changes.multipath import MultipathClaim
from compute_hyperv.readiness.changes.registry import RegistryValue
from compute_hyperv.readiness.changes.services import ServiceRunning, ServiceStartMode
from compute_hyperv.readiness.changes.storage import Folder, SanPolicy
from compute_hyperv.readiness.changes.switches import ExternalSwitch
from compute_hyperv.readiness.changes.time import TimePeers

KINDS: tuple[type[Change], ...] = (
    FeatureInstalled,
    MultipathClaim,
    ServiceStartMode,
    ServiceRunning,
    TimePeers,
    RegistryValue,
    SanPolicy,
    Folder,
    FirewallRule,
    NumaSpanning,
    LiveMigration,
    MigrationNetworks,
    DeviceDismounted,
    ExternalSwitch,
)
_BY_NAME = {kind.kind: kind for kind in KINDS}


def to_data(change: Change) -> dict[str, Any]:
    fields = dataclasses.fields(change)  # type: ignore[arg-type]  # every change is a dataclass
    return {"kind": change.kind, **{field.name: getattr(change, field.name) for field in fields}}


def from_data(data: Mapping[str, Any]) -> Change:
    """:raises ValueError: no such kind, or not its fields; in one line."""
    kind = _BY_NAME.get(data.get("kind", ""))
    if kind is None:
        raise ValueError(f"{data.get('kind')!r} is no kind of change; it is of a newer version")
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "kind"
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"a change of kind {kind.kind!r} can't be read: {error}") from None
