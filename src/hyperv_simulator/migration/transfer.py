"""A machine's way to another host.

A planned machine at the destination receives it: one that is made here, or one that a client staged and repaired. Then
the files are copied, the memory goes over, and in one last step the planned machine becomes real there and the machine
goes here. A running guest stands still from its memory's leaving until the destination has it: the copies are made in
that time too, because only then the files are up to date. A real host copies first and stops the guest for an instant.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.checkpoints.disks import file_of, hard_disks
from hyperv_simulator.machines.definition_file import Definition
from hyperv_simulator.machines.exporting import checkpoint_definitions, definition_of, relocated
from hyperv_simulator.machines.machine import Departure, Machine
from hyperv_simulator.machines.newcomers import settled
from hyperv_simulator.machines.resources.rules import changes_of
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.migration import permission, relocation
from hyperv_simulator.migration.local_move import folders_in, own_settings
from hyperv_simulator.migration.neighbours import MigrationHost
from hyperv_simulator.migration.relocation import Relocation
from hyperv_simulator.migration.request import MigrationRequest, MigrationType
from hyperv_simulator.outcomes import OperationFailed, Refused
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.copying import copy_file
from hyperv_simulator.storage.errors import DiskError

_NO_FILES = Relocation({}, ())


class Transfer:
    """One migration to another host: checked, and done once.

    :param told: called with the bytes copied; what it raises ends the migration.
    """

    def __init__(
        self,
        machine: Machine,
        source: MigrationHost,
        destination: MigrationHost,
        request: MigrationRequest,
        told: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        self._machine = machine
        self._source = source
        self._destination = destination
        self._request = request
        self._told = told
        self._made: list[Path] = []
        self._staged: list[CimInstance] = []

    def total_bytes(self) -> int:
        """What will be copied.

        :raises OperationFailed: a file is missing or in the way.
        """
        folder = self._source.disks.folder
        return sum(folder.existing(path).stat().st_blocks * 512 for path in self._files({}).moves)

    def check(self) -> None:
        """:raises OperationFailed: the machine could not be moved as asked."""
        planned, is_new = self._receiver()
        try:
            self._verify(planned)
        finally:
            self._withdraw(planned, is_new=is_new)

    def stage(self) -> None:
        """Leaves a planned machine at the destination, whatever it still lacks there.

        :raises OperationFailed: a machine with its id is there.
        """
        self._receiver()

    def run(self) -> None:
        """:raises OperationFailed: the machine is here and as it was; nothing of it is left at the destination."""
        planned, is_new = self._receiver()
        try:
            files = self._verify(planned)
            if self._machine.state in (State.RUNNING, State.PAUSED):
                self._move_running(planned, files)
            else:
                self._move_resting(planned, files)
        except BaseException as error:
            planned.saved_file.unlink(missing_ok=True)
            for path in () if self._request.avoids_removing else self._made:
                path.unlink(missing_ok=True)
            self._withdraw(planned, is_new=is_new)
            if isinstance(error, DiskError | GuestError):
                raise self._failed_here(error) from None
            raise
        self._leave(planned, files)

    # At the destination

    def _receiver(self) -> tuple[Machine, bool]:
        """The planned machine that receives this one, with what the request changes; whether it was made for it."""
        destination, request = self._destination, self._request
        if request.planned_id and request.kind is not MigrationType.STAGED:
            planned = destination.machines.find(request.planned_id.strip("{}"))
            if planned is None or not planned.is_planned or planned.machine_id != self._machine.machine_id:
                raise self._failed(f"The planned virtual machine '{request.planned_id}' was not found.")
            is_new = False
            self._staged = destination.repository.owned("CIM_SettingData", planned.machine_id, computed=False)
        else:
            definition = replace(definition_of(self._source, self._machine), state=State.OFF)
            try:
                planned = destination.planning.plan(definition, settled(definition, destination), State.OFF)
            except OperationFailed as failure:
                raise self._failed(*failure.texts) from None
            is_new = True
        self._adjust(planned)
        return planned, is_new

    def _withdraw(self, planned: Machine, *, is_new: bool) -> None:
        """What was made for the machine goes; a staged machine is again what the client made of it."""
        if is_new:
            self._destination.machines.destroy(planned)
        for item in self._staged:
            self._destination.repository.add(item)

    def _adjust(self, planned: Machine) -> None:
        """New folders, files and switches, as the request has them; ids are the same at both hosts."""
        repository = self._destination.repository
        folders = folders_in(self._request.system)
        if folders:
            repository.change(own_settings(planned), folders)
        known = {item.text("InstanceID").lower(): item for item in planned.reader.all("CIM_SettingData")}
        for given in self._request.resources:
            current = known.get(given.text("InstanceID", "").lower())
            if current is not None:
                changes = changes_of(given, "parent", "addressonparent")
                if hard_disks([given]) and not file_of(given):
                    changes.pop("HostResource", None)  # the pool chooses, see ``relocation``
                repository.change(repository.reference_of(current), changes)

    def _verify(self, planned: Machine) -> Relocation:
        """What files go over, when nothing speaks against it."""
        permission.check_processors(self._machine, self._source, self._destination)
        if self._request.moves_storage and self._machine.reader.of_kind("Physical Disk Drive"):
            raise self._failed("The virtual machine has a physical hard disk, which can't be moved with its storage.")
        disks = hard_disks(planned.reader.all("CIM_SettingData"))
        files = self._files({disk.text("InstanceID").lower(): file_of(disk) for disk in disks})
        for disk in disks:
            target = files.by_lower_case.get(self._path_here(disk).lower())
            if target is not None:
                self._destination.repository.change(
                    self._destination.repository.reference_of(disk), {"HostResource": [target]}
                )
        coming = {target.lower() for target in files.moves.values()}
        missing = [
            item
            for item in self._destination.planning.problems(planned)
            if not item.path or item.path.lower() not in coming
        ]
        if missing:
            raise self._failed(*(item.text for item in missing), at_destination=True)
        folder = self._destination.disks.folder
        for child, parent in files.links:
            if child in files.moves and parent not in files.moves and not folder.exists(parent):
                raise self._failed_here(DiskError(errors.VHD_PARENT_NOT_FOUND, files.place(child)))
        return files

    def _files(self, places: Mapping[str, str]) -> Relocation:
        if not self._request.moves_storage:
            return _NO_FILES
        try:
            found = relocation.plan(
                self._machine, self._source, self._request, self._destination, everything=True, places=places
            )
            for target in found.moves.values():
                if self._destination.disks.folder.exists(target) and not self._request.overwrites:
                    raise DiskError(errors.FILE_EXISTS, target)
        except DiskError as error:
            raise self._failed_here(error) from None
        except Refused as refusal:
            raise self._failed(refusal.why) from None
        return found

    def _path_here(self, disk: CimInstance) -> str:
        own = hard_disks(self._machine.reader.all("CIM_SettingData"))
        return next((file_of(item) for item in own if item.get("InstanceID") == disk.get("InstanceID")), "")

    # Over

    def _copy(self, files: Relocation) -> None:
        here, there = self._source, self._destination
        for source, target in files.moves.items():
            local = there.disks.folder.to_local(target)
            if self._request.overwrites:
                local.unlink(missing_ok=True)
            copy_file(here.disks.folder.existing(source), local, self._told)
            self._made.append(local)
        for child, parent in reversed(files.links):
            if child in files.moves:
                there.disks.set_parent(files.place(child), files.place(parent), ignore_id_mismatch=True)

    def _move_resting(self, planned: Machine, files: Relocation) -> None:
        machine = self._machine
        self._copy(files)
        if machine.saved_file.exists():
            self._copy_memory(machine.saved_file, planned.saved_file)
        planned.state = machine.state
        self._destination.machines.realize(planned)

    def _move_running(self, planned: Machine, files: Relocation) -> None:
        """Memory first: what the guest has written is in the files from then on."""
        machine = self._machine
        memory = machine.saved_file.with_suffix(".moving")
        memory.parent.mkdir(parents=True, exist_ok=True)
        self._told(0)
        leaving = machine.leave_for(memory)
        try:
            self._copy(files)
            self._copy_memory(memory, planned.saved_file)
            self._go_on(planned, leaving)
        except BaseException:
            machine.arrive(memory, leaving)
            raise
        finally:
            memory.unlink(missing_ok=True)

    def _go_on(self, planned: Machine, leaving: Departure) -> None:
        try:
            planned.arrive(planned.saved_file, leaving)
        except OperationFailed as failure:
            raise self._failed(*failure.texts, at_destination=True) from None
        try:
            self._destination.machines.realize(planned)
        except BaseException:
            planned.leave()
            raise

    def _copy_memory(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    # The last step

    def _leave(self, arrived: Machine, files: Relocation) -> None:
        """The machine is at the destination: its checkpoints follow, and what it was here goes.

        The destination writes all of that down first: if the simulator is killed now, the machine is not lost.
        """
        source, machine = self._source, self._machine
        checkpoints = checkpoint_definitions(source, machine)
        for definition in checkpoints:
            self._send_checkpoint(definition, files)
        self._destination.keep()
        for item in (item for definition in checkpoints for item in definition.settings):
            source.repository.remove(source.repository.reference_of(item))
        source.machines.destroy(machine, keeps_configuration=self._is_shared(arrived))
        source.keep()
        if self._request.keeps_source_disks:
            return
        for path in files.moves.keys() - files.copied:
            with contextlib.suppress(DiskError):  # somebody else has it: it stays
                source.disks.remove(path)

    def _is_shared(self, arrived: Machine) -> bool:
        """The configuration is on storage that both hosts have: it is the same file at both."""
        try:
            here = self._source.machines.configuration_file(self._machine)
            there = self._destination.machines.configuration_file(arrived)
            return here.exists() and there.exists() and here.samefile(there)
        except DiskError:
            return False

    def _send_checkpoint(self, definition: Definition, files: Relocation) -> None:
        here, there = self._source, self._destination
        for item in settled(definition, there):
            there.repository.add(relocated(item, files.by_lower_case))
        memory = here.checkpoints.state_file(definition.machine_id)
        if memory.exists():
            shutil.copyfile(memory, there.checkpoints.state_file(definition.machine_id))
            memory.unlink()

    def _failed(self, *causes: str, at_destination: bool = False) -> OperationFailed:
        at = self._destination.host_name if at_destination else ""
        return permission.failed(self._machine, self._source.host_name, *causes, at=at)

    def _failed_here(self, error: DiskError | GuestError) -> OperationFailed:
        where = f"'{error.path}': " if isinstance(error, DiskError) else ""
        return self._failed(f"{where}{error.text} (0x{error.code:08X}).")
