"""Failed builds whose remains are still on the host."""

from __future__ import annotations

import pytest

from compute_hyperv.nova.leftovers import Leftover, Leftovers

ONE = Leftover("uuid-1", "instance-00000001", with_files=True)
TWO = Leftover("uuid-2", "instance-00000002", with_files=False)


@pytest.fixture
def leftovers(tmp_path):
    return Leftovers(tmp_path / "leftovers")


def test_nothing_is_left_over_at_first(leftovers):
    assert leftovers.all() == []
    assert "uuid-1" not in leftovers


def test_what_is_remembered_survives_a_restart(leftovers, tmp_path):
    leftovers.remember(ONE)

    assert Leftovers(tmp_path / "leftovers").all() == [ONE]


def test_what_is_settled_is_forgotten(leftovers):
    leftovers.remember(ONE)
    leftovers.remember(TWO)

    leftovers.forget("uuid-1")
    leftovers.forget("never there")

    assert leftovers.all() == [TWO]
    assert "uuid-2" in leftovers
