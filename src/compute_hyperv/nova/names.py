"""Names and folders that tie a machine on the host to an instance in Nova.

All of them are the retired driver's, for good: machines and files that it left behind are found by them
(old-driver facts, section 4). Paths are Windows paths and are never touched by ``os.path``.
"""

from __future__ import annotations

import re
import uuid
from typing import Literal

from compute_hyperv.host import paths

PipeRole = Literal["rw", "ro", "com1", "com2"]


def image_cache_folder(instances_path: str) -> str:
    return paths.join(instances_path, "_base")


def instance_folder(instances_path: str, instance_name: str) -> str:
    return paths.join(instances_path, instance_name)


def revert_folder(instances_path: str, instance_name: str) -> str:
    """Where a cold migration keeps what it needs to go back."""
    return paths.join(instances_path, f"{instance_name}_revert")


def export_folder(folder: str) -> str:
    """Where the host puts what is read from it soon and deleted then."""
    return paths.join(folder, "export")


def root_disk(folder: str, disk_format: str) -> str:
    return paths.join(folder, f"root.{disk_format}")


def is_root_disk(path: str) -> bool:
    """Whether a file is a root disk: ``root.vhdx``, or what a machine with checkpoints goes on in:
    ``root_<GUID>.avhdx``."""
    return _is_named(r"root(_[0-9a-f-]{36})?\.a?vhdx?", path)


def is_root_iso(path: str) -> bool:
    """Whether a file is the ISO image that a server boots from."""
    return _is_named(r"root\.iso", path)


def rescue_disk(folder: str, disk_format: str) -> str:
    return paths.join(folder, f"root-rescue.{disk_format}")


def is_rescue_disk(path: str) -> bool:
    return _is_named(r"root-rescue(_[0-9a-f-]{36})?\.(a?vhdx?|iso)", path)


def ephemeral_disk(folder: str, number: int) -> str:
    """:param number: counts from 0."""
    return paths.join(folder, f"eph{number}.vhdx")


def is_ephemeral_disk(file_name: str) -> bool:
    return re.fullmatch(r"eph\d+\.vhdx", file_name, re.IGNORECASE) is not None


def swap_disk(folder: str) -> str:
    return paths.join(folder, "swap.vhdx")


def formatted_disk(instances_path: str, label: str | None, size: int, file_system: str) -> str:
    """Where the image cache keeps an empty disk with a file system: ``ephemeral0_10_ext4.vhdx`` of 10 GiB,
    ``swap_512.vhdx`` of 512 MiB. ``images.ageing`` knows them by these names."""
    name = f"{label}_{size}_{file_system}" if label else f"{file_system}_{size}"
    return paths.join(image_cache_folder(instances_path), f"{name}.vhdx")


def config_drive(folder: str, *, cdrom: bool) -> str:
    return paths.join(folder, "configdrive.iso" if cdrom else "configdrive.vhd")


def is_config_drive(path: str) -> bool:
    return _is_named(r"configdrive\.(iso|vhd)", path)


def rescue_config_drive(folder: str, file_format: str) -> str:
    return paths.join(folder, f"configdrive-rescue.{file_format}")


def is_rescue_config_drive(path: str) -> bool:
    return _is_named(r"configdrive-rescue\.(iso|vhd)", path)


def shielding_data(folder: str) -> str:
    """The PDK file of a shielded server, while it is made. The retired driver had a temporary file of any name."""
    return paths.join(folder, "shielding.pdk")


def specialization_data(folder: str) -> str:
    """The FSK file that goes with it."""
    return paths.join(folder, "shielding.fsk")


def _is_named(pattern: str, path: str) -> bool:
    return re.fullmatch(pattern, paths.name(path), re.IGNORECASE) is not None


def pipe(instance_uuid: str, role: PipeRole) -> str:
    r"""The named pipe of a serial port: ``\\.\pipe\<uuid>_rw`` for interactive use, ``_ro`` for the log only, ``_com1``
    and ``_com2`` for a port without a role (ours: the retired driver had none)."""
    return rf"\\.\pipe\{instance_uuid}_{role}"


def owner(notes: tuple[str, ...] | list[str]) -> str | None:
    """The UUID of the instance that a machine belongs to; None for a machine that Nova did not make.

    The first note is the only link from a machine to Nova. A machine without a UUID there is foreign and is left alone.
    """
    if not notes:
        return None
    try:
        return str(uuid.UUID(notes[0].strip()))
    except ValueError:
        return None
