"""The image cache on the host: ``<instances_path>\\_base``, with the retired driver's names.

Rule 1: a file under its final name is whole and was looked at by Hyper-V itself. Work in progress has names of its own
        (``<image>.<random>.partial.vhdx``), and only the rename at the end, which never replaces anything, makes it
        count. So any number of processes and hosts can share the folder: who comes second throws his own away.
Rule 2: a cached image costs a spawn one look at the file, and no request to WinRM.

What an image was converted to is a dynamic VHDX, always; an ISO stays one. A ``<image>.vhd`` that the retired driver
has left is used as it is.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nova import exception
from nova.image import glance
from nova.objects import ImageMeta, Instance
from nova.objects.trusted_certs import TrustedCerts
from nova.virt import images
from oslo_concurrency import lockutils
from oslo_log import log as logging

from compute_hyperv.cim.errors import Busy
from compute_hyperv.host import paths
from compute_hyperv.host.model import DiskInfo, FileEntry
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.images import ageing, conversion, inspection, placing
from compute_hyperv.nova.images.inspection import unacceptable
from compute_hyperv.nova.options import CONF

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

LOG = logging.getLogger(__name__)
IMAGE_API = glance.API()

_GIB = 1 << 30
Format = Literal["vhdx", "vhd", "iso"]
_DISK_FORMATS: tuple[Format, ...] = ("vhdx", "vhd")
_ISO: tuple[Format, ...] = ("iso",)
_WORK_PREFIX = "image-"
# How old a file's time stamp may get before its use is noted there: far less than any sensible minimum age, and seldom
# enough to cost nothing.
_NOTE_USE_AFTER = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CachedImage:
    """An image on the host, ready to be the parent of root disks, or to be copied.

    :param path: the Windows path, as the host knows it.
    """

    path: str
    format: Format
    virtual_size_bytes: int


@dataclass(frozen=True, slots=True)
class _Ready:
    """A file here that can go to the host.

    :param size_bytes: what the host must find in it; None for what it cannot look into.
    """

    file: Path
    format: Format
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the host said about a file, and which file that was."""

    size_bytes: int
    modified_at: dt.datetime
    image: CachedImage


