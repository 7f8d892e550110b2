"""Windows paths and the folder behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder


@pytest.mark.parametrize(
    "spelling",
    [
        r"C:\OpenStack\a.vhdx",
        r"c:\openstack\A.VHDX",
        "C:/OpenStack/a.vhdx",
        r"\\?\C:\OpenStack\a.vhdx",
        r"\\hv1\C$\OpenStack\a.vhdx",
        r"\\127.0.1.1\c$\OpenStack\a.vhdx",
        r"\\?\UNC\HV1\C$\OpenStack\a.vhdx",
        r"C:\Windows\..\OpenStack\.\a.vhdx",
        r"C:\OpenStack\a.vhdx. ",
    ],
)
def test_every_spelling_of_a_path_is_the_same_file(folder: HostFolder, spelling: str) -> None:
    (folder.root / "C" / "OpenStack").mkdir()
    (folder.root / "C" / "OpenStack" / "a.vhdx").write_text("here")

    assert folder.to_local(spelling).read_text() == "here"


def test_a_new_file_keeps_the_case_it_is_made_with(folder: HostFolder) -> None:
    assert folder.to_local(r"c:\WINDOWS\New.Txt") == folder.root / "C" / "Windows" / "New.Txt"


@pytest.mark.parametrize("path", [r"C:\..\..\..\etc\passwd", r"C:\Windows\..\..\..\etc\passwd"])
def test_dots_stop_at_the_drive(folder: HostFolder, path: str) -> None:
    assert folder.to_local(path) == folder.root / "C" / "etc" / "passwd"


def test_a_link_in_the_folder_leads_nowhere(folder: HostFolder) -> None:
    (folder.root / "C" / "out").symlink_to("/etc")

    with pytest.raises(DiskError) as refused:
        folder.to_local(r"C:\out\passwd")

    assert refused.value.code == errors.ACCESS_DENIED


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("relative.vhdx", errors.INVALID_NAME),
        (r"C:relative.vhdx", errors.INVALID_NAME),
        (r"C:\a<b.vhdx", errors.INVALID_NAME),
        (r"C:\a:stream", errors.INVALID_NAME),
        ("C:\\a\x00b", errors.INVALID_NAME),
        (r"C:\NUL", errors.INVALID_NAME),
        ("", errors.INVALID_NAME),
        (r"X:\a.vhdx", errors.PATH_NOT_FOUND),
        (r"\\other\C$\a.vhdx", errors.BAD_NETPATH),
        (r"\\hv1\nothing\a.vhdx", errors.BAD_NETPATH),
    ],
)
def test_what_is_no_path_on_this_host_gets_windows_code(folder: HostFolder, path: str, code: int) -> None:
    with pytest.raises(DiskError) as refused:
        folder.to_local(path)

    assert refused.value.code == code


def test_a_share_that_is_found_is_a_volume(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "Disks").mkdir(parents=True)
    shares = {("filer", "vms"): shared}
    folder = HostFolder(tmp_path / "volumes", find_share=lambda *share: shares.get(share))

    assert folder.to_local(r"\\filer\vms\disks\a.vhdx") == shared / "Disks" / "a.vhdx"
    assert folder.to_local(r"\\?\UNC\filer\vms\..\..\etc") == shared / "etc"
    assert str(folder.parse(r"\\filer\vms\Disks\a.vhdx").folder) == r"\\filer\vms\Disks"
    with pytest.raises(DiskError) as refused:
        folder.to_local(r"\\filer\none\a.vhdx")
    assert refused.value.code == errors.BAD_NETPATH


def test_a_fresh_host_has_what_windows_has(folder: HostFolder) -> None:
    assert folder.to_local(r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks").is_dir()
    assert not folder.exists(r"C:\OpenStack")


def test_nothing_new_fits_on_a_full_disk(folder: HostFolder) -> None:
    folder.full = True
    with pytest.raises(DiskError) as caught:
        folder.for_new(r"C:\new.vhdx")
    assert caught.value.code == errors.DISK_FULL
    folder.full = False
    assert folder.for_new(r"C:\new.vhdx").name == "new.vhdx"


def test_files_take_their_space_from_the_volume(tmp_path: Path) -> None:
    small = HostFolder(tmp_path, capacity_bytes=64 * 1024**2)
    small.to_local(r"C:\big").write_bytes(b"x" * 8 * 1024**2)

    assert small.total_bytes("C") == 64 * 1024**2
    assert 50 * 1024**2 < small.free_bytes("C") <= 56 * 1024**2
