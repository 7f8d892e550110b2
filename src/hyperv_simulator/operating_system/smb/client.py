"""The SMB client: mappings, connections, and what SMB Multichannel makes of the adapters.

A mapping made over WS-Management would live in the logon session of the request (hyperv-ops 15); here it is the host's,
and a persistent one survives a restart. That every server named by a mapping answers is an assumption: there is nobody
behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.smb import SmbConfig, SmbMappingConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.network_stack.wiring import Interface
from hyperv_simulator.operating_system.smb import SMB
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

MAPPING, CONNECTION = "MSFT_SmbMapping", "MSFT_SmbConnection"
CHANNEL, CONSTRAINT = "MSFT_SmbMultichannelConnection", "MSFT_SmbMultichannelConstraint"
_STATUS = {"ok": 0, "disconnected": 2, "unavailable": 6}
_ALREADY_MAPPED = 85  # ERROR_ALREADY_ASSIGNED
_BAD_NETNAME = 67
_INVALID_PARAMETER = 87


@dataclass(frozen=True, slots=True)
class Constraint:
    server: str
    adapter: str


class SmbClient:
    """Safe for threads.

    :param interfaces: those that IP is bound to.
    :param multichannel: whether SMB Multichannel is on.
    :param kept: mappings and constraints from the last run.
    """

    def __init__(
        self,
        repository: Repository,
        facts: HostFacts,
        interfaces: Callable[[], list[Interface]],
        multichannel: Callable[[], bool],
        kept: Mapping[str, Any],
        keep: Callable[[Any], None],
    ) -> None:
        self._repository = repository
        self._facts = facts
        self._interfaces = interfaces
        self._multichannel = multichannel
        self._keep = keep
        self._lock = threading.RLock()
        config: SmbConfig = facts.config.smb
        mappings = [SmbMappingConfig(**record) for record in kept["mappings"]] if kept else facts.config.smb_mapping
        given = [Constraint(item.server, name) for item in config.constraint for name in item.adapters]
        constraints = [Constraint(**record) for record in kept["constraints"]] if kept else given
        self._passing: set[str] = set()
        self._mappings = {_key(item.letter, item.remote): item for item in mappings}
        self._constraints = list(constraints)
        for class_name, source in (
            (MAPPING, lambda: map(self.mapping, self._mappings.values())),
            (CONNECTION, lambda: map(self._connection, self._mappings.values())),
            (CHANNEL, self._channels),
            (CONSTRAINT, lambda: map(self.constraint, self._constraints)),
            ("MSFT_SmbClientNetworkInterface", self._client_interfaces),
            ("MSFT_SmbServerNetworkInterface", self._server_interfaces),
        ):
            repository.add_source(class_name, lambda _owner, source=source: source(), SMB)  # type: ignore[misc]  # bound at definition

    def adapter(self, name: str = "", index: int = 0) -> Interface | None:
        return next((item for item in self._interfaces() if item.name == name or item.index == index), None)

    def has(self, letter: str, remote: str) -> bool:
        return _key(letter, remote) in self._mappings or any(
            letter and item.letter.lower() == letter.lower() for item in self._mappings.values()
        )

    def map(self, item: SmbMappingConfig, *, persistent: bool) -> None:
        with self._lock:
            self._mappings[_key(item.letter, item.remote)] = item
            if not persistent:
                self._passing.add(_key(item.letter, item.remote))
            self._remember()

    def unmap(self, letter: str, remote: str) -> None:
        with self._lock:
            self._mappings.pop(_key(letter, remote), None)
            self._remember()

    def constrain(self, added: list[Constraint]) -> None:
        with self._lock:
            self._constraints += [item for item in added if item not in self._constraints]
            self._remember()

    def free(self, constraint: CimInstance) -> None:
        """Takes a constraint away."""
        with self._lock:
            wanted = (constraint.text("ServerName"), constraint.text("InterfaceAlias"))
            self._constraints = [item for item in self._constraints if (item.server, item.adapter) != wanted]
            self._remember()

    def _remember(self) -> None:
        lasting = [asdict(item) for key, item in self._mappings.items() if key not in self._passing]
        self._keep({"mappings": lasting, "constraints": [asdict(item) for item in self._constraints]})

    # Instances

    def mapping(self, item: SmbMappingConfig) -> CimInstance:
        values: dict[str, CimValue] = {
            "LocalPath": item.letter,
            "RemotePath": item.remote,
            "Status": _STATUS[item.status],
            "RequireIntegrity": False,
            "RequirePrivacy": item.encrypted,
            "UseWriteThrough": False,
        }
        return self._new(MAPPING, values)

    def constraint(self, item: Constraint) -> CimInstance:
        adapter = self.adapter(item.adapter)
        values: dict[str, CimValue] = {
            "ServerName": item.server,
            "InterfaceGuid": f"{{{adapter.guid}}}" if adapter else "",
            "InterfaceIndex": adapter.index if adapter else None,
            "InterfaceAlias": item.adapter,
        }
        return self._new(CONSTRAINT, values)

    def _connection(self, item: SmbMappingConfig) -> CimInstance:
        server, share = item.remote.strip("\\").split("\\")[:2]
        values: dict[str, CimValue] = {
            "ServerName": server,
            "ShareName": share,
            "UserName": f"{self._facts.name}\\{self._facts.config.username}",
            "Credential": f"{self._facts.name}\\{self._facts.config.username}",
            "SmbInstance": 0,
            "NumOpens": 0,
            "Dialect": item.dialect,
            "ContinuouslyAvailable": item.continuously_available,
            "Encrypted": item.encrypted,
            "Signed": item.signed,
            "Redirected": False,
        }
        return self._new(CONNECTION, values)

    def _usable(self, server: str) -> list[Interface]:
        """The adapters that may talk to a server: connected ones, within what a constraint names."""
        allowed = {item.adapter for item in self._constraints if item.server.lower() == server.lower()}
        return [item for item in self._interfaces() if item.connected and (not allowed or item.name in allowed)]

    def _channels(self) -> Iterator[CimInstance]:
        servers = dict.fromkeys(item.remote.strip("\\").split("\\")[0] for item in self._mappings.values())
        for server in servers if self._multichannel() else ():
            for adapter in self._usable(server):
                yield self._channel(server, adapter)

    def _channel(self, server: str, adapter: Interface) -> CimInstance:
        values: dict[str, CimValue] = {
            "ServerName": server,
            "ClientInterfaceIndex": adapter.index,
            "ClientInterfaceFriendlyName": adapter.name,
            "ClientIpAddress": _address(adapter),
            "ServerInterfaceIndex": adapter.index,
            "ServerIpAddress": server,
            "Selected": True,
            "ClientRSSCapable": True,
            "ServerRSSCapable": True,
            "ClientRdmaCapable": _can_rdma(adapter),
            "ServerRdmaCapable": _can_rdma(adapter),
            "ClientLinkSpeed": adapter.speed_bps,
            "ServerLinkSpeed": adapter.speed_bps,
            "MaxChannels": 4,
            "CurrentChannels": 4,
            "Failed": False,
            "FailureCount": 0,
            "SmbInstance": 0,
        }
        return self._new(CHANNEL, values)

    def _client_interfaces(self) -> Iterator[CimInstance]:
        for adapter in self._interfaces():
            if adapter.connected:
                address = _address(adapter)
                yield self._new(
                    "MSFT_SmbClientNetworkInterface",
                    {**_interface(adapter), "IpAddresses": [address] if address else []},
                )

    def _server_interfaces(self) -> Iterator[CimInstance]:
        for adapter in self._interfaces():
            if adapter.connected and (address := _address(adapter)):
                values = {**_interface(adapter), "ScopeName": "*", "IpAddress": address}
                yield self._new("MSFT_SmbServerNetworkInterface", values)

    def _new(self, class_name: str, values: Mapping[str, CimValue]) -> CimInstance:
        known = {name for name, _ in self._repository.catalogue.property_names(SMB, class_name)}
        return new_instance(
            self._repository.catalogue, class_name, {n: v for n, v in values.items() if n in known}, SMB
        )


def _interface(adapter: Interface) -> dict[str, CimValue]:
    return {
        "InterfaceIndex": adapter.index,
        "FriendlyName": adapter.name,
        "LinkSpeed": adapter.speed_bps,
        "RdmaCapable": _can_rdma(adapter),
        "RssCapable": True,
    }


def _address(adapter: Interface) -> str:
    return str(adapter.address.ip) if adapter.address is not None else ""


def _can_rdma(adapter: Interface) -> bool:
    return adapter.nic is not None and adapter.nic.rdma


def _key(letter: str, remote: str) -> str:
    return f"{letter}|{remote}".lower()


class SmbMappingProvider(Provider):
    class_name = MAPPING
    namespace = SMB

    def __init__(self, repository: Repository, client: SmbClient) -> None:
        self._repository = repository
        self._client = client

    def methods(self) -> Mapping[str, Method]:
        return {"Remove": self._remove}

    def static_methods(self) -> Mapping[str, Method]:
        return {"Create": self._create}

    def _create(self, call: Call) -> Outputs:
        letter, remote = call.text("LocalPath", ""), call.text("RemotePath")
        if self._client.has(letter, remote):
            return {"ReturnValue": _ALREADY_MAPPED}
        try:
            item = SmbMappingConfig(remote, letter, encrypted=call.boolean("RequirePrivacy"))
        except ConfigError:
            return {"ReturnValue": _BAD_NETNAME}
        self._client.map(item, persistent=call.boolean("Persistent"))
        return done(CreatedMapping=self._repository.finished(self._client.mapping(item)))

    def _remove(self, call: Call) -> Outputs:
        self._client.unmap(call.target.text("LocalPath", ""), call.target.text("RemotePath"))
        return done()


class SmbConstraintProvider(Provider):
    class_name = CONSTRAINT
    namespace = SMB

    def __init__(self, repository: Repository, client: SmbClient) -> None:
        self._repository = repository
        self._client = client

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"CreateConstraint": self._create}

    def delete(self, instance: CimInstance) -> None:
        self._client.free(instance)

    def _create(self, call: Call) -> Outputs:
        server = call.text("ServerName")
        found = [self._client.adapter(name) for name in call.texts("InterfaceAlias")]
        found += [self._client.adapter(index=index) for index in call.integers("InterfaceIndex")]
        if not found or any(adapter is None for adapter in found):
            return {"ReturnValue": _INVALID_PARAMETER}
        added = [Constraint(server, adapter.name) for adapter in found if adapter is not None]
        self._client.constrain(added)
        return done(Output=[self._repository.finished(self._client.constraint(item)) for item in added])
