"""The file systems of ephemeral and swap disks: which there are, and the commands of this machine that make them.

``[DEFAULT] virt_mkfs`` names commands of the administrator's own, each for an ``os_type`` of images or for ``default``;
as in the libvirt driver, a command that fits counts more than any format that is asked for. All run without a shell and
without privileges: they write to a file.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nova import exception
from oslo_concurrency import processutils


@dataclass(frozen=True, slots=True)
class FileSystem:
    """:param name: in names of files.
    :param command: words as in ``virt_mkfs``: with ``%(target)s`` and ``%(fs_label)s``.
    :param package: of Debian, that has the program; empty where that is the administrator's business.
    """

    name: str
    command: tuple[str, ...]
    package: str = ""


def _known(name: str, command: str, package: str) -> FileSystem:
    return FileSystem(name, tuple(command.split()), package)


SWAP = _known("swap", "mkswap %(target)s", "util-linux")
#: What an ephemeral disk can be asked to be formatted with.
EPHEMERAL: Mapping[str, FileSystem] = {
    kind.name: kind
    for kind in (
        _known("ext2", "mkfs.ext2 -q -F -L %(fs_label)s %(target)s", "e2fsprogs"),
        _known("ext3", "mkfs.ext3 -q -F -L %(fs_label)s %(target)s", "e2fsprogs"),
        _known("ext4", "mkfs.ext4 -q -F -L %(fs_label)s %(target)s", "e2fsprogs"),
        # --fast: else it writes zeros to all of the disk
        _known("ntfs", "mkfs.ntfs --quiet --force --fast --label %(fs_label)s %(target)s", "ntfs-3g"),
        _known("vfat", "mkfs.vfat -n %(fs_label)s %(target)s", "dosfstools"),
        _known("xfs", "mkfs.xfs -q -L %(fs_label)s %(target)s", "xfsprogs"),
    )
}


def of_administrator(virt_mkfs: Iterable[str]) -> dict[str, FileSystem]:
    """By ``os_type``.

    :raises ValueError: an entry cannot be understood.
    """
    found = {}
    for entry in virt_mkfs:
        os_type, _, command = entry.partition("=")
        words = tuple(command.split())
        try:
            filled = _filled(words, "<target>", "label")
        except (KeyError, TypeError, ValueError):
            filled = []
        if not os_type.strip() or "<target>" not in " ".join(filled):
            raise ValueError(
                f"[DEFAULT] virt_mkfs = {entry} cannot be understood. Remedy: write <os_type>=<command>, the command "
                "with %(target)s and perhaps %(fs_label)s, and %% for %."
            )
        # Where the command is changed, disks of the former one are not to be found any more: Nova names them so, too.
        name = hashlib.md5(command.encode(), usedforsecurity=False).hexdigest()[:7]
        found[os_type.strip()] = FileSystem(name, words)
    return found


def chosen(os_type: str | None, of_administrator: Mapping[str, FileSystem]) -> FileSystem | None:
    """The administrator's for servers of this kind; None where there is none."""
    return of_administrator.get(os_type or "default", of_administrator.get("default"))


def make(file_system: FileSystem, disk: Path, label: str | None) -> None:
    """Formats a file.

    :raises nova.exception.NovaException: the program is missing, or it refuses.
    """
    command = _filled(file_system.command, str(disk), label or "")
    if shutil.which(command[0]) is None:
        raise exception.NovaException(
            f"{command[0]} is not on nova-compute's PATH, and a disk is to be formatted with it. Remedy: install it"
            + (f" (Debian: {file_system.package})" if file_system.package else ", or change [DEFAULT] virt_mkfs")
            + ", or have /usr/sbin on the PATH of nova-compute."
        )
    try:
        processutils.execute(*command)
    except processutils.ProcessExecutionError as error:
        last_line = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.exit_code}"]
        raise exception.NovaException(
            f"A disk of {disk.stat().st_size >> 20} MiB could not be formatted by {command[0]} ({last_line[0]}). "
            "Remedy: ask for another format or size."
        ) from None


def _filled(words: Iterable[str], target: str, label: str) -> list[str]:
    return [word % {"target": target, "fs_label": label} for word in words]
