"""Virtual disks of a simulated host."""

from __future__ import annotations

import uuid

import pytest

from compute_hyperv.cim.errors import CimError, MethodFailed
from compute_hyperv.host.disks import disk_format
from compute_hyperv.host.errors import BadPath
from compute_hyperv.host.host import HyperVHost

GIB = 1024**3


@pytest.fixture
def path(host: HyperVHost) -> str:
    return rf"C:\OpenStack\{uuid.uuid4()}.vhdx"


@pytest.mark.parametrize("extension", ["vhdx", "vhd"])
@pytest.mark.parametrize("kind", ["dynamic", "fixed"])
def test_an_empty_disk_is_as_asked(host: HyperVHost, path: str, extension: str, kind: str) -> None:
    path = path.removesuffix("vhdx") + extension
    getattr(host.disks, f"create_{kind}")(path, 64 * 1024**2)
    info = host.disks.info(path)
    assert (info.format, info.kind, info.virtual_size_bytes, info.parent_path) == (extension, kind, 64 * 1024**2, None)
    assert info.file_size_bytes > 0


def test_a_child_has_its_parents_size_and_grows(host: HyperVHost, path: str) -> None:
    child = path.replace(".vhdx", "-child.vhdx")
    host.disks.create_dynamic(path, GIB)
    host.disks.create_differencing(child, path)
    assert host.disks.info(child).virtual_size_bytes == GIB
    host.disks.resize(child, 20 * GIB)
    info = host.disks.info(child)
    assert (info.kind, info.virtual_size_bytes, info.parent_path) == ("differencing", 20 * GIB, path)
    assert host.disks.info(path).virtual_size_bytes == GIB


def test_a_child_of_another_format_is_refused(host: HyperVHost, path: str) -> None:
    with pytest.raises(BadPath, match="another format"):
        host.disks.create_differencing(path.replace(".vhdx", ".vhd"), path)


@pytest.mark.parametrize(("to", "kind"), [("vhd", "dynamic"), ("vhdx", "fixed")])
def test_a_disk_is_converted(host: HyperVHost, path: str, to: str, kind: str) -> None:
    target = path.replace(".vhdx", f"-converted.{to}")
    host.disks.create_dynamic(path, 16 * 1024**2)
    host.disks.convert(path, target, kind=kind)  # type: ignore[arg-type]
    info = host.disks.info(target)
    assert (info.format, info.kind, info.virtual_size_bytes) == (to, kind, 16 * 1024**2)


def test_a_look_takes_two_requests(host: HyperVHost, path: str) -> None:
    host.disks.create_dynamic(path, GIB)
    before = host.cim.requests
    host.disks.info(path)
    assert host.cim.requests - before == 2


def test_a_disk_is_not_made_over_another(host: HyperVHost, path: str) -> None:
    host.disks.create_dynamic(path, GIB)
    with pytest.raises(MethodFailed, match="Creating the disk"):
        host.disks.create_dynamic(path, 2 * GIB)
    assert host.disks.info(path).virtual_size_bytes == GIB


def test_what_is_not_there_is_told(host: HyperVHost, path: str) -> None:
    for action in (
        lambda: host.disks.info(path),
        lambda: host.disks.resize(path, GIB),
        lambda: host.disks.create_differencing(path, path.replace(".vhdx", "-no-parent.vhdx")),
    ):
        with pytest.raises(CimError, match=r"disk"):
            action()


@pytest.mark.parametrize(
    ("path", "expected"),
    [(r"C:\x.VHDX", "vhdx"), (r"C:\x.vhd", "vhd"), (r"C:\x.avhdx", "vhdx"), (r"C:\x.vhds", "vhdset")],
)
def test_the_extension_names_the_format(path: str, expected: str) -> None:
    assert disk_format(path) == expected


def test_another_extension_is_refused() -> None:
    with pytest.raises(BadPath, match="not the name of a virtual disk"):
        disk_format(r"C:\x.qcow2")
