"""Files over SMB, against a real Samba server."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from smbprotocol.connection import Connection, SigningAlgorithms

from compute_hyperv.cim.errors import AccessDenied, InvalidRequest, NotFound, TimedOut, Unreachable
from compute_hyperv.host import files as files_module
from compute_hyperv.host.errors import (
    BadPath,
    FileDenied,
    FileError,
    FileExists,
    FileInUse,
    FileMissing,
    FolderNotEmpty,
    ShareMissing,
)
from compute_hyperv.host.files import Files
from compute_hyperv.host.smb import handles
from compute_hyperv.host.smb.connection import SmbConnection
from compute_hyperv.host.smb.handles import Handle
from compute_hyperv.host.smb.pool import SmbPool
from tests.host.conftest import FileServer
from tests.host.proxy import Proxy

MIB = 1024 * 1024


@pytest.fixture
def local_file(tmp_path: Path) -> Path:
    """20 MiB and a bit, no two blocks alike."""
    path = tmp_path / "local.bin"
    path.write_bytes(os.urandom(20 * MIB + 777))
    return path


class OtherClient:
    """Somebody else who has files open."""

    def __init__(self, server: FileServer) -> None:
        self._server = server
        self._pool = SmbPool(server.endpoint())
        self._connection = self._pool.connection(server.config.address)

    def __enter__(self) -> OtherClient:
        self.connection: SmbConnection = self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__(None, None, None)
        self._pool.close()

    def open(self, path: str, access: int = handles.READ, share: int = handles.SHARE_NONE) -> Handle:
        return Handle(
            self.connection, files_module.paths.on_smb(self._server.config.address, path), access, share=share
        )


@pytest.fixture
def somebody_else(file_server: FileServer) -> Iterator[OtherClient]:
    with OtherClient(file_server) as client:
        yield client


# --- content


def test_what_is_written_is_read(files: Files, folder: str) -> None:
    files.write(folder + r"\x.txt", b"hello")
    assert files.read(folder + r"\x.txt") == b"hello"


def test_writing_replaces_what_is_there(files: Files, folder: str) -> None:
    files.write(folder + r"\x.txt", b"something long")
    files.write(folder + r"\x.txt", b"short")
    assert files.read(folder + r"\x.txt") == b"short"


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 3 * MIB + 5])
def test_content_of_any_size_survives(files: Files, folder: str, size: int) -> None:
    content = os.urandom(size)
    files.write(folder + r"\x", content)
    assert files.read(folder + r"\x") == content
    assert files.size(folder + r"\x") == size


def test_nothing_but_the_file_is_left(files: Files, folder: str) -> None:
    files.write(folder + r"\x", b"1" * MIB * 2)
    assert [entry.name for entry in files.list(folder)] == ["x"]


def test_a_large_file_is_uploaded_whole_and_alone(
    files: Files, folder: str, local_file: Path, file_server: FileServer
) -> None:
    seen: list[tuple[int, int]] = []
    files.upload(local_file, folder + r"\disk.vhdx", progress=lambda *numbers: seen.append(numbers))
    assert file_server.local(folder + r"\disk.vhdx").read_bytes() == local_file.read_bytes()
    assert [entry.name for entry in files.list(folder)] == ["disk.vhdx"]
    assert seen[-1] == (local_file.stat().st_size, local_file.stat().st_size)


def test_an_encrypted_session_uploads_as_well(file_server: FileServer, folder: str, local_file: Path) -> None:
    pool = SmbPool(file_server.endpoint(encrypt=True))
    files = Files(pool)
    files.upload(local_file, folder + r"\x")
    assert files.read(folder + r"\x") == local_file.read_bytes()
    pool.close()


@pytest.mark.parametrize("algorithm", [SigningAlgorithms.AES_GMAC, SigningAlgorithms.AES_CMAC])
def test_both_ways_of_signing_are_right(
    file_server: FileServer, folder: str, local_file: Path, algorithm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes the connection on a wrong signature."""
    real = Connection.connect
    monkeypatch.setattr(
        Connection, "connect", lambda self, **named: real(self, preferred_signing_algos=[algorithm], **named)
    )
    pool = SmbPool(file_server.endpoint())
    with pool.connection(file_server.config.address) as connection:
        assert connection.wire.signing_algorithm_id == algorithm
    Files(pool).upload(local_file, folder + r"\x")
    assert file_server.local(folder + r"\x").read_bytes() == local_file.read_bytes()
    pool.close()


