"""Windows paths as text."""

from __future__ import annotations

import pytest

from compute_hyperv.host import paths
from compute_hyperv.host.paths import SmbPath


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (r"C:\a\b", r"C:\a\b"),
        ("C:/a//b/", r"C:\a\b"),
        (r"C:\a\.\b\..\c", r"C:\a\c"),
        ("C:\\", "C:\\"),
        (r"\\server\share\x\\y", r"\\server\share\x\y"),
        ("", ""),
    ],
)
def test_a_path_has_one_spelling(path: str, expected: str) -> None:
    assert paths.normalise(path) == expected


@pytest.mark.parametrize(
    ("path", "server", "share", "rest"),
    [
        (r"C:\OpenStack\x.vhdx", "hv1", "C$", r"OpenStack\x.vhdx"),
        (r"d:\x", "hv1", "D$", "x"),
        ("C:\\", "hv1", "C$", ""),
        (r"C:\ClusterStorage\Volume1\vm", "hv1", "C$", r"ClusterStorage\Volume1\vm"),
        (r"\\nas\images\_base\x", "nas", "images", r"_base\x"),
        (r"\\nas\images", "nas", "images", ""),
        ("//nas/images/y", "nas", "images", "y"),
    ],
)
def test_a_hosts_path_is_found_on_its_smb_shares(path: str, server: str, share: str, rest: str) -> None:
    assert paths.on_smb("hv1", path) == SmbPath(server, share, rest)


@pytest.mark.parametrize("path", ["", "x", r"a\b", "C:x", r"\x", r"\\server"])
def test_a_path_that_does_not_say_where_it_starts_is_refused(path: str) -> None:
    assert not paths.is_absolute(path)
    with pytest.raises(ValueError, match="absolute"):
        paths.on_smb("hv1", path)


def test_a_unc_path_stays_as_it_is() -> None:
    assert paths.unc("hv1", r"\\nas\share\x") == r"\\nas\share\x"
    assert paths.unc("hv1", r"C:\x") == r"\\hv1\C$\x"


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (r"c:\a\b", "C:\\"),
        (r"C:\clusterstorage\Volume2\x\y", r"C:\clusterstorage\Volume2"),
        (r"C:\ClusterStorage", "C:\\"),
        (r"\\nas\share\x\y", r"\\nas\share"),
    ],
)
def test_the_volume_of_a_path_is_told_from_its_text(path: str, root: str) -> None:
    assert paths.volume_root(path) == root


def test_paths_compare_without_regard_to_case_and_kind_of_slash() -> None:
    assert paths.same(r"C:\A\b", "c:/a/B/")
    assert not paths.same(r"C:\a", r"C:\ab")


@pytest.mark.parametrize("pipe", [r"\\.\pipe\abc", "abc", "//./PIPE/abc", r"\\hv1\pipe\abc"])
def test_a_pipe_is_named_with_or_without_its_folder(pipe: str) -> None:
    assert paths.pipe_name(pipe) == "abc"


@pytest.mark.parametrize("name", ["a", "root.vhdx", "_base", "ä b", "com10"])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert paths.refused_name(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", r"a\b", "a:b", "a?", "a\x00", "a.", "a ", "NUL", "com1.txt"])
def test_names_that_windows_refuses_are_refused_with_the_reason(name: str) -> None:
    assert paths.refused_name(name)


def test_parts_of_a_path() -> None:
    assert paths.join("C:\\", "a", "b.vhdx") == r"C:\a\b.vhdx"
    assert paths.parent(r"C:\a\b") == r"C:\a"
    assert paths.parent("C:\\") == "C:\\"
    assert paths.name(r"C:\a\b.VHDX") == "b.VHDX"
    assert paths.extension(r"C:\a\b.VHDX") == "vhdx"
