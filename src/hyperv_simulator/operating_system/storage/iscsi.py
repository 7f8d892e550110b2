r"""Microsoft's iSCSI initiator: which portals, targets and sessions there are.

Rule 1: a target is known once a portal of it was discovered; it has disks once there is a session (hyperv-ops 15).
Rule 2: the initiator answers while the service MSiSCSI runs; sessions stay when it stops (assumption).
Status codes: iscsierr.h as old-driver 8 lists it; 0xEFFF0003 and 0xEFFF0009 from memory of the same file: assumptions.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hyperv_simulator.config.storage import IscsiTargetConfig

INITIATOR_INSTANCE = r"ROOT\ISCSIPRT\0000_0"  # real-instances 5.2
DEFAULT_PORT = 3260

CONNECTION_FAILED = 0xEFFF0003
AUTHENTICATION_FAILED = 0xEFFF0009
TARGET_NOT_FOUND = 0xEFFF0029
ALREADY_LOGGED_IN = 0xEFFF003F
INVALID_SESSION = 0xEFFF0005
SERVICE_NOT_ACTIVE = 1062  # ERROR_SERVICE_NOT_ACTIVE
INVALID_PARAMETER = 87  # ERROR_INVALID_PARAMETER


class IscsiError(Exception):
    """What was asked can't be done. :param code: the status that the method returns."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"0x{code:08X}")


