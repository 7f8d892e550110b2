"""The guest image: built twice alike, small, and its scripts understand what Nova writes."""

from __future__ import annotations

import io
import json
import subprocess
from importlib import resources
from pathlib import Path

import pycdlib
import pytest

from hyperv_simulator.guest_image.build import add_sections, build
from hyperv_simulator.guest_image.packages import ImageError, unpacked


@pytest.mark.parametrize("generation", [1, 2])
def test_an_image_is_small_and_the_same_every_time(generation: int, tmp_path: Path) -> None:
    first = build(generation, tmp_path / "first.qcow2")  # type: ignore[arg-type]
    second = build(generation, tmp_path / "second.qcow2")  # type: ignore[arg-type]

    assert first.stat().st_size <= 30 * 1024**2
    assert first.read_bytes() == second.read_bytes()


def test_an_iso_image_has_its_loader_where_firmware_looks_for_it(tmp_path: Path) -> None:
    first = build(2, tmp_path / "first.iso", "iso")
    image = pycdlib.PyCdlib()
    image.open(str(first))
    partition = io.BytesIO()

    image.get_file_from_iso_fp(partition, iso_path="/EFI.IMG;1")
    entry = image.eltorito_boot_catalog.initial_entry
    (tmp_path / "partition").write_bytes(partition.getvalue())
    listed = subprocess.run(
        ["mdir", "-b", "-i", tmp_path / "partition", "::EFI/BOOT"], check=True, capture_output=True, text=True
    )

    assert entry.load_rba * 2048 + len(partition.getvalue()) == first.stat().st_size
    assert image.eltorito_boot_catalog.validation_entry.platform_id == 0xEF
    assert listed.stdout.split() == ["::/EFI/BOOT/BOOTX64.EFI"]
    assert first.read_bytes() == build(2, tmp_path / "second.iso", "iso").read_bytes()


def test_an_iso_image_is_for_generation_2_only(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="generation 2"):
        build(1, tmp_path / "guest.iso", "iso")


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no-such-package"):
        unpacked("no-such-package-at-all", tmp_path)


def test_sections_are_added_to_pe_files_only() -> None:
    with pytest.raises(ImageError):
        add_sections(bytes(4096), {".linux": b"kernel"})


def flat(document: object) -> dict[str, str]:
    """What the guest's own JSON reader makes of a document."""
    script = resources.files("hyperv_simulator.guest_image").joinpath("json.awk").read_text()
    done = subprocess.run(
        ["busybox", "awk", script], input=json.dumps(document), check=True, capture_output=True, text=True
    )
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def test_the_guest_reads_json_as_nova_writes_it() -> None:
    document = {
        "uuid": "83679162",
        "hostname": "vm-1.novalocal",
        "keys": [{"name": 'a"b\\c', "data": "ssh-rsa AAAA\n"}],
        "random_seed": "x/y+z==",
        "links": [{"mtu": 1450, "id": "tap1", "nothing": None}, {"mtu": 9000}],
        "empty": {},
        "none": [],
        "flag": True,
        "unicode": "Grüße, [x] {y}",
    }

    assert flat(document) == {
        "uuid": "83679162",
        "hostname": "vm-1.novalocal",
        "keys.0.name": 'a"b\\c',
        "keys.0.data": "ssh-rsa AAAA ",
        "random_seed": "x/y+z==",
        "links.0.mtu": "1450",
        "links.0.id": "tap1",
        "links.0.nothing": "null",
        "links.1.mtu": "9000",
        "flag": "true",
        "unicode": "Gr??e, [x] {y}",
    }
