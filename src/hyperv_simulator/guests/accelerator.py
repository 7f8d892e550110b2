"""Whether guests can run on the processor itself (KVM) or have to be translated (TCG).

/dev/kvm may be there and useless: inside a virtual machine QEMU failed on a register, or got stuck some time after the
first instructions (facts/simulated-host, and seen here). So it is not used inside one, and tried elsewhere: a boot
sector that tells QEMU to end.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
import time
from pathlib import Path

# Host memory for translated code; QEMU's own default is 1 GiB.
TRANSLATION_BUFFER_MB = 64
PROBE_TIMEOUT_S = 5.0

# cli; mov al, 0x10; out 0xf4, al; hlt; jmp $-1 - QEMU's debug device ends it with 0x10 * 2 + 1
_BOOT_SECTOR = bytes.fromhex("fa b0 10 e6 f4 f4 eb fd").ljust(510, b"\0") + b"\x55\xaa"
_ENDED_BY_GUEST = 33


def option() -> str:
    """What QEMU's ``-accel`` takes."""
    return "kvm" if _kvm_works() else f"tcg,thread=multi,tb-size={TRANSLATION_BUFFER_MB}"


@functools.cache
def _kvm_works() -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or _is_virtual_machine():
        return False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "boot").write_bytes(_BOOT_SECTOR)
        command = ["qemu-system-x86_64", "-accel", "kvm", "-machine", "pc", "-cpu", "max", "-m", "16", "-nodefaults"]
        command += ["-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-boot", "a"]
        command += ["-drive", f"if=floppy,format=raw,readonly=on,file={folder / 'boot'}"]
        with (folder / "log").open("wb") as log:
            try:
                qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except FileNotFoundError:
                return False  # whoever starts a guest says so
        deadline = time.monotonic() + PROBE_TIMEOUT_S
        while qemu.poll() is None and time.monotonic() < deadline:
            if b"KVM internal error" in (folder / "log").read_bytes():
                break  # QEMU does not end then
            time.sleep(0.02)
        qemu.kill()
        return qemu.wait() == _ENDED_BY_GUEST


def _is_virtual_machine() -> bool:
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return "hypervisor" in flags.split()
