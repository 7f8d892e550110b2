"""``compute-hyperv check`` and ``explain`` as an operator meets them: formats, exit status, credentials, bad input."""

from __future__ import annotations

import csv
import io
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from lxml import etree
from rich.text import Text

from compute_hyperv.cli import targets
from compute_hyperv.cli.app import main
from compute_hyperv.readiness.checks import BY_NAME
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.config.operating_system import AccountConfig
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate

_PASSWORD = "Passw0rd!"
_SOUND = ("network", "versions", "time")  # what passes without files


@pytest.fixture(scope="module")
def host(hosts: Simulate) -> SimulatedHost:
    nics = (NicConfig("Ethernet"), NicConfig("Data"))
    return hosts(
        nic=nics, switch=(SwitchConfig("external", adapter="Data"),), account=(AccountConfig("op", _PASSWORD),)
    )


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """Each run of the command writes to a standard error of its own, which ends with the test."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


@pytest.fixture
def command(host: SimulatedHost, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command up to the host's name."""
    monkeypatch.setenv(targets.PASSWORD_VARIABLE, _PASSWORD)
    return ["check", "--user", "Administrator", "--auth", "ntlm", "--ca-file", str(host.ca_file)]


def _only(*sections: str) -> list[str]:
    return [argument for section in sections for argument in ("--only", section)]


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {row["Check"]: row for row in json.loads(capsys.readouterr().out)}


# Formats and exit status


def test_json_has_every_check(command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([*command, "-f", "json", host.config.address])
    assert set(_json(capsys)) == set(BY_NAME)
    assert status == 3  # files can't be read of this host


def test_a_host_on_which_all_passes_ends_with_0(
    command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *_only(*_SOUND), "-f", "csv", "--strict", host.config.address]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["Verdict"] for row in rows} == {"pass", "not applicable"}


def test_warnings_count_with_strict_only(command: list[str], hosts: Simulate) -> None:
    waiting = hosts(reboot_pending=True).config.address
    assert main([*command, *_only("versions"), "-f", "yaml", waiting]) == 0
    assert main([*command, *_only("versions"), "-f", "yaml", "--strict", waiting]) == 1


def test_failures_end_with_2(command: list[str], host: SimulatedHost, tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text("[hyperv]\nvswitch_name = elsewhere\n")
    assert main([*command, *_only("network"), "--config-file", str(conf), host.config.address]) == 2


def test_yaml_and_junit_say_the_same(command: list[str], hosts: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    bare = hosts(features=("Storage-Services",), switch=()).config.address
    assert main([*command, *_only("hyperv"), "-f", "yaml", bare]) == 2
    rows = {row["Check"]: row["Verdict"] for row in yaml.safe_load(capsys.readouterr().out)}
    main([*command, *_only("hyperv"), "-f", "junit", bare])
    suite = etree.fromstring(capsys.readouterr().out.encode()).find("testsuite")
    assert suite is not None
    assert (suite.get("name"), suite.get("failures"), suite.get("tests")) == (bare, "1", str(len(rows)))
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == [name for name, verdict in rows.items() if verdict == "fail"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_the_terminal(
    command: list[str], host: SimulatedHost, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", terminal := _Terminal())
    main([*command, *_only("network"), host.config.address])
    lines = [Text.from_ansi(line).plain for line in terminal.getvalue().splitlines()]
    assert host.config.address in lines[0]
    assert {len(line) for line in lines} == {width}
    assert any("network.management-os" in line for line in lines)
    assert "\033[" in terminal.getvalue()


def test_piped_the_table_is_a_grid_without_colours(
    command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*command, *_only("network"), host.config.address])
    out = capsys.readouterr().out
    assert out.startswith("+--")
    assert "\033" not in out


def test_columns_can_be_chosen(command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str]) -> None:
    main([*command, *_only("time.source"), "-f", "csv", "-c", "Check", "-c", "Verdict", host.config.address])
    assert "Found" not in capsys.readouterr().out


def test_the_page_is_written_as_well(command: list[str], host: SimulatedHost, tmp_path: Path) -> None:
    main([*command, *_only("network"), "--html", str(tmp_path / "report.html"), host.config.address])
    assert "network.switch" in (tmp_path / "report.html").read_text()


# Hosts that can't be read


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--user", "nobody"], "does not let nobody in"),
        (["--port", "1"], "No connection"),
        (["--ca-file", "/etc/hostname"], "TLS"),
    ],
)
def test_a_host_that_does_not_let_us_in_ends_with_3_and_one_line(
    command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str], changed: list[str], words: str
) -> None:
    assert main([*command, *changed, "-f", "json", host.config.address]) == 3
    rows = _json(capsys)
    assert list(rows) == ["connection.answers"]
    assert words.lower() in rows["connection.answers"]["Found"].lower()
    assert rows["connection.answers"]["Remedy"]


