"""The iSCSI classes of root/Microsoft/Windows/Storage, and their methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.operating_system.storage.iscsi import (
    DEFAULT_PORT,
    INITIATOR_INSTANCE,
    INVALID_PARAMETER,
    Initiator,
    IscsiError,
    Login,
    Portal,
    Session,
)
from hyperv_simulator.operating_system.storage.names import STORAGE
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

PORTAL, TARGET = "MSFT_iSCSITargetPortal", "MSFT_iSCSITarget"
SESSION, CONNECTION = "MSFT_iSCSISession", "MSFT_iSCSIConnection"
_AUTHENTICATIONS = ("NONE", "ONEWAYCHAP", "MUTUALCHAP")  # hyperv-ops 15
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (what the initiator shows, nobody listens)


class IscsiInstances:
    """Portals, targets, sessions and connections, made whenever somebody asks."""

    def __init__(self, repository: Repository, initiator: Initiator) -> None:
        self._repository = repository
        self._initiator = initiator
        sources: Mapping[str, Callable[[], Iterable[CimInstance]]] = {
            PORTAL: lambda: [self.portal(portal) for portal in initiator.portals],
            TARGET: self._targets,
            SESSION: lambda: [self.session(session) for session in initiator.sessions],
            CONNECTION: lambda: [self._connection(session) for session in initiator.sessions],
        }
        for class_name, source in sources.items():
            repository.add_source(class_name, lambda _owner, source=source: source(), STORAGE)  # type: ignore[misc]  # bound at definition

    def portal(self, portal: Portal) -> CimInstance:
        return self._new(
            PORTAL,
            {
                "TargetPortalAddress": portal.address,
                "TargetPortalPortNumber": portal.port,
                "InitiatorInstanceName": None,
                "InitiatorPortalAddress": None,
                "IsHeaderDigest": portal.header_digest,
                "IsDataDigest": portal.data_digest,
            },
        )

    def _targets(self) -> list[CimInstance]:
        return [
            self._new(TARGET, {"NodeAddress": target.iqn, "IsConnected": self._initiator.sessions_to(target.iqn) > 0})
            for target in self._initiator.targets
        ]

    def session(self, session: Session) -> CimInstance:
        return self._new(
            SESSION,
            {
                "SessionIdentifier": session.identifier,
                "InitiatorSideIdentifier": "400001370000",
                "TargetSideIdentifier": session.identifier[-4:],
                "NumberOfConnections": 1,
                "TargetNodeAddress": session.iqn,
                "InitiatorPortalAddress": _ANY_ADDRESS,
                "IsHeaderDigest": session.login.header_digest,
                "IsDataDigest": session.login.data_digest,
                "AuthenticationType": session.login.authentication,
                "InitiatorNodeAddress": self._initiator.node_name,
                "InitiatorInstanceName": INITIATOR_INSTANCE,
                "IsConnected": True,
                "IsPersistent": session.login.persistent,
                "IsDiscovered": True,
            },
        )

    def _connection(self, session: Session) -> CimInstance:
        return self._new(
            CONNECTION,
            {
                "ConnectionIdentifier": f"{session.identifier[:-3]}{int(session.identifier[-3:], 16) - 1:03x}",
                "InitiatorAddress": _ANY_ADDRESS,
                "InitiatorPortNumber": 0,
                "TargetAddress": session.portal[0],
                "TargetPortNumber": session.portal[1],
            },
        )

    def _new(self, class_name: str, values: Mapping[str, CimValue]) -> CimInstance:
        return new_instance(self._repository.catalogue, class_name, values, STORAGE)


class _IscsiProvider(Provider):
    """What the initiator refuses becomes the method's return value (assumption: cmdlets show it as an error)."""

    namespace = STORAGE

    def __init__(self, repository: Repository, initiator: Initiator, instances: IscsiInstances) -> None:
        self._repository = repository
        self._initiator = initiator
        self._instances = instances

    def invoke(self, call: Call) -> Outputs | None:
        try:
            return super().invoke(call)
        except IscsiError as error:
            return {"ReturnValue": error.code}


class TargetPortalProvider(_IscsiProvider):
    class_name = PORTAL

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"New": self._new, "Remove": self._remove, "Update": self._update}

    def _new(self, call: Call) -> Outputs:
        portal = Portal(
            call.text("TargetPortalAddress"),
            call.integer("TargetPortalPortNumber", DEFAULT_PORT),
            call.boolean("IsHeaderDigest"),
            call.boolean("IsDataDigest"),
        )
        created = self._initiator.discover(portal)
        return done(CreatedTargetPortal=self._repository.finished(self._instances.portal(created)))

    def _remove(self, call: Call) -> Outputs:
        self._initiator.forget(*self._named(call))
        return done()

    def _update(self, call: Call) -> Outputs:
        self._initiator.discover(Portal(*self._named(call)))
        return done()

    @staticmethod
    def _named(call: Call) -> tuple[str, int]:
        """The portal that the parameters name, or the one that the method is called on."""
        own = call.target.integer("TargetPortalPortNumber", DEFAULT_PORT)
        address = call.text("TargetPortalAddress", call.target.text("TargetPortalAddress", ""))
        return address, call.integer("TargetPortalPortNumber", own)


class TargetProvider(_IscsiProvider):
    class_name = TARGET

    def methods(self) -> Mapping[str, Method]:
        return {"Disconnect": self._disconnect, "Update": lambda _call: done()}

    def static_methods(self) -> Mapping[str, Method]:
        return {"Connect": self._connect}

    def _connect(self, call: Call) -> Outputs:
        authentication = call.text("AuthenticationType", "NONE").upper() or "NONE"
        if authentication not in _AUTHENTICATIONS:
            return {"ReturnValue": INVALID_PARAMETER}
        login = Login(
            call.text("TargetPortalAddress", ""),
            call.integer("TargetPortalPortNumber", 0),
            authentication,
            call.text("ChapUsername", ""),
            call.text("ChapSecret", ""),
            call.boolean("IsMultipathEnabled"),
            call.boolean("IsPersistent"),
            call.boolean("IsHeaderDigest"),
            call.boolean("IsDataDigest"),
        )
        iqn = call.text("NodeAddress", call.target.text("NodeAddress", ""))
        session = self._initiator.connect(iqn, login)
        return done(CreatediSCSISession=self._repository.finished(self._instances.session(session)))

    def _disconnect(self, call: Call) -> Outputs:
        self._initiator.disconnect(call.target.text("NodeAddress"), call.text("SessionIdentifier", ""))
        return done()


class SessionProvider(_IscsiProvider):
    class_name = SESSION

    def methods(self) -> Mapping[str, Method]:
        return {
            "Register": lambda call: self._keep(call, persistent=True),
            "Unregister": lambda call: self._keep(call, persistent=False),
            "SetCHAPSecret": lambda call: done() if call.text("ChapSecret") else {"ReturnValue": INVALID_PARAMETER},
        }

    def _keep(self, call: Call, *, persistent: bool) -> Outputs:
        self._initiator.keep(call.target.text("SessionIdentifier"), persistent=persistent)
        return done()
