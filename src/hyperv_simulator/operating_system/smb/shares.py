r"""Shares: MSFT_SmbShare with its access entries, and Win32_Share, which shows the same.

Rule 1: what is here is what the SMB server of the simulated host serves: ``changed`` tells it of every change.
Rule 2: ``C$``, ``ADMIN$`` and ``IPC$`` are there by themselves and can't be taken away.
Return codes: Win32 errors (assumption: cmdlets show them as such).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.smb import SmbShareConfig
from hyperv_simulator.operating_system.smb import SMB
from hyperv_simulator.operating_system.storage.names import STORAGE, object_id
from hyperv_simulator.operating_system.storage.volumes import CIMV2, Volume
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder

SHARE, ACCESS = "MSFT_SmbShare", "MSFT_SmbShareAccessControlEntry"
_ALREADY_SHARED = 2118  # NERR_DuplicateShare
_NO_SUCH_PATH = 3  # ERROR_PATH_NOT_FOUND
_SPECIAL = 0x80000000
_ALLOW, _DENY = 0, 1
_FULL, _CHANGE, _READ = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Access:
    account: str
    kind: int = _ALLOW
    right: int = _FULL


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    path: str
    description: str = ""
    continuously_available: bool = False
    encrypt: bool = False
    special: bool = False
    caching: int = 1
    enumeration: int = 1
    access: tuple[Access, ...] = (Access("BUILTIN\\Administrators"),)

    @property
    def is_pipe(self) -> bool:
        return self.name.upper() == "IPC$"


class Shares:
    """The shares of one host. Safe for threads.

    :param kept: shares that were made or changed since hosts.toml, by lower-case name; None: taken away.
    :param keep: is told what to keep.
    """

    def __init__(
        self,
        repository: Repository,
        host_name: str,
        folder: HostFolder,
        volumes: tuple[Volume, ...],
        configured: tuple[SmbShareConfig, ...],
        kept: Mapping[str, Any],
        keep: Callable[[Any], None],
    ) -> None:
        self._repository = repository
        self._host_name = host_name
        self._folder = folder
        self._volumes = volumes
        self._kept: dict[str, Any] = dict(kept)
        self._keep = keep
        self._lock = threading.RLock()
        self._shares: dict[str, Share] = {}
        self.changed: list[Callable[[], None]] = []
        for drive in folder.drives:
            self._put(Share(f"{drive}$", f"{drive}:\\", "Default share", special=True))
        self._put(Share("ADMIN$", r"C:\Windows", "Remote Admin", special=True))
        self._put(Share("IPC$", "", "Remote IPC", special=True))
        for item in configured:
            folder.to_local(item.path).mkdir(parents=True, exist_ok=True)
            access = tuple(Access(account) for account in item.full_access)
            self._put(
                Share(item.name, item.path, item.description, item.continuously_available, item.encrypt, access=access)
            )
        for name, record in self._kept.items():
            if record is None:
                self._shares.pop(name, None)
            else:
                self._put(Share(**{**record, "access": tuple(Access(**entry) for entry in record["access"])}))
        repository.add_source(SHARE, lambda _owner: [self.instance(share) for share in self.all], SMB)
        repository.add_source("MSFT_FileShare", lambda _owner: self._file_shares(), STORAGE)
        repository.add_source("Win32_Share", lambda _owner: [self._win32(share) for share in self.all], CIMV2)

    @property
    def all(self) -> tuple[Share, ...]:
        return tuple(self._shares.values())

    def served(self) -> dict[str, str]:
        """What the SMB server serves besides the administrative shares: the path by the share's name."""
        return {share.name: share.path for share in self.all if not share.special}

    def find(self, name: str) -> Share | None:
        return self._shares.get(name.lower())

    def named(self, name: str) -> Share:
        """The share behind an instance."""
        return self._shares[name.lower()]

    def exists(self, path: str) -> bool:
        """Whether there is such a folder to share."""
        try:
            return self._folder.to_local(path).is_dir()
        except DiskError:
            return False

    def put(self, share: Share) -> None:
        """Makes a share, or changes the one of that name."""
        with self._lock:
            self._put(share)
            self._remember(share.name, asdict(share))

    def remove(self, share: Share) -> None:
        with self._lock:
            self._shares.pop(share.name.lower(), None)
            self._remember(share.name, None)

    # Instances

    def instance(self, share: Share) -> CimInstance:
        values: dict[str, CimValue] = {
            "Name": share.name,
            "ScopeName": "*",
            "Scoped": False,
            "ShareType": 3 if share.is_pipe else 0,
            "Special": share.special,
            "Temporary": False,
            "ShadowCopy": False,
            "Path": share.path,
            "Volume": self._volume(share.path),
            "Description": share.description,
            "ConcurrentUserLimit": 0,
            "CurrentUsers": 0,
            "EncryptData": share.encrypt,
            "FolderEnumerationMode": share.enumeration,
            "CachingMode": share.caching,
            "ContinuouslyAvailable": share.continuously_available,
            "CATimeout": 0,
            "ShareState": 1,
            "SmbInstance": 0,
            "AvailabilityType": 0,
        }
        return new_instance(self._repository.catalogue, SHARE, values, SMB)

    def access(self, share: Share) -> list[CimInstance]:
        catalogue = self._repository.catalogue
        return [
            new_instance(
                catalogue,
                ACCESS,
                {
                    "Name": share.name,
                    "ScopeName": "*",
                    "AccountName": entry.account,
                    "AccessControlType": entry.kind,
                    "AccessRight": entry.right,
                },
                SMB,
            )
            for entry in share.access
        ]

    def _file_shares(self) -> Iterator[CimInstance]:
        """MSFT_FileShare: the same without the administrative ones."""
        for share in self.all:
            if not share.special:
                values: dict[str, CimValue] = {
                    "ObjectId": object_id(self._host_name, "FileShare", "FS", share.name),
                    "UniqueId": f"smb|{self._host_name}/{share.name}",
                    "Name": share.name,
                    "Description": share.description,
                    "VolumeRelativePath": share.path.partition(":")[2],
                    "ContinuouslyAvailable": share.continuously_available,
                    "EncryptData": share.encrypt,
                    "FileSharingProtocol": 3,
                    "ShareState": 1,
                    "HealthStatus": 0,
                    "OperationalStatus": [2],
                }
                yield new_instance(self._repository.catalogue, "MSFT_FileShare", values, STORAGE)

    def _win32(self, share: Share) -> CimInstance:
        kind = 3 if share.is_pipe else 0
        values: dict[str, CimValue] = {
            "Name": share.name,
            "Caption": share.description,
            "Description": share.description,
            "Path": share.path,
            "Type": kind + (_SPECIAL if share.special else 0),
            "AllowMaximum": True,
            "Status": "OK",
        }
        return new_instance(self._repository.catalogue, "Win32_Share", values, CIMV2)

    def _volume(self, path: str) -> str:
        fitting = [volume for volume in self._volumes if path.lower().startswith(volume.mount.lower())]
        return max(fitting, key=lambda volume: len(volume.mount)).path if fitting else ""

    def _put(self, share: Share) -> None:
        self._shares[share.name.lower()] = share

    def _remember(self, name: str, record: Any) -> None:
        self._kept[name.lower()] = record
        self._keep(self._kept)
        for listener in self.changed:
            listener()