def test_an_unknown_host_ends_with_3(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "-f", "json", "no-such-host.invalid"]) == 3
    found = _json(capsys)["connection.answers"]
    assert "no-such-host.invalid" in found["Found"]


@pytest.fixture
def not_windows() -> Iterator[tuple[str, int]]:
    """A server that answers, but not as WinRM does."""

    class Hello(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_host_that_is_not_windows_ends_with_3(
    command: list[str], not_windows: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    address, port = not_windows
    assert main([*command, "--transport", "http", "--port", str(port), "-f", "json", address]) == 3
    assert "WinRM" in (row := _json(capsys)["connection.answers"])["Found"] + row["Remedy"]


def test_an_account_with_few_rights_is_told_so_and_the_rest_is_judged(
    command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*command, "--user", "op", *_only("connection", "hyperv", "versions"), "-f", "json", host.config.address])
        == 2
    )
    rows = _json(capsys)
    assert rows["connection.account"]["Verdict"] == "fail"
    assert rows["hyperv.service"]["Verdict"] == "unreadable"
    assert rows["versions.release"]["Verdict"] == "pass"


# What the operator wrote


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "No host is named"),
        (["--config-file", "/nowhere/nova.conf", "h"], "/nowhere/nova.conf"),
        (["--only", "network.swich", "h"], "network.swich"),
        (["--html", "/nowhere/report.html", "h"], "/nowhere"),
        (["--auth", "basic", "--transport", "http", "h"], "Basic"),
        (["--password-file", "/nowhere/password", "h"], "/nowhere/password"),
    ],
)
def test_wrong_arguments_end_with_2_and_one_line(
    command: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*command, *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hyperv]\nwinrm_port = many\n", "winrm_port"),
        ("[hyperv]\ninstances_path = instances\n", "instances_path"),
        ("[hyperv]\nphysical_network_vswitch_mappings = physnet1\n", "physical_network_vswitch_mappings"),
        ("[pci]\ndevice_spec = {vendor\n", "device_spec"),
        ("[hyperv\n", "nova.conf"),
        ("[hyperv]\npassword_file = /nowhere/password\n", "password_file"),
    ],
)
def test_a_nova_conf_with_errors_ends_with_2_and_names_the_option(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text(text)
    assert main([*command, "--config-file", str(conf), "h"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_flavor_that_is_none_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--flavor", "m1.large", "h"])
    assert ended.value.code == 2
    assert "NAME=VCPUS:MB" in capsys.readouterr().err


# Credentials


def test_nova_conf_alone_is_enough(
    host: SimulatedHost, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(targets.PASSWORD_VARIABLE, raising=False)
    conf = tmp_path / "nova.conf"
    conf.write_text(
        f"[hyperv]\nserver = {host.config.address}\nusername = Administrator\npassword = {_PASSWORD}\n"
        f"winrm_auth = ntlm\nwinrm_ca_file = {host.ca_file}\nvswitch_name = external\ntime_servers = time.windows.com\n"
    )
    assert main(["check", "--config-file", str(conf), *_only(*_SOUND), "-f", "json"]) == 0
    assert "external" in _json(capsys)["network.switch"]["Found"]


def test_a_password_comes_from_a_file_or_a_prompt(
    command: list[str], host: SimulatedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(targets.PASSWORD_VARIABLE)
    file = tmp_path / "password"
    file.write_text(_PASSWORD + "\n")
    assert main([*command, "--password-file", str(file), *_only("time"), host.config.address]) == 0
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(targets.getpass, "getpass", lambda _prompt: _PASSWORD)
    assert main([*command, *_only("time"), host.config.address]) == 0


def test_without_a_password_and_a_terminal_nobody_waits(
    command: list[str], host: SimulatedHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(targets.PASSWORD_VARIABLE)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main([*command, host.config.address]) == 2
    assert "--password-file" in capsys.readouterr().err


# explain


def test_explain_tells_every_check_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    for name in BY_NAME:
        assert main(["explain", name]) == 0
        said = capsys.readouterr().out
        for heading in ("Why it matters", "What is read", "What good looks like", "How to fix it by hand"):
            assert heading in said


def test_explain_of_an_unknown_check_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "network.swich"]) == 2
    assert "network.swich" in capsys.readouterr().err
