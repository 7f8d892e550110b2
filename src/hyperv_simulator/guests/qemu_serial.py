"""A QEMU guest's serial ports: one end in QEMU, the other at a named pipe, or at nobody's."""

from __future__ import annotations

import socket

from hyperv_simulator.smb.pipes import Pipe, PipeServer

# COM1 and COM2, what machines of both generations have.
PORTS = 2


class SerialPorts:
    """:ivar ends: QEMU's ends; the caller passes them on and closes them."""

    def __init__(self, pipes: PipeServer) -> None:
        pairs = [socket.socketpair() for _ in range(PORTS)]
        self.ends = [theirs for _, theirs in pairs]
        self._own = [own for own, _ in pairs]
        self._server = pipes
        self._pipes: list[Pipe] = []

    def connect(self, serial: tuple[tuple[int, str], ...]) -> None:
        """:param serial: (COM number, pipe name); what the guest says on a port without a pipe is lost."""
        names = dict(serial)
        self._disconnect()
        for number, end in enumerate(self._own, start=1):
            name = names.get(number)
            pipe = self._server.open(name) if name else self._server.discard()
            self._pipes.append(pipe)
            pipe.attach(end.dup())

    def close(self) -> None:
        """QEMU is gone."""
        self._disconnect()
        for end in self._own:
            end.close()
        self._own = []

    def _disconnect(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        self._pipes = []
