"""``hyperv-simulator`` as a person sees it: what it prints, how it ends, what it says when it can't start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from hyperv_simulator.cli import main
from hyperv_simulator.config.file import load
from hyperv_simulator.config.host import HostConfig
from tests.simulated import free_address

COMMAND = [sys.executable, "-m", "hyperv_simulator"]


@pytest.fixture
def hosts_file(tmp_path: Path) -> Path:
    file = tmp_path / "hosts.toml"
    file.write_text(
        f'[[host]]\nname = "HVA"\naddress = "{free_address()}"\nsamba = false\n'
        f'[[host]]\nname = "HVB"\naddress = "{free_address()}"\nsamba = false\nversion = "2012r2"\n'
    )
    return file


def refused(*arguments: object) -> str:
    """What is printed by a command that must end with exit code 2."""
    ended = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@contextmanager
def running(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command and what it printed until ``ready``. It hears all signals, also where these tests run in a shell's
    background, which ignores SIGINT."""
    command = ["env", "--default-signal", *COMMAND, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        while not lines or lines[-1] != "ready":
            line = process.stdout.readline()
            assert line, f"ended before it was ready: {lines}"
            lines.append(line.rstrip())
        yield process, lines
    finally:
        process.kill()
        process.wait()


def test_run_says_what_runs_where_what_to_trust_and_ready(tmp_path: Path, hosts_file: Path) -> None:
    with running("run", hosts_file, "--state", tmp_path / "state") as (_, lines):
        first, second, authority, ready = lines
        assert first.startswith("HVA: Windows Server 2022 at 127.")
        assert "http 5985, https 5986, user Administrator, guests none" in first
        assert second.startswith("HVB: Windows Server 2012 R2 at 127.")
        assert authority == f"CA certificate: {tmp_path / 'state' / 'tls' / 'ca.pem'}"
        assert ready == "ready"
        address = first.split(" at ")[1].split(",")[0]
        answer = requests.post(
            f"https://{address}:5986/wsman", verify=authority.removeprefix("CA certificate: "), timeout=10
        )
        assert answer.status_code == 401


def test_another_process_tells_running_hosts_what_shall_go_wrong(
    tmp_path: Path, hosts_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(tmp_path / "state")]
    with running("run", hosts_file, *where) as (_, lines):
        assert main(["faults", "add", "http-status", "--status", "503", "--host", "HVA", *where]) == 0
        assert main(["state", *where]) == 0
        *_, first, second = map(json.loads, capsys.readouterr().out.splitlines())
        assert (first["name"], len(first["faults"])) == ("HVA", 1)
        assert (second["name"], len(second["faults"])) == ("HVB", 0)
        assert first["address"] in lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(tmp_path: Path, hosts_file: Path, number: signal.Signals) -> None:
    with running("run", hosts_file, "--state", tmp_path / "state") as (process, lines):
        address = lines[0].split(" at ")[1].split(",")[0]
        process.send_signal(number)
        assert process.wait(10) == 0
        assert not _answers(address, 5985)


@pytest.mark.skipif(os.geteuid() != 0, reason="port 445 needs root")
def test_even_killed_it_leaves_no_child_behind(tmp_path: Path) -> None:
    file, address = tmp_path / "hosts.toml", free_address()
    file.write_text(f'[[host]]\naddress = "{address}"\n')
    with running("run", file, "--state", tmp_path / "state") as (process, _):
        socket.create_connection((address, 445), timeout=5).close()
        process.kill()
        deadline = time.monotonic() + 5
        while _answers(address, 445) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _answers(address, 445)


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def test_options_apply_to_every_host(tmp_path: Path, hosts_file: Path) -> None:
    options = ("--allow-basic", "--allow-unencrypted")
    with running("run", hosts_file, "--state", tmp_path / "state", *options) as (_, lines):
        for line in lines[:2]:
            address = line.split(" at ")[1].split(",")[0]
            answer = requests.post(f"http://{address}:5985/wsman", timeout=10)
            assert "Basic" in answer.headers["WWW-Authenticate"]


def test_the_ca_is_the_same_after_a_restart(tmp_path: Path, hosts_file: Path) -> None:
    kept = []
    for _ in range(2):
        with running("run", hosts_file, "--state", tmp_path / "state"):
            kept.append((tmp_path / "state" / "tls" / "ca.pem").read_text())
    assert kept[0] == kept[1]


def test_a_wrong_file_is_one_line_that_says_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text("[[host]]\nmemory_mb = 'much'\n")
    complaint = refused("run", file)
    assert complaint == f"hyperv-simulator: {file}:2: host 1: memory_mb is 'much'; write a whole number\n"


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path, hosts_file: Path) -> None:
    address = hosts_file.read_text().split('address = "')[1].split('"')[0]
    with socket.create_server((address, 5986)):
        complaint = refused("run", hosts_file, "--state", tmp_path)
    assert complaint == (
        f"hyperv-simulator: host HVA: {address}:5986 is in use; "
        "stop what listens there, or set another address or https_port\n"
    )


def test_an_address_that_this_machine_lacks_is_named(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\naddress = "192.0.2.1"\nsamba = false\n')
    assert "192.0.2.1:5985: this machine has no such address" in refused("run", file, "--state", tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root away from itself")
def test_without_root_port_445_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text(f'[[host]]\naddress = "{free_address()}"\n')
    tmp_path.chmod(0o777)
    file.chmod(0o644)
    unprivileged = ["setpriv", "--bounding-set=-net_bind_service,-dac_override", "--inh-caps=-all", "--"]
    ended = subprocess.run(
        [*unprivileged, *COMMAND, "run", str(file), "--state", str(tmp_path / "state")],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert ":445 needs root; run as root, set smb_port above 1023, or do without files and pipes: --no-samba" in (
        ended.stderr
    )


def test_two_simulators_do_not_share_a_state_folder(tmp_path: Path, hosts_file: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(f'[[host]]\naddress = "{free_address()}"\nsamba = false\n')
    with running("run", hosts_file, "--state", tmp_path / "state"):
        complaint = refused("run", other, "--state", tmp_path / "state")
    assert "another simulator runs on the state folder" in complaint
    assert "choose another: --state" in complaint


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path, hosts_file: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "can't be used (Not a directory)" in refused("run", hosts_file, "--state", tmp_path / "file" / "state")


def test_the_help_names_every_command_and_the_first_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for command in ("run", "check", "keys", "state", "faults", "reboot", "clock", "disk", "dump", "import", "image"):
        assert f"\n    {command} " in told
    assert "hyperv-simulator run --no-samba" in told


def test_without_a_command_it_says_which_there_are() -> None:
    assert "COMMAND" in refused()


def test_keys_is_a_file_with_every_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys"]) == 0
    file = tmp_path / "hosts.toml"
    file.write_text(capsys.readouterr().out)
    assert load(file) == (HostConfig(),)


def test_check_says_what_a_right_file_describes(hosts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(hosts_file)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{hosts_file}: host HVA at 127.")
    assert second.endswith("Windows Server 2012r2")


def test_check_tells_each_mistake_of_each_file(
    tmp_path: Path, hosts_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[host]]\ncores = "many"\n\nguests = "all"\n')
    assert main(["check", str(wrong), str(hosts_file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"hyperv-simulator: {wrong}:2: host 1: cores is 'many'; write a whole number",
        f"hyperv-simulator: {wrong}:4: host 1: guests is 'all'; write one of 'none', 'qemu'",
    ]


def test_a_simulator_that_does_not_run_cannot_be_told_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["state", "--state", str(tmp_path)]) == 2
    assert "no simulator runs on the state folder" in capsys.readouterr().err
