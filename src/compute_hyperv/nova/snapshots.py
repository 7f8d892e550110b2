"""Images of servers: createImage, backups, and what shelving keeps.

The root disk, flattened by the host to a file of its own and streamed from there to Glance. A server that runs goes on
meanwhile: a checkpoint keeps its disk as it was, without the memory, for as long as the host copies it.

Whatever happens, nothing of it stays: the checkpoint is merged again and the copy deleted before ``take`` ends. What
cannot be removed, or what a service that was killed has left, is noted and removed with a later resource report.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nova.conf
from nova import exception
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.image import glance
from nova.objects.instance import Instance
from oslo_log import log as logging
from oslo_utils import excutils

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host import paths
from compute_hyperv.host.model import DriveLayout, MachineState, MachineSummary
from compute_hyperv.host.snapshots import Consistency
from compute_hyperv.nova import names, shielding
from compute_hyperv.nova.errors import HostOperationFailed, in_novas_words
from compute_hyperv.nova.images import upload
from compute_hyperv.nova.instances import Instances
from compute_hyperv.nova.notes import Notes

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
IMAGE_API = glance.API()

_GIB = 1 << 30
# In these nobody has the disks open.
_AT_REST = frozenset({MachineState.OFF, MachineState.SAVED, MachineState.FAST_SAVED})
# [hyperv] snapshot_checkpoint_type to what is tried, in this order.
CONSISTENCY: Mapping[str, Sequence[Consistency]] = {
    "production": (Consistency.APPLICATION, Consistency.CRASH),
    "production_only": (Consistency.APPLICATION,),
    "standard": (Consistency.CRASH,),
}
# How long a deletion waits for the end of a snapshot that it has called off.
_END_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A snapshot that is under way.

    :param export_folder: what the host copies to.
    :param with_checkpoint: whether there may be one of ours.
    :param checkpoints_before: ids of those that were there before: what came later may be ours.
    :param checkpoint_id: ours, as soon as it is known.
    """

    instance_uuid: str
    instance_name: str
    export_folder: str
    with_checkpoint: bool
    checkpoints_before: tuple[str, ...]
    checkpoint_id: str = ""


class _UnderWay:
    """A snapshot that can be called off by another thread."""

    def __init__(self, instance_uuid: str) -> None:
        self._instance_uuid = instance_uuid
        self.called_off = threading.Event()
        self.ended = threading.Event()

    def check(self, *_: object) -> None:
        """:raises nova.exception.InstanceNotFound: the instance is being deleted; Nova removes the image then."""
        if self.called_off.is_set():
            raise exception.InstanceNotFound(instance_id=self._instance_uuid)


