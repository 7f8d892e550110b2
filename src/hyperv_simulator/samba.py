"""The host's SMB server: one smbd per simulated host, with its own address, account database and folders.

Shares as a Windows Server has them after setup: ``C$`` (and one per further drive), ``ADMIN$``, ``IPC$`` with the named
pipes of `pipes.PipeServer`. One account: the host's administrator; smbd works as root below.

Rules:

* smbd's own files (accounts, locks, sockets) live in a folder under ``/run`` (short, because of unix sockets) that is
  gone when the server stops; what a simulator that was killed left there is swept at the next start.
* smbd ends when its standard input does, so it can't outlive the simulator, whatever kills that.
* The password is passed through standard input, never on a command line or in a file of ours.

Sources: facts/simulated-host ("Files", "Named pipes"); smb.conf(5).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from hyperv_simulator import children
from hyperv_simulator.config import HostConfig

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 3.0
_RUN_FOLDERS = (Path("/run"), Path("/tmp"))  # noqa: S108  (the folder made in it is ours: mkdtemp)
_PREFIX = "hvsim-"

# Windows: SMB signing is demanded by the client of a domain controller and, since 2025, by everybody; here always, so
# that a client that can't sign is found out. Nothing is flushed to the real disk: a simulated host need not survive the
# loss of power of the real one.
_CONFIG = """\
[global]
server role = standalone server
netbios name = {name}
workgroup = WORKGROUP
server string =
interfaces = {address}/8
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
private dir = {run}/private
lock directory = {run}/lock
state directory = {run}/state
cache directory = {run}/cache
pid directory = {run}/pid
ncalrpc dir = {run}/ncalrpc
passdb backend = tdbsam:{run}/private/passdb.tdb
username map = {run}/usermap
log file = {log}
logging = file
log level = 0
max log size = 1000
server min protocol = SMB3
server signing = required
map to guest = never
restrict anonymous = 2
load printers = no
printing = bsd
printcap name = /dev/null
disable spoolss = yes
rpc start on demand helpers = no
strict sync = no
follow symlinks = no
wide links = no
store dos attributes = yes
map archive = no
hide dot files = no
veto files = /lost+found/
"""

_SHARE = """
[{share}]
path = {path}
read only = no
browseable = no
valid users = {account}
admin users = {account}
create mask = 0644
directory mask = 0755
"""


class SambaError(Exception):
    """The SMB server can't start; the message says what to do."""


class SambaServer:
    """smbd for one host.

    :param config: the host's name, address, port and account.
    :param log_folder: where smbd's log goes.
    :param volumes: the folder with one folder per drive letter.
    """

    def __init__(self, config: HostConfig, log_folder: Path, volumes: Path) -> None:
        self._config = config
        self._log_folder = log_folder
        self._volumes = volumes
        self._smbd: subprocess.Popen[bytes] | None = None
        self._run = _make_run_folder(config.name)

    @property
    def pipe_folder(self) -> Path:
        """Where smbd looks for the sockets of named pipes; there before `start`, for `pipes.PipeServer`."""
        return self._run / "ncalrpc" / "np"

    def start(self) -> None:
        """Serve; returns when connections are accepted.

        :raises SambaError: not root, no samba, the port is taken.
        """
        if os.geteuid() != 0:
            raise SambaError("The SMB server of a simulated host needs root: start as root, or set samba = false.")
        if self._answers():
            raise SambaError(f"{self._where} is in use: stop what listens there, or set another address or smb_port.")
        configuration = self._write_configuration()
        try:
            self._add_account(configuration)
            self._smbd = children.start(
                ["smbd", "--foreground", "--no-process-group", f"--configfile={configuration}"],
                death_signal="TERM",
                stdin=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise SambaError("smbd is missing: install the package samba.") from error
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._smbd.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SambaError(f"smbd does not serve {self._where}: see {self._log_folder / 'smbd.log'}.")
            time.sleep(0.01)

    @property
    def _where(self) -> str:
        return f"{self._config.address}:{self._config.smb_port}"

    def _answers(self) -> bool:
        try:
            socket.create_connection((self._config.address, self._config.smb_port), timeout=1).close()
        except OSError:
            return False
        return True

    def _write_configuration(self) -> Path:
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc/np"):
            folder = self._run / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        self._run.joinpath("ncalrpc").chmod(0o755)
        self._log_folder.mkdir(parents=True, exist_ok=True)
        (self._run / "usermap").write_text(f'!root = "{self._config.username}"\n')
        text = _CONFIG.format(
            name=self._config.name.upper(),
            address=self._config.address,
            port=self._config.smb_port,
            run=self._run,
            log=self._log_folder / "smbd.log",
        )
        drives = sorted(folder.name for folder in self._volumes.iterdir() if len(folder.name) == 1)
        shares = {f"{drive}$": self._volumes / drive for drive in drives}
        shares["ADMIN$"] = self._volumes / "C" / "Windows"
        text += "".join(_SHARE.format(share=share, path=path, account="root") for share, path in shares.items())
        configuration = self._run / "smb.conf"
        configuration.write_text(text)
        return configuration

    def _add_account(self, configuration: Path) -> None:
        password = self._config.password.encode()
        done = subprocess.run(
            ["smbpasswd", "-c", str(configuration), "-s", "-a", "root"],
            input=password + b"\n" + password + b"\n",
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SambaError(f"smbpasswd failed: {done.stderr.decode(errors='replace').strip()}")

    def stop(self) -> None:
        """End smbd and its children, and remove its files. A second time does nothing."""
        smbd, self._smbd = self._smbd, None
        if smbd is not None:
            _end_group(smbd)
        shutil.rmtree(self._run, ignore_errors=True)


def _end_group(smbd: subprocess.Popen[bytes]) -> None:
    """smbd's connections and helpers are its children, in its process group."""
    if smbd.stdin is not None:
        smbd.stdin.close()
    try:
        smbd.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        smbd.kill()
        smbd.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(smbd.pid, 9)


def _make_run_folder(name: str) -> Path:
    base = next(folder for folder in _RUN_FOLDERS if os.access(folder, os.W_OK))
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{name.lower()}-", dir=base))


def _sweep(base: Path) -> None:
    """Remove the folders of simulators that are no more."""
    for folder in base.glob(f"{_PREFIX}[0-9]*"):
        process_id = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if process_id.isdigit() and not Path("/proc", process_id).exists():
            shutil.rmtree(folder, ignore_errors=True)