class ImageCache:
    """:param base_folder: Windows path.  :param work_folder: on nova-compute's machine, for this service alone."""

    def __init__(self, host: HyperVHost, base_folder: str, work_folder: Path) -> None:
        self._host = host
        self._base = base_folder
        self._work = work_folder
        self._known: dict[str, _Known] = {}
        self._work_lock = threading.Lock()
        self._work_is_clean = False

    @in_novas_words
    def fetch(
        self,
        context: Any,
        image_meta: ImageMeta,
        *,
        instance: Instance | None = None,
        trusted_certs: TrustedCerts | None = None,
    ) -> CachedImage:
        """The image on the host; downloaded, inspected, converted and uploaded if it is not there yet.

        :param instance: whose root disk it will be: an image that is larger than the flavor's disk is refused.
        :raises nova.exception.ImageUnacceptable: the file is not what an honest image is.
        :raises nova.exception.FlavorDiskSmallerThanImage:
        """
        image, _made = self._fetch(context, image_meta, _root_bytes(instance), trusted_certs)
        return image

    @in_novas_words
    def place(self, context: Any, image_meta: ImageMeta, path: str, *, instance: Instance) -> CachedImage:
        """The image as a VHDX of its own at ``path``, replacing what is there, and not in the cache: for one that is
        used once, as that of a shelved server.

        :raises nova.exception.ImageUnacceptable: as ``fetch``; or it is no disk.
        :raises nova.exception.FlavorDiskSmallerThanImage:
        """
        image_id = _checked_id(image_meta)
        disk_format = inspection.check_claim(image_id, image_meta.disk_format if "disk_format" in image_meta else None)
        limit_bytes = _root_bytes(instance)
        with self._downloaded(context, image_id, disk_format, limit_bytes, instance.trusted_certs) as ready:
            if ready.size_bytes is None:
                raise unacceptable(image_id, f"is an {ready.format}, not a disk", "take the image of a disk")
            self._host.files.upload(ready.file, path)
            return self._check(image_id, path, ready.size_bytes)

    @in_novas_words
    def prepare(self, context: Any, image_id: str) -> bool:
        """Has the image ready before anybody needs it.

        :returns: False if it was there already.
        """
        image_meta = ImageMeta.from_image_ref(context, IMAGE_API, image_id)
        _image, made = self._fetch(context, image_meta, None, None)
        return made

    @in_novas_words
    def age(self, context: Any, images_in_use: Set[str]) -> None:  # noqa: ARG002  Nova's other rooms get it as well
        """Notes what is in use, and removes what nobody has used for as long as ``[image_cache]`` says."""
        ageing.age(self._host.files, self._base, images_in_use, ageing.policy(CONF))

    def _fetch(
        self, context: Any, image_meta: ImageMeta, limit_bytes: int | None, trusted_certs: TrustedCerts | None
    ) -> tuple[CachedImage, bool]:
        image_id = _checked_id(image_meta)
        disk_format = inspection.check_claim(image_id, image_meta.disk_format if "disk_format" in image_meta else None)
        formats = _ISO if disk_format == "iso" else _DISK_FORMATS
        image, made = self._find(image_id, formats), False
        if image is None:
            with self._lock(image_id):
                image = self._find(image_id, formats)
                if image is None:
                    image, made = self._make(context, image_id, disk_format, limit_bytes, trusted_certs), True
        _check_fits(image.virtual_size_bytes, limit_bytes)
        return image, made

    @contextlib.contextmanager
    def _lock(self, image_id: str) -> Iterator[None]:
        """One download at a time on this machine, by threads and processes; ``_put`` deals with other machines."""
        where = self._base if ageing.is_shared(self._base) else f"{self._work}|{self._base}"
        name = f"compute-hyperv-{image_id}-{hashlib.sha256(where.lower().encode()).hexdigest()[:12]}"
        lock_path = lockutils.get_lock_path(CONF) or str(self._work / "locks")
        with lockutils.lock(name, lock_file_prefix="nova-", external=True, lock_path=lock_path):
            yield

    # What is there

    def _find(self, image_id: str, formats: tuple[Format, ...]) -> CachedImage | None:
        for disk_format in formats:
            path = paths.join(self._base, f"{image_id}.{disk_format}")
            entry = self._host.files.stat(path)
            if entry is not None:
                return self._use(image_id, path, entry)
        return None

    def _use(self, image_id: str, path: str, entry: FileEntry) -> CachedImage:
        known = self._known.get(path)
        if known is None or (known.size_bytes, known.modified_at) != (entry.size_bytes, entry.modified_at):
            known = _Known(entry.size_bytes, entry.modified_at, self._look(image_id, path, entry))
        if dt.datetime.now(dt.UTC) - entry.modified_at > _NOTE_USE_AFTER:
            self._note_use(path)
            entry = self._host.files.stat(path) or entry
            known = _Known(entry.size_bytes, entry.modified_at, known.image)
        self._known[path] = known
        return known.image

    def _look(self, image_id: str, path: str, entry: FileEntry) -> CachedImage:
        if paths.extension(path) == "iso":  # Hyper-V has nothing to say about it
            return CachedImage(path, "iso", entry.size_bytes)
        return _stand_alone(image_id, path, self._host.disks.info(path))

    def _note_use(self, path: str) -> None:
        try:
            self._host.files.touch(path)
        except Busy as error:
            LOG.debug("The use of %s could not be noted: %s", path, error)

    # How it gets there

    def _make(
        self,
        context: Any,
        image_id: str,
        disk_format: str,
        limit_bytes: int | None,
        trusted_certs: TrustedCerts | None,
    ) -> CachedImage:
        with self._downloaded(context, image_id, disk_format, limit_bytes, trusted_certs) as ready:
            return self._put(image_id, ready)

    @contextlib.contextmanager
    def _downloaded(
        self,
        context: Any,
        image_id: str,
        disk_format: str,
        limit_bytes: int | None,
        trusted_certs: TrustedCerts | None,
    ) -> Iterator[_Ready]:
        """The image here, inspected and converted, for as long as the block lasts."""
        self._clean_work_folder()
        with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=self._work) as folder:
            downloaded, disk = Path(folder) / "download", Path(folder) / "disk.vhdx"
            LOG.info("Downloading image %s", image_id)
            # Checks Glance's signature and the trusted certificates as nova.conf and the instance say.
            images.fetch(context, image_id, str(downloaded), trusted_certs)
            inspected = inspection.inspect(downloaded, image_id=image_id, disk_format=disk_format)
            _check_fits(inspected.virtual_size_bytes, limit_bytes)
            if inspected.format == "iso":
                yield _Ready(downloaded, "iso", None)
                return
            size = conversion.to_dynamic_vhdx(inspected, disk, image_id=image_id)
            downloaded.unlink()
            yield _Ready(disk, "vhdx", size)

    def _put(self, image_id: str, ready: _Ready) -> CachedImage:
        path = paths.join(self._base, f"{image_id}.{ready.format}")
        size = ready.size_bytes

        def check(partial: str) -> None:
            if size is not None:
                self._check(image_id, partial, size)

        placing.put_whole(self._host.files, ready.file, path, check=check)
        found = self._find(image_id, (ready.format,))
        if found is None:
            raise exception.ImageNotFound(image_id=image_id)
        return found

    def _check(self, image_id: str, path: str, size_bytes: int) -> CachedImage:
        """Sees that the host finds in the uploaded file what is in it."""
        made = _stand_alone(image_id, path, self._host.disks.info(path))
        if made.virtual_size_bytes != size_bytes:
            raise unacceptable(
                image_id,
                f"has {size_bytes} bytes, but the host finds {made.virtual_size_bytes} in its VHDX",
                "report this with the versions of qemu-img and Windows",
            )
        return made

    def _clean_work_folder(self) -> None:
        """Removes what a killed process has left; the folder is this service's alone, so it is done once."""
        with self._work_lock:
            if self._work_is_clean:
                return
            self._work.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self._work.glob(f"{_WORK_PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
            self._work_is_clean = True


def _checked_id(image_meta: ImageMeta) -> str:
    """The image's id, which becomes a file name on the host: nothing but a UUID will do."""
    image_id = str(image_meta.id) if "id" in image_meta else ""
    try:
        return str(uuid.UUID(image_id))
    except ValueError:
        raise unacceptable(image_id, "has no UUID", "boot from an image that is in Glance") from None


def _root_bytes(instance: Instance | None) -> int | None:
    """The flavor's root disk; 0 GB means as large as the image."""
    return instance.flavor.root_gb * _GIB or None if instance is not None else None


def _check_fits(size_bytes: int, limit_bytes: int | None) -> None:
    if limit_bytes is not None and size_bytes > limit_bytes:
        raise exception.FlavorDiskSmallerThanImage(flavor_size=limit_bytes, image_size=size_bytes)


def _stand_alone(image_id: str, path: str, info: DiskInfo) -> CachedImage:
    """:raises nova.exception.ImageUnacceptable: the host says that the disk is a child of another one, or no VHD(X)."""
    if info.parent_path is not None or info.kind == "differencing":
        raise unacceptable(
            image_id,
            f"is in the cache as {path}, which depends on {info.parent_path}",
            "delete that file; the image is fetched again when it is needed",
        )
    if info.format == "vhdset":
        raise unacceptable(image_id, f"is in the cache as {path}, a VHD set", "delete that file")
    return CachedImage(path, info.format, info.virtual_size_bytes)
