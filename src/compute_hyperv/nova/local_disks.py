"""The files of an instance's own disks: its root, ephemeral and swap disks.

A file that is there already is used as it is: an earlier attempt has made it whole, or a rebuild keeps it. Disks are
thin. What has a file system is made here once for each size, format and label, kept in the image cache as images are,
and copied by the host for each instance.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nova import exception
from nova.objects.instance import Instance
from oslo_concurrency import lockutils
from oslo_log import log as logging

from compute_hyperv.cim.errors import Busy
from compute_hyperv.nova import file_systems, names
from compute_hyperv.nova.block_devices import BlankDisk
from compute_hyperv.nova.file_systems import SWAP, FileSystem
from compute_hyperv.nova.images import conversion, placing
from compute_hyperv.nova.images.cache import CachedImage
from compute_hyperv.nova.images.inspection import InspectedImage
from compute_hyperv.nova.options import CONF

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

LOG = logging.getLogger(__name__)

_GIB, _MIB = 1 << 30, 1 << 20
# As for images: seldom enough to cost nothing, far more often than they age.
_NOTE_USE_AFTER = dt.timedelta(hours=1)


class LocalDisks:
    """:param work_folder: on nova-compute's machine, for this service alone."""

    def __init__(self, host: HyperVHost, instances_path: str, work_folder: Path) -> None:
        self._host = host
        self._instances_path = instances_path
        self._work = work_folder
        shutil.rmtree(work_folder, ignore_errors=True)  # what a killed process has left

    def make_root(self, instance: Instance, path: str, image: CachedImage) -> None:
        """The root disk, of exactly the flavor's size; of the image's where the flavor has 0 GB. An ISO is copied."""
        if self._host.files.exists(path):
            LOG.info("Using the root disk that is there already: %s", path, instance=instance)
            size_now = None
        elif CONF.use_cow_images and image.format == "vhdx":  # a differencing VHD cannot grow
            self._host.disks.create_differencing(path, image.path)
            size_now = image.virtual_size_bytes
        else:
            self._host.files.copy_on_host(image.path, path)
            size_now = image.virtual_size_bytes
        if image.format == "iso":
            return
        if size_now is None:
            size_now = self._host.disks.info(path).virtual_size_bytes
        # The image cache has refused images that are larger than that.
        size_wanted = instance.flavor.root_gb * _GIB
        if size_now < size_wanted:
            self._host.disks.resize(path, size_wanted)

    def make_blank(self, instance: Instance, disk: BlankDisk) -> None:
        """:raises nova.exception.NovaException: it cannot be formatted here."""
        if self._host.files.exists(disk.path):
            LOG.info("Using the disk that is there already: %s", disk.path, instance=instance)
        elif disk.file_system is None:
            self._host.disks.create_dynamic(disk.path, disk.size_bytes)
        else:
            self._host.files.copy_on_host(self._formatted(disk, disk.file_system), disk.path)

    def _formatted(self, disk: BlankDisk, file_system: FileSystem) -> str:
        """Where the empty file system is kept, made now if it is not there."""
        size = disk.size_bytes // (_MIB if file_system is SWAP else _GIB)
        path = names.formatted_disk(self._instances_path, disk.label, size, file_system.name)
        with lockutils.lock(f"compute-hyperv-{path.lower()}"):
            entry = self._host.files.stat(path)
            if entry is None:
                self._format(disk, file_system, path)
            elif dt.datetime.now(dt.UTC) - entry.modified_at > _NOTE_USE_AFTER:
                self._note_use(path)
        return path

    def _note_use(self, path: str) -> None:
        try:
            self._host.files.touch(path)
        except Busy as error:
            LOG.debug("The use of %s could not be noted: %s", path, error)

    def _format(self, disk: BlankDisk, file_system: FileSystem, path: str) -> None:
        self._work.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            raw, vhdx = Path(folder) / "raw", Path(folder) / "disk.vhdx"
            with raw.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.truncate(disk.size_bytes)  # all of it a hole
            LOG.info("Making %s", path)
            file_systems.make(file_system, raw, disk.label)
            whole = InspectedImage(raw, "raw", "raw", disk.size_bytes)
            conversion.to_dynamic_vhdx(whole, vhdx, image_id=path)
            raw.unlink()
            placing.put_whole(self._host.files, vhdx, path, check=lambda partial: self._check(disk, partial))

    def _check(self, disk: BlankDisk, path: str) -> None:
        found = self._host.disks.info(path).virtual_size_bytes
        if found != disk.size_bytes:
            raise exception.NovaException(
                f"The host finds {found} bytes in {path}, which was made with {disk.size_bytes}. Remedy: report this "
                "with the versions of qemu-img and Windows."
            )
