"""Msvm_TerminalService: who may see a machine's console. Everything is answered at once (HVWMI ``terminal_access``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimScalar
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.unsupported import service_control

_SECTION = "console_access"
_ALLOW = 0


class TerminalProvider(Provider):
    class_name = "Msvm_TerminalService"

    def __init__(self, machines: Machines, settings: ServiceSettings, kept: KeptState) -> None:
        self._machines = machines
        self._settings = settings
        self._kept = kept

    def methods(self) -> Mapping[str, Method]:
        return {
            "GetInteractiveSessionACL": self._get,
            "GrantInteractiveSessionAccess": lambda call: self._change(call, granted=True),
            "RevokeInteractiveSessionAccess": lambda call: self._change(call, granted=False),
            **self._settings.methods(),
            **service_control(),
        }

    def _get(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("ComputerSystem"))
        entries: list[CimScalar] = [
            instance_to_text(CimInstance("Msvm_InteractiveSessionACE", {"AccessType": _ALLOW, "Trustee": trustee}))
            for trustee in self._kept.section(_SECTION).get(machine.machine_id, [])
        ]
        return done(AccessControlList=entries)

    def _change(self, call: Call, *, granted: bool) -> Outputs:
        machine = self._machines.of(call.target_of("ComputerSystem"))
        trustees = call.texts("Trustees")
        if not trustees or not all(trustees):
            raise Refused(INVALID_PARAMETER, "no trustees")
        known: dict[str, list[str]] = {
            name: entries for name, entries in self._kept.section(_SECTION).items() if self._machines.find(name)
        }
        named = {trustee.lower() for trustee in trustees}
        others = [trustee for trustee in known.get(machine.machine_id, []) if trustee.lower() not in named]
        document: dict[str, Any] = {**known, machine.machine_id: [*others, *trustees] if granted else others}
        self._kept.keep(_SECTION, document)
        return done()
