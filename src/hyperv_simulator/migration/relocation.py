r"""Which of a machine's files go where when its storage moves.

The client names new files for the machine's disks. What its checkpoints have in the same drive goes to the same folder
(as Hyper-V moves checkpoints along). Any other parent goes only where the client says so (UnmanagedVhds); otherwise it
stays where it is, and has to be at the same place on another host. An empty name lets the pool choose: the host's
folder for disks. On the way to another host, disks that nobody names keep their paths, and are copied unless the other
host has the file (assumption).
"""

from __future__ import annotations

import itertools
import ntpath
from collections.abc import Mapping
from dataclasses import dataclass

from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.checkpoints.disks import file_of, hard_disks
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration.neighbours import MigrationHost
from hyperv_simulator.migration.request import MigrationRequest
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.storage.vhd import DiskStore

NO_PLACES: Mapping[str, str] = {}
_SERVICE_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"


@dataclass(frozen=True, slots=True)
class Relocation:
    """Files that move, and how they hang together.

    :param moves: source path to target path.
    :param links: (child, parent) of all chains, source paths, those that stay included.
    :param copied: those of ``moves`` that stay at their source as well.
    """

    moves: Mapping[str, str]
    links: tuple[tuple[str, str], ...]
    copied: frozenset[str] = frozenset()

    def place(self, path: str) -> str:
        """Where a file is afterwards."""
        return self.by_lower_case.get(path.lower(), path)

    @property
    def by_lower_case(self) -> dict[str, str]:
        return {source.lower(): target for source, target in self.moves.items()}

    def relink(self, disks: DiskStore) -> None:
        """Lets children find their parents at the new places, the base first; with the files at theirs."""
        for child, parent in reversed(self.links):
            if self.place(child) != child or self.place(parent) != parent:
                disks.set_parent(self.place(child), self.place(parent), ignore_id_mismatch=True)


def plan(
    machine: Machine,
    source: MigrationHost,
    request: MigrationRequest,
    target: MigrationHost,
    *,
    everything: bool,
    places: Mapping[str, str] = NO_PLACES,
) -> Relocation:
    """:param everything: to another host, so that a file goes even where its path stays.
    :param places: where disks go that the request does not name, by lower-case id.
    :raises Refused: 32773: a disk that the machine does not have.
    :raises DiskError: a chain is broken.
    """
    own = {disk.text("InstanceID").lower(): disk for disk in hard_disks(machine.reader.all("CIM_SettingData"))}
    tree = source.checkpoints.tree
    parts = [part for item in tree.all(machine.machine_id) for part in tree.parts(item)]
    checkpointed: dict[str, list[str]] = {}
    for disk in hard_disks(parts):
        checkpointed.setdefault(ids.tail_of(disk.text("InstanceID")), []).append(file_of(disk))
    moves: dict[str, str] = {}
    links: dict[tuple[str, str], None] = {}
    named = {given.text("InstanceID", "").lower(): given for given in hard_disks(request.resources)}
    for stranger in named.keys() - own.keys():
        raise Refused(INVALID_PARAMETER, f"no disk {stranger!r}")
    for disk_id, current in own.items():
        path = file_of(current)
        wanted = places.get(disk_id, path)
        if disk_id in named:
            wanted = file_of(named[disk_id]) or _chosen(path, target)
        elif not everything or target.disks.folder.exists(wanted):
            continue
        if not everything and wanted.lower() == path.lower():
            continue
        moves[path] = wanted
        for file in checkpointed.get(ids.tail_of(current.text("InstanceID")), ()):
            moves.setdefault(file, f"{ntpath.dirname(wanted)}\\{ntpath.basename(file)}")
    for path in dict.fromkeys(file_of(disk) for disk in (*own.values(), *hard_disks(parts))):
        if source.disks.folder.exists(path):
            links |= dict.fromkeys(itertools.pairwise([path, *source.disks.chain(path)[1:]]))
    unmanaged = {str(source.disks.folder.parse(path)): wanted for path, wanted in request.unmanaged.items()}
    return Relocation(
        {**moves, **unmanaged}, tuple(links), frozenset() if request.removes_unmanaged else frozenset(unmanaged)
    )


def _chosen(path: str, target: MigrationHost) -> str:
    (settings,) = target.repository.instances(_SERVICE_SETTINGS)
    return f"{settings.text('DefaultVirtualHardDiskPath')}\\{ntpath.basename(path)}"
