"""The Debian or Ubuntu packages that a guest image is made of: downloaded, unpacked, never installed.

They are kept in a folder by version, so that a second build needs no network. ``apt-get download`` checks the archive's
signatures; it needs the package lists of ``apt-get update``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

# The newest kernel that one of these depends on: Debian's, Ubuntu's; and what starts it under UEFI and under a BIOS.
KERNELS = ("linux-image-cloud-amd64", "linux-image-virtual")
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


@dataclass(frozen=True, slots=True)
class Kernel:
    """:param modules: the folder of its version's modules."""

    image: Path
    modules: Path


def kernel(cache: Path) -> Kernel:
    """The kernel that the guest runs: one from the cache, else the distribution's newest for virtual machines.

    :raises ImageError: as `unpacked`.
    """
    ready = sorted(entry.name.rpartition("_")[0] for entry in cache.glob("linux-image-[0-9]*"))
    package = ready[-1] if ready else _newest_kernel()
    files = unpacked(package, cache)
    # Ubuntu has the modules in a package of their own.
    with_modules = (
        files if (files / "lib/modules").is_dir() else unpacked(package.replace("-image-", "-modules-"), cache)
    )
    return Kernel(next((files / "boot").glob("vmlinuz-*")), next((with_modules / "lib/modules").iterdir()))


def _newest_kernel() -> str:
    for package in KERNELS:
        try:
            depends = tool(["apt-cache", "depends", "--important", package])
        except ImageError:
            continue  # the other distribution's
        if found := re.search(r"Depends: (linux-image-\S+)", depends):
            return found.group(1)
    raise ImageError(f"apt knows none of {', '.join(KERNELS)}: run apt-get update.")


def tool(arguments: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """As `tool_output`, for programs that print text."""
    return tool_output(arguments, cwd=cwd, env=env).decode(errors="replace")


def tool_output(arguments: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> bytes:
    """Run a program to its end and return what it prints.

    :raises ImageError: it is missing, or failed.
    """
    if shutil.which(arguments[0]) is None:
        raise ImageError(f"{arguments[0]} is missing: install what bindep.txt names.")
    environment = os.environ | (env or {})
    done = subprocess.run(
        arguments, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ImageError(f"{' '.join(arguments[:3])} … failed: {said}")
    return done.stdout
