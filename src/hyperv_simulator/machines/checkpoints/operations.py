"""Taking, applying and deleting checkpoints.

Rule 1: what is wrong with a request is ``Refused`` before anything is done; what the host can't do is
``OperationFailed`` and leaves the machine as it was.
Rule 2: the machine is occupied meanwhile: its state does not change, and nobody destroys it.
Sources: hyperv-ops 7; which texts Hyper-V gives is known for some only, see docs/simulator-fidelity.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.checkpoints import settings as copies
from hyperv_simulator.machines.checkpoints.disks import branch, discard, file_of, hard_disks
from hyperv_simulator.machines.checkpoints.merging import Merging
from hyperv_simulator.machines.checkpoints.tree import REALIZED, CheckpointTree
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import E_FAIL, OperationFailed
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

MAX_CHECKPOINTS = 50  # Microsoft's limit per machine
_DISABLED, _PRODUCTION, _PRODUCTION_ONLY, _STANDARD = 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What CreateSnapshot was asked for.

    :param kind: the VirtualSystemType of the checkpoint.
    :param with_memory: False for a snapshot of the disks only.
    :param consistent: the guest must bring its files into order first (ConsistencyLevel 1).
    :param ignore_other_disks: disks that can't be part of a checkpoint are left out, instead of failing it.
    """

    kind: str = REALIZED
    with_memory: bool = True
    consistent: bool = False
    ignore_other_disks: bool = False
    is_automatic: bool = False


