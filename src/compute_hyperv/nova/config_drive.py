"""The config drive: Nova's metadata as files on an ISO 9660 image, made in process.

The files are exactly those of Nova's own ConfigDriveBuilder, which would call mkisofs; the image has the same volume id
(``config-2``) and the same names by Joliet (Windows guests) and Rock Ridge (Linux guests). It goes to the machine as a
DVD or, as the retired driver had it by default, as a disk that begins as the ISO does: no partition table, a fixed VHD.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any, Literal

import pycdlib
from nova import exception, version
from nova.api.metadata import base as instance_metadata
from nova.network.model import NetworkInfo
from nova.objects import Instance
from nova.virt import configdrive

from compute_hyperv.host import paths
from compute_hyperv.host.files import Files
from compute_hyperv.nova.images import vhd
from compute_hyperv.nova.options import CONF

VOLUME_ID = "config-2"

_MIB = 1 << 20
# The smallest VHD that Hyper-V makes itself (New-VHD: 3 MB); a smaller one is not worth finding out about.
_MIN_VHD_BYTES = 3 * _MIB
_FILE_MODE, _FOLDER_MODE = 0o100444, 0o040555
# ISO 9660 level 3: 31 characters of these, and Joliet: 64 characters (both limit one name, not the path).
_NOT_IN_ISO_NAMES = re.compile("[^A-Z0-9_]")
_MAX_ISO_NAME = 31
_MAX_JOLIET_NAME = 64


class ConfigDrives:
    """Where the driver gets config drives from."""

    def write(
        self,
        context: Any,  # noqa: ARG002  Nova's metadata gets a context of its own
        instance: Instance,
        injected_files: Iterable[tuple[str, bytes]],
        admin_password: str | None,
        network_info: NetworkInfo,
        files: Files,
        path: str,
    ) -> None:
        """Makes the drive and puts it on the host; the extension of ``path`` (``iso`` or ``vhd``) says which kind."""
        fmt: Literal["iso", "vhd"] = "iso" if paths.extension(path) == "iso" else "vhd"
        files.write(path, build(instance, injected_files, admin_password, network_info, fmt))


def build(
    instance: Instance,
    injected_files: Iterable[tuple[str, bytes]],
    admin_password: str | None,
    network_info: NetworkInfo,
    fmt: Literal["iso", "vhd"],
) -> bytes:
    """The content of ``configdrive.iso`` or ``configdrive.vhd``.

    The password is in it only where ``[hyperv]config_drive_inject_password`` says so.

    :raises nova.exception.ConfigDriveUnsupportedFormat: ``[DEFAULT]config_drive_format`` is not ``iso9660``.
    """
    if CONF.config_drive_format != "iso9660":
        raise exception.ConfigDriveUnsupportedFormat(format=CONF.config_drive_format)
    extra = {"admin_pass": admin_password} if admin_password and CONF.hyperv.config_drive_inject_password else {}
    metadata = instance_metadata.InstanceMetadata(
        instance, content=list(injected_files), extra_md=extra, network_info=network_info
    )
    builder = configdrive.ConfigDriveBuilder(instance_md=metadata)
    image = iso_image({path: data.encode() if isinstance(data, str) else data for path, data in builder.mdfiles})
    return image if fmt == "iso" else as_vhd(image)


def as_vhd(image: bytes) -> bytes:
    """The ISO image as the content of a fixed VHD, padded to whole MiB."""
    size = max(_MIN_VHD_BYTES, -(-len(image) // _MIB) * _MIB)
    return image.ljust(size, b"\0") + vhd.fixed_footer(size)


def iso_image(files: dict[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet and Rock Ridge, labelled ``config-2``.

    :param files: contents by path, with ``/`` between folders.
    """
    iso = pycdlib.PyCdlib()
    iso.new(
        interchange_level=3,
        joliet=3,
        rock_ridge="1.09",
        vol_ident=VOLUME_ID,
        pub_ident_str=f"{version.product_string()} {version.version_string_with_package()}"[:128],
    )
    names = _IsoNames()
    folders: set[str] = set()
    for path, data in files.items():
        *above, name = path.split("/")
        for depth in range(1, len(above) + 1):
            folder = "/".join(above[:depth])
            if folder not in folders:
                folders.add(folder)
                iso.add_directory(
                    names.folder(folder),
                    rr_name=above[depth - 1],
                    joliet_path=_joliet(folder),
                    file_mode=_FOLDER_MODE,
                )
        iso.add_fp(
            io.BytesIO(data),
            len(data),
            names.file(path),
            rr_name=name,
            joliet_path=_joliet(path),
            file_mode=_FILE_MODE,
        )
    output = io.BytesIO()
    iso.write_fp(output)
    iso.close()
    return output.getvalue()


def _joliet(path: str) -> str:
    return "/" + "/".join(part[:_MAX_JOLIET_NAME] for part in path.split("/"))


class _IsoNames:
    """Names that plain ISO 9660 allows, unique in their folder; only readers without Joliet and Rock Ridge see them."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {"": ""}
        self._taken: set[str] = set()

    def folder(self, path: str) -> str:
        """The ISO path of a folder whose parent was asked for before."""
        above, _, name = path.rpartition("/")
        self._folders[path] = self._unique(self._folders[above], name, "")
        return self._folders[path]

    def file(self, path: str) -> str:
        above, _, name = path.rpartition("/")
        stem, _, suffix = name.rpartition(".") if "." in name else (name, "", "")
        return self._unique(self._folders[above], stem, f".{_plain(suffix)[:8]};1")

    def _unique(self, above: str, name: str, suffix: str) -> str:
        stem = _plain(name)[: _MAX_ISO_NAME - len(suffix)]
        candidate, number = f"{above}/{stem}{suffix}", 0
        while candidate in self._taken:
            number += 1
            mark = f"_{number}"
            candidate = f"{above}/{stem[: _MAX_ISO_NAME - len(suffix) - len(mark)]}{mark}{suffix}"
        self._taken.add(candidate)
        return candidate


def _plain(name: str) -> str:
    return _NOT_IN_ISO_NAMES.sub("_", name.upper())
