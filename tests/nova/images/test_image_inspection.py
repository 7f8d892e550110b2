"""What of a tenant's image is refused, and that honest images are not."""

from __future__ import annotations

import contextlib
import struct
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nova import exception

from compute_hyperv.nova.config_drive import iso_image
from compute_hyperv.nova.images import inspection, vhd, vhdx
from compute_hyperv.nova.images.structures import Refused
from tests.nova.images import image_builders as build

MIB = build.MIB
IMAGE_ID = "6f1d5f0e-0c2f-4b7e-9f8e-0d9b5f7a1c11"
REQUIRED = 4


def write(tmp_path: Path, content: bytes | bytearray) -> Path:
    path = tmp_path / "image"
    path.write_bytes(content)
    return path


def refusal(path: Path, disk_format: str | None) -> str:
    with pytest.raises(exception.ImageUnacceptable) as refused:
        inspection.inspect(path, image_id=IMAGE_ID, disk_format=disk_format)
    return refused.value.format_message()


def broken_checksum(image: bytearray, offset: int) -> bytearray:
    image[offset + 20] ^= 0xFF
    return image


def flip(image: bytes, offset: int) -> bytes:
    offset %= len(image)
    return image[:offset] + bytes([image[offset] ^ 1]) + image[offset + 1 :]


SOME_ID = uuid.uuid4().bytes
LOCATOR = b"W2ku" + struct.pack(">IIIQ", 512, 40, 0, 4096)

HOSTILE_VHD = {
    "differencing VHD": (build.dynamic_vhd(disk_type=4), "differencing VHD"),
    "differencing by the footer only": (build.dynamic_vhd(disk_type=4, front_type=3), "differencing VHD"),
    "differencing by the copy at the start only": (build.dynamic_vhd(front_type=4), "disagree"),
    "size differs between start and end": (build.dynamic_vhd(front_size=20 * MIB), "disagree"),
    "parent locator": (build.dynamic_vhd(locator=LOCATOR), "parent locator"),
    "parent name": (build.dynamic_vhd(parent_name=r"C:\pagefile.sys"), "parent locator"),
    "parent id": (build.dynamic_vhd(parent_id=SOME_ID), "parent locator"),
    "saved state": (build.dynamic_vhd(saved_state=1), "saved state"),
    "unknown type": (build.dynamic_vhd(disk_type=5), "unknown VHD type"),
    "allocation table too short": (build.dynamic_vhd(entries=1), "too short"),
    "allocation table outside the file": (build.dynamic_vhd(entries=100_000), "outside the file"),
    "odd block size": (build.dynamic_vhd(block_size=3 * MIB, entries=100), "block size"),
    "footer checksum": (flip(build.dynamic_vhd(), -1), "checksum"),
    "dynamic header checksum": (flip(build.dynamic_vhd(), 512 + 700), "checksum"),
    "no footer": (build.dynamic_vhd()[:-512], "no VHD footer"),
    "fixed, shorter than it says": (build.fixed_vhd()[512:], "disagree"),
    "fixed at the end, dynamic at the start": (build.fixed_vhd(start=b"conectix"), "dynamic one by its start"),
}

