"""``hosts.toml`` to plain values: what the simulated hosts are like.

What lives here and only here: the keys of the file, their defaults, and every check that needs nothing but the file.
Rule 1: a key is declared once, as a field of a dataclass; reading, type checks and error texts follow from the field.
Rule 2: a wrong file ends in one ``ConfigError`` whose message names the host, the key, the value and what to write.
Rule 3: no I/O but reading the file. Whether a port is free is found out by whoever listens on it.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from hyperv_simulator.fault_rules import FaultRule, FaultRuleError
from hyperv_simulator.quotas import QuotaError, Quotas

WindowsVersion = Literal["2012r2", "2016", "2019", "2022", "2025"]
GuestKind = Literal["none", "qemu"]
SwitchType = Literal["external", "internal", "private"]

_COMPUTER_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9-]{1,15}")
_BOUNDED_BELOW: Mapping[str, int] = {
    "sockets": 1,
    "cores": 1,
    "threads": 1,
    "numa_nodes": 1,
    "memory_mb": 512,
    "disk_gb": 1,
    "round_trip_ms": 0,
}
_PORTS = ("http_port", "https_port", "smb_port")


class ConfigError(Exception):
    """hosts.toml (or a value given in code) is wrong; the message is one line, remedy included."""


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """One virtual switch that the host has from the start.

    :param name: its name; what a cloud's physical network is mapped to.
    :param type: ``external`` (on a physical NIC), ``internal`` or ``private``.
    :param adapter: the physical NIC of an external switch.
    """

    name: str
    type: SwitchType = "external"
    adapter: str = "Ethernet"


@dataclass(frozen=True, slots=True)
class KerberosConfig:
    """What a host in a domain needs to take Kerberos tickets (``[host.kerberos]``); without a keytab it takes none.

    :param keytab: file with the keys of ``HTTP/name`` and ``WSMAN/name``, exported from the KDC.
    :param realm: the domain's realm; all of its principals are let in.
    """

    keytab: str = ""
    realm: str = ""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One simulated host. Every field is a key of ``[[host]]``.

    :param name: computer name, at most 15 characters (NetBIOS).
    :param address: IPv4 address to listen on; every 127.x.y.z answers on Linux.
    :param version: Windows Server release.
    :param username: the local administrator.
    :param password: its password.
    :param sockets: processor packages.
    :param cores: processor cores of all sockets together.
    :param threads: logical processors of all cores together.
    :param memory_mb: physical memory, MiB.
    :param numa_nodes: NUMA nodes.
    :param disk_gb: size of volume C:, GiB.
    :param guests: ``none`` (machines are state machines only) or ``qemu`` (they boot).
    :param http_port: WinRM over HTTP.
    :param https_port: WinRM over HTTPS.
    :param smb_port: SMB; 445 needs root.
    :param samba: whether files and pipes are served at all.
    :param allow_basic: WinRM's ``Service/Auth/Basic``.
    :param allow_unencrypted: WinRM's ``Service/AllowUnencrypted``: plain SOAP over HTTP is accepted.
    :param round_trip_ms: latency added to every HTTP exchange, milliseconds.
    :param switch: virtual switches (``[[host.switch]]``).
    :param fault: fault rules in force from the start (``[[host.fault]]``).
    :param quotas: WinRM's limits (``[host.quotas]``).
    :param kerberos: the host is in a domain (``[host.kerberos]``).
    :param client_ca_file: PEM file of an authority; certificates that it signed let clients in as ``username``.
    """

    name: str = "hv1"
    address: str = "127.0.1.1"
    version: WindowsVersion = "2022"
    username: str = "Administrator"
    password: str = field(default="Passw0rd!", repr=False)
    sockets: int = 1
    cores: int = 8
    threads: int = 16
    memory_mb: int = 65536
    numa_nodes: int = 1
    disk_gb: int = 500
    guests: GuestKind = "none"
    http_port: int = 5985
    https_port: int = 5986
    smb_port: int = 445
    samba: bool = True
    allow_basic: bool = False
    allow_unencrypted: bool = False
    round_trip_ms: int = 0
    switch: tuple[SwitchConfig, ...] = (SwitchConfig("external"),)
    fault: tuple[FaultRule, ...] = ()
    quotas: Quotas = field(default_factory=Quotas)
    kerberos: KerberosConfig = KerberosConfig()
    client_ca_file: str = ""

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        if not _COMPUTER_NAME.fullmatch(self.name):
            raise self._error("name", "a computer name: 1 to 15 letters, digits or hyphens, not digits only")
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            raise self._error("address", "an IPv4 address such as 127.0.1.1") from None
        if not self.username or "\\" in self.username or ":" in self.username:
            raise self._error("username", "an account name without domain, backslash or colon")
        names = [switch.name.lower() for switch in self.switch]
        if len(set(names)) != len(names):
            raise self._error("switch", "switches with different names")

    def _check_numbers(self) -> None:
        if bool(self.kerberos.keytab) != bool(self.kerberos.realm):
            raise ConfigError(f"host {self.name}: kerberos needs both keytab and realm")
        for name, least in _BOUNDED_BELOW.items():
            if getattr(self, name) < least:
                raise self._error(name, f"a whole number, {least} or more")
        for name in _PORTS:
            if not 1 <= getattr(self, name) <= 65535:
                raise self._error(name, "a port number, 1 to 65535")
        if len({getattr(self, name) for name in _PORTS}) < len(_PORTS):
            raise ConfigError(f"host {self.name}: {', '.join(_PORTS)} must differ from each other")
        for part, whole in (("sockets", "cores"), ("cores", "threads"), ("numa_nodes", "threads")):
            if getattr(self, whole) % getattr(self, part):
                raise self._error(whole, f"a multiple of {part}, which is {getattr(self, part)}")

    def _error(self, name: str, wanted: str) -> ConfigError:
        return ConfigError(f"host {self.name}: {name} is {getattr(self, name)!r}; write {wanted}")


