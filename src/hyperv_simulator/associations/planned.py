"""Planned machines: their settings hang on them as those of realized machines do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.machines.registry import PLANNED_SYSTEM
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.associations import Association


class PlannedAssociations:
    def __init__(self, walks: Walks) -> None:
        self._walks = walks

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_SettingsDefineState",
            "ManagedElement",
            PLANNED_SYSTEM,
            "SettingData",
            VSSD,
            lambda system: self._walks.by_id(VSSD, ids.settings_id(system.text("Name"))),
            self._planned_system,
        )

    def _planned_system(self, settings: CimInstance) -> Iterable[CimInstance]:
        machine = self._walks.machines.find(ids.system_of(settings.text("InstanceID")))
        if machine is None or not machine.is_planned:
            return ()
        found = self._walks.repository.find(machine.reference)
        return () if found is None else (found,)
