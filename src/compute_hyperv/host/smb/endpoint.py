"""Where and as whom files and pipes of a host are reached."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SmbEndpoint:
    """The SMB side of a host.

    :param host: address or name; Kerberos needs the name.
    :param port: of this host; other file servers (UNC paths) are always reached on 445.
    :param username: ``user``, ``DOMAIN\\user`` or ``user@REALM``; None takes the process's Kerberos ticket.
    :param encrypt: ask for SMB encryption even where the server does not demand it. Messages are always signed.
    :param timeout_s: how long one request may stay without an answer.
    :param connect_timeout_s: how long a connection may take to open.
    """

    host: str
    port: int = 445
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    encrypt: bool = False
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("The SMB endpoint has no host: set [hyperv] server")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no TCP port: correct [hyperv] smb_port")

    def port_of(self, server: str) -> int:
        """The port on which a server of a path answers."""
        return self.port if server.lower() == self.host.lower() else 445
