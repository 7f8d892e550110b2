"""Storage that moves on one host: disks to other files, configuration to another folder, running or not.

The files are renamed: what a client sees is the same as after a copy, and no moment is without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.checkpoints.disks import hard_disks
from hyperv_simulator.machines.exporting import relocated
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.migration import relocation
from hyperv_simulator.migration.neighbours import MigrationHost
from hyperv_simulator.migration.relocation import Relocation
from hyperv_simulator.migration.request import MigrationRequest
from hyperv_simulator.outcomes import OperationFailed
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.copying import copy_file
from hyperv_simulator.storage.errors import DiskError

# What a storage migration may change of the machine's own settings.
_FOLDERS = (
    "ConfigurationDataRoot", "SnapshotDataRoot", "SwapFileDataRoot", "SuspendDataRoot", "LogDataRoot",
    "GuestStateDataRoot",
)  # fmt: skip


def failed(machine: Machine, host_name: str, error: DiskError | GuestError) -> OperationFailed:
    where = f"'{error.path}': " if isinstance(error, DiskError) else ""
    return OperationFailed(
        f"Storage migration for virtual machine '{machine.reader.name}' failed.",
        f"Storage migration for virtual machine '{machine.reader.name}' failed at '{host_name}': {where}{error.text} "
        f"(0x{error.code:08X}).",
        machine_id=machine.machine_id,
        result=error.code,
    )


def folders_in(given: CimInstance | None) -> dict[str, CimValue]:
    """The new folders among the settings of a request."""
    return {name: given.get(name) for name in _FOLDERS if given is not None and given.get(name)}


def check(machine: Machine, host: MigrationHost, request: MigrationRequest) -> Relocation:
    """What moves where.

    :raises OperationFailed: a file is in the way, a chain is broken.
    """
    try:
        found = relocation.plan(machine, host, request, host, everything=False)
        for target in found.moves.values():
            if host.disks.folder.exists(target) and not request.overwrites:
                raise DiskError(errors.FILE_EXISTS, target)
    except DiskError as error:
        raise failed(machine, host.host_name, error) from None
    return found


def run(machine: Machine, host: MigrationHost, request: MigrationRequest, checked: Callable[[], None]) -> None:
    """:param checked: called once before the files move; what it raises ends the move.
    :raises OperationFailed: every file is where it was.
    """
    found = check(machine, host, request)
    folders = folders_in(request.system)
    checked()
    try:
        if found.moves:
            machine.switch_disks(lambda: _move(machine, host, found))
        if folders:
            host.machines.move_configuration(machine, folders)
    except (DiskError, GuestError) as error:
        raise failed(machine, host.host_name, error) from None


def _move(machine: Machine, host: MigrationHost, found: Relocation) -> None:
    folder, done = host.disks.folder, list[tuple[Path, Path]]()
    try:
        for source, target in found.moves.items():
            here, there = folder.existing(source), folder.to_local(target)
            there.parent.mkdir(parents=True, exist_ok=True)
            if source in found.copied:
                copy_file(here, there)
            else:
                here.replace(there)
            done.append((here, there))
        found.relink(host.disks)
    except (DiskError, OSError) as error:
        for here, there in reversed(done):
            there.replace(here)  # a copy goes back as well: it is the same
        if isinstance(error, DiskError):
            raise
        raise DiskError(errors.ACCESS_DENIED, target, str(error)) from error
    _tell(machine, host, found.by_lower_case)


def _tell(machine: Machine, host: MigrationHost, moved: Mapping[str, str]) -> None:
    """The settings of the machine and its checkpoints name the files where they are."""
    repository, tree = host.repository, host.checkpoints.tree
    checkpoints = [part for item in tree.all(machine.machine_id) for part in tree.parts(item)]
    with repository.lock:
        for disk in hard_disks([*machine.reader.all("CIM_SettingData"), *checkpoints]):
            changed = relocated(disk, moved)
            if changed is not disk:
                repository.change(repository.reference_of(disk), {"HostResource": changed.get("HostResource")})


def own_settings(machine: Machine) -> CimReference:
    return CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)})
