"""Shielding data in pieces, and what may be wrong with them. With a real Barbican: functional/test_shielding.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from compute_hyperv.host.errors import FileDenied, FileInUse, NoShieldingData
from compute_hyperv.nova import shielding_data
from compute_hyperv.nova.builder import Builder
from compute_hyperv.nova.errors import ShieldingDataUnreadable
from compute_hyperv.nova.leftovers import Leftover, Leftovers
from tests.nova.making import INSTANCE_UUID
from tests.nova.test_shielding import planned
from tests.nova.test_spec import SETTINGS


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        ({"1": b"PDK"}, b"PDK"),
        ({"2": b"b", "1": b"a"}, b"ab"),
        ({str(number): bytes([number]) for number in range(1, 13)}, bytes(range(1, 13))),
        ({"1": "text"}, b"text"),
    ],
)
def test_pieces_are_joined_by_number(pieces, joined):
    assert shielding_data._joined(pieces) == joined


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        ({}, "the secrets none"),
        ({"1": b"a", "3": b"c"}, "the secrets 1, 3"),
        ({"0": b"a", "1": b"b"}, "0, 1"),
        ({"certificate": b"a"}, "certificate"),
        ({"1": None}, "secret 1 has no content"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(pieces, says):
    with pytest.raises(ValueError, match=says):
        shielding_data._joined(pieces)


class FilesOfAHost:
    def __init__(self, on_delete=None):
        self.content = {}
        self._on_delete = on_delete

    def write(self, path, data):
        self.content[path] = data

    def delete(self, path, *, missing_ok=False):
        if self._on_delete:
            raise self._on_delete
        assert missing_ok
        self.content.pop(path, None)


MACHINE = planned()


def test_files_are_there_while_the_machine_is_made_and_not_afterwards():
    files = FilesOfAHost()
    with shielding_data.on_host(files, MACHINE, b"PDK"):
        assert files.content == {MACHINE.shielding.data_path: b"PDK"}
        files.write(MACHINE.shielding.specialization_path, b"FSK")
    assert files.content == {}


def test_files_do_not_outlive_a_failure_which_is_what_is_told():
    files = FilesOfAHost()
    with pytest.raises(RuntimeError, match="no machine"), shielding_data.on_host(files, MACHINE, b"PDK"):
        raise RuntimeError("no machine")
    assert files.content == {}

    stuck = FilesOfAHost(FileInUse("in use", path="x"))
    with pytest.raises(RuntimeError, match="no machine"), shielding_data.on_host(stuck, MACHINE, b"PDK"):
        raise RuntimeError("no machine")


def test_what_the_host_finds_no_shielding_data_in_is_the_servers_fault():
    with (
        pytest.raises(ShieldingDataUnreadable, match="img_pdk_reference: nothing in it"),
        shielding_data.on_host(FilesOfAHost(), MACHINE, b"PDK"),
    ):
        raise NoShieldingData("nothing in it")


def test_files_that_cannot_be_deleted_fail_the_build():
    files = FilesOfAHost(FileDenied("denied", path="x"))
    with pytest.raises(FileDenied), shielding_data.on_host(files, MACHINE, b"PDK"):
        pass


def test_what_a_build_left_that_was_cut_off_is_removed():
    files = FilesOfAHost()
    files.content = dict.fromkeys((MACHINE.shielding.data_path, MACHINE.shielding.specialization_path), b"")
    shielding_data.remove(files, MACHINE.folder)
    assert files.content == {}


def test_a_build_that_was_cut_off_in_a_folder_that_stays_leaves_no_shielding_data(tmp_path):
    files, leftovers = FilesOfAHost(), Leftovers(tmp_path)
    host = SimpleNamespace(files=files, machines=SimpleNamespace(find=lambda _name: None))
    nothing = dict.fromkeys(("images", "disks", "power", "ports", "console"))
    builder = Builder(None, host, SETTINGS, leftovers=leftovers, **nothing)
    leftovers.remember(Leftover(INSTANCE_UUID, MACHINE.name, with_files=False))
    files.content = {MACHINE.shielding.data_path: b"PDK", MACHINE.folder + r"\eph0.vhdx": b"kept"}

    builder.remove_leftovers()

    assert list(files.content.values()) == [b"kept"]
    assert INSTANCE_UUID not in leftovers


def test_a_machine_that_is_not_shielded_needs_no_files():
    with shielding_data.on_host(None, planned({}), b""):
        pass
