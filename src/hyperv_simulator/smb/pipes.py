r"""The host's named pipes: a machine's serial port as ``\\.\pipe\NAME``, read and written over SMB.

smbd hands the opening of a pipe that it does not know to the unix socket ``<folder>/<name>`` (facts/simulated-host,
"Named pipes"). Rules, as a Hyper-V worker process serves a COM port's pipe:

* The pipe is there as long as the machine is on.
* One client at a time; who comes second is refused, and after a client has gone the next may come. (Windows refuses
  with STATUS_PIPE_NOT_AVAILABLE; smbd has only STATUS_CONNECTION_DISCONNECTED, 0xC000020C, for it.)
* Nothing is kept: what the guest says while no client is connected is lost, and so is what a client does not fetch in
  time (assumption: the worker process does not stop a machine for a slow reader). The guest never waits.

One thread serves all pipes of a host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable

from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.smb import run_folders

# ERROR_PIPE_BUSY: what a machine's start reports if another one has the same pipe.
ALL_INSTANCES_BUSY = 0x800700E7
# What is kept for a client that reads slowly, and for a guest that does.
BUFFER_BYTES = 64 * 1024
# How long a client may take to fetch the last words of a pipe that is gone; and what smbd needs after it has.
GOODBYE_S = 3.0
GOODBYE_READ_S = 0.05

# The reply to smbd's request (Samba: named_pipe_auth.idl): level, twice; byte mode; device state; allocation size;
# status. smbd 4.17 does not look at the status: it is told of a busy pipe by closing the connection.
_BODY = struct.pack("<4sIIHHIQI", b"NPAM", 7, 7, 1, 0x05FF, 0, 4096, 0)
_ANSWER = struct.pack(">I", len(_BODY)) + _BODY


def short_name(pipe: str) -> str:
    r"""``\\.\pipe\Name`` and ``Name`` as smbd asks for it: ``name``.

    :raises GuestError: it can't be a pipe's name.
    """
    name = pipe.replace("/", "\\").rpartition("\\")[2].lower()
    if not name or name in (".", "..") or len(name.encode()) > 60:
        raise GuestError(0x8007007B, f"'{pipe}' is not the name of a pipe")
    return name


class Pipe:
    """One named pipe that is there until `close`."""

    def __init__(self, server: PipeServer, name: str, listener: socket.socket | None, greeting: bytes = b"") -> None:
        self.name = name
        self.greeting = greeting
        self._server = server
        self.listener = listener
        self.client: socket.socket | None = None
        self.guest: socket.socket | None = None
        self.to_client = bytearray()
        self.to_guest = bytearray()

    @property
    def connected(self) -> bool:
        """A client has it open."""
        return self.client is not None

    def attach(self, guest: socket.socket) -> None:
        """Let a socket be the other end: what it sends goes to the client, and back. The pipe closes it in the end."""
        guest.setblocking(False)
        self._server.call(lambda: self._server.attach(self, guest))

    def write(self, data: bytes) -> None:
        """Send to the client; lost if there is none."""
        self._server.call(lambda: self._server.guest_says(self, data))

    def close(self) -> None:
        self._server.call(lambda: self._server.remove(self))


class PipeServer:
    """All pipes of one host.

    :ivar folder: where the sockets are; its parent is smbd's ``ncalrpc dir``.
    """

    def __init__(self) -> None:
        self._run = run_folders.make("pipes")
        self._run.chmod(0o755)
        self.folder = self._run / "np"
        self.folder.mkdir(mode=0o700)  # smbd insists
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[str, Pipe] = {}
        self._silent: set[Pipe] = set()
        self._requests: list[tuple[Callable[[], None], threading.Event]] = []
        self._lock = threading.Lock()
        self._wake_up, wake = os.pipe()
        self._wake = wake
        self._ended = False
        self._leaving: dict[socket.socket, float] = {}  # connections of pipes that are gone, and since when
        self._selector.register(self._wake_up, selectors.EVENT_READ, self._run_requests)
        self._thread = threading.Thread(target=self._loop, name="pipes", daemon=True)
        self._thread.start()

    def open(self, name: str, greeting: bytes = b"") -> Pipe:
        """Make a pipe.

        :param greeting: what each client reads first.
        :raises GuestError: another machine has it.
        """
        plain = short_name(name)
        with self._lock:
            if plain in self._pipes:
                raise GuestError(ALL_INSTANCES_BUSY, "All pipe instances are busy.")
            listener = socket.socket(socket.AF_UNIX)
            try:
                path = self.folder / plain
                path.unlink(missing_ok=True)
                listener.bind(str(path))
                listener.listen()
                listener.setblocking(False)
            except OSError as error:
                listener.close()
                raise GuestError(0x80004005, f"The pipe {name} can't be made: {error}") from error
            pipe = self._pipes[plain] = Pipe(self, plain, listener, greeting)
        self.call(lambda: self._watch(listener, selectors.EVENT_READ, lambda _: self._accept(pipe, listener)))
        return pipe

    def discard(self) -> Pipe:
        """No pipe, but a place for a guest to talk to: nobody hears it, and it never waits."""
        pipe = Pipe(self, "", None)
        with self._lock:
            self._silent.add(pipe)
        return pipe

    def close(self) -> None:
        """Remove all pipes and end."""
        for pipe in [*self._pipes.values(), *self._silent]:
            pipe.close()
        self.call(self._end)
        self._thread.join()
        for client in self._leaving:
            client.close()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake_up)
        os.close(self._wake)
        shutil.rmtree(self._run, ignore_errors=True)

    # ---------------------------------------------------------------- the thread

    def call(self, request: Callable[[], None]) -> None:
        """Do something in the thread that serves the pipes, and wait for it."""
        if threading.current_thread() is self._thread:
            request()
            return
        done = threading.Event()
        with self._lock:
            if self._ended:
                return
            self._requests.append((request, done))
            os.write(self._wake, b".")
        done.wait()

    def _loop(self) -> None:
        while not self._ended:
            ready = self._selector.select(GOODBYE_READ_S if self._leaving else None)
            self._see_off()
            for key, events in ready:
                # An earlier event of the same round may have closed it.
                if self._selector.get_map().get(key.fd) is key or key.fd == self._wake_up:
                    key.data(events)

    def _end(self) -> None:
        with self._lock:
            self._ended = True

    def _run_requests(self, _: int) -> None:
        os.read(self._wake_up, 4096)
        with self._lock:
            requests, self._requests = self._requests, []
        for request, done in requests:
            try:
                request()
            finally:
                done.set()

    def _watch(self, end: socket.socket, events: int, handler: Callable[[int], None]) -> None:
        self._selector.register(end, events, handler)

    def _forget(self, end: socket.socket | None) -> None:
        if end is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()

    # ---------------------------------------------------------------- clients

    def _accept(self, pipe: Pipe, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # it gave up before we came
        client.setblocking(False)
        received = bytearray()
        self._watch(client, selectors.EVENT_READ, lambda _: self._greet(pipe, client, received))

    def _greet(self, pipe: Pipe, client: socket.socket, received: bytearray) -> None:
        """Read smbd's request to its end and answer it."""
        try:
            part = client.recv(65536)
        except OSError:
            part = b""
        received += part
        if not part or (len(received) >= 4 and int.from_bytes(received[:4], "big") > BUFFER_BYTES):
            self._forget(client)
            return
        if len(received) < 4 or len(received) < 4 + int.from_bytes(received[:4], "big"):
            return
        if pipe.client is not None:
            self._forget(client)
            return
        try:
            client.send(_ANSWER)
        except OSError:
            self._forget(client)
            return
        self._selector.unregister(client)
        pipe.client = client
        self._watch(client, selectors.EVENT_READ, lambda events: self._serve_client(pipe, events))
        self.guest_says(pipe, pipe.greeting)

    def _serve_client(self, pipe: Pipe, events: int) -> None:
        client = pipe.client
        if client is None:
            return
        try:
            if events & selectors.EVENT_WRITE:
                del pipe.to_client[: client.send(pipe.to_client)]
            if events & selectors.EVENT_READ:
                data = client.recv(BUFFER_BYTES)
                if not data:
                    raise ConnectionResetError
                if pipe.guest is not None:
                    pipe.to_guest += data[: BUFFER_BYTES - len(pipe.to_guest)]
        except BlockingIOError:
            pass
        except OSError:
            self._forget(client)
            pipe.client = None
            pipe.to_client.clear()
        self._update(pipe)

    # ---------------------------------------------------------------- guests

    def attach(self, pipe: Pipe, guest: socket.socket) -> None:
        """In the thread: `Pipe.attach`."""
        self._forget(pipe.guest)
        pipe.guest = guest
        pipe.to_guest.clear()
        self._watch(guest, selectors.EVENT_READ, lambda events: self._serve_guest(pipe, events))

    def _serve_guest(self, pipe: Pipe, events: int) -> None:
        guest = pipe.guest
        if guest is None:
            return
        try:
            if events & selectors.EVENT_WRITE:
                del pipe.to_guest[: guest.send(pipe.to_guest)]
            if events & selectors.EVENT_READ:
                data = guest.recv(BUFFER_BYTES)
                if not data:
                    raise ConnectionResetError
                self.guest_says(pipe, data)
        except BlockingIOError:
            pass
        except OSError:
            self._forget(guest)
            pipe.guest = None
        self._update(pipe)

    def guest_says(self, pipe: Pipe, data: bytes) -> None:
        """In the thread: `Pipe.write`."""
        if pipe.client is not None:
            pipe.to_client += data[: BUFFER_BYTES - len(pipe.to_client)]
            self._update(pipe)

    def _update(self, pipe: Pipe) -> None:
        """Watch for room to write exactly where something waits."""
        for end, waiting in ((pipe.client, pipe.to_client), (pipe.guest, pipe.to_guest)):
            if end is not None:
                key = self._selector.get_key(end)
                self._selector.modify(end, selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0), key.data)

    def remove(self, pipe: Pipe) -> None:
        """In the thread: `Pipe.close`. What the guest said last is still given to the client."""
        if self._pipes.get(pipe.name) is not pipe and pipe not in self._silent:
            return
        with contextlib.suppress(OSError):
            while pipe.guest is not None and (data := pipe.guest.recv(BUFFER_BYTES)):
                self.guest_says(pipe, data)
        client, pipe.client = pipe.client, None
        if client is not None:
            self._say_goodbye(client, bytes(pipe.to_client))
        for end in (pipe.listener, pipe.guest):
            self._forget(end)
        pipe.guest = None
        with self._lock:
            self._silent.discard(pipe)
            if self._pipes.pop(pipe.name, None) is not None:
                (self.folder / pipe.name).unlink(missing_ok=True)

    def _say_goodbye(self, client: socket.socket, last_words: bytes) -> None:
        """Leave the client's connection open until it has been read, which smbd forgets to do once it is closed."""
        self._selector.unregister(client)
        with contextlib.suppress(OSError):
            client.send(last_words)
        self._leaving[client] = time.monotonic()

    def _see_off(self) -> None:
        now = time.monotonic()
        for client, since in list(self._leaving.items()):
            unread = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]
            if now - since > (GOODBYE_S if unread else GOODBYE_READ_S):
                del self._leaving[client]
                client.close()
