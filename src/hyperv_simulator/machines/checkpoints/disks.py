r"""The files below a machine's disks: a checkpoint freezes them, and the machine goes on in a child of each.

A child is called ``<disk>_<GUID>.avhdx`` and lies beside its parent, as Hyper-V makes them; each disk has a GUID of its
own (assumption). Files of that extension are Hyper-V's own: only they are merged and deleted with their checkpoints.
"""

from __future__ import annotations

import contextlib
import ntpath
import re
from collections.abc import Iterable

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.identifiers import new_guid
from hyperv_simulator.machines.device_kinds import PREFIX, SASD
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore

_CHILD = {".vhd": ".avhd", ".avhd": ".avhd", ".vhdx": ".avhdx", ".avhdx": ".avhdx"}
_GUID = re.compile(r"_[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$", re.IGNORECASE)
_HARD_DISK = (PREFIX + "Virtual Hard Disk").lower()


def is_own(path: str) -> bool:
    """The file was made for a checkpoint."""
    return ntpath.splitext(path)[1].lower() in (".avhd", ".avhdx")


def child_name(path: str) -> str:
    """A name for the file that a machine goes on in."""
    stem, extension = ntpath.splitext(path)
    return f"{_GUID.sub('', stem)}_{new_guid()}{_CHILD[extension.lower()]}"


def hard_disks(settings: Iterable[CimInstance]) -> list[CimInstance]:
    """The virtual hard disks among a machine's or checkpoint's settings."""
    return [
        item
        for item in settings
        if item.class_name == SASD and str(item.get("ResourceSubType", "")).lower() == _HARD_DISK
    ]


def file_of(disk: CimInstance) -> str:
    return host_resource(disk)


def branch(store: DiskStore, paths: Iterable[str]) -> dict[str, str]:
    """Makes a child of each disk, and gives their paths by their parents'.

    :raises DiskError: one can't be made; there is none then.
    """
    made: dict[str, str] = {}
    try:
        for path in paths:
            child = child_name(path)
            store.create(child, "differencing", store.info(path).format, parent_path=path)
            made[path] = child
    except DiskError:
        discard(store, made.values())
        raise
    return made


def discard(store: DiskStore, paths: Iterable[str]) -> None:
    """Deletes files that were made for checkpoints, where they still are and nobody has them open."""
    for path in paths:
        if is_own(path):
            with contextlib.suppress(DiskError):
                store.remove(path)
