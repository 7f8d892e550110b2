"""A file server as a host has it, and the services that talk to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from compute_hyperv.host.files import Files
from compute_hyperv.host.pipes import Pipes
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.host.smb.pool import SmbPool
from hyperv_simulator.config import HostConfig
from hyperv_simulator.pipes import PipeServer
from hyperv_simulator.samba import SambaServer
from hyperv_simulator.storage.paths import HostFolder
from tests.simulated import free_address


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
