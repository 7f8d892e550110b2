"""What conversion makes of good images, and what it leaves behind of bad ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from nova import exception

from compute_hyperv.nova.images import conversion, inspection, vhdx
from compute_hyperv.nova.options import CONF
from tests.nova.images import image_builders as build

MIB = build.MIB
IMAGE_ID = "6f1d5f0e-0c2f-4b7e-9f8e-0d9b5f7a1c11"
SOURCES = {
    "raw": ("raw", ()),
    "qcow2": ("qcow2", ("-c",)),
    "vmdk": ("vmdk", ("-o", "subformat=streamOptimized")),
    "vhd": ("vhd", ("-o", "force_size=on")),
    "fixed vhd": ("vhd", ("-o", "subformat=fixed,force_size=on")),
    "vhdx": ("vhdx", ()),
    "fixed vhdx": ("vhdx", ("-o", "subformat=fixed")),
}


def inspected(tmp_path: Path, case: str) -> inspection.InspectedImage:
    disk_format, options = SOURCES[case]
    raw = build.guest_disk(tmp_path / "raw")
    build.qemu_img("convert", "-f", "raw", "-O", inspection.FORMATS[disk_format], *options, raw, tmp_path / "image")
    return inspection.inspect(tmp_path / "image", image_id=IMAGE_ID, disk_format=disk_format)


@pytest.mark.parametrize("case", SOURCES)
def test_every_accepted_format_becomes_a_clean_dynamic_vhdx_with_the_same_content(tmp_path: Path, case: str) -> None:
    target = tmp_path / "out.vhdx"
    size = conversion.to_dynamic_vhdx(inspected(tmp_path, case), target, image_id=IMAGE_ID)
    assert size == 8 * MIB
    with target.open("rb") as file:
        structure = vhdx.read(file, target.stat().st_size)
    assert (structure.kind, structure.virtual_size_bytes) == ("dynamic", 8 * MIB)
    compare = ["qemu-img", "compare", "-f", "raw", "-F", "vhdx", str(tmp_path / "raw"), str(target)]
    assert subprocess.run(compare, capture_output=True, check=False).returncode == 0


def test_vhd_of_another_tool_keeps_all_the_bytes_that_its_footer_promises(tmp_path: Path) -> None:
    # "vbox" makes qemu go by the geometry (65535/16/255 is larger than the disk) unless it is told not to.
    content = bytearray(build.fixed_vhd(8 * MIB, start=b"first"))
    content[8 * MIB - 4 : 8 * MIB] = b"last"
    footer = content[-512:]
    footer[28:32], footer[56:60], footer[64:68] = b"vbox", b"\x00\x10\x04\x11", bytes(4)
    footer[64:68] = build.sum_complement(bytes(footer)).to_bytes(4, "big")
    content[-512:] = footer
    (tmp_path / "image").write_bytes(content)
    image = inspection.inspect(tmp_path / "image", image_id=IMAGE_ID, disk_format="vhd")
    assert conversion.to_dynamic_vhdx(image, tmp_path / "out.vhdx", image_id=IMAGE_ID) == 8 * MIB
    build.qemu_img("convert", "-f", "vhdx", "-O", "raw", tmp_path / "out.vhdx", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content[: 8 * MIB]


def test_raw_image_of_odd_length_is_rounded_up_to_a_sector(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\x01" * (MIB + 1))
    image = inspection.inspect(tmp_path / "image", image_id=IMAGE_ID, disk_format="raw")
    assert conversion.to_dynamic_vhdx(image, tmp_path / "out.vhdx", image_id=IMAGE_ID) == MIB + 512


def test_failed_conversion_leaves_no_file_and_says_why(tmp_path: Path) -> None:
    image = inspected(tmp_path, "qcow2")
    content = bytearray(image.path.read_bytes())
    content[48:56] = b"\xff" * 8  # refcount table offset: found only when qemu-img reads on
    image.path.write_bytes(content)
    with pytest.raises(exception.ImageUnacceptable, match=IMAGE_ID):
        conversion.to_dynamic_vhdx(image, tmp_path / "out.vhdx", image_id=IMAGE_ID)
    assert not (tmp_path / "out.vhdx").exists()


def test_conversion_that_would_fill_the_disk_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = inspected(tmp_path, "raw")
    usage = type("Usage", (), {"free": conversion._RESERVED_FREE_BYTES + 5 * MIB})
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(exception.ImageUnacceptable, match="space"):
        conversion.to_dynamic_vhdx(image, tmp_path / "out.vhdx", image_id=IMAGE_ID)
    assert not (tmp_path / "out.vhdx").exists()


def test_conversion_that_takes_too_long_is_stopped_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = inspected(tmp_path, "raw")
    slow = tmp_path / "slow-qemu-img"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(conversion, "_BASE_TIMEOUT_S", 1)
    monkeypatch.setattr(conversion, "_TIMEOUT_S_PER_GIB", 0)
    CONF.set_override("qemu_img_cmd", str(slow), group="hyperv")
    try:
        with pytest.raises(exception.ImageUnacceptable, match="within 1 s"):
            conversion.to_dynamic_vhdx(image, tmp_path / "out.vhdx", image_id=IMAGE_ID)
    finally:
        CONF.clear_override("qemu_img_cmd", group="hyperv")
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
