"""Serial ports as named pipes, through a real smbd."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from smbprotocol.exceptions import ObjectNameNotFound, SMBException, SMBResponseException

from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.smb.pipes import ALL_INSTANCES_BUSY, Pipe, PipeServer
from tests.simulator.devices.clients import FileClient


@pytest.fixture
def pipe(module_pipes: PipeServer) -> Iterator[Pipe]:
    pipe = module_pipes.open(r"\\.\pipe\0F3A-com1")
    yield pipe
    pipe.close()


@pytest.fixture
def guest(pipe: Pipe) -> Iterator[socket.socket]:
    """The guest's end of the serial line."""
    ours, theirs = socket.socketpair()
    pipe.attach(theirs)
    ours.settimeout(5)
    yield ours
    ours.close()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_client_hears_the_guest_and_the_guest_hears_the_client(files: FileClient, guest: socket.socket) -> None:
    client = files.open_pipe("0f3a-COM1")

    guest.sendall(b"login: ")
    assert client.read(0, 4096) == b"login: "
    client.write(b"root\n", 0)
    assert guest.recv(100) == b"root\n"
    client.close()


def test_a_pipe_with_a_greeting_says_it_to_each_client(files: FileClient, module_pipes: PipeServer) -> None:
    pipe = module_pipes.open("greets", b"login: ")
    try:
        for _ in range(2):
            client = files.open_pipe("greets")
            assert client.read(0, 4096) == b"login: "
            client.close()
            eventually(lambda: not pipe.connected)
    finally:
        pipe.close()


def test_what_was_said_before_a_client_came_is_lost(files: FileClient, pipe: Pipe, guest: socket.socket) -> None:
    guest.sendall(b"nobody hears this")
    time.sleep(0.05)
    client = files.open_pipe("0f3a-com1")

    guest.sendall(b"but this")

    assert client.read(0, 4096) == b"but this"
    client.close()


def test_a_guest_never_waits_for_a_client(pipe: Pipe, guest: socket.socket) -> None:
    for _ in range(64):
        guest.sendall(b"x" * 64 * 1024)


def test_a_client_that_does_not_read_does_not_stop_the_guest(
    files: FileClient, pipe: Pipe, guest: socket.socket
) -> None:
    client = files.open_pipe("0f3a-com1")

    for _ in range(64):
        guest.sendall(b"x" * 64 * 1024)

    assert client.read(0, 4096).startswith(b"x")
    client.close()


def test_a_second_client_is_refused_until_the_first_has_gone(
    files: FileClient, pipe: Pipe, guest: socket.socket
) -> None:
    first = files.open_pipe("0f3a-com1")
    with pytest.raises(SMBResponseException):
        files.open_pipe("0f3a-com1")

    first.close()
    eventually(lambda: not pipe.connected)

    second = files.open_pipe("0f3a-com1")
    guest.sendall(b"hello again")
    assert second.read(0, 4096) == b"hello again"
    second.close()


def test_the_last_words_of_a_machine_are_heard(files: FileClient, pipe: Pipe, guest: socket.socket) -> None:
    client = files.open_pipe("0f3a-com1")
    guest.sendall(b"Power down")

    pipe.close()

    assert client.read(0, 4096) == b"Power down"
    with pytest.raises(SMBException):
        client.read(0, 4096)


def test_a_pipe_is_there_only_as_long_as_it_is_open(files: FileClient, module_pipes: PipeServer) -> None:
    pipe = module_pipes.open("short-lived")
    files.open_pipe("short-lived").close()

    pipe.close()

    with pytest.raises(ObjectNameNotFound):
        files.open_pipe("short-lived")


def test_two_machines_cannot_have_the_same_pipe(module_pipes: PipeServer, pipe: Pipe) -> None:
    with pytest.raises(GuestError) as refused:
        module_pipes.open(r"\\.\PIPE\0f3a-COM1")

    assert refused.value.code == ALL_INSTANCES_BUSY


@pytest.mark.parametrize("name", ["", "..", r"\\.\pipe\.", "x" * 200])
def test_what_can_be_no_pipe_is_refused(module_pipes: PipeServer, name: str) -> None:
    with pytest.raises(GuestError):
        module_pipes.open(name)