HOSTILE_VHDX = {
    "has a parent": (build.vhdx(has_parent=True), "differencing VHDX"),
    "parent locator": (build.vhdx(parent_locator=True), "parent locator"),
    "parent and locator": (build.vhdx(has_parent=True, parent_locator=True), "parent locator"),
    "dirty log": (build.vhdx(log_id=SOME_ID), "log that was not replayed"),
    "unknown required region": (build.vhdx(extra_region=(build.STRANGE, True)), "unknown required VHDX region"),
    "unknown required item": (build.vhdx(extra_item=(build.STRANGE, REQUIRED)), "unknown required VHDX metadata"),
    "user item that hides a system item": (
        build.vhdx(extra_item=("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 1 | REQUIRED)),
        "unknown required VHDX metadata",
    ),
    "size given twice": (build.vhdx(extra_item=("2fa54224-cd1b-4876-b211-5dbed83bf4b8", REQUIRED)), "twice"),
    "region tables disagree": (build.vhdx(second_table_differs=True), "disagree"),
    "metadata inside the log": (build.vhdx(metadata_at=MIB), "overlap"),
    "first header's checksum": (broken_checksum(build.vhdx(), 64 << 10), "checksum"),
    "second header's checksum": (broken_checksum(build.vhdx(), 128 << 10), "checksum"),
    "first region table's checksum": (broken_checksum(build.vhdx(), 192 << 10), "checksum"),
    "second region table's checksum": (broken_checksum(build.vhdx(), 256 << 10), "checksum"),
    "block size": (build.vhdx(block_size=3 * MIB), "block size"),
    "larger than 64 TiB": (build.vhdx(size=(64 << 40) + 512), "impossible VHDX size"),
    "allocation table too short": (build.vhdx(size=64 << 40), "too short"),
    "4K sectors": (build.vhdx(sector=4096), "4096"),
    "unknown file parameters": (build.vhdx(file_flags=8), "unknown VHDX file parameters"),
    "unknown version": (build.vhdx(version=2), "unknown version"),
    "cut off": (build.vhdx()[: 3 * MIB], "impossible place"),
}

HOSTILE_VMDK = {
    "flat extent": (build.vmdk(extents=('RW 2048 FLAT "disk-flat.vmdk" 0',)), "not sparse"),
    "flat type": (build.vmdk(create_type="monolithicFlat", extents=('RW 2048 FLAT "d.vmdk" 0',)), "safety check"),
    "absolute path": (build.vmdk(extents=('RW 2048 SPARSE "/etc/shadow"',)), "safety check"),
    "Windows path": (build.vmdk(extents=(r'RW 2048 SPARSE "C:\pagefile.sys"',)), "path"),
    "relative path": (build.vmdk(extents=('RW 2048 SPARSE "..\\other"',)), "path"),
    "two extents": (build.vmdk(extents=('RW 1024 SPARSE "a.vmdk"', 'RW 1024 SPARSE "b.vmdk"')), "2 extents"),
    "extents by name, because it has no capacity": (build.vmdk(capacity=0), "capacity"),
    "parent's name": (build.vmdk(parent="/etc/shadow"), "parent"),
    "parent's id": (build.vmdk(parent_cid="0badcafe"), "parent"),
    "descriptor alone": (
        b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 2048 FLAT "/etc/shadow" 0\n'.ljust(1024),
        "safety check",
    ),
}


@pytest.mark.parametrize("case", HOSTILE_VHD)
def test_hostile_vhd_is_refused(tmp_path: Path, case: str) -> None:
    content, reason = HOSTILE_VHD[case]
    assert reason in refusal(write(tmp_path, content), "vhd")


@pytest.mark.parametrize("case", HOSTILE_VHDX)
def test_hostile_vhdx_is_refused(tmp_path: Path, case: str) -> None:
    content, reason = HOSTILE_VHDX[case]
    assert reason in refusal(write(tmp_path, content), "vhdx")


@pytest.mark.parametrize("case", HOSTILE_VMDK)
def test_hostile_vmdk_is_refused(tmp_path: Path, case: str) -> None:
    content, reason = HOSTILE_VMDK[case]
    assert reason in refusal(write(tmp_path, content), "vmdk")


def test_qcow2_with_a_backing_file_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "raw", tmp_path / "base", "1M")
    build.qemu_img("create", "-f", "qcow2", "-b", tmp_path / "base", "-F", "raw", tmp_path / "image")
    assert "backing file" in refusal(tmp_path / "image", "qcow2")


def test_qcow2_with_an_external_data_file_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path / 'data'}", tmp_path / "image", "1M")
    assert "data_file" in refusal(tmp_path / "image", "qcow2")


def test_encrypted_qcow2_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "qcow2", tmp_path / "image", "1M")
    content = bytearray((tmp_path / "image").read_bytes())
    content[32:36] = struct.pack(">I", 1)  # crypt_method: AES
    assert "encrypted" in refusal(write(tmp_path, content), "qcow2")


def test_qcow2_with_unknown_features_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "qcow2", tmp_path / "image", "1M")
    content = bytearray((tmp_path / "image").read_bytes())
    content[72] |= 0x80  # the highest incompatible feature bit
    assert "features" in refusal(write(tmp_path, content), "qcow2")


