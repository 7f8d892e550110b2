"""Named pipes over SMB, against a real Samba server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from compute_hyperv.cim.errors import Unreachable
from compute_hyperv.host.errors import FileInUse, FileMissing, PipeClosed
from compute_hyperv.host.pipes import Pipes, PipeStream
from hyperv_simulator.smb.pipes import Pipe
from tests.host.conftest import FileServer
from tests.host.proxy import Proxy


@pytest.fixture
def serial_port(file_server: FileServer) -> Iterator[Pipe]:
    pipe = file_server.pipes.open(r"\\.\pipe\COM-of-1")
    yield pipe
    pipe.close()


def read_until(stream: PipeStream, wanted: bytes) -> bytes:
    found = b""
    deadline = time.monotonic() + 5
    while wanted not in found and time.monotonic() < deadline:
        found += stream.read(0.5)
    return found


def read_for_10_s(stream: PipeStream) -> None:
    for _ in range(20):
        stream.read(0.5)


def test_what_the_machine_says_is_read(pipes: Pipes, serial_port: Pipe) -> None:
    with pipes.open(r"\\.\pipe\com-of-1") as stream:
        serial_port.write(b"login: ")
        assert read_until(stream, b"login: ") == b"login: "


def test_a_read_ends_in_time_when_nothing_comes_and_loses_nothing(pipes: Pipes, serial_port: Pipe) -> None:
    with pipes.open("COM-of-1") as stream:
        started = time.monotonic()
        assert stream.read(0.05) == b""
        assert stream.read(0) == b""
        assert time.monotonic() - started < 1
        serial_port.write(b"late")
        assert read_until(stream, b"late") == b"late"


def test_what_is_written_reaches_the_machine(pipes: Pipes, serial_port: Pipe) -> None:
    import socket

    guest, ours = socket.socketpair()
    serial_port.attach(guest)
    ours.settimeout(5)
    with pipes.open("COM-of-1") as stream:
        stream.write(b"root\n" * 2000)  # more than the pipe's buffer
        received = b""
        while len(received) < 10_000:
            received += ours.recv(4096)
    assert received == b"root\n" * 2000
    ours.close()


def test_a_pipe_that_is_not_there_is_missing(pipes: Pipes) -> None:
    with pytest.raises(FileMissing):
        pipes.open("no-such-pipe")


def test_a_pipe_has_one_client_at_a_time(pipes: Pipes, serial_port: Pipe, file_server: FileServer) -> None:
    other = Pipes(file_server.endpoint())
    with pipes.open("COM-of-1"), pytest.raises(FileInUse):
        other.open("COM-of-1")
    deadline = time.monotonic() + 5
    while serial_port.connected and time.monotonic() < deadline:
        time.sleep(0.01)
    other.open("COM-of-1").close()
    other.close()


def test_the_end_of_the_machine_is_noticed(pipes: Pipes, file_server: FileServer) -> None:
    serial_port = file_server.pipes.open("short-lived")
    with pipes.open("short-lived") as stream:
        serial_port.write(b"bye")
        assert read_until(stream, b"bye") == b"bye"
        serial_port.close()
        with pytest.raises(PipeClosed):
            read_for_10_s(stream)


def test_pipes_share_a_connection_and_do_not_wait_for_each_other(pipes: Pipes, file_server: FileServer) -> None:
    ports = [file_server.pipes.open(f"port-{number}") for number in range(20)]
    streams = [pipes.open(f"port-{number}") for number in range(20)]
    assert [stream.read(0) for stream in streams] == [b""] * 20
    for number, port in enumerate(ports):
        port.write(f"I am {number}".encode())
    for number, stream in reversed(list(enumerate(streams))):
        assert read_until(stream, b"I am ") == f"I am {number}".encode()
    for stream in streams:
        stream.close()
    for port in ports:
        port.close()


def test_after_the_connection_broke_pipes_are_opened_on_a_new_one(file_server: FileServer, serial_port: Pipe) -> None:
    with Proxy(file_server.config.address, 445) as proxy:
        service = Pipes(file_server.endpoint(port=proxy.port))
        stream = service.open("COM-of-1")
        proxy.cut()
        with pytest.raises(Unreachable):
            read_for_10_s(stream)
        stream.close()
        deadline = time.monotonic() + 5
        while serial_port.connected and time.monotonic() < deadline:
            time.sleep(0.01)
        with service.open("COM-of-1") as again:
            serial_port.write(b"back")
            assert read_until(again, b"back") == b"back"
        service.close()


def test_closed_means_closed(file_server: FileServer) -> None:
    service = Pipes(file_server.endpoint())
    service.close()
    with pytest.raises(Unreachable):
        service.open("COM-of-1")