@dataclass(frozen=True, slots=True)
class Portal:
    address: str
    port: int
    header_digest: bool = False
    data_digest: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to a target. :param portal: empty address: any."""

    address: str = ""
    port: int = 0
    authentication: str = "NONE"
    user: str = ""
    secret: str = ""
    multipath: bool = False
    persistent: bool = False
    header_digest: bool = False
    data_digest: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    identifier: str
    iqn: str
    portal: tuple[str, int]
    login: Login


class Initiator:
    """See the rules above. Safe for threads.

    :param node_name: IQN of the host.
    :param running: whether the service runs.
    :param changed: called whenever sessions have come or gone.
    :param kept: portals and persistent sessions from the last run.
    :param keep: is told what to keep.
    """

    def __init__(
        self,
        targets: tuple[IscsiTargetConfig, ...],
        node_name: str,
        running: Callable[[], bool],
        changed: Callable[[], None],
        kept: Mapping[str, Any],
        keep: Callable[[Any], None],
    ) -> None:
        self.node_name = node_name
        self._within_reach = {target.iqn.lower(): target for target in targets}
        self._running = running
        self._changed = changed
        self._keep = keep
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._portals: dict[tuple[str, int], Portal] = {}
        self._sessions: dict[str, Session] = {}
        if kept:
            self._restore(kept)
        else:
            self._begin(targets)

    def _begin(self, targets: tuple[IscsiTargetConfig, ...]) -> None:
        for target in targets:
            for portal in target.endpoints if target.discovered else ():
                self._portals.setdefault(portal, Portal(*portal))
            for number in range(target.sessions):
                portal = target.endpoints[number % len(target.endpoints)]
                self._portals.setdefault(portal, Portal(*portal))
                chap = "ONEWAYCHAP" if target.chap_username else "NONE"
                self._open(target.iqn, portal, Login(authentication=chap, multipath=True, persistent=True))

    def _restore(self, kept: Mapping[str, Any]) -> None:
        """Persistent sessions to targets that are still there."""
        for record in kept["portals"]:
            portal = Portal(**record)
            self._portals[portal.address, portal.port] = portal
        for record in kept["sessions"]:
            target = self._within_reach.get(record["iqn"].lower())
            endpoint = (record["address"], record["port"])
            if target is not None and endpoint in target.endpoints:
                login = Login(authentication=record["authentication"], multipath=True, persistent=True)
                self._open(target.iqn, endpoint, login)

    def _remember(self) -> None:
        """Secrets are not kept: nobody asks for them again."""
        sessions = [
            {
                "iqn": session.iqn,
                "address": session.portal[0],
                "port": session.portal[1],
                "authentication": session.login.authentication,
            }
            for session in self._sessions.values()
            if session.login.persistent
        ]
        self._keep({"portals": [asdict(portal) for portal in self._portals.values()], "sessions": sessions})

    # What there is

    @property
    def is_running(self) -> bool:
        return self._running()

    @property
    def portals(self) -> tuple[Portal, ...]:
        return tuple(self._portals.values()) if self._running() else ()

    @property
    def targets(self) -> tuple[IscsiTargetConfig, ...]:
        """Those that a known portal shows."""
        if not self._running():
            return ()
        known = set(self._portals)
        return tuple(target for target in self._within_reach.values() if known.intersection(target.endpoints))

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(self._sessions.values()) if self._running() else ()

    def sessions_to(self, iqn: str) -> int:
        """How many there are, whether or not the service runs."""
        return sum(session.iqn.lower() == iqn.lower() for session in self._sessions.values())

    # What can be done

    def discover(self, portal: Portal) -> Portal:
        """:raises IscsiError: nobody answers there."""
        self._check_running()
        if not any((portal.address, portal.port) in target.endpoints for target in self._within_reach.values()):
            raise IscsiError(CONNECTION_FAILED)
        with self._lock:
            found = self._portals.setdefault((portal.address, portal.port), portal)
            self._remember()
        return found

    def forget(self, address: str, port: int) -> None:
        self._check_running()
        with self._lock:
            if self._portals.pop((address, port), None) is None:
                raise IscsiError(INVALID_PARAMETER)
            self._remember()

    def connect(self, iqn: str, login: Login) -> Session:
        """A session more; a second one to the same target wants multipathing."""
        self._check_running()
        with self._lock:
            target = next((item for item in self.targets if item.iqn.lower() == iqn.lower()), None)
            if target is None:
                raise IscsiError(TARGET_NOT_FOUND)
            portal = self._portal(target, login)
            if target.chap_username and (login.authentication.upper(), login.user, login.secret) not in (
                (kind, target.chap_username, target.chap_secret) for kind in ("ONEWAYCHAP", "MUTUALCHAP")
            ):
                raise IscsiError(AUTHENTICATION_FAILED)
            if self.sessions_to(iqn) and not login.multipath:
                raise IscsiError(ALREADY_LOGGED_IN)
            session = self._open(target.iqn, portal, login)
            self._remember()
        self._changed()
        return session

    def disconnect(self, iqn: str, identifier: str = "") -> None:
        """One session, or every one to the target."""
        self._check_running()
        with self._lock:
            ending = [
                session
                for session in self._sessions.values()
                if session.iqn.lower() == iqn.lower() and identifier in ("", session.identifier)
            ]
            if not ending:
                raise IscsiError(INVALID_SESSION)
            for session in ending:
                del self._sessions[session.identifier]
            self._remember()
        self._changed()

    def keep(self, identifier: str, *, persistent: bool) -> None:
        """Whether a session comes back after a restart."""
        self._check_running()
        with self._lock:
            session = self._sessions[identifier]
            self._sessions[identifier] = replace(session, login=replace(session.login, persistent=persistent))
            self._remember()

    # Inside

    def _check_running(self) -> None:
        if not self._running():
            raise IscsiError(SERVICE_NOT_ACTIVE)

    @staticmethod
    def _portal(target: IscsiTargetConfig, login: Login) -> tuple[str, int]:
        wanted = (login.address, login.port or DEFAULT_PORT)
        if not login.address:
            return target.endpoints[0]
        if wanted not in target.endpoints:
            raise IscsiError(CONNECTION_FAILED)
        return wanted

    def _open(self, iqn: str, portal: tuple[str, int], login: Login) -> Session:
        number = next(self._numbers)
        session = Session(f"ffffe001d67f3020-4000013700000{number:03x}", iqn, portal, login)
        self._sessions[session.identifier] = session
        return session