def test_a_file_that_is_all_hole_arrives_in_its_size(
    files: Files, folder: str, tmp_path: Path, file_server: FileServer
) -> None:
    local = tmp_path / "hole"
    with local.open("wb") as file:
        file.truncate(5 * MIB + 1)
    files.upload(local, folder + r"\x")
    assert file_server.local(folder + r"\x").read_bytes() == bytes(5 * MIB + 1)


def test_holes_are_not_sent_and_read_as_zeros(
    files: Files, folder: str, tmp_path: Path, file_server: FileServer
) -> None:
    local = tmp_path / "sparse"
    with local.open("wb") as file:
        file.seek(9 * MIB)
        file.write(b"data" * 1000)
        file.truncate(64 * MIB)
    sent: list[int] = []
    files.upload(local, folder + r"\x", progress=lambda done, _: sent.append(done))
    assert sent[-1] < MIB
    assert file_server.local(folder + r"\x").read_bytes() == local.read_bytes()


def test_the_host_copies_by_itself(files: Files, folder: str, file_server: FileServer) -> None:
    content = os.urandom(17 * MIB + 3)
    file_server.local(folder + r"\a").write_bytes(content)
    seen: list[int] = []
    files.copy_on_host(folder + r"\a", folder + r"\b", progress=lambda done, _: seen.append(done))
    assert file_server.local(folder + r"\b").read_bytes() == content
    assert seen == [16 * MIB, 17 * MIB + 3]
    assert sorted(entry.name for entry in files.list(folder)) == ["a", "b"]


def test_a_copy_between_two_servers_is_refused(files: Files, folder: str) -> None:
    with pytest.raises(BadPath, match="two file servers"):
        files.copy_on_host(folder + r"\a", r"\\nas\share\b")


# --- what an interrupted attempt leaves


