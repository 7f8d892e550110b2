"""Instances whose remains could not be removed from the host, because it did not answer when their build failed.

Nova forgets a failed build once it has tried another host, so we must remember: one small file for each instance, which
survives a restart of nova-compute. The periodic resource report removes the remains once the host answers again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


class Leftovers:
    """:param folder: where the files are; made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, instance_uuid: str, instance_name: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / instance_uuid).write_text(instance_name, encoding="utf-8")

    def forget(self, instance_uuid: str) -> None:
        (self._folder / instance_uuid).unlink(missing_ok=True)

    def all(self) -> list[tuple[str, str]]:
        """UUID and name of each instance."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):  # a build or deletion settles it meanwhile
                    found.append((path.name, path.read_text(encoding="utf-8")))
        return found

    def __contains__(self, instance_uuid: str) -> bool:
        return (self._folder / instance_uuid).exists()
