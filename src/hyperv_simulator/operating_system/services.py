"""The services and drivers of a host: Win32_Service and Win32_SystemDriver. Codes: R29 of hyperv-ops.

Rule 1: a service runs only with those that it needs: starting it starts them, and they are not stopped under it.
Rule 2: what stands in the registry of a service's start mode is the instance's own (``Registry.bind``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.operating_system.registry import Registry, Value, dword
from hyperv_simulator.operating_system.service_table import SERVICES, ServiceEntry
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SERVICE, DRIVER = "Win32_Service", "Win32_SystemDriver"
_DEPENDENTS_RUN = 3
_CANNOT_ACCEPT_CONTROL = 5
_ALREADY_RUNNING = 10
_DEPENDENCY_FAILED = 13
_DISABLED = 14
# Stopping these would take away what answers us (WinRM), or what cannot be stopped.
_UNSTOPPABLE = frozenset({"winrm", "winmgmt", "rpcss", "rpceptmapper", "dcomlaunch", "eventlog", "samss", "http"})
_START_NUMBERS = {"Boot": 0, "System": 1, "Auto": 2, "Manual": 3, "Disabled": 4}
_KEPT = ("DisplayName", "PathName", "StartMode", "StartName", "DelayedAutoStart", "ErrorControl")
_NEVER_STARTED = 1077  # ERROR_SERVICE_NEVER_STARTED


class Services:
    """The services of one host, which start with it.

    :param installed: whether a feature's parts are there.
    :param kept: what was changed, by name.
    :param fresh: hosts.toml's ``running`` still counts: nobody has restarted the host yet.
    """

    def __init__(
        self,
        repository: Repository,
        config: HostConfig,
        release: int,
        installed: Callable[[str], bool],
        kept: Mapping[str, Any],
        changed: Callable[[Any], None],
        *,
        fresh: bool,
    ) -> None:
        self._repository = repository
        self._config = config
        self._release = release
        self._installed = installed
        self._kept = dict(kept)
        self._changed = changed
        self._fresh = fresh
        self._process_ids = itertools.count(1000, 4)
        self._needs: dict[str, tuple[str, ...]] = {}
        self.on_start: dict[str, Callable[[], None]] = {}  # by lower-case name: what a service does when it starts

    def populate(self) -> None:
        """Every service that this Windows has, and those that hosts.toml or a client added."""
        for entry in SERVICES:
            if entry.since <= self._release and (not entry.feature or self._installed(entry.feature)):
                self.install(entry)
        for more in self._config.service:
            if self.find(more.name) is None:
                self.install(
                    ServiceEntry(more.name, more.display_name or more.name, rf"C:\Program Files\{more.name}.exe")
                )
        for name, values in self._kept.items():
            if values is not None and self.find(name) is None and "PathName" in values:
                self.install(ServiceEntry(name, values.get("DisplayName", name), values["PathName"]))

    def install(self, entry: ServiceEntry, *, may_start: bool = True) -> None:
        """Adds a service as it is after setup, hosts.toml and later changes; it runs where it starts by itself."""
        if self.find(entry.name) is not None or self._kept.get(entry.name, {}) is None:
            return
        self._needs[entry.name.lower()] = entry.needs
        described = next((item for item in self._config.service if item.name.lower() == entry.name.lower()), None)
        values = self._values(entry)
        if entry.name == "ClusSvc" and self._config.cluster.name:
            values["StartMode"] = "Auto"  # joining a cluster does that
        if described is not None and described.start_mode:
            values["StartMode"] = described.start_mode
        values.update(self._kept.get(entry.name, {}))
        starts = self._starts(entry, values["StartMode"])
        if described is not None and described.running is not None and self._fresh:
            starts = described.running
        values.update(self._running(entry) if starts and may_start else _stopped(_NEVER_STARTED))
        class_name = DRIVER if entry.driver else SERVICE
        if entry.driver:
            values = {name: value for name, value in values.items() if name not in _SERVICE_ONLY}
        self._repository.add(new_instance(self._repository.catalogue, class_name, values, CIMV2))

    def _starts(self, entry: ServiceEntry, mode: CimValue) -> bool:
        """Whether it runs when Windows has started."""
        if mode == "Manual":
            return entry.triggered or (entry.domain and bool(self._config.domain))
        return mode != "Disabled"

    def install_feature(self, name: str) -> None:
        """The services of a feature that has just been installed."""
        for entry in SERVICES:
            if entry.feature == name and entry.since <= self._release:
                self.install(entry)

    def remove_feature(self, name: str) -> None:
        for entry in SERVICES:
            instance = self.find(entry.name) if entry.feature == name else None
            if instance is not None:
                self._repository.remove(self._repository.reference_of(instance))

    def bind(self, registry: Registry) -> None:
        """Start modes in the registry (rule 2)."""
        for instance in self.all():
            name = instance.text("Name")
            path = rf"HKLM\SYSTEM\CurrentControlSet\Services\{name}"
            registry.bind(path, "Start", partial(self._start_value, name), partial(self._set_start, name))

    # Asking

    def all(self) -> list[CimInstance]:
        return [*self._repository.instances(SERVICE, CIMV2), *self._repository.instances(DRIVER, CIMV2)]

    def find(self, name: str) -> CimInstance | None:
        for class_name in (SERVICE, DRIVER):
            found = (
                self._repository.find(CimReference(class_name, {"Name": name}, CIMV2))
                if self._has(class_name)
                else None
            )
            if found is not None:
                return found
        return None

    def runs(self, name: str) -> bool:
        instance = self.find(name)
        return instance is not None and instance.get("State") in ("Running", "Paused")

    def needed_by(self, name: str) -> list[CimInstance]:
        """The services that need this one."""
        wanted = name.lower()
        users = (own for own, needs in self._needs.items() if wanted in (need.lower() for need in needs))
        return [instance for own in users if (instance := self.find(own)) is not None]

    def needs_of(self, name: str) -> list[CimInstance]:
        needs = self._needs.get(name.lower(), ())
        return [instance for need in needs if (instance := self.find(need)) is not None]

    # Doing

    def start(self, name: str) -> int:
        """Starts a service with what it needs; the return code."""
        instance = self.find(name)
        if instance is None:
            return _DEPENDENCY_FAILED
        if instance.get("State") != "Stopped":
            return _ALREADY_RUNNING
        if instance.get("StartMode") == "Disabled":
            return _DISABLED
        for need in self._needs.get(name.lower(), ()):
            if not self.runs(need) and self.start(need) != 0:
                return _DEPENDENCY_FAILED
        self.change(instance, self._running(_entry_of(instance)))
        if name.lower() in self.on_start:
            self.on_start[name.lower()]()
        return 0

    def stop(self, name: str) -> int:
        instance = self.find(name)
        if instance is None or name.lower() in _UNSTOPPABLE or instance.get("State") == "Stopped":
            return _CANNOT_ACCEPT_CONTROL
        if any(item.get("State") != "Stopped" for item in self.needed_by(name)):
            return _DEPENDENTS_RUN
        self.change(instance, _stopped(0))
        return 0

    def change(self, instance: CimInstance, changes: Mapping[str, CimValue]) -> None:
        """Stores changes, and keeps those that outlive a restart."""
        if instance.class_name == DRIVER:
            changes = {name: value for name, value in changes.items() if name not in _SERVICE_ONLY}
        self._repository.change(self._repository.reference_of(instance), changes)
        lasting = {name: value for name, value in changes.items() if name in _KEPT}
        if lasting:
            name = instance.text("Name")
            self._kept[name] = {**(self._kept.get(name) or {}), **lasting}
            self._changed(self._kept)

    def forget(self, instance: CimInstance) -> None:
        """A service is deleted."""
        self._repository.remove(self._repository.reference_of(instance))
        self._kept[instance.text("Name")] = None
        self._changed(self._kept)

    def create(self, entry: ServiceEntry, values: Mapping[str, CimValue]) -> None:
        self._kept.pop(entry.name, None)
        self.install(entry, may_start=False)
        instance = self.find(entry.name)
        if instance is not None:
            self.change(instance, values)

    # Inside

    def _has(self, class_name: str) -> bool:
        return self._repository.has_instances_of(CIMV2, class_name)

    def _start_value(self, name: str) -> Value | None:
        instance = self.find(name)
        return None if instance is None else dword(_START_NUMBERS[instance.text("StartMode")])

    def _set_start(self, name: str, value: Value) -> None:
        instance = self.find(name)
        mode = next((mode for mode, number in _START_NUMBERS.items() if number == value.data), None)
        if instance is not None and mode is not None:
            self.change(instance, {"StartMode": mode})

    def _running(self, entry: ServiceEntry) -> dict[str, CimValue]:
        return {
            "State": "Running",
            "Started": True,
            "ProcessId": 0 if entry.driver else next(self._process_ids),
            "AcceptStop": entry.name.lower() not in _UNSTOPPABLE,
            "AcceptPause": entry.pauses,
            "ExitCode": 0,
        }

    def _values(self, entry: ServiceEntry) -> dict[str, CimValue]:
        class_name = DRIVER if entry.driver else SERVICE
        kind = "Kernel Driver" if entry.driver else ("Share Process" if entry.shares_process else "Own Process")
        return {
            "Name": entry.name,
            "DisplayName": entry.display_name,
            "Caption": entry.display_name,
            "Description": entry.display_name,
            "CreationClassName": class_name,
            "SystemCreationClassName": "Win32_ComputerSystem",
            "SystemName": self._config.name.upper(),
            "PathName": entry.path,
            "ServiceType": kind,
            "ErrorControl": "Normal",
            "StartMode": entry.mode,
            "StartName": entry.account or None,
            "Status": "OK",
            "DesktopInteract": False,
            "DelayedAutoStart": False,
            "ServiceSpecificExitCode": 0,
            "CheckPoint": 0,
            "WaitHint": 0,
            "TagId": 0,
        }


_SERVICE_ONLY = frozenset({"ProcessId", "DelayedAutoStart", "CheckPoint", "WaitHint"})


def _stopped(exit_code: int) -> dict[str, CimValue]:
    return {
        "State": "Stopped",
        "Started": False,
        "ProcessId": 0,
        "AcceptStop": False,
        "AcceptPause": False,
        "ExitCode": exit_code,
    }


def _entry_of(instance: CimInstance) -> ServiceEntry:
    name = instance.text("Name")
    known = next((entry for entry in SERVICES if entry.name.lower() == name.lower()), None)
    return known or ServiceEntry(name, instance.text("DisplayName", name), instance.text("PathName", ""))
