"""From a disk on the host to an image in Glance.

VHDX and VHD go from the host's file service to Glance piece by piece: nova-compute keeps nothing of them. Other formats
the host cannot write; for them the file is fetched here, converted by qemu-img, and sent from here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from nova import exception
from nova.compute import utils as compute_utils
from nova.objects.instance import Instance
from oslo_concurrency import processutils

from compute_hyperv.host.files import Files
from compute_hyperv.nova.errors import HostOperationFailed
from compute_hyperv.nova.options import CONF, qemu_img_command

_PREFIX = "snapshot-"
_BLOCK_BYTES = 1 << 20
# Glance's client sends what it reads at once as one part, and asks for 1 MiB. With its head that is more than uWSGI
# takes by default (chunked-input-limit, 1 MiB): a Glance behind it answers 500.
_PART_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Image:
    """What is uploaded.

    :param format: Glance's disk_format: vhdx, vhd, or one that only qemu-img writes.
    :param generation: of the machine that it comes from, and that it will boot in.
    """

    image_id: str
    format: str
    generation: Literal[1, 2]

    @property
    def file_format(self) -> str:
        """What the host writes."""
        return self.format if self.format == "vhd" else "vhdx"

    def metadata(self, instance: Instance) -> dict[str, Any]:
        # What the image of the server says beyond that Nova has written already.
        return {
            "status": "active",
            "disk_format": self.format,
            "container_format": "bare",
            "properties": {
                "hw_machine_type": f"hyperv-gen{self.generation}",
                "image_location": "snapshot",
                "image_state": "available",
                "owner_id": instance.project_id,
            },
        }


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def upload(
    context: Any,
    image_api: Any,
    files: Files,
    path: str,
    image: Image,
    instance: Instance,
    work_folder: Path,
    check: Callable[[], None],
) -> None:
    """Sends a disk of the host to Glance.

    :param path: on the host, in ``image.file_format``.
    :param check: called now and then; what it raises ends the upload.
    :raises HostOperationFailed: Glance has not got all of it.
    """
    with files.reading(path) as disk:
        if image.format == image.file_format:
            _send(context, image_api, image, instance, _Checked(disk, check), disk.size_bytes)
            return
        work_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=work_folder) as folder:
            local, converted = Path(folder) / "disk.vhdx", Path(folder) / "image"
            with local.open("wb") as file:
                shutil.copyfileobj(_Checked(disk, check), file, _BLOCK_BYTES)
            _convert(local, converted, image.format)
            local.unlink()
            with converted.open("rb") as file:
                _send(context, image_api, image, instance, _Checked(file, check), converted.stat().st_size)


class _Checked:
    """A file whose reader can be called off, and gets it in small parts."""

    def __init__(self, file: Readable, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._file.read(min(size, _PART_BYTES) if size >= 0 else _PART_BYTES)


def _send(context: Any, image_api: Any, image: Image, instance: Instance, data: _Checked, size_bytes: int) -> None:
    sent = image_api.update(context, image.image_id, image.metadata(instance), data=data, purge_props=False)
    # Nova's client starts an upload again that broke off, with a file that is half read.
    if sent.get("size") not in (None, size_bytes):
        raise HostOperationFailed(
            reason=f"Glance has {sent['size']} of the {size_bytes} bytes of image {image.image_id}. Remedy: try again."
        )


def _convert(source: Path, target: Path, form: str) -> None:
    command = ("env", "LC_ALL=C", qemu_img_command(CONF), "convert", "-f", "vhdx", "-O", form, str(source), str(target))
    try:
        with compute_utils.disk_ops_semaphore:
            processutils.execute(*command)
    except processutils.ProcessExecutionError as error:
        reason = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.exit_code}"]
        raise exception.ImageUnacceptable(
            image_id=target.name, reason=f"qemu-img could not make a {form} of the disk: {reason[0][-300:]}"
        ) from None
