"""Instances whose remains could not be removed from the host, because it did not answer when their build failed.

Nova forgets a failed build once it has tried another host, so we must remember, and beyond a restart of nova-compute.
The periodic resource report removes the remains once the host answers again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compute_hyperv.nova.notes import Notes


@dataclass(frozen=True, slots=True)
class Leftover:
    """:param with_files: whether the instance's files are remains as well; else they were there before the build."""

    instance_uuid: str
    instance_name: str
    with_files: bool


class Leftovers(Notes[Leftover]):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Leftover)
