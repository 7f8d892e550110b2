"""The methods of Win32_Service and Win32_SystemDriver. Codes: R29 of hyperv-ops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.operating_system.accounts import CIMV2, Accounts
from hyperv_simulator.operating_system.service_table import ServiceEntry
from hyperv_simulator.operating_system.services import Services
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.associations import Association

_ACCESS_DENIED = 2
_INVALID_CONTROL = 4
_NOT_ACTIVE = 6
_INVALID_NAME = 20
_INVALID_PARAMETER = 21
_INVALID_ACCOUNT = 22
_EXISTS = 23
_ALREADY_PAUSED = 24
_MODES = {"automatic": "Auto", "manual": "Manual", "disabled": "Disabled", "boot": "Boot", "system": "System"}
_ERROR_CONTROL = {0: "Ignore", 1: "Normal", 2: "Severe", 3: "Critical"}
_BUILT_IN_ACCOUNTS = frozenset(
    {"localsystem", r"nt authority\system", r"nt authority\localservice", r"nt authority\networkservice"}
)


class ServiceProvider(Provider):
    """The methods of Win32_BaseService, for services and drivers."""

    class_name = "Win32_BaseService"
    namespace = CIMV2

    def __init__(self, services: Services, accounts: Accounts) -> None:
        self._services = services
        self._accounts = accounts

    def methods(self) -> Mapping[str, Method]:
        changing: Mapping[str, Callable[[Call], int]] = {
            "StartService": lambda call: self._services.start(call.target.text("Name")),
            "StopService": lambda call: self._services.stop(call.target.text("Name")),
            "PauseService": self._pause,
            "ResumeService": self._resume,
            "ChangeStartMode": self._change_start_mode,
            "Change": self._change,
            "Delete": self._delete,
        }
        methods: dict[str, Method] = {name: self._allowed(method) for name, method in changing.items()}
        return {**methods, "InterrogateService": self._interrogate}

    def static_methods(self) -> Mapping[str, Method]:
        return {"Create": self._allowed(self._create)}

    def _allowed(self, method: Callable[[Call], int]) -> Method:
        def judged(call: Call) -> Outputs:
            if not self._accounts.is_administrator(call.caller.user):
                return {"ReturnValue": _ACCESS_DENIED}
            return {"ReturnValue": method(call)}

        return judged

    def _pause(self, call: Call) -> int:
        if call.target.get("State") == "Paused":
            return _ALREADY_PAUSED
        if call.target.get("State") != "Running":
            return _NOT_ACTIVE
        if not call.target.boolean("AcceptPause", False):
            return _INVALID_CONTROL
        self._services.change(call.target, {"State": "Paused"})
        return 0

    def _resume(self, call: Call) -> int:
        if call.target.get("State") == "Stopped":
            return _NOT_ACTIVE
        self._services.change(call.target, {"State": "Running"})
        return 0

    def _change_start_mode(self, call: Call) -> int:
        mode = _MODES.get(call.text("StartMode", "").lower())
        if mode is None:
            return _INVALID_PARAMETER
        self._services.change(call.target, {"StartMode": mode})
        return 0

    def _change(self, call: Call) -> int:
        """What is left out stays (hyperv-ops 6)."""
        changes: dict[str, CimValue] = {
            name: call.given(name)
            for name in ("DisplayName", "PathName", "DesktopInteract")
            if call.given(name) is not None
        }
        if "DisplayName" in changes:
            changes["Caption"] = changes["DisplayName"]
        if call.given("StartMode") is not None:
            mode = _MODES.get(call.text("StartMode").lower())
            if mode is None:
                return _INVALID_PARAMETER
            changes["StartMode"] = mode
        if call.given("ErrorControl") is not None:
            changes["ErrorControl"] = _ERROR_CONTROL.get(call.integer("ErrorControl"), "Unknown")
        if call.given("StartName") is not None:
            account = call.text("StartName")
            if not self._may_run_services(account):
                return _INVALID_ACCOUNT
            changes["StartName"] = account
        self._services.change(call.target, changes)
        return 0

    def _may_run_services(self, account: str) -> bool:
        """Built-in accounts, local ones that exist, and anything of a domain, which is not asked."""
        return account.lower() in _BUILT_IN_ACCOUNTS or bool(self._accounts.groups_of(account))

    def _create(self, call: Call) -> int:
        name, path = call.text("Name", ""), call.text("PathName", "")
        if not name or "\\" in name or "/" in name:
            return _INVALID_NAME
        if self._services.find(name) is not None:
            return _EXISTS
        mode = _MODES.get(call.text("StartMode", "Manual").lower())
        if mode is None or not path:
            return _INVALID_PARAMETER
        entry = ServiceEntry(
            name, call.text("DisplayName", name), path, mode, needs=tuple(call.texts("ServiceDependencies"))
        )
        changes: dict[str, CimValue] = {"DisplayName": entry.display_name, "PathName": path, "StartMode": mode}
        self._services.create(entry, {**changes, "StartName": call.text("StartName", "LocalSystem")})
        return 0

    def _delete(self, call: Call) -> int:
        self._services.forget(call.target)
        return 0

    def _interrogate(self, call: Call) -> Outputs:
        return done() if call.target.get("State") != "Stopped" else {"ReturnValue": _NOT_ACTIVE}


def rows(services: Services) -> Iterable[Association]:
    """Win32_DependentService: the antecedent is what the dependent needs."""
    yield Association(
        "Win32_DependentService",
        "Antecedent",
        "Win32_BaseService",
        "Dependent",
        "Win32_BaseService",
        lambda service: services.needed_by(service.text("Name")),
        lambda service: services.needs_of(service.text("Name")),
        namespace=CIMV2,
    )
