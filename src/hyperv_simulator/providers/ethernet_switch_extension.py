"""Msvm_EthernetSwitchExtension: turning one on or off."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.outcomes import NOT_SUPPORTED, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching.extensions import DISABLED, ENABLED, EXTENSION


class EthernetSwitchExtensionProvider(Provider):
    class_name = EXTENSION

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def methods(self) -> Mapping[str, Method]:
        return {"RequestStateChange": self._request}

    def _request(self, call: Call) -> Outputs:
        """At once; any other state is not supported (class page: the method answers 0 or 1)."""
        state = call.integer("RequestedState")
        if state not in (ENABLED, DISABLED):
            raise Refused(NOT_SUPPORTED, f"state {state}")
        self._repository.change(call.reference, {"EnabledState": state})
        return done()
