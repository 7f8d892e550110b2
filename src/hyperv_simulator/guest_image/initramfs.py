"""The guest's root file system: busybox, the kernel's modules that it needs, two scripts. Made without being root."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from hyperv_simulator.guest_image.packages import ImageError, tool, tool_output

# By what a machine has: everything, virtio devices, an IDE controller; what else an unusual config drive needs. In the
# order of their dependencies; virtio and virtio_ring need each other's symbols, so virtio is there twice
# (facts/simulated-host: the cloud kernel's modules).
MODULES = {
    "all": (
        "evdev", "button", "scsi_common", "scsi_mod", "cdrom", "sr_mod", "crc64", "crc64-rocksoft", "t10-pi", "sd_mod",
        "isofs",
    ),
    "virtio": (
        "virtio", "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
        "failover", "net_failover", "virtio_net", "virtio_scsi", "virtio_console",
    ),
    "ide": ("libata", "ata_piix"),
    "vfat": ("fat", "vfat", "nls_cp437", "nls_ascii"),
}  # fmt: skip
_SIGNATURE_MARK = b"~Module signature appended~\n"

FILES = {
    "etc/passwd": "root::0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/issue": "\nGuest of hyperv-simulator. Log in as root, without a password.\n\n",
    "etc/inittab": (
        "::respawn:/bin/getty -L 115200 ttyS0 vt100\n"
        "tty1::respawn:/bin/getty 38400 tty1\n"
        "::ctrlaltdel:/bin/poweroff -f\n"
    ),
}


def build(modules_folder: Path) -> bytes:
    """The initramfs as the kernel reads it (cpio, newc, gzip).

    :param modules_folder: ``lib/modules/<version>`` of the kernel's package.
    :raises ImageError: busybox-static is not installed.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise ImageError("busybox is missing: install busybox-static.")
    archive = _Archive()
    for folder in ("bin", "dev", "etc", "mnt", "modules", "proc", "root", "run", "sys", "tmp"):
        archive.add(folder, 0o040755)
    archive.add("dev/console", 0o020600, device=(5, 1))
    archive.add("bin/busybox", 0o100755, Path(busybox).read_bytes())
    for applet in tool([busybox, "--list"]).split():
        if applet != "busybox":
            archive.add(f"bin/{applet}", 0o120777, b"busybox")
    found = {path.name.partition(".ko")[0]: path for path in modules_folder.rglob("*.ko*")}
    order = [(group, name) for group, names in MODULES.items() for name in names if name in found]
    for name in sorted({name for _, name in order}):
        archive.add(f"modules/{name}.ko", 0o100644, _without_signature(_module(found[name])))
    archive.add("modules/order", 0o100644, "".join(f"{group} {name}\n" for group, name in order).encode())
    for name, text in FILES.items():
        archive.add(name, 0o100644, text.encode())
    archive.add("init", 0o100755, _resource("init.sh"))
    archive.add("json.awk", 0o100644, _resource("json.awk"))
    archive.add("exchange", 0o100755, _resource("exchange.sh"))
    return gzip.compress(archive.finish(), mtime=0)


def _module(path: Path) -> bytes:
    if path.suffix != ".zst":
        return path.read_bytes()
    return tool_output(["zstd", "-dc", str(path)])  # Ubuntu


def _without_signature(module: bytes) -> bytes:
    """Checking it takes a translated processor 0.1 s per module, and nothing here depends on it."""
    if not module.endswith(_SIGNATURE_MARK):
        return module
    # kernel: include/linux/module_signature.h; the last field is the length of the signature before the structure
    end = len(module) - len(_SIGNATURE_MARK)
    return module[: end - 12 - int.from_bytes(module[end - 4 : end], "big")]


def _resource(name: str) -> bytes:
    return resources.files("hyperv_simulator.guest_image").joinpath(name).read_bytes()


class _Archive:
    """cpio in the "newc" form (kernel: Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0

    def add(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        raw_name = name.encode() + b"\0"
        # inode, mode, uid, gid, links, time, size, device twice, name's size, checksum
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw_name), 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields)
        self._parts.extend(self._padded(head + raw_name))
        self._parts.extend(self._padded(data))

    @staticmethod
    def _padded(raw: bytes) -> Iterator[bytes]:
        yield raw
        yield bytes(-len(raw) % 4)

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)
