"""Integration services: turning them on and off, and the host's key-value items for a guest.

Items are texts with an Msvm_KvpExchangeDataItem; Source 0 goes to the guest, 4 stays with the host (hyperv-ops 10).
Adding one that exists is refused with 32773 (seen: real-instances 3.6), so is changing or removing one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.cimxml import instance_to_text, text_to_instance
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.resources.integration_services import tell_guest
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, job_started
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_ITEM = "Msvm_KvpExchangeDataItem"
_KVP = "Msvm_KvpExchangeComponentSettingData"
_MODIFYING = JobKind("Modifying", "Modifying Virtual Machine Resources", 31)
_HOST_ONLY = 4
_LONGEST = 1024  # HVWMI kvp_push; the code for what is longer is an assumption


class GuestServices:
    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "ModifyGuestServiceSettings": self._modify_services,
            "AddKvpItems": lambda call: self._change_items(call, must_exist=False),
            "ModifyKvpItems": lambda call: self._change_items(call, must_exist=True),
            "RemoveKvpItems": lambda call: self._change_items(call, must_exist=True, remove=True),
        }

    def _modify_services(self, call: Call) -> Outputs:
        changes: list[tuple[CimReference, CimInstance]] = []
        try:
            for given in call.all_embedded("GuestServiceSettings", "CIM_SettingData"):
                reference = CimReference(given.class_name, {"InstanceID": given.text("InstanceID", "")})
                if self._repository.find(reference) is None or "EnabledState" not in given:
                    raise Refused(INVALID_PARAMETER, "no such integration service")
                if given.get("EnabledState") not in (2, 3):
                    raise Refused(INVALID_PARAMETER, f"EnabledState {given.get('EnabledState')!r}")
                changes.append((reference, given))
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        if not changes:
            raise Refused(INVALID_PARAMETER, "nothing to modify")
        machine = self._machines.of(changes[0][0])

        def modify(_: JobControl) -> None:
            for reference, given in changes:
                self._repository.change(reference, {"EnabledState": given.get("EnabledState")})
            tell_guest(machine)

        return self._start(call, machine, modify)

    def _change_items(self, call: Call, *, must_exist: bool, remove: bool = False) -> Outputs:
        machine = self._machines.of(call.target_of("TargetSystem"))
        items = call.all_embedded("DataItems", _ITEM)
        settings = CimReference(_KVP, {"InstanceID": ids.settings_id(machine.machine_id, ids.KVP_EXCHANGE)})
        with machine.lock:
            current = self._repository.get(settings)
            lists = {name: self._items(current, name) for name in ("HostExchangeItems", "HostOnlyItems")}
            for item in items:
                name = item.text("Name", "")
                kept = lists["HostOnlyItems" if item.integer("Source", 0) == _HOST_ONLY else "HostExchangeItems"]
                too_long = len(name) > _LONGEST or len(item.text("Data", "")) > _LONGEST
                if not name or too_long or (name in kept) is not must_exist:
                    raise Refused(INVALID_PARAMETER, f"item {name!r}")
                if remove:
                    del kept[name]
                else:
                    kept[name] = item

        def change(_: JobControl) -> None:
            self._repository.change(settings, {name: self._texts(kept) for name, kept in lists.items()})
            tell_guest(machine)

        return self._start(call, machine, change)

    def _start(self, call: Call, machine: Machine, work: Callable[[JobControl], None]) -> Outputs:
        origin = ("Msvm_VirtualSystemManagementService", call.method)
        return job_started(
            self._jobs.start(_MODIFYING, work, user=call.caller.user, affected=machine.reference, origin=origin)
        )

    @staticmethod
    def _items(current: CimInstance, name: str) -> dict[str, CimInstance]:
        items = (text_to_instance(text) for text in current.texts(name))
        return {item.text("Name"): item for item in items}

    def _texts(self, items: Mapping[str, CimInstance]) -> list[CimScalar]:
        return [
            instance_to_text(new_instance(self._repository.catalogue, _ITEM, dict(item.items())))
            for item in items.values()
        ]
