"""Disks that appear, and the folder for instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.host import paths
from compute_hyperv.host.errors import FolderNotEmpty
from compute_hyperv.host.windows.storage_settings import NewDiskPolicy
from compute_hyperv.readiness.changes.base import Change, State
from compute_hyperv.readiness.readings import Readings

_POLICIES = {
    NewDiskPolicy.ONLINE_ALL: "OnlineAll",
    NewDiskPolicy.OFFLINE_SHARED: "OfflineShared",
    NewDiskPolicy.OFFLINE_ALL: "OfflineAll",
    NewDiskPolicy.OFFLINE_INTERNAL: "OfflineInternal",
}


@dataclass(frozen=True)
class SanPolicy(Change):
    """Stands for ``Set-StorageSetting -NewDiskPolicy`` and diskpart's ``san policy=``.

    :param policy: as the cmdlet takes it, ``OfflineShared``.
    """

    kind: ClassVar[str] = "SAN policy"

    policy: str = "OfflineShared"

    @property
    def title(self) -> str:
        return f"SAN policy {self.policy}"

    @property
    def command(self) -> str:
        return f"Set-StorageSetting -NewDiskPolicy {self.policy}"

    def state(self, host: Readings) -> State:
        return _POLICIES.get(host.host.storage_settings.new_disk_policy(), "Unknown")

    def is_done(self, state: State) -> bool:
        return bool(state == self.policy)

    def tell(self, state: State) -> str:
        return str(state)

    def apply(self, host: Readings) -> None:
        self._set(host, self.policy)

    def restore(self, host: Readings, previous: State) -> None:
        self._set(host, previous)

    @staticmethod
    def _set(host: Readings, name: str) -> None:
        numbers = {text: number for number, text in _POLICIES.items()}
        if name not in numbers:
            raise InvalidRequest(f"{name!r} is no SAN policy that can be set.")
        host.host.storage_settings.set_new_disk_policy(numbers[name])


@dataclass(frozen=True)
class Folder(Change):
    """Stands for ``New-Item -ItemType Directory``. Made over SMB, with the folders above it; undoing takes away only
    what was made, and only while it is empty.

    :param path: on the host, ``C:\\OpenStack\\instances``.
    """

    kind: ClassVar[str] = "folder"

    path: str

    @property
    def title(self) -> str:
        return f"folder {self.path} is there"

    @property
    def command(self) -> str:
        return f"New-Item -ItemType Directory -Force '{self.path}'"

    def state(self, host: Readings) -> State:
        """The folders on the way that are missing, innermost first."""
        missing = []
        folder = self.path
        while not host.host.files.exists(folder):
            missing.append(folder)
            above = paths.parent(folder)
            if paths.same(above, folder) or paths.same(above, paths.volume_root(self.path)):
                break
            folder = above
        return missing

    def is_done(self, state: State) -> bool:
        return not state

    def tell(self, state: State) -> str:
        return f"{state[-1]} is missing" if state else "there"

    def apply(self, host: Readings) -> None:
        host.host.files.make_folder(self.path)

    def restore(self, host: Readings, previous: State) -> None:
        for folder in previous:
            try:
                host.host.files.delete_folder(folder)
            except FolderNotEmpty:
                raise InvalidRequest(
                    f"The folder {folder} is not removed: it has content now.", remedy="Move that elsewhere first."
                ) from None
