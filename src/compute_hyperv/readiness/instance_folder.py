"""The folder for instances as a source: looked at over SMB, as nova-compute will use it."""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.configuration.options import DEFAULT_INSTANCES_PATH
from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileMissing
from compute_hyperv.host.files import Files
from compute_hyperv.host.model import VolumeSpace


@dataclass(frozen=True, slots=True)
class Folder:
    """What is known of the folder.

    :param looked_at: the folder itself or, where it is missing, the nearest one above it that is there.
    :param space: of the volume, as our account may use it.
    """

    exists: bool
    looked_at: str
    is_writable: bool
    space: VolumeSpace


@dataclass(frozen=True, slots=True)
class InstanceFolder:
    """Reads the folder at a path, over SMB."""

    path: str = DEFAULT_INSTANCES_PATH

    @property
    def description(self) -> str:
        return (
            "SMB: the folder of [hyperv] instances_path, its volume's free space, and whether a file can be made in it"
        )

    def read_files(self, files: Files) -> Folder:
        there = nearest = self.path
        while True:
            try:
                writable = files.is_writable(nearest)
                return Folder(nearest == there, nearest, writable, files.volume_space(nearest))
            except FileMissing:
                if paths.same(nearest, paths.volume_root(self.path)):
                    raise
                nearest = paths.parent(nearest)
