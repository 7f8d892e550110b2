"""Steps that the walks of several areas take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, Machines
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.instances import Repository


class Walks:
    """Finds instances by what their ids tell of each other."""

    def __init__(self, repository: Repository, machines: Machines, host_name: str) -> None:
        self.repository = repository
        self.machines = machines
        self.host_name = host_name

    def by_id(self, class_name: str, instance_id: str) -> Iterable[CimInstance]:
        return some(self.repository.find(CimReference(class_name, {"InstanceID": instance_id})))

    def machine_system(self, name: str) -> Iterable[CimInstance]:
        keys = {"CreationClassName": COMPUTER_SYSTEM, "Name": name}
        return some(self.repository.find(CimReference(COMPUTER_SYSTEM, keys)))

    def settings_system(self, part: CimInstance) -> Iterable[CimInstance]:
        return self.by_id(VSSD, ids.settings_id(ids.system_of(part.text("InstanceID"))))


def some(instance: CimInstance | None) -> tuple[CimInstance, ...]:
    """None or one, as a walk gives it."""
    return () if instance is None else (instance,)


def in_force(_element: CimInstance, _settings: CimInstance) -> Mapping[str, CimValue]:
    """What Msvm_ElementSettingData says of settings that an element has now (real-instances 1.3)."""
    return {"IsCurrent": 1, "IsDefault": 1, "IsNext": 0}
