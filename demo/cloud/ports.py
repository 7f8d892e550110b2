"""Whether the demo's ports are free, and who holds the ones that are not."""

import socket
from collections.abc import Iterable

import psutil

from demo.cloud.processes import DemoError

Address = tuple[str, int]


def require_free(addresses: Iterable[Address]) -> None:
    """Raises DemoError that names every port in use and the process that holds it."""
    taken = [address for address in addresses if not is_free(address)]
    if taken:
        lines = "\n".join(f"{host}:{port} is in use by {holder((host, port))}" for host, port in taken)
        raise DemoError(f"ports that the demo needs are taken:\n{lines}\nend these processes, then try again")


def is_free(address: Address) -> bool:
    with socket.socket() as probe:
        # As servers do: the remains of closed connections are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            # Ports below 1024 need a right that whoever serves them will have.
            return not is_open(address)
        except OSError:
            return False
    return True


def is_open(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def holder(address: Address) -> str:
    host, port = address
    for connection in psutil.net_connections("tcp"):
        local = connection.laddr
        everywhere = local and local.ip in ("0.0.0.0", "::")  # noqa: S104 read, not bound
        if connection.status == psutil.CONN_LISTEN and local.port == port and (everywhere or local.ip == host):
            if connection.pid is None:
                return "a process of another user"
            return f"process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:120]})"
    return "a process that cannot be named from here"
