"""Adding, changing and removing the components of a machine that exists: one request each, whatever their number.

A running machine refuses now and then while it changes state; such a refusal did nothing, and is tried again for a few
seconds (facts: old-driver 10).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.errors import MethodFailed
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from compute_hyperv.host import jobs
from compute_hyperv.host.services import MANAGEMENT, system_settings_reference

# In use, invalid state, not available: they pass.
_PASSING_REFUSALS = frozenset({32774, jobs.INVALID_STATE, 32777})
_AGAIN_AFTER_S = 1.0


class Components:
    """:param patience_s: how long to repeat what the host refuses for the time being."""

    def __init__(self, session: CimSession, *, patience_s: float = 5.0) -> None:
        self._session = session
        self._patience_s = patience_s

    def add(self, machine_id: str, settings: Sequence[CimInstance], what: str) -> list[CimReference]:
        """Add components; what they became, in the host's order, or nothing where it does not say (after a job the
        output is null: facts real-instances 3.5)."""
        result = self._run(
            "AddResourceSettings",
            {"AffectedConfiguration": system_settings_reference(machine_id), "ResourceSettings": list(settings)},
            what,
        )
        return result.references("ResultingResourceSettings")

    def modify(self, settings: Sequence[CimInstance], what: str) -> None:
        """Change components: each has its InstanceID and the properties that change."""
        # The class page of this one method says "string" and no more, so that the schema does not know what is in it.
        texts: list[CimScalar] = [cimxml.instance_to_text(setting) for setting in settings]
        self._run("ModifyResourceSettings", {"ResourceSettings": texts}, what)

    def remove(self, references: Sequence[CimReference], what: str) -> None:
        self._run("RemoveResourceSettings", {"ResourceSettings": list(references)}, what)

    def modify_system(self, settings: CimInstance, what: str) -> None:
        """Change the machine's own settings: InstanceID and what changes."""
        self._run("ModifySystemSettings", {"SystemSettings": settings}, what)

    def add_features(self, connection: CimReference, features: Sequence[CimInstance], what: str) -> None:
        """Give a connection's switch port features (VLAN and the like)."""
        self._run("AddFeatureSettings", {"AffectedConfiguration": connection, "FeatureSettings": list(features)}, what)

    def modify_features(self, features: Sequence[CimInstance], what: str) -> None:
        """Change features in place: each has its InstanceID and the properties that change."""
        self._run("ModifyFeatureSettings", {"FeatureSettings": list(features)}, what)

    def remove_features(self, features: Sequence[CimReference], what: str) -> None:
        self._run("RemoveFeatureSettings", {"FeatureSettings": list(features)}, what)

    def _run(self, method: str, parameters: Mapping[str, CimValue], what: str) -> MethodResult:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return jobs.run(self._session, MANAGEMENT, method, parameters, what=what)
            except MethodFailed as exc:
                if exc.code not in _PASSING_REFUSALS or time.monotonic() + _AGAIN_AFTER_S > deadline:
                    raise
            time.sleep(_AGAIN_AFTER_S)
