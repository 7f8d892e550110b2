"""What tests do with guests that boot: log in, ask them things, be their neighbour on the network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType

from hyperv_simulator.guests.base import GuestNicSpec
from hyperv_simulator.guests.network import Wires
from tests.nova.functional.cloud import Cloud, Observer, Server, eventually
from tests.simulator.devices.clients import Console, FileClient


def console_log(cloud: Cloud, server: Server, shows: Callable[[str], bool]) -> str:
    """The console log once it shows what it should."""

    def look() -> str | None:
        log = cloud.console_log(server)
        return log if shows(log) else None

    # Guests share the processors with whoever asks Nova.
    return eventually(look, patience_s=240.0, pause_s=0.3)


class Shell:
    """A login on the first serial port of a guest that runs the guest image; nobody else must have the port open."""

    def __init__(self, host: Observer, server: Server) -> None:
        self._files = FileClient(host.simulated.config)
        self._pipe = f"{server['id']}_rw"
        self._questions = 0
        self.connect()

    def connect(self) -> None:
        """Again, if the machine was off meanwhile: its pipe was gone then."""
        self.console = Console(self._files, self._pipe)

    def log_in(self) -> None:
        self.console.wait_for("login:", prompt=True)
        self.console.type("root\n")
        self.console.wait_for("# ", prompt=True)

    def ask(self, command: str) -> str:
        """What a command says, in one line."""
        self._questions += 1
        self.console.type(f"echo A$(({self._questions}))=$({command})\n")
        return self.console.wait_for(f"^A{self._questions}=").partition("=")[2]

    def close(self) -> None:
        self._files.close()


class Neighbour:
    """Somebody else on a network that guests are on: answers who asks for its address, and pings."""

    mac = "02:00:0a:09:00:01"
    address = "10.9.0.1"

    def __init__(self, network: str, vlan: int) -> None:
        group, _, port = (Wires().group(GuestNicSpec("", network, vlan)) or "").partition(":")
        loopback = socket.inet_aton("127.0.0.1")
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._wire.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + loopback)
        self._wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        self._wire.bind((group, int(port)))
        self._wire.settimeout(0.1)
        self._group = (group, int(port))
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="neighbour", daemon=True)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gone.set()
        self._thread.join()
        self._wire.close()

    def _run(self) -> None:
        while not self._gone.is_set():
            try:
                frame = self._wire.recv(2048)
            except TimeoutError:
                continue
            answer = self._answer(frame)
            if answer is not None:
                self._wire.sendto(answer, self._group)

    def _answer(self, frame: bytes) -> bytes | None:
        """To an ARP request (RFC 826) or an ICMP echo request (RFC 792) in an Ethernet frame."""
        own_mac, own_address = bytes.fromhex(self.mac.replace(":", "")), socket.inet_aton(self.address)
        head = frame[6:12] + own_mac + frame[12:14]
        if frame[12:22] == bytes.fromhex("0806 0001 0800 0604 0001") and frame[38:42] == own_address:
            return head + frame[14:20] + b"\0\2" + own_mac + own_address + frame[22:32]
        if frame[12:15] == bytes.fromhex("0800 45") and frame[23] == 1 and frame[30:34] == own_address:
            packet = frame[14:26] + own_address + frame[26:30]  # the checksum does not mind the order
            return head + packet + _echo_reply(frame[34:])
        return None


def _echo_reply(request: bytes) -> bytes:
    # The type becomes 0 where it was 8: the checksum, a complement of the sum, grows by as much.
    checksum = int.from_bytes(request[2:4], "big") + 0x0800
    return b"\0" + request[1:2] + (checksum % 0x10000 + checksum // 0x10000).to_bytes(2, "big") + request[4:]
