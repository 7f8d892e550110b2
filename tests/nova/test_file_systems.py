"""File systems of ephemeral disks: the administrator's commands, and that ours make what they say."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from nova import exception

from compute_hyperv.nova import file_systems
from compute_hyperv.nova.file_systems import EPHEMERAL, FileSystem

LINUX = "linux=mkfs.ext4 -O dir_index,extent -E stride=8 -L %(fs_label)s %(target)s"
DEFAULT = "default=mkfs.vfat -n %(fs_label)s %(target)s"

# virt_mkfs, the image's os_type, whose command it is
CHOSEN = [
    ([], "linux", None),
    ([LINUX], "linux", "mkfs.ext4"),
    ([LINUX], "windows", None),
    ([LINUX], None, None),
    ([LINUX, DEFAULT], "linux", "mkfs.ext4"),
    ([LINUX, DEFAULT], "windows", "mkfs.vfat"),
    ([LINUX, DEFAULT], None, "mkfs.vfat"),
]


@pytest.mark.parametrize(("virt_mkfs", "os_type", "program"), CHOSEN)
def test_a_command_is_for_its_os_type_or_for_all_others(virt_mkfs, os_type, program):
    chosen = file_systems.chosen(os_type, file_systems.of_administrator(virt_mkfs))

    assert (chosen.command[0] if chosen else None) == program


def test_another_command_is_another_file_system():
    one, other = (file_systems.of_administrator([f"linux=mkfs {kind} %(target)s"])["linux"] for kind in "ab")

    assert one.name != other.name
    assert one.name.isalnum()


@pytest.mark.parametrize(
    "entry", ["", "linux", "=mkfs %(target)s", "linux=mkfs", "linux=mkfs %(disk)s", "linux=mkfs 5% x"]
)
def test_an_entry_that_makes_no_sense_is_named(entry):
    with pytest.raises(ValueError, match=r"virt_mkfs = .*<os_type>=<command>"):
        file_systems.of_administrator([entry])


# What is made, and the MiB that it takes of a disk of 1 GiB; a program that wrote all of it would take the others.
@pytest.mark.parametrize(("name", "most_mib"), [("ext4", 100), ("ntfs", 100), ("vfat", 100), ("xfs", 100)])
def test_what_is_asked_for_is_made_and_the_disk_stays_thin(tmp_path, name, most_mib):
    disk = tmp_path / "a disk"
    with disk.open("wb") as file:
        file.truncate(1 << 30)

    file_systems.make(EPHEMERAL[name], disk, "ephemeral0")

    command = [shutil.which("blkid") or "/sbin/blkid", "-p", "-o", "export", disk]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.lower()
    assert {f"type={name}", "label=ephemeral0"} <= set(found.splitlines())
    assert disk.stat().st_blocks * 512 < most_mib << 20


def test_a_program_that_refuses_is_quoted(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    with pytest.raises(
        exception.NovaException, match=r"1 MiB could not be formatted by mkfs.ntfs \(Device is too small"
    ):
        file_systems.make(EPHEMERAL["ntfs"], disk, "ephemeral0")


def test_a_program_of_the_administrator_that_is_missing_is_named_with_its_option(tmp_path):
    own = FileSystem("own", ("mkfs.of-nobody", "%(target)s"))
    with pytest.raises(exception.NovaException, match=r"mkfs.of-nobody is not .* change \[DEFAULT\] virt_mkfs"):
        file_systems.make(own, tmp_path / "disk", None)