def test_image_larger_than_a_vhdx_can_be_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "qcow2", tmp_path / "image", str((64 << 40) + 512))
    assert "64 TiB" in refusal(tmp_path / "image", "qcow2")


HYPERV = {"vpc", "vhd", "vhdx"}
MISMATCHES = [
    (real, claimed)
    for real in ("raw", "qcow2", "vmdk", "vpc", "vhdx", "vdi", "qed", "luks")
    for claimed in ("raw", "qcow2", "vmdk", "vhd", "vhdx")
    if real != claimed and not {real, claimed} <= HYPERV
]


@pytest.mark.parametrize(("real", "claimed"), MISMATCHES)
def test_format_other_than_the_claimed_one_is_refused(tmp_path: Path, real: str, claimed: str) -> None:
    path = tmp_path / "image"
    if real == "luks":
        path.write_bytes(build.luks())
    else:
        build.qemu_img("create", "-f", real, path, "3M")
    refusal(path, claimed)


def test_fixed_vhd_registered_as_raw_is_refused(tmp_path: Path) -> None:
    assert "fixed VHD" in refusal(write(tmp_path, build.fixed_vhd()), "raw")


def test_fixed_vhd_that_begins_as_a_qcow2_is_refused(tmp_path: Path) -> None:
    build.qemu_img("create", "-f", "qcow2", tmp_path / "other", "1M")
    start = (tmp_path / "other").read_bytes()
    assert "qcow2" in refusal(write(tmp_path, build.fixed_vhd(start=start)), "vhd")


def test_iso_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "claimed to be iso but its content is raw" in refusal(write(tmp_path, bytes(MIB)), "iso")


@pytest.mark.usefixtures("nova_settings")
def test_iso_registered_as_raw_is_refused(tmp_path: Path) -> None:
    assert "content is iso" in refusal(write(tmp_path, iso_image({"README": b"boot me"})), "raw")


@pytest.mark.parametrize("claimed", [None, "ami", "ploop", "vdi"])
def test_unsupported_format_is_refused_with_the_list_of_accepted_ones(tmp_path: Path, claimed: str | None) -> None:
    assert "qcow2, raw, vhd, vhdx, vmdk" in refusal(write(tmp_path, bytes(MIB)), claimed)


def test_refusal_names_the_image_what_was_found_and_the_remedy(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, build.dynamic_vhd(disk_type=4)), "vhd")
    assert IMAGE_ID in message
    assert "differencing VHD" in message
    assert "Remedy: merge the disk" in message


QEMU_MADE = {
    "raw": ("raw", ()),
    "qcow2": ("qcow2", ()),
    "qcow2 of version 2": ("qcow2", ("-o", "compat=0.10")),
    "compressed qcow2": ("qcow2", ("-c",)),
    "vmdk": ("vmdk", ()),
    "stream-optimised vmdk": ("vmdk", ("-o", "subformat=streamOptimized")),
    "dynamic vhd": ("vhd", ()),
    "dynamic vhd of exact size": ("vhd", ("-o", "force_size=on")),
    "fixed vhd": ("vhd", ("-o", "subformat=fixed,force_size=on")),
    "fixed vhd by geometry": ("vhd", ("-o", "subformat=fixed")),
    "dynamic vhdx": ("vhdx", ()),
    "fixed vhdx": ("vhdx", ("-o", "subformat=fixed")),
}


@pytest.mark.parametrize("case", QEMU_MADE)
@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "bare"])
def test_honest_image_is_accepted(tmp_path: Path, case: str, partitioned: bool) -> None:
    disk_format, options = QEMU_MADE[case]
    raw = build.guest_disk(tmp_path / "raw", partitioned=partitioned)
    qemu_format = inspection.FORMATS[disk_format]
    build.qemu_img("convert", "-f", "raw", "-O", qemu_format, *options, raw, tmp_path / "image")
    image = inspection.inspect(tmp_path / "image", image_id=IMAGE_ID, disk_format=disk_format)
    assert (image.format, image.qemu_format) == (disk_format, qemu_format)
    # A VHD that is not forced to a size is rounded up to a geometry.
    assert 8 * MIB <= image.virtual_size_bytes <= 8.5 * MIB


