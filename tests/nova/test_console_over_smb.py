"""The thread that reads guests' output, against a real SMB server with named pipes."""

from __future__ import annotations

import threading
import time

import pytest

from compute_hyperv.host.pipes import Pipes
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.nova.console import ConsoleLogs, possible_log_pipes
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.smb.samba import SambaServer
from hyperv_simulator.storage.paths import HostFolder
from tests.simulated import free_address

UUID = "3f9c6f5e-5f0c-4a3e-9d4c-0d2b7b1f0a11"
RW, RO = f"{UUID}_rw", f"{UUID}_ro"
PIPES = (rf"\\.\pipe\{RW}",)


class Host:
    """An SMB server that can go and come back, and machines' pipes on it."""

    def __init__(self, folder) -> None:
        self.config = HostConfig(name="hv1", address=free_address())
        self._folder = folder
        self._volumes = HostFolder(folder / "volumes")
        self.start()

    def start(self) -> None:
        self._pipes = PipeServer()
        self._samba = SambaServer(self.config, self._folder, self._volumes, self._pipes)
        self._samba.start()

    def stop(self) -> None:
        self._samba.stop()
        self._pipes.close()

    def machine_starts(self, pipe: str = RW):
        return self._pipes.open(pipe)

    @property
    def endpoint(self) -> SmbEndpoint:
        return SmbEndpoint(
            self.config.address, self.config.smb_port, self.config.username, self.config.password, connect_timeout_s=1
        )


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.stop()


@pytest.fixture
def logs(host, tmp_path):
    pipes = Pipes(host.endpoint)
    logs = ConsoleLogs(pipes, tmp_path / "console")
    yield logs
    logs.close()
    pipes.close()


@pytest.fixture
def machine(host):
    pipe = host.machine_starts()
    yield pipe
    pipe.close()


def eventually(look) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def says(pipe, data: bytes) -> None:
    eventually(lambda: pipe.connected)
    pipe.write(data)


def test_what_a_guest_writes_is_kept(logs, machine):
    logs.watch(UUID, PIPES)

    says(machine, b"Linux version 6.1\r\n")
    says(machine, b"\xff\x00login: ")

    eventually(lambda: logs.read(UUID) == b"Linux version 6.1\r\n\xff\x00login: ")


def test_being_told_of_a_running_machine_by_other_pipes_loses_nothing(logs, machine):
    logs.watch(UUID, PIPES)
    eventually(lambda: machine.connected)

    for word in range(100):
        logs.watch(UUID, possible_log_pipes(UUID) if word % 2 else PIPES)
        machine.write(b"%d " % word)

    eventually(lambda: logs.read(UUID).split() == [b"%d" % word for word in range(100)])


def test_a_machine_that_starts_after_the_watch_is_heard(logs, host):
    logs.watch(UUID, PIPES)
    time.sleep(0.2)

    machine = host.machine_starts()

    says(machine, b"late")
    eventually(lambda: logs.read(UUID) == b"late")
    machine.close()


def test_a_machine_that_stops_and_starts_again_is_heard(logs, host):
    logs.watch(UUID, PIPES)
    for life in (b"one ", b"two"):
        machine = host.machine_starts()
        logs.watch(UUID, PIPES)  # as a power on does
        says(machine, life)
        eventually(lambda expected=life: logs.read(UUID).endswith(expected))
        machine.close()

    assert logs.read(UUID) == b"one two"


def test_the_port_that_is_only_logged_is_preferred(logs, host, machine):
    read_only = host.machine_starts(RO)

    logs.watch(UUID, possible_log_pipes(UUID))

    says(read_only, b"log")
    eventually(lambda: logs.read(UUID) == b"log")
    assert not machine.connected
    read_only.close()


def test_the_other_port_is_taken_where_there_is_no_such(logs, machine):
    logs.watch(UUID, possible_log_pipes(UUID))

    says(machine, b"both")

    eventually(lambda: logs.read(UUID) == b"both")


def test_the_last_words_of_a_machine_are_kept_and_it_is_not_asked_again(logs, host):
    machine = host.machine_starts()
    logs.watch(UUID, PIPES)
    says(machine, b"Power ")

    logs.finish(UUID)
    machine.write(b"down.")
    eventually(lambda: logs.read(UUID) == b"Power down.")
    machine.close()

    machine = host.machine_starts()
    time.sleep(0.5)
    assert not machine.connected
    machine.close()


def test_a_machine_that_is_forgotten_leaves_no_log(logs, machine, tmp_path):
    logs.watch(UUID, PIPES)
    says(machine, b"gone")
    eventually(lambda: logs.read(UUID) == b"gone")

    logs.forget(UUID)
    machine.write(b"more")

    eventually(lambda: not machine.connected)
    assert logs.read(UUID) == b""
    assert list((tmp_path / "console").iterdir()) == []


def test_many_machines_are_read_by_one_thread(logs, host):
    before = threading.active_count()
    uuids = [f"{number:08d}-5f0c-4a3e-9d4c-0d2b7b1f0a11" for number in range(30)]
    machines = {uuid: host.machine_starts(f"{uuid}_rw") for uuid in uuids}

    for uuid in uuids:
        logs.watch(uuid, (f"{uuid}_rw",))
    for uuid, machine in machines.items():
        says(machine, uuid.encode())

    eventually(lambda: all(logs.read(uuid) == uuid.encode() for uuid in uuids))
    assert threading.active_count() <= before + 2  # ours, and the one of the SMB connection
    for machine in machines.values():
        machine.close()


def test_a_host_that_was_away_is_heard_again(logs, host):
    machine = host.machine_starts()
    logs.watch(UUID, PIPES)
    says(machine, b"before ")
    eventually(lambda: logs.read(UUID) == b"before ")

    host.stop()
    host.start()
    machine = host.machine_starts()

    says(machine, b"after")
    eventually(lambda: logs.read(UUID) == b"before after")
    machine.close()
