"""Predefined rules of Windows' firewall (class page MSFT_NetFirewallRule), by their ids, which no language changes."""

from __future__ import annotations

from compute_hyperv.cim.errors import MethodFailed, NotFound
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import eq, select

_NAMESPACE = "root/StandardCimv2"
_CLASS = "MSFT_NetFirewallRule"
_ENABLED = 1  # CIM_PolicyRule.Enabled


class Firewall:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def is_enabled(self, rule_id: str) -> bool | None:
        """None where Windows has no such rule."""
        query = select(_CLASS, ["InstanceID", "Enabled"]).where(eq("InstanceID", rule_id))
        rows = self._session.query(query, namespace=_NAMESPACE)
        return any(row.integer("Enabled", 0) == _ENABLED for row in rows) if rows else None

    def enable(self, rule_id: str) -> None:
        """:raises NotFound: there is no such rule."""
        self._switch(rule_id, "Enable")

    def disable(self, rule_id: str) -> None:
        """:raises NotFound: there is no such rule."""
        self._switch(rule_id, "Disable")

    def _switch(self, rule_id: str, method: str) -> None:
        query = select(_CLASS).where(eq("InstanceID", rule_id))
        rules = self._session.query_references(query, namespace=_NAMESPACE)
        if not rules:
            raise NotFound(f"The host's firewall has no rule {rule_id}.")
        for rule in rules:
            result = self._session.invoke(rule, method)
            if result.return_value:
                raise MethodFailed(f"{method} of the firewall rule {rule_id} failed.", code=result.return_value)
