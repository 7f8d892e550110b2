"""Builds the guest image: a bootable disk for machines of generation 1 (BIOS) or 2 (UEFI), or an ISO image for
generation 2, without root and loop mounts.

Generation 2: a GPT disk with an EFI system partition; ``EFI/BOOT/BOOTX64.EFI`` is a unified kernel image (systemd's
stub with kernel, initramfs and command line as PE sections). Generation 1: an MBR disk with an active FAT partition
that syslinux boots. The same inputs give the same bytes.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import Literal

from hyperv_simulator.guest_image import initramfs, iso
from hyperv_simulator.guest_image.packages import (
    BIOS_LOADER,
    BIOS_LOADER_FILES,
    UEFI_STUB,
    ImageError,
    default_cache,
    kernel,
    tool,
    unpacked,
)

Generation = Literal[1, 2]
ImageFormat = Literal["qcow2", "raw", "vhd", "vhdx", "vmdk", "iso"]

# Serial console; the rest leaves out what takes a translated processor seconds and proves nothing here.
COMMAND_LINE = (
    "console=ttyS0,115200 quiet loglevel=3 panic=10 mitigations=off nokaslr tsc=reliable no_timer_check "
    "random.trust_cpu=on cryptomgr.notests=1 audit=0 apparmor=0 init_on_alloc=0 rodata=off debugfs=off "
    "rcupdate.rcu_expedited=1"
)
MIB = 1024 * 1024
SECTOR = 512
PARTITION_START = MIB
# Kernel and initramfs are 17 MiB; the rest is for a larger kernel.
PARTITION_SIZE = 30 * MIB
DISK_SIZE = 32 * MIB
EFI_SYSTEM_PARTITION = uuid.UUID("C12A7328-F81F-11D2-BA4B-00C04FC93EC9")
# Fixed, so that a build can be repeated.
DISK_ID = uuid.UUID("68797065-7276-4000-8000-000000000001")
PARTITION_ID = uuid.UUID("68797065-7276-4000-8000-000000000002")
REPEATABLE = {"SOURCE_DATE_EPOCH": "1700000000", "TZ": "UTC"}
QEMU_FORMATS = {"qcow2": "qcow2", "raw": "raw", "vhd": "vpc", "vhdx": "vhdx", "vmdk": "vmdk"}


def build(
    generation: Generation,
    output: Path,
    format: ImageFormat = "qcow2",
    *,
    cache: Path | None = None,
    kernel_options: str = "",
) -> Path:
    """Build an image.

    :param output: the file to write; replaced if it is there.
    :param cache: folder of downloaded packages.
    :param kernel_options: added to the kernel's command line.
    :raises ImageError: a package or a program is missing, or there is no such image.
    """
    if format == "iso" and generation == 1:
        raise ImageError("an ISO image is for generation 2: leave out --generation, or take another format.")
    cache = cache or default_cache()
    found = kernel(cache)
    initrd = initramfs.build(found.modules)
    command_line = f"{COMMAND_LINE} {kernel_options}".strip()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".image-") as name:
        work = Path(name)
        disk = work / "disk.raw"
        if generation == 1:
            _bios_disk(disk, found.image, initrd, command_line, cache, work)
        else:
            loader = _uefi_loader(found.image, initrd, command_line, cache, work)
            (_write_uefi_iso if format == "iso" else write_uefi_disk)(disk, loader)
        _convert(disk, work / "done", format)
        (work / "done").replace(output)
    return output


def _convert(disk: Path, target: Path, format: ImageFormat) -> None:
    if format in ("raw", "iso"):
        disk.replace(target)
        return
    options = ["-o", "force_size=on"] if format == "vhd" else []
    tool(["qemu-img", "convert", "-f", "raw", "-O", QEMU_FORMATS[format], *options, str(disk), str(target)])


# ---------------------------------------------------------------- generation 2


def _uefi_loader(linux: Path, initrd: bytes, command_line: str, cache: Path, work: Path) -> Path:
    """The guest as one program."""
    (work / "initrd").write_bytes(initrd)
    (work / "cmdline").write_text(command_line)
    (work / "osrel").write_text("ID=hyperv-simulator-guest\nNAME=Guest\nVERSION_ID=1\n")
    stub = unpacked(UEFI_STUB, cache) / "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
    image = work / "BOOTX64.EFI"
    # The kernel is the last: it unpacks itself in place and needs the memory behind it.
    sections = {"osrel": work / "osrel", "cmdline": work / "cmdline", "initrd": work / "initrd", "linux": linux}
    contents = {f".{name}": path.read_bytes() for name, path in sections.items()}
    image.write_bytes(add_sections(stub.read_bytes(), contents))
    return image


def write_uefi_disk(disk: Path, loader: Path) -> None:
    """A raw disk from which UEFI firmware starts one program."""
    _write_gpt(disk)
    _write_efi_partition(disk, loader, PARTITION_START)


def _write_uefi_iso(target: Path, loader: Path) -> None:
    partition = target.with_suffix(".fat")
    with partition.open("wb") as file:
        file.truncate(PARTITION_SIZE)
    _write_efi_partition(partition, loader, 0)
    iso.write(partition, target)


def _write_efi_partition(disk: Path, loader: Path, start: int) -> None:
    _make_fat(disk, "EFI", start)
    at = f"{disk}@@{start}"
    tool(["mmd", "-i", at, "::EFI", "::EFI/BOOT"], env=REPEATABLE)
    tool(["mcopy", "-i", at, str(loader), "::EFI/BOOT/BOOTX64.EFI"], env=REPEATABLE)


def add_sections(image: bytes, sections: dict[str, bytes]) -> bytes:
    """Append sections to a PE file (Microsoft's PE format specification), as ``objcopy --add-section`` does for a
    unified kernel image. A section that is itself a PE file gets as much memory as that file asks for.

    :raises ImageError: not a PE file, or no room for the section headers.
    """
    pe = struct.unpack_from("<I", image, 0x3C)[0]
    if image[pe : pe + 4] != b"PE\0\0":
        raise ImageError("the UEFI stub is not a PE file")
    count, optional_size = struct.unpack_from("<H", image, pe + 6)[0], struct.unpack_from("<H", image, pe + 20)[0]
    optional = pe + 24
    section_alignment, file_alignment = struct.unpack_from("<II", image, optional + 32)
    headers_size = struct.unpack_from("<I", image, optional + 60)[0]
    table = optional + optional_size
    if table + 40 * (count + len(sections)) > headers_size:
        raise ImageError("the UEFI stub has no room for more sections")
    out = bytearray(image.ljust(-(-len(image) // file_alignment) * file_alignment, b"\0"))
    ends = (sum(struct.unpack_from("<II", image, table + 40 * number + 8)) for number in range(count))
    address = max(ends)
    for number, (name, data) in enumerate(sections.items()):
        address = -(-address // section_alignment) * section_alignment
        size = _image_size(data) or len(data)
        raw = data.ljust(-(-len(data) // file_alignment) * file_alignment, b"\0")
        # name, virtual size, address, raw size, raw offset, relocations, line numbers; initialised, readable data
        header = struct.pack("<8sIIIIIIHHI", name.encode(), size, address, len(raw), len(out), 0, 0, 0, 0, 0x40000040)
        out[table + 40 * (count + number) : table + 40 * (count + number + 1)] = header
        out += raw
        address += size
    struct.pack_into("<H", out, pe + 6, count + len(sections))
    struct.pack_into("<I", out, optional + 56, -(-address // section_alignment) * section_alignment)
    return bytes(out)


def _image_size(data: bytes) -> int:
    """SizeOfImage of a PE file; 0 for anything else."""
    pe = struct.unpack_from("<I", data, 0x3C)[0] if data[:2] == b"MZ" else 0
    return int(struct.unpack_from("<I", data, pe + 24 + 56)[0]) if pe and data[pe : pe + 4] == b"PE\0\0" else 0


def _write_gpt(disk: Path) -> None:
    """UEFI specification 5.3: protective MBR, header and entries, and both again at the end."""
    sectors = DISK_SIZE // SECTOR
    first, last = PARTITION_START // SECTOR, (PARTITION_START + PARTITION_SIZE) // SECTOR - 1
    entry = struct.pack(
        "<16s16sQQQ72s", EFI_SYSTEM_PARTITION.bytes_le, PARTITION_ID.bytes_le, first, last, 0, "EFI".encode("utf-16-le")
    )
    entries = entry.ljust(128 * 128, b"\0")

    def header(own: int, other: int, entries_at: int) -> bytes:
        head = struct.pack(
            "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x00010000, 92, 0, 0, own, other, 34, sectors - 34, DISK_ID.bytes_le,
            entries_at, 128, 128, zlib.crc32(entries),
        )  # fmt: skip
        return (head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]).ljust(SECTOR, b"\0")

    with disk.open("wb") as file:
        file.truncate(DISK_SIZE)
        file.write(_mbr(b"", 0, 0xEE, 1, sectors - 1))
        file.write(header(1, sectors - 1, 2) + entries)
        file.seek((sectors - 33) * SECTOR)
        file.write(entries + header(sectors - 1, 1, sectors - 33))


def _mbr(code: bytes, flags: int, kind: int, first: int, count: int) -> bytes:
    partition = struct.pack("<B3sB3sII", flags, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)
    return code[:440].ljust(446, b"\0") + partition.ljust(64, b"\0") + b"\x55\xaa"


def _make_fat(disk: Path, label: str, start: int) -> None:
    sectors = PARTITION_SIZE // SECTOR
    at = f"{disk}@@{start}"
    geometry = ["-T", str(sectors), "-h", "16", "-s", "63", "-H", str(start // SECTOR)]
    tool(["mformat", "-i", at, *geometry, "-v", label, "-N", "68797065", "::"], env=REPEATABLE)


# ---------------------------------------------------------------- generation 1


def _bios_disk(disk: Path, linux: Path, initrd: bytes, command_line: str, cache: Path, work: Path) -> None:
    loader = unpacked(BIOS_LOADER, cache) / "usr/bin/syslinux"
    boot_code = unpacked(BIOS_LOADER_FILES, cache) / "usr/lib/syslinux/mbr/mbr.bin"
    with disk.open("wb") as file:
        file.truncate(DISK_SIZE)
        first, count = PARTITION_START // SECTOR, PARTITION_SIZE // SECTOR
        file.write(_mbr(boot_code.read_bytes(), 0x80, 0x0E, first, count))
    _make_fat(disk, "GUEST", PARTITION_START)
    (work / "initrd").write_bytes(initrd)
    shutil.copyfile(linux, work / "linux")
    config = ("SERIAL 0 115200", "DEFAULT guest", "PROMPT 0", "LABEL guest", "LINUX linux", "INITRD initrd")
    (work / "syslinux.cfg").write_text("\n".join((*config, f"APPEND {command_line}", "")))
    tool([str(loader), "--install", "--offset", str(PARTITION_START), str(disk)], env=REPEATABLE)
    files = [str(work / name) for name in ("linux", "initrd", "syslinux.cfg")]
    tool(["mcopy", "-i", f"{disk}@@{PARTITION_START}", *files, "::"], env=REPEATABLE)
