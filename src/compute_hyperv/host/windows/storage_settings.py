"""What Windows does with disks that appear (class page MSFT_StorageSetting)."""

from __future__ import annotations

import enum

from compute_hyperv.cim.errors import MethodFailed, ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference

_SETTING = CimReference("MSFT_StorageSetting", {}, "root/Microsoft/Windows/Storage")


class NewDiskPolicy(enum.IntEnum):
    """The SAN policy."""

    UNKNOWN = 0
    ONLINE_ALL = 1
    OFFLINE_SHARED = 2
    OFFLINE_ALL = 3
    OFFLINE_INTERNAL = 4


class StorageSettings:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def new_disk_policy(self) -> NewDiskPolicy:
        setting = self._session.invoke(_SETTING, "Get")["StorageSetting"]
        if not isinstance(setting, CimInstance):
            raise ProtocolError("The host's answer has no StorageSetting.")
        return NewDiskPolicy(setting.integer("NewDiskPolicy", NewDiskPolicy.UNKNOWN))

    def set_new_disk_policy(self, policy: NewDiskPolicy) -> None:
        result = self._session.invoke(_SETTING, "Set", {"NewDiskPolicy": int(policy)})
        if result.return_value:
            raise MethodFailed("Setting the SAN policy failed.", code=result.return_value)