@dataclass(frozen=True, slots=True)
class _File:
    """The tables of hosts.toml."""

    host: tuple[HostConfig, ...] = (HostConfig(),)


def load(path: Path | None) -> tuple[HostConfig, ...]:
    """The hosts that the file describes; without a file, one host with every default.

    :raises ConfigError: the file can't be read, or something in it is wrong.
    """
    if path is None:
        return check((HostConfig(),))
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name an existing file, or none for one default host") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        return check(_read(_File, document, "").host)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def with_defaults(hosts: Sequence[HostConfig], **overrides: Any) -> tuple[HostConfig, ...]:
    """The hosts with the command line's values in place of their own."""
    return tuple(replace(host, **overrides) for host in hosts)


def check(hosts: Sequence[HostConfig]) -> tuple[HostConfig, ...]:
    """Checks what one host alone can't get wrong: names and addresses that two hosts share.

    :raises ConfigError: naming both hosts and the value.
    """
    if not hosts:
        raise ConfigError("no host; write at least one [[host]] table")
    taken: dict[str, str] = {}
    for host in hosts:
        claims = [f"name {host.name.lower()}", *(f"{host.address}:{getattr(host, port)}" for port in _PORTS)]
        for claim in claims:
            if claim in taken:
                owner = taken[claim]
                raise ConfigError(f"host {host.name}: {claim} belongs to host {owner}; give each host its own")
            taken[claim] = host.name
    return tuple(hosts)


_Table = TypeVar("_Table")


def _read(table: type[_Table], values: Mapping[str, Any], where: str) -> _Table:
    """One TOML table as the dataclass that declares its keys."""
    hints = typing.get_type_hints(table)
    known: dict[str, Field[Any]] = {item.name: item for item in fields(table)}  # type: ignore[arg-type]  # dataclasses
    if table is HostConfig and "name" in values:
        where = f"host {values['name']}: "
    for name in values:
        if name not in known:
            raise ConfigError(f"{where}unknown key {name!r}; known are {', '.join(sorted(known))}")
    for name, item in known.items():
        if item.default is MISSING and item.default_factory is MISSING and name not in values:
            raise ConfigError(f"{where}{name} is missing")
    arguments = {name: _value(hints[name], value, where, name) for name, value in values.items()}
    try:
        return table(**arguments)
    except (FaultRuleError, QuotaError) as error:
        raise ConfigError(f"{where}{error}") from None


def _value(hint: Any, value: Any, where: str, name: str) -> Any:
    """One value, checked against the field's annotation."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{where}{name} is {value!r}; write one of {', '.join(map(repr, choices))}")
        return value
    if origin in (types.UnionType, typing.Union):
        return _value(next(a for a in typing.get_args(hint) if a is not type(None)), value, where, name)
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            header = "[[host]]" if name == "host" else f"[[host.{name}]]"
            raise ConfigError(f"{where}{name} is {value!r}; write tables: {header}")
        entry = typing.get_args(hint)[0]
        return tuple(_read(entry, item, f"{where}{name} {number}: ") for number, item in enumerate(value, start=1))
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}{name} is {value!r}; write a table: [host.{name}]")
        return _read(hint, value, f"{where}{name}: ")
    # bool is an int to Python, but not to whoever wrote the file; a whole number will do where a fraction may stand
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    if not fits and not (hint is float and type(value) is int):
        raise ConfigError(f"{where}{name} is {value!r}; write {_KINDS[hint]}")
    return value


_KINDS: Mapping[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
}
