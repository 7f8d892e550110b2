"""Large files read bit by bit, from a real Samba server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from compute_hyperv.host.errors import FileError, FileInUse, FileMissing
from compute_hyperv.host.files import Files
from compute_hyperv.host.remote_file import RemoteFile
from compute_hyperv.host.smb.pool import SmbPool
from tests.host.conftest import FileServer
from tests.host.proxy import Proxy

MIB = 1024 * 1024
CONTENT = os.urandom(3 * MIB + 777)


@pytest.fixture
def path(file_server: FileServer, folder: str) -> str:
    path = folder + r"\large.vhdx"
    file_server.local(path).write_bytes(CONTENT)
    return path


def rest_of(file: RemoteFile) -> bytes:
    return b"".join(iter(lambda: file.read(64 * 1024 + 1), b""))


def test_the_pieces_make_up_the_file(files: Files, path: str) -> None:
    with files.reading(path) as file:
        assert file.size_bytes == len(CONTENT)
        assert rest_of(file) == CONTENT


def test_nobody_changes_it_meanwhile(files: Files, path: str) -> None:
    with files.reading(path), pytest.raises(FileInUse):
        files.delete(path)
    files.delete(path)


def test_a_file_that_is_missing_is_said_to_be(files: Files, folder: str) -> None:
    with pytest.raises(FileMissing), files.reading(folder + r"\missing"):
        pass


@pytest.fixture
def proxy(file_server: FileServer) -> Iterator[Proxy]:
    with Proxy(file_server.config.address, file_server.config.smb_port) as proxy:
        yield proxy


@pytest.fixture
def breakable(file_server: FileServer, proxy: Proxy) -> Iterator[Files]:
    pool = SmbPool(file_server.endpoint(port=proxy.port))
    yield Files(pool, patience_s=0.5)
    pool.close()


def test_a_broken_connection_is_not_noticed(breakable: Files, proxy: Proxy, path: str) -> None:
    with breakable.reading(path) as file:
        first = file.read(MIB)
        proxy.cut()
        assert first + rest_of(file) == CONTENT


def test_a_file_that_changed_while_nobody_had_it_open_is_refused(
    breakable: Files, proxy: Proxy, file_server: FileServer, path: str
) -> None:
    with breakable.reading(path) as file:
        file.read(MIB)
        proxy.cut()
        file_server.local(path).write_bytes(b"other")
        with pytest.raises(FileError, match="changed"):
            rest_of(file)
