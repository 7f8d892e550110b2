"""A host's folder, disks, pipes and SMB server; the guest images, built once."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.guest_image.build import build
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.smb.samba import SambaServer
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.vhd import DiskStore
from tests.simulator.devices.clients import FileClient


@pytest.fixture
def folder(tmp_path: Path) -> HostFolder:
    return HostFolder(tmp_path / "volumes", host_names=frozenset({"hv1", "127.0.1.1"}))


@pytest.fixture
def store(folder: HostFolder) -> DiskStore:
    return DiskStore(folder)


@pytest.fixture
def pipes() -> Iterator[PipeServer]:
    server = PipeServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> HostFolder:
    return HostFolder(tmp_path_factory.mktemp("host") / "volumes")


@pytest.fixture(scope="module")
def module_pipes() -> Iterator[PipeServer]:
    server = PipeServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def files(module_folder: HostFolder, module_pipes: PipeServer) -> Iterator[FileClient]:
    """An SMB client that is logged in to a host that has files and pipes."""
    address = f"127.{random.randrange(2, 250)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    config = HostConfig(name="hv1", address=address)
    server = SambaServer(config, module_folder.root.parent, module_folder, module_pipes)
    server.start()
    client = FileClient(config)
    yield client
    client.close()
    server.stop()


@pytest.fixture(scope="session")
def guest_image(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The guest image as VHDX, by generation."""
    place = tmp_path_factory.mktemp("images")
    return {generation: build(generation, place / f"gen{generation}.vhdx", "vhdx") for generation in (1, 2)}


@pytest.fixture
def qemu_io() -> QemuIo:
    return QemuIo()


class QemuIo:
    """Reads and writes disks as a guest does, without booting one."""

    def __call__(self, node: str, *commands: str) -> str:
        arguments = [word for command in commands for word in ("-c", command)]
        if all(command.startswith("read") for command in commands):
            arguments.append("-r")
        return subprocess.run(["qemu-io", *arguments, node], check=True, capture_output=True, text=True).stdout
