"""A journal can be read whatever moment its program was killed in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compute_hyperv.readiness.changes.multipath import MultipathClaim
from compute_hyperv.readiness.changes.services import ServiceStartMode
from compute_hyperv.readiness.journal import Journal, JournalError, default_path

_CHANGE = ServiceStartMode("MSiSCSI")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "journal"


def test_what_is_written_is_read(path: Path) -> None:
    with Journal(path, "hv1") as journal:
        journal.after(journal.before(_CHANGE, "Manual"))
        journal.before(MultipathClaim(), ["Vendor"], "2026-01-01T00:00:00+00:00")
    with Journal(path) as journal:
        assert journal.host == "hv1"
        (begun,) = journal.unfinished
        assert (begun.change, begun.previous, begun.boot) == (
            MultipathClaim(),
            ["Vendor"],
            "2026-01-01T00:00:00+00:00",
        )
        assert [entry.change for entry in journal.to_undo] == [MultipathClaim(), _CHANGE]
        journal.restoring(begun, "")
        journal.restored(begun)
    with Journal(path) as journal:
        assert [entry.change for entry in journal.to_undo] == [_CHANGE]


def test_each_line_is_on_the_disk_before_it_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.read_bytes())

    monkeypatch.setattr("compute_hyperv.readiness.journal.os.fsync", fsync)
    with Journal(path, "hv1") as journal:
        journal.before(_CHANGE, "Manual")
        assert b'"before"' in synced[-1]


def test_a_file_cut_at_any_byte_is_read_up_to_its_last_whole_line(path: Path, tmp_path: Path) -> None:
    with Journal(path, "hv1") as journal:
        journal.after(journal.before(_CHANGE, "Manual"))
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for length in range(first_line, len(whole)):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:length])
        with Journal(cut, "hv1") as journal:
            assert len(journal.entries) == (whole[:length].count(b"\n") > 1)
            journal.before(_CHANGE, "Manual")
        with Journal(cut) as journal:
            assert [entry.previous for entry in journal.entries] == ["Manual"]


def test_a_change_that_is_begun_again_keeps_what_was_before_the_first_time(path: Path) -> None:
    with Journal(path, "hv1") as journal:
        journal.before(_CHANGE, "Manual")
    with Journal(path, "hv1") as journal:
        journal.after(journal.before(_CHANGE, "Automatic"))
    with Journal(path) as journal:
        (entry,) = journal.to_undo
        assert (entry.previous, entry.finished) == ("Manual", True)


def test_a_journal_belongs_to_one_host_and_one_program(path: Path) -> None:
    with Journal(path, "hv1"), pytest.raises(JournalError, match="in use by another program"):
        Journal(path)
    with pytest.raises(JournalError, match="the journal of hv1, not of hv2; name another file"):
        Journal(path, "hv2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("nova.conf\n", "line 1: "),
        ("[]\n", "line 1: "),
        ('{"event": "note"}\n', "no journal of compute-hyperv prepare"),
        ('{"event": "journal", "version": 2, "host": "hv1"}\n', "version 2; this program knows 1"),
        (
            '{"event": "journal", "version": 1, "host": "hv1"}\n'
            '{"event": "before", "step": 1, "change": {"kind": "magic"}, "previous": null, "boot": ""}\n',
            "line 2: 'magic' is no kind of change",
        ),
        ('{"event": "journal", "version": 1, "host": "hv1"}\n{"event": "after", "step": 1}\n', "line 2: "),
    ],
)
def test_what_is_no_journal_is_told_apart(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "journal"
    path.write_text(content)
    with pytest.raises(JournalError, match=said):
        Journal(path)


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        Journal(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_run_that_was_cut_goes_on_in_its_journal_and_others_get_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first = default_path("hv1/a")
    assert first.parent == tmp_path / "compute-hyperv"
    assert first.name.startswith("prepare-hv1_a-")
    old = first.with_name("prepare-hv1_a-20200101T000000Z.jsonl")
    with Journal(old, "hv1/a") as journal:
        entry = journal.before(_CHANGE, "Manual")
    assert default_path("hv1/a") == old
    assert default_path("hv1") != old
    with Journal(old, "hv1/a") as journal:
        journal.after(journal.entries[entry.step - 1])
    assert default_path("hv1/a") != old
