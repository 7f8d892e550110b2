"""The Debian packages that a guest image is made of: downloaded, unpacked, never installed.

They are kept in a folder by version, so that a second build needs no network. ``apt-get download`` checks the archive's
signatures; it needs the package lists of ``apt-get update``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# The newest kernel that this depends on; and what makes it start under UEFI and under a BIOS.
KERNEL = "linux-image-cloud-amd64"
UEFI_STUB = "systemd-boot-efi"
BIOS_LOADER = "syslinux"
BIOS_LOADER_FILES = "syslinux-common"


class ImageError(Exception):
    """The image can't be built; the message says what to do."""


def default_cache() -> Path:
    """Where packages are kept: ``$XDG_CACHE_HOME/hyperv-simulator``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyperv-simulator"


def unpacked(package: str, cache: Path) -> Path:
    """The folder with a package's files; downloaded if it is not there yet.

    :raises ImageError: no such package, no network, no apt.
    """
    cache.mkdir(parents=True, exist_ok=True)
    ready = sorted(cache.glob(f"{package}_*"))
    if ready:
        return ready[-1]
    with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as name:
        work = Path(name)
        # apt's own unprivileged user could not write here: downloading as ourselves is what we want.
        tool(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=work)
        archive = next(work.glob("*.deb"))
        tool(["dpkg-deb", "-x", str(archive), str(work / "files")])
        target = cache / f"{package}_{archive.name.split('_')[1]}"
        if not target.exists():  # another build may have been faster
            (work / "files").replace(target)
    return target


def kernel_package(cache: Path) -> str:
    """The package with the kernel's files that `KERNEL` stands for now.

    :raises ImageError: as `unpacked`.
    """
    ready = sorted(entry.name.rpartition("_")[0] for entry in cache.glob("linux-image-[0-9]*"))
    if ready:
        return ready[-1]
    depends = tool(["apt-cache", "depends", "--important", KERNEL])
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise ImageError(f"apt knows no package {KERNEL}: run apt-get update.")
    return found.group(1)


def tool(arguments: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None, data: bytes = b"") -> str:
    """Run a program to its end and return what it prints.

    :raises ImageError: it is missing, or failed.
    """
    if shutil.which(arguments[0]) is None:
        raise ImageError(f"{arguments[0]} is missing: install what bindep.txt names.")
    done = subprocess.run(
        arguments, cwd=cwd, env=os.environ | (env or {}), input=data, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ImageError(f"{' '.join(arguments[:3])} … failed: {said}")
    return done.stdout.decode(errors="replace")
