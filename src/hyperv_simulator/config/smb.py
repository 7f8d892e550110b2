"""``[[host.smb_share]]``, ``[[host.smb_mapping]]``, ``[host.smb]``: the host as SMB server and SMB client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hyperv_simulator.config.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SmbShareConfig:
    r"""One share besides the administrative ones.

    :param path: the folder, made where it is missing: ``C:\Shares\instances``.
    :param continuously_available: whether handles survive a failover (SMB 3 transparent failover).
    :param full_access: accounts that may do everything.
    :param name: the share's.
    :param description: what it is for.
    :param encrypt: the share is reached encrypted only.
    """

    name: str
    path: str
    description: str = ""
    continuously_available: bool = False
    encrypt: bool = False
    full_access: tuple[str, ...] = ("BUILTIN\\Administrators",)


@dataclass(frozen=True, slots=True)
class SmbMappingConfig:
    r"""One connection of the host to another server's share.

    :param remote: ``\\server\share``.
    :param letter: drive letter with colon; empty: none.
    :param continuously_available: whether the share is.
    :param dialect: SMB version that the two agreed on.
    :param status: state of the connection.
    :param signed: its messages are signed.
    :param encrypted: its messages are encrypted.
    """

    remote: str
    letter: str = ""
    status: Literal["ok", "disconnected", "unavailable"] = "ok"
    continuously_available: bool = False
    dialect: str = "3.1.1"
    signed: bool = True
    encrypted: bool = False

    def __post_init__(self) -> None:
        if not self.remote.startswith("\\\\") or len(self.remote.strip("\\").split("\\")) < 2:
            raise ConfigError(f"remote is {self.remote!r}; write \\\\server\\share")


@dataclass(frozen=True, slots=True)
class SmbConstraintConfig:
    """SMB Multichannel to one server is limited to some adapters (``[[host.smb.constraint]]``).

    :param server: name of the server.
    :param adapters: names of the adapters that are used for it.
    """

    server: str
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SmbConfig:
    """Settings of server and client (``[host.smb]``).

    :param require_signing: both sides demand signatures.
    :param encrypt: the server encrypts everything.
    :param multichannel: several connections at once are used (SMB Multichannel).
    :param smb1: SMB 1 is accepted too.
    :param constraint: limits of SMB Multichannel.
    """

    multichannel: bool = True
    require_signing: bool = False
    encrypt: bool = False
    smb1: bool = False
    constraint: tuple[SmbConstraintConfig, ...] = field(default=())