def test_what_the_callers_progress_raises_ends_the_upload_and_nothing_is_left(
    files: Files, folder: str, local_file: Path
) -> None:
    def stop(_done: int, _size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.upload(local_file, folder + r"\x", progress=stop)
    assert files.list(folder) == []


@pytest.mark.parametrize("by", ["upload", "write", "copy"])
def test_left_overs_of_an_interrupted_attempt_are_removed_by_the_next(
    files: Files, folder: str, local_file: Path, file_server: FileServer, by: str
) -> None:
    left_over = file_server.local(folder + r"\x.0a1b2c3d.part")
    left_over.write_bytes(b"half")
    long_ago = dt.datetime.now(dt.UTC).timestamp() - 600
    os.utime(left_over, (long_ago, long_ago))
    other = file_server.local(folder + r"\y.0a1b2c3d.part")
    other.write_bytes(b"another file's")
    os.utime(other, (long_ago, long_ago))
    file_server.local(folder + r"\source").write_bytes(b"s")
    match by:
        case "upload":
            files.upload(local_file, folder + r"\x")
        case "write":
            files.write(folder + r"\x", b"1")
        case "copy":
            files.copy_on_host(folder + r"\source", folder + r"\x")
    assert sorted(entry.name for entry in files.list(folder)) == ["source", "x", "y.0a1b2c3d.part"]


def test_what_another_process_is_uploading_right_now_stays(files: Files, folder: str, file_server: FileServer) -> None:
    file_server.local(folder + r"\x.0a1b2c3d.part").write_bytes(b"half")
    files.write(folder + r"\x", b"1")
    assert len(files.list(folder)) == 2


def test_a_failed_upload_leaves_the_old_content(files: Files, folder: str, tmp_path: Path) -> None:
    files.write(folder + r"\x", b"old")
    local = tmp_path / "local"
    local.write_bytes(b"n" * 9 * MIB)

    def stop(_done: int, _size: int) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        files.upload(local, folder + r"\x", progress=stop)
    assert files.read(folder + r"\x") == b"old"


# --- looking


def test_looking_tells_files_folders_and_nothing_apart(files: Files, folder: str) -> None:
    files.write(folder + r"\x", b"abc")
    assert files.exists(folder)
    assert files.exists(folder + r"\x")
    assert not files.exists(folder + r"\y")
    assert not files.exists(folder + r"\no\such\folder")
    entry = files.stat(folder + r"\x")
    assert entry is not None
    assert (entry.name, entry.size_bytes, entry.is_folder) == ("x", 3, False)
    assert abs(entry.modified_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert files.stat(folder + r"\y") is None


def test_a_listing_has_every_entry_of_a_large_folder(files: Files, folder: str, file_server: FileServer) -> None:
    for number in range(2000):
        file_server.local(folder).joinpath(f"file with a rather long name {number}").touch()
    assert len(files.list(folder)) == 2000


def test_a_listing_names_size_kind_and_time(files: Files, folder: str) -> None:
    files.write(folder + r"\ä.bin", b"12345")
    files.make_folder(folder + r"\sub")
    entries = {entry.name: entry for entry in files.list(folder)}
    assert set(entries) == {"ä.bin", "sub"}
    assert (entries["ä.bin"].size_bytes, entries["ä.bin"].is_folder) == (5, False)
    assert entries["sub"].is_folder


def test_touching_sets_the_time_of_the_last_write(files: Files, folder: str) -> None:
    files.write(folder + r"\x", b"1")
    moment = dt.datetime(2024, 2, 29, 12, 0, tzinfo=dt.UTC)
    files.touch(folder + r"\x", moment)
    (entry,) = files.list(folder)
    assert entry.modified_at == moment


def test_the_volume_has_a_size(files: Files, folder: str) -> None:
    space = files.volume_space(folder)
    assert 0 < space.free_bytes <= space.total_bytes


# --- names


def test_renaming_takes_nobodys_place_unless_asked(files: Files, folder: str) -> None:
    files.write(folder + r"\a", b"a")
    files.write(folder + r"\b", b"b")
    with pytest.raises(FileExists):
        files.rename(folder + r"\a", folder + r"\b")
    files.rename(folder + r"\a", folder + r"\b", replace=True)
    assert files.read(folder + r"\b") == b"a"
    assert not files.exists(folder + r"\a")


def test_a_folder_is_renamed_with_all_that_is_in_it(files: Files, folder: str) -> None:
    files.make_folder(folder + r"\one\two")
    files.write(folder + r"\one\two\x", b"x")
    files.rename(folder + r"\one", folder + r"\other")
    assert files.read(folder + r"\other\two\x") == b"x"


def test_making_a_folder_makes_those_above_it_and_may_be_repeated(files: Files, folder: str) -> None:
    files.make_folder(folder + r"\a\b\c")
    files.make_folder(folder + r"\a\b\c")
    assert files.exists(folder + r"\a\b\c")


def test_a_file_in_the_place_of_a_folder_is_named(files: Files, folder: str) -> None:
    files.write(folder + r"\a", b"")
    with pytest.raises((BadPath, FileExists)) as refused:
        files.make_folder(folder + r"\a")
    assert refused.value.path == folder + r"\a"


def test_deleting_what_is_not_there(files: Files, folder: str) -> None:
    files.delete(folder + r"\x", missing_ok=True)
    with pytest.raises(FileMissing) as refused:
        files.delete(folder + r"\x")
    assert isinstance(refused.value, NotFound)
    files.delete_tree(folder + r"\no such folder")


def test_a_tree_is_deleted_with_all_that_is_in_it(files: Files, folder: str) -> None:
    for path in (r"\t\a\b\x", r"\t\a\y", r"\t\z"):
        files.make_folder((folder + path).rpartition("\\")[0])
        files.write(folder + path, b"1")
    files.delete_tree(folder + r"\t")
    assert files.list(folder) == []


def test_deleting_waits_until_others_have_closed_the_file(
    file_server: FileServer, folder: str, somebody_else: OtherClient
) -> None:
    pool = SmbPool(file_server.endpoint())
    patient = Files(pool, patience_s=10)
    patient.write(folder + r"\x", b"1")
    handle = somebody_else.open(folder + r"\x")
    handle.__enter__()
    threading.Timer(0.3, lambda: handle.__exit__(None, None, None)).start()
    patient.delete(folder + r"\x")
    assert not patient.exists(folder + r"\x")
    pool.close()


def test_a_file_that_stays_open_elsewhere_is_named_when_patience_ends(
    files: Files, folder: str, somebody_else: OtherClient
) -> None:
    files.write(folder + r"\x", b"1")
    with somebody_else.open(folder + r"\x"), pytest.raises(FileInUse, match=r"\\x failed: the file is open elsewhere"):
        files.delete(folder + r"\x")


# --- errors


def test_each_failure_is_of_the_class_that_callers_decide_by(files: Files, folder: str) -> None:
    files.make_folder(folder + r"\sub\x")
    cases: list[tuple[type[FileError], object]] = [
        (FileMissing, lambda: files.read(folder + r"\nothing")),
        (FileMissing, lambda: files.size(folder + r"\no\folder\x")),
        (FileMissing, lambda: files.write(folder + r"\no folder\x", b"")),
        (BadPath, lambda: files.read(folder + r"\sub")),
        (BadPath, lambda: files.write(folder + "\\" + "n" * 300, b"")),
        (BadPath, lambda: files.write(folder + r"\what?", b"")),
        (BadPath, lambda: files.read("relative")),
        (ShareMissing, lambda: files.exists(r"Q:\x")),
        (FolderNotEmpty, lambda: files.delete_folder(folder + r"\sub")),
    ]
    for expected, action in cases:
        with pytest.raises(expected) as refused:
            action()  # type: ignore[operator]
        assert refused.value.path


def test_wrong_credentials_say_where_to_correct_them(file_server: FileServer) -> None:
    pool = SmbPool(file_server.endpoint(password="wrong"))
    with pytest.raises(AccessDenied, match="username and password"):
        Files(pool).exists("C:\\")
    pool.close()


def test_the_password_is_in_no_text(file_server: FileServer) -> None:
    assert file_server.config.password not in repr(file_server.endpoint())


def test_no_server_at_all_is_unreachable(file_server: FileServer) -> None:
    pool = SmbPool(file_server.endpoint(port=446))
    with pytest.raises(Unreachable, match="firewall"):
        Files(pool).exists("C:\\")


# --- a server that breaks


@pytest.fixture
def proxy(file_server: FileServer) -> Iterator[Proxy]:
    with Proxy(file_server.config.address, 445) as between:
        yield between


def test_a_kept_connection_that_broke_is_replaced_unnoticed(file_server: FileServer, folder: str, proxy: Proxy) -> None:
    pool = SmbPool(file_server.endpoint(port=proxy.port))
    files = Files(pool, patience_s=0.5)
    files.write(folder + r"\x", b"1")
    proxy.cut()
    assert files.read(folder + r"\x") == b"1"
    pool.close()


def test_a_server_that_falls_silent_ends_in_a_timeout(file_server: FileServer, folder: str, proxy: Proxy) -> None:
    pool = SmbPool(file_server.endpoint(port=proxy.port, timeout_s=1.0))
    files = Files(pool, patience_s=0.5)
    files.write(folder + r"\x", b"1")
    proxy.stall()
    with pytest.raises(TimedOut):
        files.read(folder + r"\x")
    proxy.go_on()
    assert files.read(folder + r"\x") == b"1"
    pool.close()


def test_an_upload_to_a_server_that_falls_silent_ends_in_a_timeout(
    file_server: FileServer, folder: str, proxy: Proxy, local_file: Path
) -> None:
    pool = SmbPool(file_server.endpoint(port=proxy.port, timeout_s=1.0))
    files = Files(pool, patience_s=0.5)
    proxy.stall_after(5 * MIB)
    with pytest.raises((TimedOut, Unreachable)):
        files.upload(local_file, folder + r"\x")
    proxy.go_on()
    assert not files.exists(folder + r"\x")
    pool.close()


def test_a_name_given_before_the_answer_was_lost_is_taken_for_done(
    file_server: FileServer, folder: str, proxy: Proxy
) -> None:
    pool = SmbPool(file_server.endpoint(port=proxy.port))
    files = Files(pool, patience_s=0.5)
    files.write(folder + r"\a", b"1")
    real = Handle.rename

    def rename_and_break(handle: Handle, rest: str, *, replace: bool) -> None:
        real(handle, rest, replace=replace)
        proxy.cut()
        handle.read(0, 1)  # finds the connection broken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handle, "rename", rename_and_break)
        files.rename(folder + r"\a", folder + r"\b")
    assert files.read(folder + r"\b") == b"1"
    pool.close()


def test_a_closed_pool_refuses(file_server: FileServer) -> None:
    pool = SmbPool(file_server.endpoint())
    pool.close()
    with pytest.raises(Unreachable):
        Files(pool).exists("C:\\")


def test_many_threads_share_a_host(files: Files, folder: str) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                files.write(rf"{folder}\{number}", f"{number} {turn}".encode())
                assert files.read(rf"{folder}\{number}") == f"{number} {turn}".encode()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_read_only_file_is_refused_with_the_way_out(files: Files, folder: str, file_server: FileServer) -> None:
    files.write(folder + r"\x", b"1")
    address = file_server.config.address
    credentials = f"{file_server.config.username}%{file_server.config.password}"
    relative = folder.removeprefix("C:\\") + r"\x"
    subprocess.run(
        ["smbclient", f"//{address}/C$", "-U", credentials, "-c", f'setmode "{relative}" +r'],
        check=True,
        capture_output=True,
    )
    with pytest.raises((FileDenied, InvalidRequest), match="read-only"):
        files.delete(folder + r"\x")
