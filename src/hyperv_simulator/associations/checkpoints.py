"""Machines and their checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.associations.walks import Walks, some
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.checkpoints.tree import is_checkpoint
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.repository.associations import Association, Walk


class CheckpointAssociations:
    """All checkpoints of a machine, the one it goes on from, the one last applied (class pages for the roles)."""

    def __init__(self, walks: Walks, checkpoints: Checkpoints) -> None:
        self._walks = walks
        self._checkpoints = checkpoints
        self._tree = checkpoints.tree

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_SnapshotOfVirtualSystem",
            "Antecedent",
            COMPUTER_SYSTEM,
            "Dependent",
            VSSD,
            lambda system: self._tree.all(system.text("Name")),
            self._system_of,
        )
        yield Association(
            "Msvm_MostCurrentSnapshotInBranch",
            "Antecedent",
            COMPUTER_SYSTEM,
            "Dependent",
            VSSD,
            self._current,
            lambda settings: self._if(settings, self._current),
        )
        yield Association(
            "Msvm_LastAppliedSnapshot",
            "Antecedent",
            VSSD,
            "Dependent",
            COMPUTER_SYSTEM,
            lambda settings: self._if(settings, self._last_applied),
            self._last_applied,
        )
        yield Association(
            "Msvm_ParentChildSettingData",
            "Antecedent",
            VSSD,
            "Dependent",
            VSSD,
            self._followers,
            lambda settings: some(self._tree.parent(settings)),
        )
        yield Association(
            "Msvm_ServiceAffectsElement",
            "AffectedElement",
            VSSD,
            "AffectingElement",
            "Msvm_VirtualSystemSnapshotService",
            lambda settings: self._service() if is_checkpoint(settings) else (),
            lambda _service: [item for item in self._walks.repository.instances(VSSD) if is_checkpoint(item)],
            lambda _left, _right: {"ElementEffects": [5], "OtherElementEffectsDescriptions": []},
        )

    def _service(self) -> Iterable[CimInstance]:
        return self._walks.repository.instances("Msvm_VirtualSystemSnapshotService")

    def _system_of(self, settings: CimInstance) -> Iterable[CimInstance]:
        if not is_checkpoint(settings):
            return ()
        return self._walks.machine_system(settings.text("VirtualSystemIdentifier", ""))

    def _if(self, settings: CimInstance, walk: Walk) -> Iterable[CimInstance]:
        """The system of a checkpoint that ``walk`` leads to from there."""
        for system in self._system_of(settings):
            if any(item.get("InstanceID") == settings.get("InstanceID") for item in walk(system)):
                yield system

    def _followers(self, settings: CimInstance) -> Iterable[CimInstance]:
        machine = self._walks.machines.find(settings.text("VirtualSystemIdentifier", ""))
        if machine is None or not is_checkpoint(settings):
            return ()
        return self._tree.followers(machine, settings)

    def _current(self, system: CimInstance) -> Iterable[CimInstance]:
        machine = self._machine(system)
        return some(self._tree.parent(machine.reader.system)) if machine is not None else ()

    def _last_applied(self, system: CimInstance) -> Iterable[CimInstance]:
        checkpoint_id = self._checkpoints.last_applied.get(system.text("Name").lower())
        return self._walks.by_id(VSSD, checkpoint_id) if checkpoint_id is not None else ()

    def _machine(self, system: CimInstance) -> Machine | None:
        return self._walks.machines.find(system.text("Name"))
