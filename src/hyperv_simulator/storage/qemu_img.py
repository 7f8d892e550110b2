"""The one place that runs qemu-img."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError

# Long enough for any disk that a test uses; a hostile file must not hold a thread for ever.
TIMEOUT_S = 600


def run(*arguments: str, path: str = "") -> str:
    """Run ``qemu-img`` and return what it prints.

    :param path: Windows path that a failure is about.
    :raises DiskError: the code that fits what qemu-img said; it is missing: NOT_SUPPORTED.
    """
    try:
        done = subprocess.run(
            ["qemu-img", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as error:
        raise DiskError(errors.NOT_SUPPORTED, path, "qemu-img is missing: install qemu-utils") from error
    except subprocess.TimeoutExpired as error:
        raise DiskError(errors.FILE_CORRUPT, path, f"qemu-img did not end within {TIMEOUT_S} s") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip()
    for words, code in (
        ("No space left", errors.DISK_FULL),
        ("Failed to get", errors.SHARING_VIOLATION),
        ("lock", errors.SHARING_VIOLATION),
        ("No such file", errors.FILE_NOT_FOUND),
    ):
        if words in said:
            raise DiskError(code, path, said)
    raise DiskError(errors.FILE_CORRUPT, path, said)


def json_name(node: dict[str, Any]) -> str:
    """A block device description as the file name that qemu-img takes."""
    return "json:" + json.dumps(node)


def node_map(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Which ranges the node's top layer holds (``qemu-img map``), also while QEMU has it open and reads from it."""
    ranges: list[dict[str, Any]] = json.loads(run("map", "-U", "--output=json", json_name(node)))
    return ranges