class Snapshots:
    """:param notes: of those that are under way.  :param work_folder: on this machine, for formats that the host cannot
    write."""

    def __init__(self, host: HyperVHost, instances: Instances, notes: Notes[Unfinished], work_folder: Path) -> None:
        self._host = host
        self._instances = instances
        self._notes = notes
        self._work = work_folder
        shutil.rmtree(work_folder, ignore_errors=True)  # what a killed process has left; it is this service's alone
        self._lock = threading.Lock()
        self._under_way: dict[str, _UnderWay] = {}

    @in_novas_words
    def take(self, context: Any, instance: Instance, image_id: str, update_task_state: Callable[..., None]) -> None:
        """Puts the server's root disk into an image that Nova has made in Glance.

        :raises nova.exception.InstanceNotFound: it has no machine, or was deleted meanwhile.
        :raises nova.exception.ImageNotFound: somebody has deleted the image meanwhile.
        :raises nova.exception.InstanceUnacceptable: it is shielded, or has no root disk of its own.
        """
        is_shelving = instance.task_state == task_states.SHELVING
        try:
            self._take(context, instance, image_id, update_task_state)
        except Exception:
            with excutils.save_and_reraise_exception():
                if is_shelving:  # Nova deletes the images of snapshots and backups that fail, but not this one
                    compute_utils.delete_image(context, instance, IMAGE_API, image_id)

    def _take(self, context: Any, instance: Instance, image_id: str, update_task_state: Callable[..., None]) -> None:
        if shielding.wanted(instance):
            raise exception.InstanceUnacceptable(
                instance_id=instance.uuid,
                reason="it is shielded: its disk is encrypted with a key in its virtual TPM, so an image of it would "
                "start nowhere. Back it up from within.",
            )
        with self._claim(instance.uuid) as under_way:
            update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
            machine = self._instances.require(instance)
            layout = self._host.drives.layout(machine.machine_id)
            image = upload.Image(image_id, _format(layout), layout.generation)
            with self._exported(instance, machine, layout, image, under_way) as path:
                update_task_state(
                    task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD
                )
                upload.upload(context, IMAGE_API, self._host.files, path, image, instance, self._work, under_way.check)

    def end(self, instance: Instance) -> None:
        """Calls off the instance's snapshot, if there is one, and waits until its traces are gone: the instance is
        about to be deleted. With ``[hyperv] force_destroy_instances`` nobody waits."""
        with self._lock:
            under_way = self._under_way.get(instance.uuid)
        if under_way is None:
            return
        LOG.info("The snapshot is called off", instance=instance)
        under_way.called_off.set()
        if not CONF.hyperv.force_destroy_instances and not under_way.ended.wait(_END_TIMEOUT_S):
            LOG.warning("The snapshot has not ended after %s s", _END_TIMEOUT_S, instance=instance)

    def remove_leftovers(self) -> None:
        """Removes what snapshots have left that could not be removed then; what fails is tried again next time."""
        for note in self._notes.all():
            with contextlib.suppress(exception.InstanceInvalidState), self._claim(note.instance_uuid):
                self._clean_up(note)

    @contextlib.contextmanager
    def _claim(self, instance_uuid: str) -> Iterator[_UnderWay]:
        under_way = _UnderWay(instance_uuid)
        with self._lock:
            if instance_uuid in self._under_way:
                raise exception.InstanceInvalidState(
                    instance_uuid=instance_uuid, attr="snapshot", state="under way", method="snapshot"
                )
            self._under_way[instance_uuid] = under_way
        try:
            yield under_way
        finally:
            with self._lock:
                del self._under_way[instance_uuid]
            under_way.ended.set()

    @contextlib.contextmanager
    def _exported(
        self,
        instance: Instance,
        machine: MachineSummary,
        layout: DriveLayout,
        image: upload.Image,
        under_way: _UnderWay,
    ) -> Iterator[str]:
        """The root disk as a file of its own on the host, for as long as the block lasts."""
        root = _root_path(instance, layout)
        at_rest = machine.state in _AT_REST
        before = [] if at_rest else self._host.snapshots.list(machine.machine_id)
        known = tuple(found.checkpoint_id for found in before)
        folder = names.export_folder(paths.parent(root))
        note = Unfinished(instance.uuid, instance.name, folder, not at_rest, known)
        path = paths.join(folder, f"{image.image_id}.{image.file_format}")
        self._notes.remember(note)
        try:
            self._host.files.make_folder(folder)
            if at_rest:
                self._flatten(root, path, under_way)
            else:
                note = self._take_checkpoint(machine, note, image, under_way)
                kept = self._host.drives.layout(note.checkpoint_id)
                self._flatten(_root_path(instance, kept), path, under_way)
                self._host.snapshots.remove(machine.machine_id, note.checkpoint_id)
                note = replace(note, with_checkpoint=False)
                under_way.check()
            yield path
        except BaseException:
            self._clean_up(note)
            raise
        self._delete_export(note)

    def _take_checkpoint(
        self, machine: MachineSummary, note: Unfinished, image: upload.Image, under_way: _UnderWay
    ) -> Unfinished:
        taken = self._host.snapshots.create(
            machine.machine_id,
            f"OpenStack image {image.image_id}",
            CONSISTENCY[CONF.hyperv.snapshot_checkpoint_type],
            known=note.checkpoints_before,
            progress=under_way.check,
        )
        note = replace(note, checkpoint_id=taken.checkpoint_id)
        self._notes.remember(note)
        return note

    def _flatten(self, source: str, target: str, under_way: _UnderWay) -> None:
        # A volume that fills up stops every machine on it.
        needed = self._chain_bytes(source)
        free = self._host.files.volume_space(paths.parent(target)).free_bytes
        if needed > free:
            raise HostOperationFailed(
                reason=f"a copy of {source} may take {needed / _GIB:.1f} GiB, and its volume has {free / _GIB:.1f} GiB "
                "left. Remedy: free space there."
            )
        self._host.disks.convert(source, target, progress=under_way.check)

    def _chain_bytes(self, path: str) -> int:
        """The most that a copy can take: all files of the chain, but no more than the disk has."""
        disk = self._host.disks.info(path)
        virtual_size, total = disk.virtual_size_bytes, disk.file_size_bytes
        while disk.parent_path is not None:
            disk = self._host.disks.info(disk.parent_path)
            total += disk.file_size_bytes
        return min(virtual_size, total)

    def _clean_up(self, note: Unfinished) -> None:
        """Removes checkpoint and copy. Never raises: why the snapshot failed matters more."""
        try:
            if note.with_checkpoint:
                self._remove_checkpoint(note)
        except CimError as error:
            LOG.warning(
                "The checkpoint of instance %s could not be removed yet; it is tried again with every resource "
                "report: %s",
                note.instance_uuid,
                error,
            )
            return
        self._delete_export(note)

    def _remove_checkpoint(self, note: Unfinished) -> None:
        machine = self._host.machines.find(note.instance_name)
        if machine is None or names.owner(machine.notes) != note.instance_uuid:
            return
        machine_id = machine.machine_id
        self._host.snapshots.settle(machine_id)  # one may still be in the making
        ours = [note.checkpoint_id] if note.checkpoint_id else []
        if not ours:
            ours = [found.checkpoint_id for found in self._host.snapshots.since(machine_id, note.checkpoints_before)]
        for checkpoint_id in ours:
            self._host.snapshots.remove(machine_id, checkpoint_id)

    def _delete_export(self, note: Unfinished) -> None:
        try:
            self._host.files.delete_tree(note.export_folder)
        except CimError as error:
            LOG.warning("%s could not be deleted yet; it is tried again: %s", note.export_folder, error)
            self._notes.remember(replace(note, with_checkpoint=False))
            return
        self._notes.forget(note.instance_uuid)


def _root_path(instance: Instance, layout: DriveLayout) -> str:
    for drive in layout.drives:
        if names.is_root_disk(drive.path):
            return drive.path
    raise exception.InstanceUnacceptable(
        instance_id=instance.uuid,
        reason="it has no root disk on the host. One that boots from an ISO needs a flavor with a root disk.",
    )


def _format(layout: DriveLayout) -> str:
    """What the image will be. Generation 2 does not boot from a VHD."""
    wanted: str = CONF.hyperv.snapshot_image_format
    return "vhdx" if wanted == "vhd" and layout.generation == 2 else wanted
