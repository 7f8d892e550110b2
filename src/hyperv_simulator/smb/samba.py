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
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from hyperv_simulator import children
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.operating_system.smb.shares import Shares
from hyperv_simulator.smb import run_folders
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage.paths import HostFolder

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 3.0

# Windows: SMB signing is demanded by the client of a domain controller and, since 2025, by everybody; here always, so
# that a client that can't sign is found out. Nothing is flushed to the real disk: a simulated host need not survive the
# loss of power of the real one. A winbindd of this machine (a domain controller has one) knows nothing of a host's
# accounts: it must not be asked.
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
ncalrpc dir = {pipes}
winbindd socket directory = {run}/winbindd
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
unix extensions = no
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
dfree command = {free}
"""

# Size and free space of the volume in KiB, as the host tells them over CIM (``storage.paths``). smbd takes 0 for "not
# known" and makes 1 MiB of it, so nothing is 1 KiB.
_FREE = """\
#!/bin/sh
left=$(({total} - $(du -skx {folder} | cut -f1)))
below=$(df -Pk {folder} | awk 'NR == 2 {{ print $4 }}')
[ "$below" -lt "$left" ] && left=$below
if [ "$left" -lt 1 ] || [ -e {full} ]; then left=1; fi
echo "{total} $left 1024"
"""


class SambaError(Exception):
    """The SMB server can't start; the message says what to do."""


class SambaServer:
    """smbd for one host.

    :param config: the host's name, address, port and account.
    :param state_folder: the host's; smbd's log goes there.
    :param folder: the host's volumes.
    :param pipes: its named pipes.
    :param shares: what it shares besides the administrative shares; changes are served at once.
    """

    def __init__(
        self,
        config: HostConfig,
        state_folder: Path,
        folder: HostFolder,
        pipes: PipeServer,
        shares: Shares | None = None,
    ) -> None:
        self._config = config
        self._log = state_folder / "smbd.log"
        self._folder = folder
        self._pipes = pipes
        self._shares = shares
        if shares is not None:
            shares.changed.append(self._reload)
        self._run: Path | None = None
        self._smbd: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; returns when connections are accepted.

        :raises SambaError: not root, no samba, the port is taken.
        """
        if os.geteuid() != 0:
            raise SambaError("The SMB server of a simulated host needs root: start as root, or set samba = false.")
        if self._answers():
            raise SambaError(f"{self._where} is in use: stop what listens there, or set another address or smb_port.")
        self._run = run_folders.make("samba")
        try:
            configuration = self._write_configuration(self._run)
            self._add_account(configuration)
            self._smbd = children.start(
                ["smbd", "--foreground", "--no-process-group", f"--configfile={configuration}"],
                death_signal="TERM",
                stdin=subprocess.PIPE,
            )
        except SambaError:
            self.stop()
            raise
        except FileNotFoundError as error:
            self.stop()
            raise SambaError("smbd is missing: install the package samba.") from error
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._smbd.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SambaError(f"smbd does not serve {self._where}: see {self._log}.")
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

    def _write_configuration(self, run: Path) -> Path:
        for name in ("private", "lock", "state", "cache", "pid"):
            (run / name).mkdir(mode=0o700, exist_ok=True)
        (run / "usermap").write_text(f'!root = "{self._config.username}"\n')
        text = _CONFIG.format(
            name=self._config.name.upper(),
            address=self._config.address,
            port=self._config.smb_port,
            run=run,
            log=self._log,
            pipes=self._pipes.folder.parent,
        )
        shares = {f"{drive}$": f"{drive}:\\" for drive in self._folder.drives}
        shares["ADMIN$"] = r"C:\Windows"
        shares |= self._shares.served() if self._shares is not None else {}
        # smbd follows links only where a shared volume is one (``HostFolder.mount``).
        links = "follow symlinks = yes\nwide links = yes\n" if self._folder.has_mounts else ""
        for share, path in shares.items():
            local, free = self._folder.to_local(path), self._write_free_space_script(run, path[0])
            text += _SHARE.format(share=share, path=local, account="root", free=free) + links
        configuration = run / "smb.conf"
        configuration.write_text(text)
        return configuration

    def _write_free_space_script(self, run: Path, drive: str) -> Path:
        script = run / f"free-{drive}"
        script.write_text(
            _FREE.format(
                total=self._folder.total_bytes(drive) // 1024,
                folder=shlex.quote(str(self._folder.to_local(f"{drive}:\\"))),
                full=shlex.quote(str(self._folder.full_marker)),
            )
        )
        script.chmod(0o700)
        return script

    def _reload(self) -> None:
        """smbd reads its configuration again when it is told to."""
        if self._smbd is not None and self._run is not None:
            self._write_configuration(self._run)
            os.killpg(self._smbd.pid, signal.SIGHUP)

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
        run, self._run = self._run, None
        if run is not None:
            shutil.rmtree(run, ignore_errors=True)


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
