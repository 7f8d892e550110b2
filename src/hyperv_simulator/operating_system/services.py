"""Win32_Service: starting, stopping and configuring Windows' services. Codes: R29 of hyperv-ops."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.instances import Repository

_CANNOT_ACCEPT_CONTROL = 5
_NOT_ACTIVE = 6
_ALREADY_RUNNING = 10
_DISABLED = 14
_INVALID_PARAMETER = 21
# Stopping these would take away what answers us (WinRM), or what cannot be stopped.
_UNSTOPPABLE = frozenset({"winrm", "winmgmt", "rpcss", "eventlog"})
_MODES = {"automatic": "Auto", "manual": "Manual", "disabled": "Disabled", "boot": "Boot", "system": "System"}


class Win32ServiceProvider(Provider):
    class_name = "Win32_Service"
    namespace = "root/cimv2"

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._process_ids = itertools.count(5000, 4)

    def methods(self) -> Mapping[str, Method]:
        return {
            "StartService": self._start,
            "StopService": self._stop,
            "ChangeStartMode": self._change_start_mode,
            "InterrogateService": self._interrogate,
        }

    def _start(self, call: Call) -> Outputs:
        if call.target.get("State") == "Running":
            return {"ReturnValue": _ALREADY_RUNNING}
        if call.target.get("StartMode") == "Disabled":
            return {"ReturnValue": _DISABLED}
        self._change(
            call, State="Running", Started=True, ProcessId=next(self._process_ids), AcceptStop=True, ExitCode=0
        )
        return done()

    def _stop(self, call: Call) -> Outputs:
        if call.target.text("Name", "").lower() in _UNSTOPPABLE:
            return {"ReturnValue": _CANNOT_ACCEPT_CONTROL}
        if call.target.get("State") != "Running":
            return {"ReturnValue": _CANNOT_ACCEPT_CONTROL}
        self._change(call, State="Stopped", Started=False, ProcessId=0, AcceptStop=False)
        return done()

    def _change_start_mode(self, call: Call) -> Outputs:
        mode = _MODES.get(call.text("StartMode", "").lower())
        if mode is None:
            return {"ReturnValue": _INVALID_PARAMETER}
        self._change(call, StartMode=mode)
        return done()

    def _interrogate(self, call: Call) -> Outputs:
        return done() if call.target.get("State") == "Running" else {"ReturnValue": _NOT_ACTIVE}

    def _change(self, call: Call, **changes: CimValue) -> None:
        self._repository.change(call.reference, changes)
