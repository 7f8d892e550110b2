"""``compute-hyperv prepare`` at a terminal: what it shows, asks and answers."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from compute_hyperv.cli.app import main
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate, free_address

_CHANGED = "service MSiSCSI: start mode Automatic"


@pytest.fixture(scope="module")
def host(hosts: Simulate) -> SimulatedHost:
    """What is to be prepared of it: the service for iSCSI, which begins as Windows has it."""
    return hosts()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def arguments(host: SimulatedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COMPUTE_HYPERV_PASSWORD", host.config.password)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return [
        "prepare",
        *("--user", host.config.username, "--transport", "http", "--auth", "ntlm", "--only", "iscsi.service"),
        host.config.address,
    ]


def _journals(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "compute-hyperv").glob("*"))


def _writes(host: SimulatedHost) -> list[str]:
    return [request.method for request in host.requests if request.method in ("ChangeStartMode", "StartService")]


def test_the_plan_is_shown_done_and_undone(
    host: SimulatedHost, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "What is" in shown
    assert "Manual" in shown
    assert f"changing: {_CHANGED}" in shown
    assert f"done: {_CHANGED}" in shown
    assert "prepared. No checks are left that do not pass." in shown
    (journal,) = _journals(tmp_path)

    host.requests.clear()
    assert main([*arguments, "--yes"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert _writes(host) == []
    assert _journals(tmp_path) == [journal]

    credentials = arguments[:-1]
    assert main([*credentials, "--undo", str(journal), "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "What it goes back to" in shown
    assert f"restored: {_CHANGED}" in shown
    assert main([*credentials, "--undo", str(journal), "--yes"]) == 0
    assert "nothing is left to undo" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(
    host: SimulatedHost, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.requests.clear()
    assert main([*arguments, "--dry-run"]) == 0
    assert _CHANGED in capsys.readouterr().out
    assert _writes(host) == []
    assert _journals(tmp_path) == []


@pytest.mark.parametrize(
    ("typed", "status", "asked"), [("no\n", 1, 1), ("", 1, 1), ("maybe\nYES please\nn\n", 1, 3), ("hm\ny\n", 0, 2)]
)
def test_only_yes_is_yes(
    host: SimulatedHost,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    status: int,
    asked: int,
) -> None:
    host.requests.clear()
    monkeypatch.setattr("sys.stdin", _Terminal(typed))
    assert main(arguments) == status
    assert capsys.readouterr().out.count("Do this? (yes/no)") == asked
    assert bool(_writes(host)) is (status == 0)
    for journal in _journals(tmp_path):
        assert main([*arguments[:-1], "--undo", str(journal), "--yes"]) == 0


def test_nobody_to_ask_is_told_to_say_yes(
    arguments: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert main(arguments) == 2
    assert "add --yes" in caplog.text
    assert _journals(tmp_path) == []


def test_a_failure_says_what_is_done_what_is_not_and_how_to_go_back(
    host: SimulatedHost, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.faults.add(FaultRule("fault", method="StartService", code=0x80041003, message="Not for you."))
    assert main([*arguments, "--yes"]) == 2
    shown = capsys.readouterr().out
    (journal,) = _journals(tmp_path)
    assert "FAILED: service MSiSCSI runs" in shown
    assert "Not for you" in shown
    assert f"done: {_CHANGED}" in shown
    assert "not done: service MSiSCSI runs" in shown
    assert f"compute-hyperv prepare --undo {journal}" in shown
    assert main([*arguments, "--yes"]) == 0
    assert _journals(tmp_path) == [journal]
    assert main([*arguments[:-1], "--undo", str(journal), "--yes"]) == 0


def test_ctrl_c_leaves_what_was_done_in_the_journal(
    host: SimulatedHost,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("compute_hyperv.host.windows.services.WindowsServices.start", interrupted)
        assert main([*arguments, "--yes"]) == 130
    shown = capsys.readouterr().out
    assert f"done: {_CHANGED}" in shown
    assert "Interrupted." in shown
    (journal,) = _journals(tmp_path)
    assert main([*arguments[:-1], "--undo", str(journal), "--yes"]) == 0


def test_a_silent_host_is_told_and_the_others_are_planned(
    host: SimulatedHost, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    silent = free_address()
    assert main([*arguments, silent, "--dry-run"]) == 3
    shown = capsys.readouterr().out
    assert f"{silent}: " in shown
    assert _CHANGED in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--only", "nonsense"), "no check or section 'nonsense'"),
        (("--adapter", "external="), "SWITCH=ADAPTER"),
        (("--undo", "/nonexistent/journal"), "No such file"),
        (("127.0.0.9", "--journal", "/nonexistent/journal"), "the file of one host"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], caplog: pytest.LogCaptureFixture, more: tuple[str, ...], said: str
) -> None:
    assert main([*arguments, *more]) == 2
    assert said in caplog.text
    assert "Traceback" not in caplog.text


def test_a_journal_of_another_host_is_refused(
    host: SimulatedHost, arguments: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = tmp_path / "mine"
    assert main([*arguments, "--yes", "--journal", str(journal)]) == 0
    assert main([*arguments[:-1], "hv9", "--undo", str(journal)]) == 2
    assert f"the journal of {host.config.address}" in caplog.text
    assert main([*arguments, "--undo", str(journal), "--yes"]) == 0
