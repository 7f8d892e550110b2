"""A file server as a host has it, a simulated host, and the services that talk to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from compute_hyperv.host.files import Files
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.pipes import Pipes
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.host.smb.pool import SmbPool
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.network import SwitchConfig
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.machines.resources import boot_sources
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.smb.samba import SambaServer
from hyperv_simulator.storage.paths import HostFolder
from tests.host.specs import CONFIG_DRIVE, ROOT
from tests.simulated import Simulate, endpoint_of, free_address, simulating


@dataclass
class FileServer:
    """A real smbd with the shares and pipes of one host."""

    config: HostConfig
    folder: HostFolder
    pipes: PipeServer
    samba: SambaServer

    def endpoint(self, **changes: object) -> SmbEndpoint:
        values = {"username": self.config.username, "password": self.config.password, "timeout_s": 10.0, **changes}
        return SmbEndpoint(self.config.address, **values)  # type: ignore[arg-type]

    def local(self, windows_path: str) -> Path:
        return self.folder.to_local(windows_path)


@pytest.fixture(scope="module")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    state = tmp_path_factory.mktemp("host")
    config = HostConfig(address=free_address())
    folder = HostFolder(state / "volumes")
    pipes = PipeServer()
    samba = SambaServer(config, state, folder, pipes)
    samba.start()
    yield FileServer(config, folder, pipes, samba)
    samba.stop()
    pipes.close()


@pytest.fixture
def files(file_server: FileServer) -> Iterator[Files]:
    pool = SmbPool(file_server.endpoint())
    yield Files(pool, patience_s=0.5)
    pool.close()


@pytest.fixture
def pipes(file_server: FileServer) -> Iterator[Pipes]:
    service = Pipes(file_server.endpoint())
    yield service
    service.close()


@pytest.fixture
def folder(file_server: FileServer) -> str:
    """A Windows folder of the test's own."""
    path = rf"C:\tests\{uuid.uuid4()}"
    file_server.local(path).mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def simulate_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulate]:
    """``simulate`` for hosts that all tests of a module share."""
    with simulating(tmp_path_factory.mktemp("simulator")) as start:
        yield start


@pytest.fixture(scope="module")
def shared_simulator(simulate_here: Simulate) -> SimulatedHost:
    """A Windows Server 2022 host with two switches and the disks of ``specs``, without files and pipes."""
    simulator = simulate_here(numa_nodes=2, switch=(SwitchConfig("external"), SwitchConfig("inside", type="internal")))
    put_disks(simulator)
    return simulator


@pytest.fixture
def simulator(shared_simulator: SimulatedHost) -> Iterator[SimulatedHost]:
    """The module's host, without machines, faults and history."""
    yield shared_simulator
    shared_simulator.faults.clear()
    with client_of(shared_simulator) as cleaner:
        for machine in cleaner.machines.list():
            cleaner.machines.destroy(machine.machine_id)
    shared_simulator.requests.clear()


@pytest.fixture
def host(simulator: SimulatedHost) -> Iterator[HyperVHost]:
    """Our side of ``simulator``; what it is and its switches have been read."""
    with client_of(simulator) as client:
        client.inventory.host_info()
        client.switches.list()
        simulator.requests.clear()
        yield client


def client_of(simulator: SimulatedHost) -> HyperVHost:
    config = simulator.config
    smb = SmbEndpoint(config.address, username=config.username, password=config.password)
    # TLS would only cost time here: the session's own tests have it.
    return HyperVHost(endpoint_of(simulator, scheme="http"), smb)


def put_disks(simulator: SimulatedHost) -> None:
    """Make the files that the drives of ``specs`` name."""
    with client_of(simulator) as client:
        folder = simulator.inside.disks.folder
        folder.to_local(ROOT).parent.mkdir(parents=True)
        client.disks.create_dynamic(ROOT, 1024**3)
        folder.to_local(CONFIG_DRIVE).write_bytes(b"an ISO 9660 image" * 200)


@pytest.fixture
def newest_device_boots_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated host puts new devices at the head of the boot order: then it has to be corrected."""
    real = boot_sources._set_order

    def turned(host: object, machine: object, order: list[str]) -> None:
        real(host, machine, [order[-1], *order[:-1]])  # type: ignore[arg-type]

    monkeypatch.setattr(boot_sources, "_set_order", turned)
