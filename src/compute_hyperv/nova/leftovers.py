"""Instances whose remains could not be removed from the host, because it did not answer when their build failed.

Nova forgets a failed build once it has tried another host, so we must remember: one small file for each instance, which
survives a restart of nova-compute. The periodic resource report removes the remains once the host answers again.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Leftover:
    """:param with_files: whether the instance's files are remains as well; else they were there before the build."""

    instance_uuid: str
    instance_name: str
    with_files: bool


class Leftovers:
    """:param folder: where the files are; made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, leftover: Leftover) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / leftover.instance_uuid).write_text(json.dumps(asdict(leftover)), encoding="utf-8")

    def forget(self, instance_uuid: str) -> None:
        (self._folder / instance_uuid).unlink(missing_ok=True)

    def all(self) -> list[Leftover]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):  # a build or deletion settles it meanwhile
                    found.append(Leftover(**json.loads(path.read_text(encoding="utf-8"))))
        return found

    def __contains__(self, instance_uuid: str) -> bool:
        return (self._folder / instance_uuid).exists()
