"""upload: a file to the host's disk, compared with ``smbclient put`` of the same file to the same server.

The two take turns, so that what else the machine does at the moment hits both; the ratio is the median of the pairs'.
Each writes a file that is not there yet, as the image cache does: who replaces a file waits for the removal of the
old one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measurements import Budget, Measurement
from bench.simulated import PASSWORD, SMB_PORT, USERNAME, connect, simulated_hosts

_BYTES = 512 << 20
_PAIRS = 9
_FOLDER = r"C:\bench"


def measure() -> Iterator[Measurement]:
    with simulated_hosts("hv1") as (host,), tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder:
        local = Path(folder) / "image"
        _fill(local)
        account = Path(folder) / "account"
        account.touch(0o600)
        account.write_text(f"username={USERNAME}\npassword={PASSWORD}\n")
        client = connect(host.address)
        client.files.make_folder(_FOLDER)

        def ours() -> None:
            client.files.upload(local, rf"{_FOLDER}\ours.vhdx")

        def theirs() -> None:
            put = f'put "{local}" "bench\\theirs.vhdx"'
            share = f"//{host.address}/C$"
            command = ["smbclient", share, "-p", str(SMB_PORT), "-A", str(account), "-c", put]
            subprocess.run(command, check=True, capture_output=True)

        def clear() -> None:
            for name in ("ours.vhdx", "theirs.vhdx"):
                client.files.delete(rf"{_FOLDER}\{name}", missing_ok=True)

        try:
            for warm_up in (ours, theirs):
                warm_up()
            pairs = [_pair(ours, theirs, number, clear) for number in range(_PAIRS)]
        finally:
            client.close()
    ratio = statistics.median(their_s / our_s for our_s, their_s in pairs)
    spread = ", ".join(f"{their_s / our_s:.2f}" for our_s, their_s in pairs)
    yield Measurement(
        "upload.ratio_to_smbclient", ratio, "×", budget=Budget("at least", 0.95), note=f"median of {spread}"
    )
    yield Measurement(
        "upload.mb_per_s", _BYTES / 1e6 / statistics.median(our_s for our_s, _ in pairs), "MB/s", note="one file"
    )


def _pair(
    ours: Callable[[], None], theirs: Callable[[], None], number: int, clear: Callable[[], None]
) -> tuple[float, float]:
    """Seconds of both; who goes first alternates."""
    if number % 2:
        their_s, our_s = _seconds(theirs, clear), _seconds(ours, clear)
    else:
        our_s, their_s = _seconds(ours, clear), _seconds(theirs, clear)
    return our_s, their_s


def _seconds(action: Callable[[], None], clear: Callable[[], None]) -> float:
    clear()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _fill(path: Path) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(_BYTES >> 20):
            file.write(block)