@pytest.mark.parametrize(("content", "claimed", "real"), [("vhdx", "vhd", "vhdx"), ("vpc", "vhdx", "vhd")])
def test_between_vhd_and_vhdx_the_content_decides(tmp_path: Path, content: str, claimed: str, real: str) -> None:
    build.qemu_img("create", "-f", content, tmp_path / "image", "8M")
    assert inspection.inspect(tmp_path / "image", image_id=IMAGE_ID, disk_format=claimed).format == real


def test_built_vhd_without_fault_is_accepted(tmp_path: Path) -> None:
    for content in (build.dynamic_vhd(), build.fixed_vhd()):
        assert inspection.inspect(write(tmp_path, content), image_id=IMAGE_ID, disk_format="vhd").format == "vhd"


@pytest.mark.parametrize(
    "content",
    [
        build.vhdx(),
        build.vhdx(old_log_id=SOME_ID),  # only the header in force counts
        build.vhdx(extra_region=(build.STRANGE, False)),
        build.vhdx(extra_item=(build.STRANGE, 0)),
        build.vhdx(file_flags=1),
    ],
    ids=["plain", "log in the old header", "optional region", "optional item", "blocks kept allocated"],
)
def test_built_vhdx_without_fault_is_accepted(tmp_path: Path, content: bytearray) -> None:
    with write(tmp_path, content).open("rb") as file:
        assert vhdx.read(file, len(content)).virtual_size_bytes == 10 * MIB


def test_crc32c_gives_the_published_check_value() -> None:
    assert vhdx.crc32c(b"123456789") == 0xE3069283  # RFC 3720 B.4's polynomial; the catalogue's check value


SEEDS = {
    "vhd": build.dynamic_vhd(),
    "fixed vhd": build.fixed_vhd(),
    "vhdx": bytes(build.vhdx()),
}


@pytest.mark.parametrize("seed", SEEDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_corruption_is_accepted_or_refused_but_never_crashes_a_reader(
    tmp_path: Path, seed: str, data: st.DataObject
) -> None:
    content = bytearray(SEEDS[seed])
    interesting = st.sampled_from(
        [0, 512, 1536, 64 << 10, 128 << 10, 192 << 10, 256 << 10, 2 * MIB, len(content) - 512]
    )
    for _ in range(data.draw(st.integers(0, 4))):
        place = (data.draw(interesting) + data.draw(st.integers(0, 120))) % len(content)
        content[place : place + 8] = data.draw(st.binary(min_size=1, max_size=8))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    if seed == "vhdx" and len(content) > (257 << 10) and data.draw(st.booleans()):
        # Right checksums over the corrupted headers and tables lead deeper into the reader.
        for offset, length in ((64, 4), (128, 4), (192, 64), (256, 64)):
            if len(content) >= (offset + length) << 10:
                build.put_checked(
                    content, offset << 10, bytes(content[offset << 10 : (offset + length) << 10]), length << 10
                )
    path = write(tmp_path, content)
    reader = vhdx.read if seed == "vhdx" else vhd.read
    with path.open("rb") as file, contextlib.suppress(Refused):
        reader(file, len(content))


@given(
    content=st.binary(max_size=4096), claimed=st.sampled_from(["raw", "qcow2", "vmdk", "vhd", "vhdx"]), data=st.data()
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_accepted_or_refused_but_never_crash_the_inspection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, claimed: str, data: st.DataObject
) -> None:
    magic = data.draw(
        st.sampled_from([b"", b"QFI\xfb\0\0\0\3", b"KDMV\1\0\0\0", b"conectix", b"vhdxfile", b"# Disk Desc"])
    )
    # qemu-img costs too much for so many files, and its answers are refusals already.
    monkeypatch.setattr(inspection, "_ask_qemu", lambda *_: 512)
    path = write(tmp_path, magic + content)
    with contextlib.suppress(exception.ImageUnacceptable):
        inspection.inspect(path, image_id=IMAGE_ID, disk_format=claimed)
