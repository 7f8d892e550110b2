"""Storage that several hosts share, and Placement.

Each host would report all of it as its own, and two servers of 80 GB fit on 100 GB as long as they are on two hosts
(LP 1784020). So a folder that hosts share can have one provider of its own in Placement, which has the disk space and
shares it (``MISC_SHARES_VIA_AGGREGATE``) with all hosts in its aggregate; the hosts' own providers have none then.

Which storage it is says a file in the folder, made by whoever comes first: paths differ from host to host in spelling,
and a volume's serial number is not unique on every file server.

What Nova 34 and Placement 16 do with that: the scheduler takes allocation candidates as Placement gives them, an
evacuation does not allocate twice from the same provider, and deleting removes all allocations of a consumer. While a
server moves between hosts of one storage its space is allocated twice. But there are no candidates for a request that
names its host (the scheduler restricts it to that host's tree, ``in_tree``, and Placement then leaves out what is
shared), nor for one that is confined to host aggregates, as availability zones are (``member_of``: the storage would
have to be in them, and would then be shared with all hosts in them). So it is the operator's choice, and undone when
it is taken back.
"""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import os_resource_classes
import os_traits
from nova import exception

from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileExists, FileMissing
from compute_hyperv.host.files import Files
from compute_hyperv.nova.errors import HostUnusable
from compute_hyperv.nova.images import ageing

DISK_GB = os_resource_classes.DISK_GB

MARKER = "compute-hyperv-storage.txt"
_EXPLANATION = "The line above names this storage in OpenStack Placement. Do not change, copy or delete this file."

Allocations = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SharedStorage:
    """:param uuid: of the storage, and of its provider in Placement.  :param name: of the provider."""

    uuid: str
    name: str

    @property
    def aggregate(self) -> str:
        """Placement's aggregate of the storage's provider and of all hosts that use it."""
        return str(uuid.uuid5(uuid.UUID(self.uuid), "aggregate"))


def find(files: Files, folder: str) -> SharedStorage | None:
    """The storage that a folder is on, which gets its identity if it has none; None for a folder of the host's own.

    The identity is there whether the storage has a provider or not: it may have had one, or get one later.

    :raises HostUnusable: the file with the identity holds something else.
    """
    if not ageing.is_shared(folder):
        return None
    marker = paths.join(folder, MARKER)
    text = _read(files, marker)
    if text is None:
        _make(files, marker)
        text = _read(files, marker) or ""
    try:
        identity = str(uuid.UUID(text.split("\n", 1)[0].strip()))
    except ValueError:
        raise HostUnusable(
            server=folder,
            reason=f"{marker} does not begin with a UUID, which it did when nova-compute made it. Restore it from a "
            "backup; or write into it the UUID of the storage's resource provider in Placement.",
        ) from None
    return SharedStorage(identity, folder.lower())


def _read(files: Files, marker: str) -> str | None:
    try:
        return files.read(marker).decode("utf-8", "replace")
    except FileMissing:
        return None


def _make(files: Files, marker: str) -> None:
    """Makes the file with a new identity; whoever does so at the same time may be faster, then his counts."""
    new = f"{marker}.{secrets.token_hex(4)}"
    files.write(new, f"{uuid.uuid4()}\n{_EXPLANATION}\n".encode())
    try:
        files.rename(new, marker)
    except FileExists:
        files.delete(new, missing_ok=True)
    except BaseException:
        with contextlib.suppress(Exception):  # why it failed matters more
            files.delete(new, missing_ok=True)
        raise


def share(
    storage: SharedStorage,
    provider_tree: Any,
    node_name: str,
    disk: Mapping[str, Any] | None,
    allocations: Allocations | None,
) -> None:
    """Gives the disk space to the storage's provider. The caller takes it from the host's afterwards.

    :param disk: the inventory of disk space; None where there is none.
    :param allocations: of the host's instances, while Nova reshapes: those of disk space move to the storage.
    :raises nova.exception.ReshapeNeeded: the host's provider has had disk space until now.
    """
    node = provider_tree.data(node_name)
    if DISK_GB in node.inventory:
        _move_disk_space(allocations, node.uuid, storage.uuid)
    _put(storage, provider_tree, disk)
    provider_tree.update_aggregates(node_name, node.aggregates | {storage.aggregate})


def stop_sharing(
    storage: SharedStorage,
    provider_tree: Any,
    node_name: str,
    disk: Mapping[str, Any] | None,
    allocations: Allocations | None,
) -> None:
    """Takes a host out of those that share the storage, if it is among them. Its provider has the disk space again.

    :param allocations: as for ``share``, the other way round.
    :raises nova.exception.ReshapeNeeded: it is among them.
    """
    node = provider_tree.data(node_name)
    if storage.aggregate in node.aggregates:
        _move_disk_space(allocations, storage.uuid, node.uuid)
        # Reshaping, Nova 34 empties all providers that it knows but for those that are here.
        _put(storage, provider_tree, disk)
        provider_tree.update_aggregates(node_name, node.aggregates - {storage.aggregate})


def _put(storage: SharedStorage, provider_tree: Any, disk: Mapping[str, Any] | None) -> None:
    """The storage's provider: Nova 34 hands us a host's own providers only."""
    if not provider_tree.exists(storage.uuid):
        provider_tree.new_root(storage.name, storage.uuid)
    provider_tree.update_inventory(storage.uuid, {DISK_GB: dict(disk)} if disk else {})
    provider_tree.update_traits(storage.uuid, {os_traits.MISC_SHARES_VIA_AGGREGATE})
    provider_tree.update_aggregates(storage.uuid, {storage.aggregate})


def _move_disk_space(allocations: Allocations | None, source: str, target: str) -> None:
    if allocations is None:
        raise exception.ReshapeNeeded()
    for consumer in allocations.values():
        by_provider = consumer["allocations"]
        gigabytes = by_provider.get(source, {}).get("resources", {}).pop(DISK_GB, 0)
        if not gigabytes:
            continue
        if not by_provider[source]["resources"]:
            del by_provider[source]
        resources = by_provider.setdefault(target, {"resources": {}})["resources"]
        resources[DISK_GB] = resources.get(DISK_GB, 0) + gigabytes
