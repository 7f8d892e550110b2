"""One simulated host: everything that belongs to it, put together, started and ended.

What lives here and only here: which part is given which, and in what order they come and go. The wire comes last and
goes first, so that a host that answers is complete.

::

    <state>/<name>/volumes/C/   the files of C:
    <state>/<name>/tls/         its certificate
    <state>/<name>/...          what its parts keep (see ``assembly`` and ``samba``)
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

from hyperv_simulator.assembly import Inside, assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.errors import StartError
from hyperv_simulator.fault_rules import FaultRule, FaultRules
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.power import PowerAction
from hyperv_simulator.request_log import RequestLog
from hyperv_simulator.server.eventing.source import EventSource
from hyperv_simulator.server.http import Disconnect
from hyperv_simulator.server.kerberos import KerberosError
from hyperv_simulator.server.tls import Authority
from hyperv_simulator.server.winrm import ListenError, WinRm
from hyperv_simulator.server.wsman import HostIdentity, WsManService
from hyperv_simulator.service import CimService
from hyperv_simulator.smb.samba import SambaError, SambaServer
from hyperv_simulator.windows import RELEASES

_LOG = logging.getLogger(__name__)
_GRACE_S = 0.1  # the answer to a client who asks for a restart is on its way out


class SimulatedHost:
    """A Hyper-V host that can be started and stopped any number of times, and keeps its state meanwhile.

    :param config: what it is like.
    :param state_folder: of the simulator; the host's own folder is made in it.
    :param authority: signs its certificate; without one, the host makes one in its folder.
    :param neighbours: the hosts that its machines can move to; without any, no other host can be reached.
    """

    def __init__(
        self,
        config: HostConfig,
        state_folder: Path,
        authority: Authority | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.config = config
        self.folder = state_folder / config.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.faults = FaultRules(config.fault)
        self.requests = RequestLog()
        self.round_trip_ms: float = config.round_trip_ms
        self._authority = authority or Authority(self.folder / "tls")
        self._neighbours = neighbours or Neighbours()
        self.clock = HostClock(config.clock_offset_s, config.clock_drift_ppm)
        self._stopping = threading.Event()
        self._life = threading.RLock()  # one start, stop or restart at a time
        self._restart: threading.Thread | None = None
        self._no_restart = threading.Event()
        self._inside: Inside | None = None
        self._samba: SambaServer | None = None
        self._winrm: WinRm | None = None
        self._service: WsManService | None = None
        self._events: EventSource | None = None

    @property
    def ca_file(self) -> Path:
        """What clients have to trust."""
        return self._authority.ca_file

    @property
    def inside(self) -> Inside:
        """What is behind the wire, for tests that look or act where no client could. Only while the host runs."""
        if self._inside is None:
            raise RuntimeError(f"{self.config.name} is not running")
        return self._inside

    @property
    def service(self) -> CimService:
        """See ``inside``."""
        return self.inside.service

    @property
    def events(self) -> EventSource:
        """Where extrinsic events are raised. Only while the host runs."""
        if self._events is None or self._inside is None:
            raise RuntimeError(f"{self.config.name} is not running")
        return self._events

    def start(self) -> None:
        """The host answers when this returns.

        :raises StartError: a port can't be had; nothing is left running.
        """
        with self._life:
            self._no_restart.clear()
            self._stopping.clear()
            try:
                self._start()
                self.fill_disk(full=False)
            except BaseException:
                self._stop()
                raise

    def stop(self) -> None:
        """Ends it with its children. Nothing happens to a host that is not running."""
        self._no_restart.set()
        with self._life:
            self._stop()

    def reboot(self) -> None:
        """Restarts Windows: the host is away from now on, and answers again ``restart_s`` after it went down.

        Machines end and come back as their settings say. Does not wait; ``join_restart`` does.
        """
        self._go_down("restart")

    def shut_down(self) -> None:
        """Windows ends, as ``reboot``; only ``start`` brings the host back."""
        self._go_down("shut down")

    def join_restart(self, timeout_s: float = 60.0) -> None:
        """Waits until a restart (or shutdown) that is under way is through."""
        restart = self._restart
        if restart is not None:
            restart.join(timeout_s)

    def jump_clock(self, seconds: float) -> None:
        """Moves the host's clock at once, forward or (negative) back."""
        self.clock.jump(seconds)

    def _go_down(self, action: PowerAction, grace_s: float = 0.0) -> None:
        if self._inside is None or (self._restart is not None and self._restart.is_alive()):
            return
        name = f"{self.config.name}-{action.replace(' ', '-')}"
        self._restart = threading.Thread(target=self._be_away, args=(action, grace_s), name=name, daemon=True)
        self._restart.start()

    def _be_away(self, action: PowerAction, grace_s: float) -> None:
        if self._no_restart.wait(grace_s):
            return
        with self._life:
            self._stop_listening()
            if self._inside is not None:
                self._inside.go_down()
            self._stop()
            if action == "shut down" or self._no_restart.wait(self.config.restart_s):
                return
            self._stopping.clear()
            try:
                self._start()
            except StartError:
                _LOG.exception("%s does not come back from its restart", self.config.name)
                self._stop()

    def _stop(self) -> None:
        self._stop_listening()
        if self._samba is not None:
            self._samba.stop()
            self._samba = None
        if self._inside is not None:
            self._inside.close()
            self._inside = None

    def _stop_listening(self) -> None:
        self._stopping.set()
        if self._service is not None:
            self._service.close()
            self._service = None
        if self._winrm is not None:
            self._winrm.stop()
            self._winrm = None

    def fill_disk(self, *, full: bool = True) -> None:
        """Says that nothing more fits on the volumes, or that it does again. Only while the host runs."""
        self.inside.disks.folder.full = full

    def _befall(self, rule: FaultRule) -> None:
        """What a fault rule does to the host as a whole; the rules for one request are not for here."""
        if rule.effect == "reboot":
            self.reboot()
        elif rule.effect == "time-jump":
            self.jump_clock(rule.jump_s)
        elif rule.effect == "disk-full":
            self.fill_disk()

    def drop_connections(self) -> None:
        """Cuts every WinRM connection, as a restart of that service does."""
        if self._winrm is not None:
            self._winrm.drop_connections()

    def __enter__(self) -> SimulatedHost:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        config = self.config
        for port in (config.http_port, config.https_port, *([config.smb_port] if config.samba else [])):
            self._try(port)  # before anything is made
        self._inside = inside = assemble(
            config, self.folder, self.faults, clock=self.clock, neighbours=self._neighbours
        )
        inside.system.power.listener = lambda action: self._go_down(action, _GRACE_S)
        if config.samba:
            shares = inside.surroundings.shares
            self._samba = SambaServer(config, self.folder, inside.disks.folder, inside.pipes, shares)
            self._serve_files(self._samba)
        self._listen(inside)

    @staticmethod
    def _serve_files(samba: SambaServer) -> None:
        try:
            samba.start()
        except SambaError as error:
            raise StartError(str(error)) from None

    def _listen(self, inside: Inside) -> None:
        config = self.config
        self._events = EventSource(inside.repository)
        if inside.cluster is not None:
            inside.cluster.member.on_event = self._events.raise_event
        self._service = service = WsManService(
            HostIdentity(
                config.name,
                RELEASES[config.version].version,
                config.allow_basic,
                config.address,
                allow_certificate=bool(config.client_ca_file),
            ),
            inside.service,
            self._events,
            faults=self.faults,
            requests=self.requests,
            quotas=config.quotas,
            pause=self._stopping.wait,
            run_line=inside.system.shell.run,
            rights=inside.system.accounts,
            befall=self._befall,
        )
        certificate = self._authority.certificate_for(config.name, config.address, self.folder / "tls")
        try:
            self._winrm = WinRm(config, certificate, service, self._travel, self.clock.time)
            self._winrm.start()
        except (KerberosError, ssl.SSLError, OSError) as error:
            raise StartError(f"host {config.name}: {error}") from None
        except ListenError as error:
            raise self._port_error(error.port, error.error) from None

    def _travel(self) -> None:
        """The time that a request and its answer are under way."""
        if self.round_trip_ms and self._stopping.wait(self.round_trip_ms / 1000):
            raise Disconnect

    def _try(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.config.address, port))
                probe.listen()
            except OSError as error:
                raise self._port_error(port, error) from None

    def _port_error(self, port: int, error: OSError) -> StartError:
        where = f"host {self.config.name}: {self.config.address}:{port}"
        key = next(name for name in ("http_port", "https_port", "smb_port") if getattr(self.config, name) == port)
        if error.errno == errno.EACCES:
            without = ", or do without files and pipes: --no-samba" if key == "smb_port" else ""
            return StartError(f"{where} needs root; run as root, set {key} above 1023{without}")
        if error.errno == errno.EADDRINUSE:
            return StartError(f"{where} is in use; stop what listens there, or set another address or {key}")
        if error.errno == errno.EADDRNOTAVAIL:
            return StartError(f"{where}: this machine has no such address; set address to one it has, 127.0.1.1 say")
        return StartError(f"{where} can't be listened on ({error.strerror}); set another address or {key}")