class Checkpoints:
    """See above. The jobs are the provider's."""

    def __init__(
        self, repository: Repository, tree: CheckpointTree, store: DiskStore, merging: Merging, state_folder: Path
    ) -> None:
        self.tree = tree
        self.merging = merging
        self.last_applied: dict[str, str] = {}  # machine id in lower case to the checkpoint's InstanceID
        self._repository = repository
        self._store = store
        self._state_folder = state_folder

    # Taking one

    def check(self, machine: Machine, wish: Wish) -> None:
        """:raises OperationFailed: this machine can't have such a checkpoint now."""
        name = machine.reader.name
        user_type = self._user_type(machine)
        if user_type == _DISABLED and wish.kind == REALIZED:
            raise self._failure(machine, f"Checkpoints have been disabled for '{name}'.")
        if len(self.tree.all(machine.machine_id)) >= MAX_CHECKPOINTS:
            raise self._failure(machine, f"'{name}' has the maximum number of checkpoints, {MAX_CHECKPOINTS}.")
        must_take_part = machine.state is State.RUNNING and self._must_be_consistent(machine, wish)
        if must_take_part and not machine.integration_ready:
            raise self._failure(machine, f"Production checkpoints cannot be created for '{name}'.")
        if not wish.ignore_other_disks:
            self._check_disks(machine)

    def take(self, machine: Machine, wish: Wish) -> CimReference:
        """Takes a checkpoint and gives the address of its settings.

        :raises OperationFailed: as ``check``; or a file can't be made.
        """
        self.check(machine, wish)
        checkpoint_id = ids.new_guid()
        now = dt.datetime.now(dt.UTC)
        parts = [
            copies.moved(part, machine.machine_id, checkpoint_id) for part in copies.parts_of(self._repository, machine)
        ]
        state_file = self.state_file(checkpoint_id)
        state_file.parent.mkdir(parents=True, exist_ok=True)
        if machine.state is State.SAVED and wish.with_memory and machine.saved_file.exists():
            shutil.copyfile(machine.saved_file, state_file)
        wants_memory = machine.guest is not None and self._has_memory(machine, wish)
        try:
            with self._disk_errors(machine):
                machine.switch_disks(lambda: self._branch(machine), state_file if wants_memory else None)
        except OperationFailed:
            state_file.unlink(missing_ok=True)
            raise
        system = copies.checkpoint_of(
            machine,
            checkpoint_id,
            now,
            {
                "ElementName": copies.default_name(machine.reader.name, now),
                "VirtualSystemType": wish.kind,
                "IsSaved": state_file.exists(),
                "IsAutomaticSnapshot": wish.is_automatic,
            },
            extension=".vmcx" if self._repository.catalogue.version.release >= 2016 else ".xml",
        )
        with self._repository.lock:
            for part in parts:
                self._repository.add(part)
            reference = self._repository.add(system)
            self.tree.set_parent(machine.reader.system, system)
        self._write_configuration(system)
        return reference

    def _branch(self, machine: Machine) -> None:
        disks = [disk for disk in self._disks(machine) if self._takes_part(disk)]
        children = branch(self._store, [file_of(disk) for disk in disks])
        for disk in disks:
            self._put(disk, children[file_of(disk)])

    # Applying one

    def apply(self, machine: Machine, checkpoint: CimInstance) -> None:
        """Makes an off or saved machine what the checkpoint says; what it was since its last checkpoint is lost.

        :raises OperationFailed: a file of the checkpoint is missing or in use.
        """
        checkpoint_id = ids.system_of(checkpoint.text("InstanceID"))
        with machine.disks_lock, self._disk_errors(machine):
            kept = self.tree.parts(checkpoint)
            frozen = [disk for disk in hard_disks(kept) if self._takes_part(disk)]
            children = branch(self._store, [file_of(disk) for disk in frozen])
            abandoned = [file_of(disk) for disk in self._disks(machine)]
            parts = [copies.moved(part, checkpoint_id, machine.machine_id) for part in kept if part.class_name != VSSD]
            for disk in hard_disks(parts):
                if file_of(disk) in children:
                    disk["HostResource"] = [children[file_of(disk)]]
            self._replace_settings(machine, parts, checkpoint)
            self._discard_unused(machine, abandoned)
        self.last_applied[machine.machine_id.lower()] = checkpoint.text("InstanceID")
        machine.saved_file.unlink(missing_ok=True)
        state_file = self.state_file(checkpoint_id)
        if state_file.exists():
            machine.saved_file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(state_file, machine.saved_file)
        machine.rest_as(State.SAVED if state_file.exists() else State.OFF)

    def _replace_settings(self, machine: Machine, parts: list[CimInstance], checkpoint: CimInstance) -> None:
        repository = self._repository
        wanted = {repository.reference_of(part) for part in parts}
        with repository.lock:
            changes = copies.applied(machine, checkpoint)
            for part in copies.parts_of(repository, machine):
                reference = repository.reference_of(part)
                if reference not in wanted:
                    repository.remove(reference)
            for part in parts:
                repository.add(part)
            system = repository.reference_of(machine.reader.system)
            repository.change(system, {**changes, "Parent": self.tree.path(checkpoint)})

    # Deleting

    def delete(self, machine: Machine, checkpoints: list[CimInstance]) -> None:
        """Takes checkpoints away, in the order given; what went on from them goes on from the one before.

        The files are left to ``merging``, except those that nobody needs any more.
        """
        for checkpoint in checkpoints:
            files = [file_of(disk) for disk in hard_disks(self.tree.parts(checkpoint))]
            self._forget(machine, checkpoint)
            self._remove_files(checkpoint)
            with machine.disks_lock:
                self._discard_unused(machine, files)

    def _forget(self, machine: Machine, checkpoint: CimInstance) -> None:
        """Takes a checkpoint out of the tree."""
        before = self.tree.parent(checkpoint)
        with self._repository.lock:
            for follower in self.tree.followers(machine, checkpoint):
                self.tree.set_parent(follower, before)
            for part in self.tree.parts(checkpoint):
                self._repository.remove(self._repository.reference_of(part))
        if self.last_applied.get(machine.machine_id.lower()) == checkpoint.get("InstanceID"):
            del self.last_applied[machine.machine_id.lower()]

    def delete_all(self, machine: Machine) -> None:
        """The machine is about to be destroyed: its checkpoints go, and its disks are put together again.

        Of a machine that is only planned the files stay what they were: they are somebody's export.

        :raises OperationFailed: they can't be.
        """
        checkpoints = list(reversed(self.tree.all(machine.machine_id)))
        if machine.is_planned:
            for checkpoint in checkpoints:
                self._forget(machine, checkpoint)
        elif checkpoints:
            self.delete(machine, checkpoints)
            self.merging.run(machine)

    def clear_state(self, checkpoint: CimInstance) -> None:
        """A checkpoint forgets the memory that it holds."""
        self.state_file(ids.system_of(checkpoint.text("InstanceID"))).unlink(missing_ok=True)
        self._repository.change(self._repository.reference_of(checkpoint), {"IsSaved": False})

    def state_file(self, checkpoint_id: str) -> Path:
        return self._state_folder / "saved" / f"{checkpoint_id}.state"

    # Inside

    def _user_type(self, machine: Machine) -> int:
        if self._repository.catalogue.version.release < 2016:
            return _STANDARD  # production checkpoints came with configuration version 6.2 (real-instances 2.4)
        return machine.reader.system.integer("UserSnapshotType", _PRODUCTION)

    def _must_be_consistent(self, machine: Machine, wish: Wish) -> bool:
        return wish.consistent or (wish.kind == REALIZED and self._user_type(machine) == _PRODUCTION_ONLY)

    def _has_memory(self, machine: Machine, wish: Wish) -> bool:
        """A standard checkpoint has; so has one that should be a production one where the guest does not take part."""
        if not wish.with_memory or wish.kind != REALIZED or self._must_be_consistent(machine, wish):
            return False
        return self._user_type(machine) == _STANDARD or not machine.integration_ready

    def _disks(self, machine: Machine) -> list[CimInstance]:
        return hard_disks(machine.reader.all("CIM_SettingData"))

    @staticmethod
    def _takes_part(disk: CimInstance) -> bool:
        return disk.get("PersistentReservationsSupported") is not True and bool(file_of(disk))

    def _check_disks(self, machine: Machine) -> None:
        name = machine.reader.name
        if any(not self._takes_part(disk) for disk in self._disks(machine)):
            why = "one or more shareable VHDX are attached and this is not part of a checkpoint collection."
            raise self._failure(machine, f"Cannot take checkpoint for '{name}' because {why}")
        if machine.reader.of_kind("Physical Disk Drive"):
            why = "one or more physical hard disks are attached."
            raise self._failure(machine, f"Cannot take checkpoint for '{name}' because {why}")

    def _put(self, disk: CimInstance, path: str) -> None:
        resource: list[CimScalar] = [path]
        self._repository.change(self._repository.reference_of(disk), {"HostResource": resource})

    def _discard_unused(self, machine: Machine, paths: list[str]) -> None:
        """Deletes those of the files that are in no chain any more."""
        in_use: set[str] = set()
        for disk in self.merging.disks(machine):
            with contextlib.suppress(DiskError):
                in_use |= {path.casefold() for path in self._store.chain(file_of(disk))}
        discard(self._store, [path for path in paths if self._store.folder.parse(path).key() not in in_use])

    def _configuration(self, checkpoint: CimInstance) -> Path:
        root = checkpoint.text("SnapshotDataRoot").rstrip("\\")
        return self._store.folder.to_local(f"{root}\\{checkpoint.text('ConfigurationFile')}")

    def _write_configuration(self, checkpoint: CimInstance) -> None:
        with contextlib.suppress(DiskError, OSError):  # nothing reads it; the folder may be gone
            file = self._configuration(checkpoint)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")

    def _remove_files(self, checkpoint: CimInstance) -> None:
        self.state_file(ids.system_of(checkpoint.text("InstanceID"))).unlink(missing_ok=True)
        with contextlib.suppress(DiskError):
            self._configuration(checkpoint).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _disk_errors(self, machine: Machine) -> Iterator[None]:
        try:
            yield
        except (DiskError, GuestError) as error:
            raise self._failure(machine, f"{error.text} (0x{error.code:08X}).", result=error.code) from None

    @staticmethod
    def _failure(machine: Machine, why: str, result: int = E_FAIL) -> OperationFailed:
        what = f"Checkpoint operation for '{machine.reader.name}' failed."
        return OperationFailed(what, why, machine_id=machine.machine_id, result=result)
