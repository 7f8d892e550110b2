"""Names that tie machines to instances."""

from __future__ import annotations

import pytest

from compute_hyperv.nova import names

UUID = "3f9c6f5e-5f0c-4a3e-9d4c-0d2b7b1f0a11"


def test_files_are_where_the_retired_driver_had_them():
    folder = names.instance_folder(r"C:\OpenStack\Instances", "instance-0000002a")

    assert folder == r"C:\OpenStack\Instances\instance-0000002a"
    assert names.revert_folder(r"C:\OpenStack\Instances", "instance-0000002a") == folder + "_revert"
    assert names.root_disk(folder, "vhdx") == folder + r"\root.vhdx"
    assert names.config_drive(folder, cdrom=True) == folder + r"\configdrive.iso"
    assert names.config_drive(folder, cdrom=False) == folder + r"\configdrive.vhd"
    assert names.image_cache_folder(r"\\filer\nova") == r"\\filer\nova\_base"


def test_pipes_are_called_like_the_retired_drivers():
    assert names.pipe(UUID, "rw") == rf"\\.\pipe\{UUID}_rw"


@pytest.mark.parametrize("notes", [(UUID,), [UUID, "more"], (UUID.upper(),), (f" {UUID}\n",)])
def test_the_first_note_says_whose_a_machine_is(notes):
    assert names.owner(notes) == UUID


@pytest.mark.parametrize("notes", [(), [""], ("Installed by hand",), ("Installed by hand", UUID)])
def test_a_machine_without_such_a_note_is_foreign(notes):
    assert names.owner(notes) is None
