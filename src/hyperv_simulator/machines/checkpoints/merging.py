"""Putting files together again that a deleted checkpoint held apart.

A file that is no disk of the machine or of a checkpoint, and the parent of just one other, is needed no more by itself:
that other is merged into it and whoever used it uses the parent (hyperv-ops 7). It happens in a job of its own, after
the checkpoint is gone, while the machine runs or not. Only files made for checkpoints are merged into their parents, so
a disk that somebody made with a parent keeps it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.checkpoints.disks import file_of, hard_disks, is_own
from hyperv_simulator.machines.checkpoints.tree import CheckpointTree
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

_MERGING = JobKind("Merging", "Merging Virtual Disk", 50)
_MERGING_STATUS = 32772  # OperationalStatus[1], hyperv-ops 6


@dataclass
class _Forest:
    """All files of a machine's chains."""

    tops: set[str] = field(default_factory=set)
    paths: dict[str, str] = field(default_factory=dict)  # by key
    children: dict[str, set[str]] = field(default_factory=dict)
    from_the_base: list[str] = field(default_factory=list)

    def add(self, chain: list[str]) -> None:
        keys = [path.casefold() for path in chain]
        self.tops.add(keys[0])
        self.paths |= dict(zip(keys, chain, strict=True))
        for child, parent in itertools.pairwise(keys):
            self.children.setdefault(parent, set()).add(child)
        self.from_the_base += [key for key in reversed(keys) if key not in self.from_the_base]

    def next(self) -> tuple[str, str] | None:
        """Keys of a child and of the parent it goes into; the oldest first, so that nothing is copied twice."""
        for parent in self.from_the_base:
            children = self.children.get(parent, set())
            if parent not in self.tops and len(children) == 1:
                (child,) = children
                if is_own(self.paths[child]):
                    return child, parent
        return None


class Merging:
    """Merges what is left over, machine by machine."""

    def __init__(self, repository: Repository, tree: CheckpointTree, store: DiskStore, jobs: Jobs) -> None:
        self._repository = repository
        self._tree = tree
        self._store = store
        self._jobs = jobs
        self._suspended: set[str] = set()  # until the host restarts (assumption)

    def is_suspended(self, machine: Machine) -> bool:
        """Somebody who copies files has asked for them to be left alone (Msvm_DiskMergeSettingData)."""
        return machine.machine_id in self._suspended

    def suspend(self, machine: Machine, suspended: bool) -> None:
        (self._suspended.add if suspended else self._suspended.discard)(machine.machine_id)

    def start(self, machine: Machine, user: str) -> None:
        """Begins a job, where there is something to merge."""
        if self.is_suspended(machine) or self._plan(machine).next() is None:
            return

        def merge(_: JobControl) -> None:
            machine.show_work(_MERGING_STATUS, "Merging disks")
            try:
                self.run(machine)
            finally:
                machine.show_work()

        self._jobs.start(_MERGING, merge, user=user, affected=machine.reference)

    def run(self, machine: Machine) -> None:
        """Merges until nothing is left over.

        :raises OperationFailed: a file is in use elsewhere, or the disk is full; what is merged so far stays merged.
        """
        try:
            with machine.disks_lock:
                while (step := (forest := self._plan(machine)).next()) is not None:
                    child, parent = step
                    self._merge(machine, forest, child, parent)
        except (DiskError, GuestError) as error:
            name = machine.reader.name
            raise OperationFailed(
                f"'{name}': Failed to merge virtual disks.",
                f"{error.text} (0x{error.code:08X}).",
                machine_id=machine.machine_id,
                result=error.code,
            ) from None

    def disks(self, machine: Machine) -> list[CimInstance]:
        """The hard disks of the machine and of all its checkpoints."""
        checkpoints = self._tree.all(machine.machine_id)
        parts = [item for checkpoint in checkpoints for item in self._tree.parts(checkpoint)]
        return hard_disks([*machine.reader.all("CIM_SettingData"), *parts])

    def _plan(self, machine: Machine) -> _Forest:
        forest = _Forest()
        for disk in self.disks(machine):
            path = file_of(disk)
            try:
                forest.add(self._store.chain(path))
            except DiskError:
                continue  # a file that is gone or damaged is nothing to merge
        return forest

    def _merge(self, machine: Machine, forest: _Forest, child: str, parent: str) -> None:
        child_path, parent_path = forest.paths[child], forest.paths[parent]
        heirs = [forest.paths[key] for key in sorted(forest.children.get(child, ()))]

        def change() -> None:
            self._store.merge(child_path, parent_path, heirs)
            for disk in self.disks(machine):
                if self._store.folder.parse(file_of(disk)).key() == child:
                    self._repository.change(self._repository.reference_of(disk), {"HostResource": [parent_path]})

        machine.switch_disks(change)
