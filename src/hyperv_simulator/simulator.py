"""Several simulated hosts that live and die together, in one process and one state folder.

::

    <state>/lock            held while a simulator runs on this folder
    <state>/tls/ca.pem      the authority that every host's certificate comes from
    <state>/control.sock    where a running simulator is told what to do (see ``control``)
    <state>/<host>/         what belongs to one host (see ``host``)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from hyperv_simulator.config.file import check
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.control.server import ControlServer
from hyperv_simulator.errors import StartError
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.server.tls import Authority


class Simulator:
    """Hosts that start and stop together.

    :param hosts: their descriptions; checked against each other.
    :param state_folder: made where it is missing; one simulator at a time may use it.
    :raises ConfigError: two hosts want the same name or address.
    """

    def __init__(self, hosts: Sequence[HostConfig], state_folder: Path) -> None:
        self._configs = check(hosts)
        self._state_folder = state_folder
        self._lock: int | None = None
        self._control = ControlServer(lambda: self.hosts, state_folder)
        self.ca_file = state_folder / "tls" / "ca.pem"
        self.hosts: tuple[SimulatedHost, ...] = ()

    def start(self) -> None:
        """All hosts listen when this returns; none does when it raises.

        :raises StartError: one of them can't; the message says which, why, and what to do.
        """
        self._claim_folder()
        try:
            authority = Authority(self.ca_file.parent)
            neighbours = Neighbours()
            for config in self._configs:
                host = SimulatedHost(config, self._state_folder, authority, neighbours)
                host.start()
                self.hosts = (*self.hosts, host)
            self._control.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every host with its children. Nothing happens to what is not running."""
        self._control.stop()
        for host in reversed(self.hosts):
            host.stop()
        self.hosts = ()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _claim_folder(self) -> None:
        try:
            self._state_folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._state_folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.stop()
            raise StartError(
                f"another simulator runs on the state folder {self._state_folder}; stop it, or choose another: --state"
            ) from None
        except OSError as error:
            raise StartError(
                f"the state folder {self._state_folder} can't be used ({error.strerror}); choose another: --state"
            ) from None
