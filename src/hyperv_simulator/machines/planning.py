r"""From a definition file to a machine: imported as a planned one, looked at, realized.

Sources: hyperv-ops 8 (the sequence), real-instances 2.4 (configuration versions). Where disks are looked for is an
assumption: where the definition says, else in ``Virtual Hard Disks`` beside its folder, so that an export that was
copied to another place can be imported there.
"""

from __future__ import annotations

import contextlib
import ntpath
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.definition_file import Definition, NotADefinition, from_bytes
from hyperv_simulator.machines.device_kinds import SASD
from hyperv_simulator.machines.exporting import MEMORY_SUFFIXES
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.newcomers import (
    NO_NEW_IDENTITY,
    NewcomerHost,
    Problem,
    problems,
    settled,
    with_identities,
)
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import IN_USE, OperationFailed
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

_SUFFIXES = (".vmcx", ".xml")


class Planning:
    """Imports, validates and realizes the planned machines of a host."""

    def __init__(self, host: NewcomerHost, machines: Machines) -> None:
        self._host = host
        self._machines = machines
        self._origins: dict[str, str] = {}  # new ids of imported machines to the ids in their files

    def read(self, path: str) -> Definition:
        """The definition in a file of this host.

        :raises OperationFailed: it isn't there, or is no definition.
        """
        try:
            local = self._host.disks.folder.existing(path)
            return from_bytes(local.read_bytes())
        except DiskError as error:
            raise _import_failed(f"'{path}': {error.text} (0x{error.code:08X}).", error.code) from None
        except NotADefinition:
            text = DiskError(errors.FILE_CORRUPT).text
            raise _import_failed(f"'{path}': {text} (0x{errors.FILE_CORRUPT:08X}).", errors.FILE_CORRUPT) from None

    def bring_in(self, path: str, snapshot_folder: str, *, new_identity: bool) -> Machine:
        """Makes a planned machine of a definition file.

        :raises OperationFailed: as ``read``; or there is a machine with its id here, planned or not.
        """
        definition = self.read(path)
        identities = {definition.machine_id: ids.new_guid()} if new_identity else NO_NEW_IDENTITY
        root = ntpath.dirname(ntpath.dirname(path))
        settings = settled(definition, self._host, identities)
        for item in settings:
            if item.class_name == SASD:
                self._find_disk(item, root)
            elif item.class_name == VSSD:
                item["ConfigurationDataRoot"] = root
                item["SnapshotDataRoot"] = ntpath.dirname(snapshot_folder.rstrip("\\")) if snapshot_folder else root
        state = State.OFF if new_identity else definition.state
        machine_id = identities.get(definition.machine_id, definition.machine_id)
        machine = self.plan(replace(definition, machine_id=machine_id), settings, state)
        if new_identity:
            self._origins[machine_id] = definition.machine_id
        if state is State.SAVED:
            self._take_memory(machine.saved_file, path)
        return machine

    def plan(self, definition: Definition, settings: list[CimInstance], state: State) -> Machine:
        """:raises OperationFailed: 32774: the id is taken."""
        if self._machines.find(definition.machine_id) is not None:
            raise OperationFailed(
                f"Failed to import virtual machine '{definition.name}'.",
                "The operation cannot be performed because a virtual machine with the same identifier already exists. "
                "Select a new identifier and try the operation again.",
                code=IN_USE,
                machine_id=definition.machine_id,
            )
        return self._machines.plan(definition.machine_id, settings, state)

    def bring_in_snapshots(self, machine: Machine, folder: str) -> list[CimInstance]:
        """Takes in the machine's checkpoints that a folder has, and gives their own settings.

        :raises OperationFailed: there is no such folder.
        """
        try:
            local = self._host.disks.folder.to_local(folder)
            if not local.is_dir():
                raise DiskError(errors.PATH_NOT_FOUND, folder)
        except DiskError as error:
            raise _import_failed(f"'{folder}': {error.text} (0x{error.code:08X}).", error.code) from None
        origin = self._origins.get(machine.machine_id, machine.machine_id)
        files = [f"{folder}\\{file.name}" for file in sorted(local.iterdir()) if file.suffix.lower() in _SUFFIXES]
        checkpoints = {file: self.read(file) for file in files}
        own = {file: item for file, item in checkpoints.items() if item.system.get("VirtualSystemIdentifier") == origin}
        if origin == machine.machine_id:
            for file, definition in own.items():
                self._take_memory(self._host.checkpoints.state_file(definition.machine_id), file)
            identities = NO_NEW_IDENTITY
        else:
            identities = {origin: machine.machine_id} | {item.machine_id: ids.new_guid() for item in own.values()}
            self._follow(machine, identities)
        root = ntpath.dirname(folder.rstrip("\\"))
        return [self._add_checkpoint(definition, root, identities) for definition in own.values()]

    def _follow(self, machine: Machine, identities: Mapping[str, str]) -> None:
        """The machine goes on from its checkpoint under that one's new identity."""
        system = machine.reader.system
        parent = with_identities(system.text("Parent", ""), identities)
        self._host.repository.change(self._host.repository.reference_of(system), {"Parent": parent or None})

    def _add_checkpoint(self, definition: Definition, root: str, identities: Mapping[str, str]) -> CimInstance:
        settings = settled(definition, self._host, identities)
        for item in settings:
            if item.class_name == SASD:
                self._find_disk(item, root)
            elif item.class_name == VSSD and identities:
                item["IsSaved"] = False  # memory stays with the identity that it was saved under
            self._host.repository.add(item)
        return next(item for item in settings if item.class_name == VSSD)

    def problems(self, machine: Machine) -> list[Problem]:
        return list(problems(machine, self._host))

    def validate(self, machine: Machine) -> None:
        """:raises OperationFailed: with one reason for each thing that the machine needs and the host lacks."""
        found = self.problems(machine)
        if not found:
            return
        name = machine.reader.name
        summary = f"The virtual machine '{name}' can't run on this host as it is configured."
        reasons = tuple(_problem(problem, machine) for problem in found)
        raise OperationFailed(summary, *(item.text for item in found), machine_id=machine.machine_id, reasons=reasons)

    def realize(self, machine: Machine) -> None:
        """:raises OperationFailed: as ``validate``, or its configuration can't be written."""
        self.validate(machine)
        self._machines.realize(machine)

    def _find_disk(self, item: CimInstance, root: str) -> None:
        path = host_resource(item)
        folder = self._host.disks.folder
        beside = f"{root}\\Virtual Hard Disks\\{ntpath.basename(path)}"
        if path and not folder.exists(path) and folder.exists(beside):
            item["HostResource"] = [beside]

    def _take_memory(self, target: Path, path: str) -> None:
        """What lies beside a definition file; where nothing does, there is none to go on from."""
        stem, suffix = ntpath.splitext(path)
        with contextlib.suppress(DiskError):
            source = self._host.disks.folder.existing(stem + MEMORY_SUFFIXES[suffix.lower()])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _import_failed(text: str, result: int) -> OperationFailed:
    return OperationFailed("Failed to import a virtual machine.", text, result=result)


def _problem(problem: Problem, machine: Machine) -> OperationFailed:
    return OperationFailed(
        problem.text, machine_id=machine.machine_id, message_id=problem.message_id, result=problem.result
    )