class SmbShareProvider(Provider):
    class_name = SHARE
    namespace = SMB

    def __init__(self, repository: Repository, shares: Shares) -> None:
        self._repository = repository
        self._shares = shares

    def methods(self) -> Mapping[str, Method]:
        return {
            "GetAccessControlEntries": lambda call: self._entries(self._shares.named(call.target.text("Name"))),
            "GrantAccess": self._grant,
            "RevokeAccess": lambda call: self._change(call, kind=_ALLOW),
            "BlockAccess": lambda call: self._change(call, kind=_DENY, add=Access("", _DENY, _FULL)),
            "UnblockAccess": lambda call: self._change(call, kind=_DENY),
        }

    def static_methods(self) -> Mapping[str, Method]:
        return {"CreateShare": self._create, "EnumerateShares": self._enumerate, "GetShare": self._get}

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        """Set-SmbShare: what is writable of an instance."""
        share = self._shares.named(before.text("Name"))
        changed = replace(
            share,
            description=changes.text("Description", share.description),
            encrypt=_flag(changes, "EncryptData", share.encrypt),
            continuously_available=_flag(changes, "ContinuouslyAvailable", share.continuously_available),
        )
        self._shares.put(changed)

    def delete(self, instance: CimInstance) -> None:
        """Remove-SmbShare."""
        self._shares.remove(self._shares.named(instance.text("Name")))

    def _create(self, call: Call) -> Outputs:
        name, path = call.text("Name"), call.text("Path")
        if self._shares.find(name) is not None:
            return {"ReturnValue": _ALREADY_SHARED}
        if not self._shares.exists(path):
            return {"ReturnValue": _NO_SUCH_PATH}
        rights = (("FullAccess", _ALLOW, _FULL), ("ChangeAccess", _ALLOW, _CHANGE), ("ReadAccess", _ALLOW, _READ))
        access = [
            Access(account, kind, right)
            for parameter, kind, right in (*rights, ("NoAccess", _DENY, _FULL))
            for account in call.texts(parameter)
        ]
        share = Share(
            name,
            path,
            call.text("Description", ""),
            call.boolean("ContinuouslyAvailable"),
            call.boolean("EncryptData"),
            caching=call.integer("CachingMode", 1),
            enumeration=call.integer("FolderEnumerationMode", 1),
            # Without any entry everyone may read (New-SmbShare's page).
            access=tuple(access) or (Access("Everyone", _ALLOW, _READ),),
        )
        self._shares.put(share)
        return done(CreatedShare=self._repository.finished(self._shares.instance(share)))

    def _enumerate(self, _call: Call) -> Outputs:
        return done(Output=[self._repository.finished(self._shares.instance(share)) for share in self._shares.all])

    def _get(self, call: Call) -> Outputs:
        share = self._shares.find(call.text("ShareName"))
        return done(Output=self._repository.finished(self._shares.instance(share)) if share is not None else None)

    def _grant(self, call: Call) -> Outputs:
        return self._change(call, kind=_ALLOW, add=Access("", _ALLOW, call.integer("AccessRight", _READ)))

    def _change(self, call: Call, *, kind: int, add: Access | None = None) -> Outputs:
        """Takes the accounts' entries of one kind away, and puts new ones in their place."""
        share = self._shares.named(call.target.text("Name"))
        named = {account.lower() for account in call.texts("AccountName")}
        kept = [entry for entry in share.access if entry.kind != kind or entry.account.lower() not in named]
        if add is not None:
            kept += [replace(add, account=account) for account in call.texts("AccountName")]
        changed = replace(share, access=tuple(kept))
        self._shares.put(changed)
        return self._entries(changed)

    def _entries(self, share: Share) -> Outputs:
        return done(Output=[self._repository.finished(entry) for entry in self._shares.access(share)])


def _flag(changes: CimInstance, name: str, otherwise: bool) -> bool:
    value = changes.get(name)
    return value if isinstance(value, bool) else otherwise
