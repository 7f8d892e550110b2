"""Files over SMB: a real smbd in front of the host's folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from smbprotocol.exceptions import LogonFailure, SMBOSError

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.smb.samba import SambaError, SambaServer
from hyperv_simulator.storage.paths import HostFolder
from tests.simulator.devices.clients import FileClient


def test_a_file_that_is_written_over_smb_is_in_the_folder(files: FileClient, module_folder: HostFolder) -> None:
    files.write(r"C$\Windows\Temp\hello.txt", b"hello")

    assert module_folder.to_local(r"c:\windows\temp\HELLO.TXT").read_bytes() == b"hello"
    assert files.read(r"c$\WINDOWS\temp\Hello.txt") == b"hello"


def test_the_shares_are_those_of_windows(files: FileClient) -> None:
    assert "Windows" in files.names("C$")
    assert "System32" in files.names("ADMIN$")
    with pytest.raises(SMBOSError):
        files.names("D$")


def test_free_space_is_what_the_files_leave_of_the_volume_and_nothing_when_it_is_full(
    files: FileClient, module_folder: HostFolder
) -> None:
    block = 4096  # du's and the file system's rounding
    assert abs(files.free_bytes("C$") - module_folder.free_bytes("C")) <= 1024 * block
    module_folder.full = True
    try:
        assert files.free_bytes("ADMIN$") <= 1024
    finally:
        module_folder.full = False
    assert files.free_bytes("C$") > 0


def test_a_copy_is_made_by_the_host(files: FileClient, module_folder: HostFolder) -> None:
    content = bytes(range(256)) * 4096
    module_folder.to_local(r"C:\source.bin").write_bytes(content)

    files.copy_on_host(r"C$\source.bin", r"C$\target.bin")

    assert module_folder.to_local(r"C:\target.bin").read_bytes() == content


def test_a_link_leads_nowhere_over_smb_either(files: FileClient, module_folder: HostFolder) -> None:
    module_folder.to_local(r"C:\link").symlink_to("/etc")

    with pytest.raises(SMBOSError):
        files.read(r"C$\link\passwd")


def test_a_wrong_password_is_refused(files: FileClient) -> None:
    with pytest.raises(LogonFailure):
        FileClient(HostConfig(address=files.address), password="wrong")


def test_an_address_in_use_is_said_so(files: FileClient, folder: HostFolder, pipes: PipeServer, tmp_path: Path) -> None:
    second = SambaServer(HostConfig(name="hv2", address=files.address), tmp_path, folder, pipes)

    with pytest.raises(SambaError, match="is in use"):
        second.start()


def processes_of(run_folder: str) -> list[str]:
    listed = subprocess.run(["ps", "-wweo", "stat,args"], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if run_folder in line and not line.startswith("Z")]


def test_smbd_and_its_children_end_with_a_simulator_that_is_killed(tmp_path: Path, files: FileClient) -> None:
    address = files.address.rpartition(".")[0] + ".255"
    script = f"""
        import os
        from pathlib import Path
        from hyperv_simulator.config.host import HostConfig
        from hyperv_simulator.smb.pipes import PipeServer
        from hyperv_simulator.smb.samba import SambaServer
        from hyperv_simulator.storage.paths import HostFolder
        from tests.simulator.devices.clients import FileClient
        config = HostConfig(name="hv3", address={address!r})
        folder = HostFolder(Path({str(tmp_path)!r}) / "volumes")
        server = SambaServer(config, Path({str(tmp_path)!r}), folder, PipeServer())
        server.start()
        client = FileClient(config)
        print(server._run, flush=True)
        input()
    """
    simulator = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert simulator.stdout is not None
    run_folder = simulator.stdout.readline().strip()
    assert len(processes_of(run_folder)) > 1

    simulator.send_signal(signal.SIGKILL)
    simulator.wait()

    deadline = time.monotonic() + 10
    while processes_of(run_folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of(run_folder)
