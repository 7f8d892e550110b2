r"""ExportSystemDefinition's work: a machine as files below a folder, in Hyper-V's layout.

::

    <folder>\Virtual Machines\<id>.vmcx       the definition (``definition_file`` says what is in it)
    <folder>\Virtual Machines\<id>.vmrs       the memory of a saved machine
    <folder>\Snapshots\<id>.vmcx, .vmrs       its checkpoints
    <folder>\Virtual Hard Disks\…             its disks with all their parents

The definition names the disks where they were copied to, so that an import in place finds them. Sources: hyperv-ops 8,
value maps of Msvm_VirtualSystemExportSettingData. A running machine's disks are copied as they are then
(CaptureLiveState 0, crash-consistent); its memory is not exported.
"""

from __future__ import annotations

import ntpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.checkpoints.disks import file_of, hard_disks
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.definition_file import Definition, to_bytes
from hyperv_simulator.machines.device_kinds import SASD
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.copying import copy_file
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.layers import read_chain
from hyperv_simulator.storage.vhd import DiskStore

ALL_SNAPSHOTS, NO_SNAPSHOTS, ONE_SNAPSHOT = 0, 1, 2
# What a definition file's memory is called beside it.
MEMORY_SUFFIXES = {".vmcx": ".vmrs", ".xml": ".vsv"}


class ExportingHost(Protocol):
    """What an export needs of the host."""

    @property
    def host_name(self) -> str: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def disks(self) -> DiskStore: ...

    @property
    def checkpoints(self) -> Checkpoints: ...


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What shall be exported where to.

    :param folder: Windows path of the folder that gets the layout above.
    :param snapshots: 0 all, 1 none, 2 the one with ``snapshot_id``.
    :param excluded: disks that stay where they are, lower-case Windows paths.
    """

    folder: str
    copy_storage: bool = True
    copy_runtime: bool = True
    snapshots: int = ALL_SNAPSHOTS
    snapshot_id: str = ""
    excluded: frozenset[str] = frozenset()


def definition_of(host: ExportingHost, machine: Machine) -> Definition:
    """A machine as it is now, without its checkpoints."""
    settings = host.repository.owned("CIM_SettingData", machine.machine_id, computed=False)
    return Definition(machine.machine_id, host.host_name, machine.state, tuple(settings))


def checkpoint_definitions(host: ExportingHost, machine: Machine) -> list[Definition]:
    """Its checkpoints, the oldest first."""
    tree, found = host.checkpoints.tree, []
    for system in tree.all(machine.machine_id):
        state = State.SAVED if system.get("IsSaved") is True else State.OFF
        checkpoint_id = ids.system_of(system.text("InstanceID"))
        found.append(Definition(checkpoint_id, host.host_name, state, tuple(tree.parts(system))))
    return found


class Export:
    """One export: done once."""

    def __init__(self, host: ExportingHost, machine: Machine, request: ExportRequest) -> None:
        self._host = host
        self._machine = machine
        self._request = request
        self._made: list[Path] = []

    def run(self, told: Callable[[int], None] = lambda _bytes: None) -> None:
        """:param told: called with the bytes copied; what it raises ends the export.
        :raises OperationFailed: what was written is removed again.
        """
        try:
            self._run(told)
        except BaseException as error:
            for path in reversed(self._made):
                path.unlink(missing_ok=True)
            if isinstance(error, DiskError | GuestError):
                raise self._failed(error) from None
            raise

    def _run(self, told: Callable[[int], None]) -> None:
        machine, request = self._machine, self._request
        checkpoints = [
            item
            for item in checkpoint_definitions(self._host, machine)
            if request.snapshots == ALL_SNAPSHOTS
            or (request.snapshots == ONE_SNAPSHOT and item.machine_id.lower() == request.snapshot_id.lower())
        ]
        definition = definition_of(self._host, machine)
        if not request.copy_runtime:
            checkpoints = [replace(item, state=State.OFF) for item in checkpoints]
        if not request.copy_runtime or definition.state is not State.SAVED:
            definition = replace(definition, state=State.OFF)
        moved = self._copy_disks([definition, *checkpoints], told) if request.copy_storage else {}
        suffix = ntpath.splitext(definition.system.text("ConfigurationFile"))[1]
        for checkpoint in checkpoints:
            place = f"{request.folder}\\Snapshots\\{checkpoint.machine_id}"
            self._write(place, suffix, checkpoint, self._host.checkpoints.state_file(checkpoint.machine_id), moved)
        place = f"{request.folder}\\Virtual Machines\\{machine.machine_id}"
        self._write(place, suffix, definition, machine.saved_file, moved)  # last: who finds it finds the rest

    def _copy_disks(self, definitions: list[Definition], told: Callable[[int], None]) -> dict[str, str]:
        """Copies every disk with its parents; where each went, by its path in lower case."""
        moved = dict[str, str]()
        paths = list(dict.fromkeys(file_of(disk) for item in definitions for disk in hard_disks(item.settings)))
        self._machine.switch_disks(lambda: self._copy_chains(paths, moved, told))
        return moved

    def _copy_chains(self, paths: list[str], moved: dict[str, str], told: Callable[[int], None]) -> None:
        disks = self._host.disks
        for path in paths:
            if path.lower() in self._request.excluded:
                continue
            above = ""
            for layer in reversed(read_chain(disks.folder, path)):  # the base first
                own = str(layer.path)
                if own.lower() not in moved:
                    target = self._free_name(f"{self._request.folder}\\Virtual Hard Disks\\{layer.path.name}", moved)
                    copy_file(layer.local, self._new(target), told)
                    moved[own.lower()] = target
                    if above:
                        disks.set_parent(target, above, ignore_id_mismatch=True)
                above = moved[own.lower()]

    @staticmethod
    def _free_name(wanted: str, moved: Mapping[str, str]) -> str:
        """Disks of one name in several folders: the second gets a number (assumption)."""
        stem, suffix = ntpath.splitext(wanted)
        taken = {path.lower() for path in moved.values()}
        names = (wanted if number == 1 else f"{stem} ({number}){suffix}" for number in range(1, len(taken) + 2))
        return next(name for name in names if name.lower() not in taken)

    def _write(self, place: str, suffix: str, definition: Definition, memory: Path, moved: Mapping[str, str]) -> None:
        """A definition, and the memory of what is saved."""
        if definition.state is State.SAVED and memory.exists():
            copy_file(memory, self._new(place + MEMORY_SUFFIXES[suffix]))
        local = self._new(place + suffix)
        local.parent.mkdir(parents=True, exist_ok=True)
        settings = tuple(relocated(item, moved) for item in definition.settings)
        local.write_bytes(to_bytes(replace(definition, settings=settings)))

    def _new(self, path: str) -> Path:
        local = self._host.disks.folder.to_local(path)
        if local.exists():
            raise DiskError(errors.FILE_EXISTS, path)
        self._made.append(local)
        return local

    def _failed(self, error: DiskError | GuestError) -> OperationFailed:
        name = self._machine.reader.name
        where = f"'{error.path}': " if isinstance(error, DiskError) else ""
        return OperationFailed(
            f"Failed to export virtual machine '{name}'.",
            f"{where}{error.text} (0x{error.code:08X}).",
            machine_id=self._machine.machine_id,
            result=error.code,
        )


def relocated(item: CimInstance, moved: Mapping[str, str]) -> CimInstance:
    """A disk's settings with the file where it went, by lower-case path; anything else as it is."""
    path = file_of(item) if item.class_name == SASD else ""
    if path.lower() not in moved:
        return item
    copy = item.copy()
    copy["HostResource"] = [moved[path.lower()]]
    return copy
